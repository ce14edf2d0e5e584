# Answers what the test asks of urllib.parse: a JSON list of [function, argument] in, of results
# out.
import json
import sys
from urllib import parse

check_host = parse._check_bracketed_host
check_netloc = parse._checknetloc


def check_bracketed_host(hostname):
    # Later versions take a capital V, too.
    check_host("v" + hostname[1:] if hostname.startswith("V") else hostname)


def check_brackets_and_netloc(netloc):
    # Later versions see to it that brackets hold the host and nothing else (CVE-2025-0938).
    if "[" in netloc and "]" in netloc:
        hostinfo = netloc.rpartition("@")[2]
        before, bracket, bracketed = hostinfo.partition("[")
        hostname, _, port = bracketed.partition("]")
        if bracket and (before or (port and not port.startswith(":"))):
            raise ValueError("Invalid IPv6 URL")
        check_bracketed_host(hostname if bracket else hostinfo.partition(":")[0])
    check_netloc(netloc)


if hasattr(parse, "_check_bracketed_netloc"):
    parse._check_bracketed_host = check_bracketed_host
else:
    parse._check_bracketed_host = lambda hostname: None
    parse._checknetloc = check_brackets_and_netloc


def urlunsplit(parts):
    # Since 3.13, and 3.12.4, slashes at the start of a path are not taken for a location.
    scheme, netloc, url, query, fragment = parts
    if netloc:
        url = "//" + netloc + ("/" if url and url[:1] != "/" else "") + url
    elif url[:2] == "//" or (scheme in parse.uses_netloc[1:] and url[:1] in ("", "/")):
        url = "//" + url
    url = (scheme + ":" if scheme else "") + url + ("?" + query if query else "")
    return url + ("#" + fragment if fragment else "")


if parse.urlunsplit(("", "", "//path", "", "")) == "//path":
    parse.urlunsplit = urlunsplit
if "itms-services" not in parse.uses_netloc:
    parse.uses_netloc.append("itms-services")


def port(parts):
    try:
        return parts.port
    except ValueError as error:
        return str(error)


def split(function, url):
    parts = function(url)
    return [*parts, parts.username, parts.password, parts.hostname, port(parts), parts.geturl()]


def query(argument):
    qs, blanks, strict, most, separator = argument
    return parse.parse_qsl(qs, blanks, strict, max_num_fields=most, separator=separator)


def refused(limit):
    # In pieces, as the test does: most characters are refused by neither.
    characters = [chr(code) for code in range(limit) if not 0xD800 <= code < 0xE000]
    pieces = [characters[start:start + 0x100] for start in range(0x100, len(characters), 0x100)]
    asked = characters[:0x100]
    for piece in pieces:
        if refuses(f"//a{''.join(piece)}b"):
            asked += piece
    return [ord(character) for character in asked if refuses(f"//a{character}b")]


def refuses(url):
    try:
        parse.urlsplit(url)
    except ValueError:
        return True


FUNCTIONS = {
    "refused": refused,
    "urlsplit": lambda url: split(parse.urlsplit, url),
    "urlparse": lambda url: split(parse.urlparse, url),
    "parse_qs": lambda qs: list(parse.parse_qs(qs).items()),
    "parse_qsl": query,
    "quote": parse.quote,
    "quote_with": lambda argument: parse.quote(*argument),
    "quote_plus": parse.quote_plus,
    "quote_bytes": lambda numbers: parse.quote_from_bytes(bytes(numbers)),
    "unquote": parse.unquote,
    "unquote_plus": parse.unquote_plus,
    "unquote_to_bytes": lambda text: list(parse.unquote_to_bytes(text)),
    "urlencode": lambda pairs: parse.urlencode([tuple(pair) for pair in pairs]),
}


def answer(function, argument):
    try:
        return FUNCTIONS[function](argument)
    except ValueError as error:
        return {"ValueError": str(error)}


json.dump([answer(*case) for case in json.load(sys.stdin)], sys.stdout)
