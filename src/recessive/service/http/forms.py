"""Forms of one photo and some options, read as they arrive: small limits on everything but the photo."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from recessive.service.http.problems import OptionError, Problem, invalid

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks  # exists for type checkers only

PHOTO = "photo"
MOST_PARTS = 64
LONGEST_OPTION = 4_000  # bytes
MOST_HEADERS, LONGEST_HEADER = 8, 4_000
ROOM = 128_000  # bytes of a form besides its photo

_SILENT = logging.Logger("multipart", logging.CRITICAL + 1)  # the parser would log what clients send


class PhotoForm:
    """Reads a form in `multipart/form-data` (RFC 7578).

    Args:
        content_type: the request's header.

    Attributes:
        name: the client's name of the photo's file, uncleaned; None while there was no photo.
        options: the other fields by name, in the order of their values.

    Raises:
        Problem: 415, it is no such form; 400, it has no boundary.
    """

    def __init__(self, content_type: str | None) -> None:
        kind, parameters = parse_options_header(content_type)
        if kind != b"multipart/form-data":
            raise Problem(415, f"send a form in multipart/form-data, with the photo in the field {PHOTO!r}")
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }
        try:
            self._parser = MultipartParser(
                parameters[b"boundary"],
                callbacks,
                max_header_count=MOST_HEADERS,
                max_header_size=LONGEST_HEADER,
            )
        except (KeyError, FormParserError):
            raise _malformed("the header Content-Type names no boundary, or one that cannot be") from None
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
        """Read on.

        Returns:
            What the chunk holds of the photo.

        Raises:
            Problem: 400, this is no such form; 413, it holds too much besides the photo; 422, it has two photos, or an
                option that is none.
        """
        self._photo = []
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(f"at byte {getattr(error, 'offset', -1)} of a part of it: {error}") from None
        return self._photo

    def close(self) -> str:
        """Finish reading.

        Returns:
            The client's name of the photo's file.

        Raises:
            Problem: 400, the form is cut short; 422, it has no photo.
        """
        if not self._complete:
            raise _malformed("it ends before its last boundary")
        if self.name is None:
            raise invalid(OptionError(PHOTO, "is missing; send it as a file of the form"))
        return self.name

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise _malformed(f"it has more than {MOST_PARTS} parts")
        self._disposition = b""
        self._text.clear()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _headers_end(self) -> None:
        kind, parameters = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in parameters:
            raise _malformed("a part has no header Content-Disposition with a name")
        name = _text(parameters[b"name"])
        self._option = None if name == PHOTO else name
        if name == PHOTO:
            if self.name is not None:
                raise invalid(OptionError(PHOTO, "is there twice; send each photo in a request of its own"))
            self.name = _unescaped(_text(parameters.get(b"filename", b"")))
        elif b"filename" in parameters:
            raise invalid(OptionError(_shown(name), f"is a file; only {PHOTO!r} is one"))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._option is None:
            self._photo.append(memoryview(data)[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > LONGEST_OPTION:
            raise invalid(OptionError(_shown(self._option), f"is longer than {LONGEST_OPTION} bytes"))

    def _end(self) -> None:
        if self._option is None:
            return
        try:
            text = self._text.decode()
        except UnicodeDecodeError:
            raise invalid(OptionError(_shown(self._option), "is not in UTF-8")) from None
        self.options.setdefault(self._option, []).append(text)

    def _finish(self) -> None:
        self._complete = True


def _text(data: bytes) -> str:
    """A name in UTF-8 as browsers send it, or in what old programs do."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _unescaped(name: str) -> str:
    """A file's name as it was before browsers escaped the three characters that they do (WHATWG, form submission)."""
    return name.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _shown(name: str) -> str:
    """An option's name for a message, whatever was sent as one."""
    return name[:40]


def _malformed(why: str) -> Problem:
    return Problem(400, f"the form cannot be read: {why}", "malformed-form", "A malformed form")
