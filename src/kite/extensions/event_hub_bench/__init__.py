"""Measures the Event Hub of the running system, through the Hub, as a module sees it."""
