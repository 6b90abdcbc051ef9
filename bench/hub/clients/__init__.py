"""The same two programs written with each peer's Python client: one publishes, one gets each event as
Python objects in a callback; one asks, one answers.

Each is run as `python -m bench.hub.clients.NAME ROLE PORT COUNT`, says `ready` when it may be relied
on, waits for a line on standard input where it is the one to begin, and prints seconds.
"""
