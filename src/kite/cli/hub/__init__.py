"""What `events`, `pub`, `request` and `top` do at the Event Hub, as the operator."""
