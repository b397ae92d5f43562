"""Uploads: a photo goes from the connection to the disk as it comes, and is refused as soon as anything is wrong."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Self

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from recessive.photos import Format, PhotoError, PhotoHead, file_head, photo_head
from recessive.photos.formats import HEADER, format_of_content
from recessive.service.http.forms import PHOTO, ROOM, PhotoForm
from recessive.service.http.problems import OptionError, Problem, invalid

PATIENCE = 30.0  # s without a byte
_BUFFER = 1 << 17  # bytes that are written at once: many photos need a single write
_MEGA = 1_000_000


@dataclass(frozen=True)
class Limits:
    """What a photo may be.

    Attributes:
        bytes: of the file.
        pixels: of the photo.
    """

    bytes: int
    pixels: int


class PhotoFile:
    """A photo on its way to the disk. What is not kept is gone at the end of the block.

    Args:
        path: where it lies until it is whole; nothing else does.
        limits: checked as it comes.

    Attributes:
        bytes: that have come.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self._file: IO[bytes] | None = None
        self._buffer = bytearray()
        self._next_look = HEADER  # then after twice as many bytes each time
        self._head: PhotoHead | None = None
        self.bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)

    def add(self, data: memoryview) -> bool:
        """Take what has come.

        Returns:
            Whether it is time to write.

        Raises:
            Problem: 413, the photo is too large; 415, it is none; 422, it is damaged.
        """
        self.bytes += len(data)
        if self.bytes > self._limits.bytes:
            raise _too_long(self._limits)
        self._buffer += data
        if self._file is None and self.bytes >= self._next_look and not (self._head and self._head.width):
            self._next_look = 2 * self.bytes
            self._look(bytes(self._buffer), photo_head)
        return len(self._buffer) >= _BUFFER

    def write(self) -> None:
        """Write what was taken.

        Raises:
            OSError: that failed.
        """
        if self._file is None:
            self._file = self._path.open("xb+")
        self._file.write(self._buffer)
        self._buffer.clear()

    def finish(self) -> tuple[Format, int, int]:
        """See what the whole photo is.

        Returns:
            Format, width and height.

        Raises:
            Problem: as for `add`.
            OSError: it cannot be written.
        """
        if self._head is None or self._head.width is None or self._head.height is None:
            start = bytes(self._buffer[:HEADER])
            if self._file is not None:
                self.write()
                self._file.seek(0)
                start = self._file.read(HEADER)
            self._look(start, lambda _: file_head(self._file or BytesIO(self._buffer)))
        head = self._head
        assert head is not None and head.width is not None and head.height is not None  # noqa: S101, PT018 - file_head does
        return head.format, head.width, head.height

    def keep(self, path: Path) -> None:
        """Give the whole photo its place. When this returns it is on the disk.

        Raises:
            OSError: that failed.
        """
        if self._file is not None:
            self._file.seek(0, os.SEEK_END)
        self.write()
        assert self._file is not None  # noqa: S101 - write has opened it
        self._file.flush()
        os.fsync(self._file.fileno())
        self._path.rename(path)
        self._file.close()  # here, where it may take its time
        self._file = None
        _sync_folder(path.parent)

    def _look(self, start: bytes, how: Callable[[bytes], PhotoHead | None]) -> None:
        try:
            self._head = how(start)
        except PhotoError as error:
            if start and format_of_content(start[:HEADER]) is None:
                raise Problem(415, f"{PHOTO}: {error.problem}", "not-a-photo", "Not a photo") from None
            raise invalid(OptionError(PHOTO, error.problem)) from None
        head = self._head
        if head is not None and head.width and head.height and head.width * head.height > self._limits.pixels:
            size = f"{head.width} x {head.height} pixels, more than {self._limits.pixels / _MEGA:g} megapixels"
            raise Problem(413, f"the photo has {size}; scale it down first", "too-many-pixels", "Too many pixels")


async def receive(request: Request, photo: PhotoFile, limits: Limits) -> PhotoForm:
    """Read a request with a photo.

    Args:
        request: unread.
        photo: takes the photo.
        limits: of it.

    Returns:
        The form, complete, but not closed.

    Raises:
        Problem: the request is refused; see `PhotoForm` and `PhotoFile`; 408, the client has fallen silent.
        ClientDisconnect: the client went away.
    """
    form = PhotoForm(request.headers.get("content-type"))
    if int(request.headers.get("content-length", "0")) > limits.bytes + ROOM:
        raise _too_long(limits)
    received = 0
    async with aclosing(request.stream()) as stream:
        while (chunk := await _next(stream)) is not None:
            received += len(chunk)
            full = False
            for piece in form.feed(chunk):
                full = photo.add(piece)
            if received - photo.bytes > ROOM:
                raise Problem(413, f"the form has more than {ROOM:,} bytes besides the photo", "form-too-long")
            if full:
                await run_in_threadpool(photo.write)
    return form


async def _next(stream: AsyncGenerator[bytes]) -> bytes | None:
    try:
        async with asyncio.timeout(PATIENCE):
            return await anext(stream, None)
    except TimeoutError:
        raise Problem(408, f"nothing has come for {PATIENCE:g} s; send the photo again") from None


def _too_long(limits: Limits) -> Problem:
    megabytes = f"{limits.bytes / _MEGA:g} megabytes"
    return Problem(
        413, f"the photo has more than {megabytes}; save it smaller first", "too-many-bytes", "Too many bytes"
    )


def _sync_folder(folder: Path) -> None:
    """Let the names in a folder be on the disk, where that can be asked for."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
