import os
from http.server import HTTPServer, SimpleHTTPRequestHandler

HTTPServer(("127.0.0.1", int(os.environ["KITE_PORT"])), SimpleHTTPRequestHandler).serve_forever()
