"""Streams on the disk: one sqlite file, one thread."""
