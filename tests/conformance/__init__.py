"""The stranger's suite: drives Kite by its contract alone, through its command line, its files, its
HTTP and its WebSocket, with nothing but the standard library on this side."""
