"""What Kite costs, measured on the real thing: `./dev bench [NAME…]` or `python -m bench`."""
