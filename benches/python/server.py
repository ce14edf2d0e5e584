#!/usr/bin/env python3
"""Python's own servers: server.py MODE PORT [DIRECTORY].

thread10, thread11  ThreadingHTTPServer, HTTP/1.0 and HTTP/1.1
thread11-nodelay    the same without Nagle's algorithm
fork10              ForkingMixIn
files10             SimpleHTTPRequestHandler of DIRECTORY
cgi                 CGIHTTPRequestHandler of DIRECTORY (removed in Python 3.15)
upload              cgi.FieldStorage (removed in Python 3.13)
"""

import os
import socketserver
import sys
from http.server import (
    BaseHTTPRequestHandler,
    HTTPServer,
    SimpleHTTPRequestHandler,
    ThreadingHTTPServer,
)

BODY = b"Hello, World!"


class Quiet:
    def log_message(self, *_):
        pass


class Hello(Quiet, BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)


class Hello11(Hello):
    protocol_version = "HTTP/1.1"


class HelloNoDelay(Hello11):
    disable_nagle_algorithm = True


class Files(Quiet, SimpleHTTPRequestHandler):
    disable_nagle_algorithm = True


class ForkingHTTPServer(socketserver.ForkingMixIn, HTTPServer):
    max_children = 400


class Upload(Quiet, BaseHTTPRequestHandler):
    def do_POST(self):
        import cgi

        environ = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": self.headers["Content-Type"]}
        form = cgi.FieldStorage(fp=self.rfile, headers=self.headers, environ=environ)
        count = 0
        for name in form:
            while block := form[name].file.read(65536):
                count += len(block)
        answer = str(count).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def serve(server_class, handler):
    server_class.request_queue_size = 1024
    with server_class(("127.0.0.1", int(sys.argv[2])), handler) as server:
        server.serve_forever()


def main():
    mode = sys.argv[1]
    if len(sys.argv) > 3:
        os.chdir(sys.argv[3])
    if mode == "cgi":
        from http.server import CGIHTTPRequestHandler

        return serve(ThreadingHTTPServer, type("Cgi", (Quiet, CGIHTTPRequestHandler), {}))
    serve(*{
        "thread10": (ThreadingHTTPServer, Hello),
        "thread11": (ThreadingHTTPServer, Hello11),
        "thread11-nodelay": (ThreadingHTTPServer, HelloNoDelay),
        "fork10": (ForkingHTTPServer, Hello),
        "files10": (ThreadingHTTPServer, Files),
        "upload": (ThreadingHTTPServer, Upload),
    }[mode])


main()
