"""Bytes for `malformed_requests.py` that are barely HTTP, or not HTTP at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service_process import BOUNDARY

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

PATHS = (
    *("/page/../../../etc/passwd", "/page/%2e%2e/%2e%2e/x", "/page/..%2f..%2fx", "/page/%00", "//etc/passwd", "*", "x"),
    *("/v1/jobs/%ff", "/v1/jobs/../../x", "/%", "/%zz", "/" + "a" * 20_000, "/?" + "&" * 9_999, "/v1/jobs?limit=%00"),
    *("/\u00e9", "/v1/photos.zip?" + "job=x&" * 3_000, "http://other.example/v1/jobs", "/v1/jobs?before=" + "9" * 999),
)
METHODS = (
    *("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "CONNECT", "PROPFIND"),
    *("", "G\0T", "X" * 500),
)


def odd_bytes(chance: random.Random, host: str) -> Iterator[tuple[str, bytes]]:
    """Endless pairs of a name and the bytes to send on a connection to that host."""
    get = f"GET / HTTP/1.1\r\nHost: {host}\r\n"
    post = f"POST /v1/jobs HTTP/1.1\r\nHost: {host}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
    chunked = f"{post}Transfer-Encoding: chunked\r\n"

    def any_path() -> str:
        return f"{chance.choice(METHODS)} {chance.choice(PATHS)} HTTP/1.1\r\nHost: {host}\r\n\r\n"

    def version() -> str:
        return f"GET / HTTP/{chance.choice(('0.9', '1.0', '2.0', '9.9', 'x', ''))}\r\nHost: {host}\r\n\r\n"

    texts: dict[str, Callable[[], str]] = {
        "path": any_path,
        "version": version,
        "no host": lambda: "GET /v1/jobs HTTP/1.1\r\n\r\n",
        "two hosts": lambda: f"{get}Host: other.example\r\n\r\n",
        "other host": lambda: "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n",
        "long head": lambda: f"{get}X: {'y' * 100_000}\r\n\r\n",
        "endless head": lambda: get + "X: y\r\n" * 30_000,
        "many heads": lambda: get + "X: y\r\n" * 3_000 + "\r\n",
        "negative length": lambda: f"{post}Content-Length: -1\r\n\r\n",
        "two lengths": lambda: f"{post}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "huge length": lambda: f"{post}Content-Length: {'9' * 30}\r\n\r\n--",
        "too little": lambda: f"{post}Content-Length: 900\r\n\r\n--{BOUNDARY}\r\n",
        "both lengths": lambda: f"{chunked}Content-Length: 9\r\n\r\n0\r\n\r\n",
        "bad chunk": lambda: f"{chunked}\r\nzz\r\n--\r\n",
        "endless chunk": lambda: f"{chunked}\r\nffffffffffffffff\r\n--",
        "chunk extension": lambda: f"{chunked}\r\n1;{'x' * 50_000}\r\n-\r\n",
        "transfer": lambda: f"{post}Transfer-Encoding: gzip, x\r\n\r\n--",
        "websocket": lambda: f"{get}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eA==\r\n\r\n",
        "expect": lambda: f"{post}Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
        "range": lambda: f"{get}Range: bytes={'0-1,' * 2_000}9-\r\n\r\n",
        "many at once": lambda: f"{get}\r\n" * 20,
        "half": lambda: get,
    }
    others: dict[str, Callable[[], bytes]] = {
        "noise": lambda: chance.randbytes(chance.choice((1, 10, 1_000, 60_000))),
        "tls": lambda: b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + chance.randbytes(500),
        "http/2": lambda: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(30),
    }
    names = [*texts, "path", "path", *others]
    while True:
        name = chance.choice(names)
        yield name, texts[name]().encode() if name in texts else others[name]()
