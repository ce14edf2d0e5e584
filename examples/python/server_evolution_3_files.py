"""A server evolves, 3: the page and the picture are files.

Run it in `examples/server_evolution`. The form is answered 501 until the next step.

The Rust program is `examples/server_evolution_3_files.rs`.
"""

from http.server import SimpleHTTPRequestHandler
from socketserver import TCPServer

TCPServer(("", 8000), SimpleHTTPRequestHandler).serve_forever()
