"""Kite as a process supervisor, and side by side with the ones people use instead."""
