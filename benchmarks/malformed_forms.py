"""Odd forms for `malformed_requests.py`: each resembles a photo with its options, and none is quite one."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from malformed_photos import whole_photos
from service_process import BOUNDARY

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

NAMES = (
    *("../../../../etc/passwd", "..\\..\\x.jpg", "/etc/shadow", "a\0b.jpg", "CON", ".", "..", "", " ", "x" * 9_000),
    *("é😀.jpg", "\u202egpj.exe", 'a"b.jpg', "a\r\nX-Header: 1.jpg", "-rf.jpg", "%2e%2e%2fx", "<img src=x>.jpg"),
)
VALUES = (
    *("", " ", "nan", "inf", "-1", "1e400", "9" * 400, "0x10", "٣", "null", "{}", "[]", "\0", "\ud7ff", "true", "../x"),
    *("a" * 20_000, "vanish\n", "http://127.0.0.1:1/", "file:///etc/passwd", "jpeg:-1", "jpeg:" + "9" * 99, "blur:nan"),
    "' OR 1=1 --",
)
FIELDS = (
    *("method", "encoder", "budget", "norm", "steps", "survive", "check", "grid", "seed", "format", "quality"),
    *("keep_location", "deliver_to", "passes", "photo", "nosuch", "__class__", ""),
)
LINE, LAST = f"--{BOUNDARY}\r\n".encode(), f"--{BOUNDARY}--\r\n".encode()
PHOTO = whole_photos()["PNG"]
USUAL = f"multipart/form-data; boundary={BOUNDARY}"


def _part(head: str, body: bytes = PHOTO) -> bytes:
    return LINE + head.encode("utf-8", "surrogatepass") + b"\r\n\r\n" + body + b"\r\n"


def _file(name: str = "a.png", more: str = "") -> bytes:
    return _part(f'Content-Disposition: form-data; name="photo"; filename="{name}"{more}')


def _value(field: str, text: str) -> bytes:
    return _part(f'Content-Disposition: form-data; name="{field}"', text.encode("utf-8", "surrogatepass"))


WHOLE = _file() + LAST


def odd_forms(chance: random.Random) -> Iterator[tuple[str, dict[str, str], bytes]]:
    """Endless forms: what is odd about each, its headers, its body."""

    def value() -> bytes:
        return _value(chance.choice(FIELDS), chance.choice(VALUES))

    bodies: dict[str, Callable[[], bytes]] = {
        "value": lambda: value() + WHOLE,
        "values": lambda: value() + value() + WHOLE,
        "value after photo": lambda: _file() + value() + LAST,
        "file name": lambda: _file(chance.choice(NAMES)) + LAST,
        "two photos": lambda: _file() + WHOLE,
        "no photo": lambda: _value("steps", "1") + LAST,
        "photo as value": lambda: _part('Content-Disposition: form-data; name="photo"') + LAST,
        "option as file": lambda: _part('Content-Disposition: form-data; name="steps"; filename="x"') + WHOLE,
        "no end": _file,
        "cut": lambda: WHOLE[: chance.randrange(len(WHOLE))],
        "nothing": lambda: b"",
        "end alone": lambda: LAST,
        "no name": lambda: _part("Content-Disposition: form-data") + LAST,
        "no disposition": lambda: _part("X: y") + LAST,
        "no colon": lambda: _part("nonsense") + LAST,
        "long head": lambda: _part("X: " + "y" * 70_000) + LAST,
        "many heads": lambda: _part("\r\n".join(f"X-{number}: y" for number in range(2_000))) + LAST,
        "many parts": lambda: _value("check", "jpeg:75") * 3_000 + WHOLE,
        "many empty parts": lambda: LINE * 3_000 + LAST,
        "encoded": lambda: _part('Content-Disposition: form-data; name="photo"\r\nContent-Transfer-Encoding: base64'),
        "charset": lambda: _file(more="; filename*=utf-99''%ff%fe") + LAST,
        "preamble": lambda: b"x" * 5_000 + b"\r\n" + WHOLE,
    }
    types = (
        *("multipart/form-data", "multipart/form-data; boundary=", f"multipart/form-data; boundary={'b' * 5_000}"),
        *('multipart/form-data; boundary="\\"; charset=utf-7', "multipart/form-data; boundary=other"),
        *(
            f"multipart/mixed; boundary={BOUNDARY}",
            "application/x-www-form-urlencoded",
            "application/json",
            "image/png",
        ),
        *("", ";", "x", "multipart/form-data; boundary=\t", "text/plain; " + "a=b;" * 1_000),
    )
    others: dict[str, Callable[[], tuple[dict[str, str], bytes]]] = {
        "type": lambda: (
            {"Content-Type": chance.choice(types)},
            chance.choice((WHOLE, PHOTO, b"[" * 50_000, b"a=%ff")),
        ),
        "no type": lambda: ({}, PHOTO),
        "idempotency key": lambda: (
            {"Content-Type": USUAL, "Idempotency-Key": chance.choice(("", " ", "k" * 9_000, "é", "a, b"))},
            WHOLE,
        ),
        "authorisation": lambda: (
            {
                "Content-Type": USUAL,
                "Authorization": chance.choice(("Bearer", "Bearer  ", "Basic x", "é", "Bearer \t")),
            },
            WHOLE,
        ),
        "packed": lambda: ({"Content-Type": USUAL, "Content-Encoding": "gzip"}, zlib.compress(WHOLE)),
    }
    names = [*bodies, *others]
    while True:
        name = chance.choice(names)
        if name in bodies:
            yield name, {"Content-Type": USUAL}, bodies[name]()
        else:
            yield name, *others[name]()
