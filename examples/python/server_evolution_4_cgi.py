"""A server evolves, 4: a CGI program answers the form.

Run it in `examples/server_evolution`. `cgi-bin/post.py` is the same for both servers.
`CGIHTTPRequestHandler` is gone since Python 3.15.

The Rust program is `examples/server_evolution_4_cgi.rs`.
"""

from http.server import CGIHTTPRequestHandler, HTTPServer

server = HTTPServer(("", 8000), CGIHTTPRequestHandler)
server.serve_forever()
