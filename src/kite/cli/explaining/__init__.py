"""What `kite explain` knows and how it says it."""
