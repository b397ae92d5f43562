"""Uploads: a form with one photo and some options is read as it arrives, and its photo becomes a job.

The photo goes from the connection to the disk piece by piece, and is refused as soon as anything is wrong. Everything
in a form but the photo has small limits.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from recessive.files import sync_folder
from recessive.options import JobOptions, dump
from recessive.photos import SUFFIXES, Format, PhotoError, PhotoHead, file_head, photo_head
from recessive.photos.formats import HEADER, format_of_content
from recessive.service.http.problems import OptionError, Problem, invalid
from recessive.service.store.inbox import Busy, Inbox
from recessive.service.store.job import Job, NewJob
from recessive.service.store.keys import Key
from recessive.service.store.storage import Storage

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks  # exists for type checkers only

PHOTO = "photo"
MOST_PARTS = 64
LONGEST_OPTION = 4_000  # bytes
MOST_HEADERS, LONGEST_HEADER = 8, 4_000
FORM_ROOM = 128_000  # bytes of a form besides its photo
SILENCE = 30.0  # seconds without a byte, after which a request is refused
_BUFFER = 1 << 17  # bytes that are written at once: many photos need a single write
_MEGA = 1_000_000
_SILENT = logging.Logger("multipart", logging.CRITICAL + 1)  # the parser would log what clients send


class PhotoForm:
    """Reads a form in `multipart/form-data` (RFC 7578).

    Args:
        content_type: the header of the request.

    Attributes:
        name: the file name of the photo as sent by the client; None before the photo.
        options: the other fields by name, with their values in order.

    Raises:
        Problem: 415 if it is no such form; 400 if it has no boundary.
    """

    def __init__(self, content_type: str | None) -> None:
        kind, parameters = parse_options_header(content_type)
        if kind != b"multipart/form-data":
            raise Problem(415, f"send a form in multipart/form-data, with the photo in the field {PHOTO!r}")
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._on_part,
            "on_header_field": self._on_header_name,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_end,
            "on_part_data": self._on_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }
        try:
            limits = {"max_header_count": MOST_HEADERS, "max_header_size": LONGEST_HEADER}
            self._parser = MultipartParser(parameters[b"boundary"], callbacks, **limits)
        except (KeyError, FormParserError):
            raise _malformed("the header Content-Type has no valid boundary") from None
        self._parser.logger = _SILENT
        self.name: str | None = None
        self.options: dict[str, list[str]] = {}
        self._parts = 0
        self._complete = False
        self._header = self._value = self._disposition = b""
        self._option: str | None = None
        self._text = bytearray()
        self._photo: list[memoryview] = []

    def feed(self, chunk: bytes) -> list[memoryview]:
        """Read the next bytes of the request; the pieces of the photo among them.

        Raises:
            Problem: 400 if the form is malformed or has too many parts; 422 if it has two photos or an invalid option.
        """
        self._photo = []
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(f"at byte {getattr(error, 'offset', -1)} of a part of it: {error}") from None
        return self._photo

    def close(self) -> str:
        """Finish reading; the file name of the photo as sent by the client.

        Raises:
            Problem: 400 if the form is truncated; 422 if it has no photo.
        """
        if not self._complete:
            raise _malformed("it ends before its last boundary")
        if self.name is None:
            raise invalid(OptionError(PHOTO, "is missing; send it as a file of the form"))
        return self.name

    def _on_part(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise _malformed(f"it has more than {MOST_PARTS} parts")
        self._disposition = b""
        self._text.clear()

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _on_headers_end(self) -> None:
        kind, parameters = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in parameters:
            raise _malformed("a part has no header Content-Disposition with a name")
        name = _text(parameters[b"name"])
        self._option = None if name == PHOTO else name
        if name == PHOTO:
            if self.name is not None:
                raise invalid(OptionError(PHOTO, "occurs twice; send each photo in a request of its own"))
            # As before browsers escaped the three characters that they do (WHATWG, form submission).
            name = _text(parameters.get(b"filename", b""))
            self.name = name.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
        elif b"filename" in parameters:
            raise invalid(OptionError(_shown(name), f"is a file; only {PHOTO!r} may be one"))

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._option is None:
            self._photo.append(memoryview(data)[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > LONGEST_OPTION:
            raise invalid(OptionError(_shown(self._option), f"is longer than {LONGEST_OPTION} bytes"))

    def _on_part_end(self) -> None:
        if self._option is None:
            return
        try:
            text = self._text.decode()
        except UnicodeDecodeError:
            raise invalid(OptionError(_shown(self._option), "is not in UTF-8")) from None
        self.options.setdefault(self._option, []).append(text)

    def _on_end(self) -> None:
        self._complete = True


def _text(data: bytes) -> str:
    """A name in UTF-8, as browsers send it, or else in Latin-1, as old programs do."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _shown(name: str) -> str:
    """The name of an option for a message, whatever was sent as one."""
    return name[:40]


def _malformed(why: str) -> Problem:
    return Problem(400, f"the form cannot be read: {why}", "malformed-form", "A malformed form")


