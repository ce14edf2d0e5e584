"""CPython's side of the differential tests.

Serves the directory named on the command line, and a handler that does what the request's method
says. Writes the servers' ports to standard output. For each line on standard input it writes
"mark" to standard error, where the log goes: whatever was logged before comes before it.
"""

import functools
import http.server
import mimetypes
import socketserver
import sys
import threading

# The types that Python brings, not those of the machine, whose files are read along with any
# others.
mimetypes.knownfiles = []
mimetypes.init()


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        print(f"error {sys.exc_info()[1]}", file=sys.stderr, flush=True)


class Kept(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"


class Methods(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body, *headers):
        self.send_response(200)
        for header in headers:
            self.send_header(*header)
        self.send_header("Content-Length", len(body))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(b"else")

    def do_ERR(self):
        code, *rest = self.path[1:].split(",")
        self.send_error(int(code), *rest)

    do_HEAD = do_ERR

    def do_CUST(self):
        self.send_response(299)
        self.end_headers()

    def do_INJ(self):
        self.send_response(200, "OK\r\nX-Inj: 1")
        self.send_header("Content-Length", 0)
        self.end_headers()

    def do_INJH(self):
        self.answer(b"", ("A", "b\r\nC: d"))

    def do_KAHDR(self):
        self.answer(b"", ("Connection", "Keep-Alive"))

    def do_NOCL(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hi")

    def do_DBL(self):
        self.send_response(200)
        self.end_headers()
        self.send_error(500)

    def do_NOEND(self):
        self.send_response(200)

    def do_RAISE(self):
        raise ValueError("boom")

    def do_EXIT(self):
        sys.exit()

    def do_UNI(self):
        self.send_error(200, "snow \u2603")

    def do_UNIR(self):
        self.send_response(200, "snow \u2603")
        self.end_headers()

    def do_READ(self):
        self.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))


class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            if line == b"raise\n":
                raise ValueError("boom")
            self.wfile.write(line.upper())


class LineServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    handle_error = Server.handle_error


class NobodyServer(LineServer):
    def verify_request(self, request, client_address):
        return False


files = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
kept = functools.partial(Kept, directory=sys.argv[1])
servers = [
    Server(("127.0.0.1", 0), files),
    Server(("127.0.0.1", 0), kept),
    Server(("127.0.0.1", 0), Methods),
    LineServer(("127.0.0.1", 0), Lines),
    NobodyServer(("127.0.0.1", 0), Lines),
]
if hasattr(http.server, "CGIHTTPRequestHandler"):  # Until 3.14.
    programs = functools.partial(http.server.CGIHTTPRequestHandler, directory=sys.argv[1])
    servers.append(Server(("127.0.0.1", 0), programs))
for server in servers:
    threading.Thread(target=server.serve_forever, daemon=True).start()
print(*(server.server_address[1] for server in servers), flush=True)
for _ in sys.stdin:
    print("mark", file=sys.stderr, flush=True)
