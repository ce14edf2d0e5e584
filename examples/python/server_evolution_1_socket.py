"""A server evolves, 1: a bare socket. After Vamei's series.

Run it in `examples/server_evolution`. `""` listens on all interfaces; the Rust program listens on
127.0.0.1.

The Rust program is `examples/server_evolution_1_socket.rs`.
"""

import socket

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: %s\r\n\r\n"
text_content = HEAD % b"text/html" + open("index.html", "rb").read()
pic_content = HEAD % b"image/jpeg" + open("test.jpg", "rb").read()

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.bind(("", 8000))
s.listen(3)
while True:
    conn, addr = s.accept()
    request = conn.recv(1024).decode()
    method, src = request.split(" ")[:2]
    if method == "GET":
        conn.sendall(pic_content if src == "/test.jpg" else text_content)
    if method == "POST":
        value = request.split("=")[-1]
        conn.sendall(text_content + b"<p>%s</p>\n" % value.encode())
    conn.close()
