"""Reads forms with cgi.FieldStorage: a form as JSON on each line in, what it holds out."""

import cgi
import io
import json
import sys


def value(item):
    content = item.value
    return (content if isinstance(content, bytes) else str(content).encode()).hex()


def read(case):
    body = bytes.fromhex(case["body"])
    environ = {
        "REQUEST_METHOD": case["method"],
        "QUERY_STRING": case["query"],
        "CONTENT_LENGTH": str(len(body)),
    }
    if case["type"]:
        environ["CONTENT_TYPE"] = case["type"]
    form = cgi.FieldStorage(
        fp=io.BytesIO(body), environ=environ, keep_blank_values=case["keep"], strict_parsing=case["strict"]
    )
    if form.list is None:
        return value(form)
    return [[item.name, item.filename, item.type or "", value(item)] for item in form.list]


for line in sys.stdin:
    try:
        answer = read(json.loads(line))
    except Exception as error:
        answer = type(error).__name__
    print(json.dumps(answer))
