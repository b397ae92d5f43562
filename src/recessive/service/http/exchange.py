"""How requests and responses go over the wire: HEAD without a body, refusals that clients get to read, streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_READ_ON = 4_000_000  # bytes
LONGEST_READ_ON = 2.0  # s


class HeadAsGet:
    """ASGI middleware: HEAD is answered as GET is, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        ended = False

        async def headers_only(message: Message) -> None:
            nonlocal ended
            if message["type"] == "http.response.start":
                await send(message)
            elif not ended:  # even a stream that goes on ends here
                ended = True
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        inside = {**scope, "method": "GET"}  # the server goes on knowing that it was HEAD
        try:
            await self._app(inside, receive, headers_only)
        finally:
            scope["route"] = inside.get("route")


class ReadOn:
    """ASGI middleware: a request that is answered before it was read is read on, for a little while, then cut off.

    A server that closes a connection while its client is still sending takes its own answer away with it: the client
    sees a broken connection and not what was wrong with its upload.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        unread, early = True, False

        async def counted() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and message.get("more_body", False)
            return message

        async def read_on() -> None:
            left = MOST_READ_ON
            with suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_READ_ON):
                    while unread and left > 0:
                        left -= len((await counted()).get("body", b""))

        async def closing(message: Message) -> None:
            nonlocal early
            if message["type"] == "http.response.start":
                early = unread
                if early and scope["http_version"] != "2":
                    MutableHeaders(scope=message)["Connection"] = "close"
            elif early and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await read_on()
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await self._app(scope, counted, closing)


class Stream(StreamingResponse):
    """A response whose source is closed at its end, also when that comes early because nobody listens any more."""

    def __init__(self, source: AsyncGenerator[bytes], media_type: str, headers: Mapping[str, str]) -> None:
        super().__init__(source, media_type=media_type, headers=headers)
        self._source = source

    async def stream_response(self, send: Send) -> None:
        """Send it all."""
        async with aclosing(self._source):
            await super().stream_response(send)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0").strip("0") != ""
