"""Broken photos for `malformed_requests.py`: truncated, with flipped bytes, torn, mislabelled, decompression bombs."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "GIF", "BMP")
PNG = b"\x89PNG\r\n\x1a\n"
BEGINNINGS = (
    b"",
    PNG,
    b"\xff\xd8\xff\xe0",
    b"GIF89a",
    b"II*\0",
    b"II+\0\x08\0\0\0",
    b"RIFF\xff\xff\xff\xffWEBPVP8 ",
    b"\0\0\0\x20ftypavif",
    b"\0\0\0\x18ftypheic",
    b"PK\x03\x04",
    b"%PDF-1.7",
)
NO_PHOTOS = (
    b"",
    b"\0",
    b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    b"<!doctype html><script>alert(1)</script>",
    b"P6 9 9 255\n",
)
SIDE = struct.pack(">II", 100_000, 100_000)
SMALL = struct.pack(">II", 40, 40)


def whole_photos() -> dict[str, bytes]:
    """A small photo in each format that Pillow writes here, with camera data where it has some."""
    generator = np.random.default_rng(0)
    photo = Image.fromarray(generator.integers(0, 256, (40, 56, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    made = {}
    for name in FORMATS:
        file = io.BytesIO()
        try:
            photo.save(file, name, **({"exif": exif} if name in ("JPEG", "PNG", "WEBP") else {}))
        except (KeyError, OSError):
            continue  # Pillow was built without it
        made[name] = file.getvalue()
    return made


def bombs(photos: dict[str, bytes]) -> list[bytes]:
    """Files that claim to be far larger than they are, or become so when they are decompressed."""
    zeros = zlib.compress(bytes(3_000_000), 9)
    jpeg, gif, bmp = (bytearray(photos[name]) for name in ("JPEG", "GIF", "BMP"))
    frame = jpeg.index(b"\xff\xc0") + 5
    jpeg[frame : frame + 4] = b"\xff\xff\xff\xff"
    gif[6:10] = b"\xff\xff\xff\xff"
    bmp[18:26] = b"\xff\xff\xff\x7f\xff\xff\xff\x7f"
    return [
        _png(SIDE, (b"IDAT", zeros)),
        _png(struct.pack(">II", 2**31 - 1, 1), (b"IDAT", zeros)),
        _png(struct.pack(">II", 0, 0), (b"IDAT", zeros)),
        _png(SMALL, (b"iTXt", b"a\0\1\0\0\0" + zeros), (b"IDAT", zeros)),
        _png(SMALL, (b"iCCP", b"a\0\0" + zeros), (b"IDAT", zeros)),
        bytes(jpeg),
        bytes(gif),
        bytes(bmp),
    ]


def _png(size: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    parts = [(b"IHDR", size + b"\x08\x02\0\0\0"), *chunks, (b"IEND", b"")]
    joined = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
    return PNG + b"".join(joined)


def broken_photos(chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Endless files: what was done to each, and its content."""
    photos = whole_photos()
    large, formats = bombs(photos), list(photos)

    def any_photo() -> bytes:
        return photos[chance.choice(formats)]

    def cut() -> bytes:
        photo = any_photo()
        return photo[: chance.randrange(len(photo))]

    def flipped() -> bytes:
        photo = bytearray(any_photo())
        for _ in range(chance.choice((1, 1, 2, 8, 64))):
            # In the headers more often than elsewhere.
            photo[chance.randrange(len(photo) if chance.random() < 0.5 else 64)] ^= chance.randrange(1, 256)
        return bytes(photo)

    def other_beginning() -> bytes:
        return chance.choice(BEGINNINGS) + any_photo()[chance.randrange(16) :]

    def torn() -> bytes:
        photo = any_photo()
        place, end = sorted(chance.randrange(len(photo)) for _ in range(2))
        between = chance.choice((b"", bytes(99), photo[:end]))
        return photo[:place] + between + photo[end:]

    def noise() -> bytes:
        return chance.choice(BEGINNINGS) + chance.randbytes(chance.choice((1, 9, 99, 999, 9_999)))

    kinds: dict[str, tuple[Callable[[], bytes], int]] = {
        "cut": (cut, 30),
        "flipped": (flipped, 30),
        "other beginning": (other_beginning, 10),
        "torn": (torn, 10),
        "noise": (noise, 10),
        "bomb": (lambda: chance.choice(large), 6),
        "no photo": (lambda: chance.choice(NO_PHOTOS), 3),
        "too large": (lambda: photos["JPEG"] + bytes(1_100_000), 1),
    }
    names, weights = list(kinds), [weight for _, weight in kinds.values()]
    while True:
        (name,) = chance.choices(names, weights)
        yield name, kinds[name][0]()
