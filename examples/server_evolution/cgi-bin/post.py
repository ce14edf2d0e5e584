#!/usr/bin/env python3
import html
import os
import sys
from urllib.parse import parse_qs

form = parse_qs(sys.stdin.read(int(os.environ["CONTENT_LENGTH"])))

# What is printed is the response: its head, an empty line, its body.
print("Content-Type: text/html; charset=utf-8")
print()
print("<!DOCTYPE html>\n<title>A server evolves</title>")
print(f"<p>Hello, {html.escape(form['firstname'][0])}!</p>")