class PhotoFile:
    """A photo on its way to the disk. It is removed at the end of the ``with`` block unless it was kept.

    Args:
        path: where the photo lies until it is complete; no other file uses the path.
        max_bytes: the largest size of the file.
        max_pixels: the largest number of pixels.

    Attributes:
        bytes: the number of bytes that have arrived.
    """

    def __init__(self, path: Path, max_bytes: int, max_pixels: int) -> None:
        self._path = path
        self.max_bytes, self._max_pixels = max_bytes, max_pixels
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
        """Take a piece of the photo; whether it is time to write.

        Raises:
            Problem: 413 if the photo is too large; 415 if it is no photo; 422 if it is damaged.
        """
        self.bytes += len(data)
        if self.bytes > self.max_bytes:
            raise self.too_long()
        self._buffer += data
        if self._file is None and self.bytes >= self._next_look and not (self._head and self._head.width):
            self._next_look = 2 * self.bytes
            self._look(bytes(self._buffer), photo_head)
        return len(self._buffer) >= _BUFFER

    def write(self) -> None:
        """Write the pieces taken so far."""
        if self._file is None:
            self._file = self._path.open("xb+")
        self._file.write(self._buffer)
        self._buffer.clear()

    def finish(self) -> tuple[Format, int, int]:
        """Format, width and height of the complete photo.

        Raises:
            Problem: as for `add`.
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
        """Move the complete photo to its place. It is on the disk when this returns."""
        if self._file is not None:
            self._file.seek(0, os.SEEK_END)
        self.write()
        assert self._file is not None  # noqa: S101 - write has opened it
        self._file.flush()
        os.fsync(self._file.fileno())
        self._path.rename(path)
        self._file.close()  # here, where it may take its time
        self._file = None
        sync_folder(path.parent)

    def _look(self, start: bytes, how: Callable[[bytes], PhotoHead | None]) -> None:
        try:
            self._head = how(start)
        except PhotoError as error:
            if start and format_of_content(start[:HEADER]) is None:
                raise Problem(415, f"{PHOTO}: {error.problem}", "not-a-photo", "Not a photo") from None
            raise invalid(OptionError(PHOTO, error.problem)) from None
        head = self._head
        if head is not None and head.width and head.height and head.width * head.height > self._max_pixels:
            size = f"{head.width} x {head.height} pixels, more than {self._max_pixels / _MEGA:g} megapixels"
            raise Problem(413, f"the photo has {size}; scale it down first", "too-many-pixels", "Too many pixels")

    def too_long(self) -> Problem:
        """The refusal of a photo with too many bytes."""
        size = f"the photo has more than {self.max_bytes / _MEGA:g} megabytes; save it with a smaller size first"
        return Problem(413, size, "too-many-bytes", "Too many bytes")


async def receive(request: Request, photo: PhotoFile) -> PhotoForm:
    """Read a request with a photo.

    Returns:
        The form, complete but not closed.

    Raises:
        Problem: if the request is refused, see `PhotoForm` and `PhotoFile`; 408 if nothing arrives for 30 s.
        ClientDisconnect: if the client disconnects.
    """
    form = PhotoForm(request.headers.get("content-type"))
    if int(request.headers.get("content-length", "0")) > photo.max_bytes + FORM_ROOM:
        raise photo.too_long()
    received = 0
    async with aclosing(request.stream()) as stream:
        while (chunk := await _next(stream)) is not None:
            received += len(chunk)
            full = False
            for piece in form.feed(chunk):
                full = photo.add(piece)
            if received - photo.bytes > FORM_ROOM:
                raise Problem(413, f"the form has more than {FORM_ROOM:,} bytes besides the photo", "form-too-long")
            if full:
                await run_in_threadpool(photo.write)
    return form


async def _next(stream: AsyncGenerator[bytes]) -> bytes | None:
    try:
        async with asyncio.timeout(SILENCE):
            return await anext(stream, None)
    except TimeoutError:
        raise Problem(408, f"nothing arrived for {SILENCE:g} s; send the photo again") from None


@dataclass(frozen=True)
class JobRequest:
    """What is sent with a photo.

    Attributes:
        id: the id of the job to be.
        name: the file name of the photo, cleaned.
        options: the options of the job.
        key: the key of the request.
        idempotency: see `NewJob`.
    """

    id: str
    name: str
    options: JobOptions
    key: Key | None
    idempotency: str | None


async def accept(photo: PhotoFile, request: JobRequest, inbox: Inbox, storage: Storage) -> Job:
    """Keep a complete photo and make a job of it. The photo is removed again if it does not become a job.

    Raises:
        Problem: if the photo is invalid, or the `idempotency` was used for another request.
        Busy: if no job can be accepted now.
        DatabaseError: if the job may have been added or not. The photo then stays, and is swept if it was not.
    """

    def keep() -> NewJob:
        format_, width, height = photo.finish()
        new = NewJob(
            id=request.id,
            owner=None if request.key is None else request.key.id,
            name=request.name,
            format=format_,
            bytes=photo.bytes,
            width=width,
            height=height,
            original=request.id + SUFFIXES[format_][0],
            options=dump(request.options),
            deliver_to=request.options.deliver_to,
            idempotency=request.idempotency,
        )
        photo.keep(storage.originals / new.original)
        return new

    new = await run_in_threadpool(keep)
    original = storage.originals / new.original
    try:
        job, added = await inbox.add(new, request.key)
    except Busy:
        await run_in_threadpool(original.unlink, missing_ok=True)
        raise
    if not added:
        await run_in_threadpool(original.unlink, missing_ok=True)
        if any(getattr(job, name) != getattr(new, name) for name in ("format", "bytes", "width", "height", "options")):
            raise Problem(
                422,
                "this Idempotency-Key was used with another photo or other options; use a new one for each request",
                "idempotency-key-reused",
                "Idempotency key used twice",
            )
    return job
