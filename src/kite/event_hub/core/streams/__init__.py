"""Streams: events that are kept, and the durable subscriptions and replays that read them."""
