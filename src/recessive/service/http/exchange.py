"""How requests and responses travel: middleware, HEAD without a body, early answers, streams, slow connections."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

MOST_READ_ON = 4_000_000  # bytes
LONGEST_READ_ON = 2.0  # seconds
HEAD_WITHIN = 20.0  # seconds that the head of a request may take; at most twice as many


class HttpMiddleware(ABC):
    """ASGI middleware for HTTP requests.

    Args:
        app: the app behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        await (self._handle if scope["type"] == "http" else self._app)(scope, receive, send)

    @abstractmethod
    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""


class HeadAsGet(HttpMiddleware):
    """Answers HEAD as GET, without the body."""

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        ended = False

        async def send_headers(message: Message) -> None:
            nonlocal ended
            if message["type"] == "http.response.start":
                await send(message)
            elif not ended:  # even a stream that goes on ends here
                ended = True
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        inside = {**scope, "method": "GET"}  # the server still knows that it was HEAD
        try:
            await self._app(inside, receive, send_headers)
        finally:
            scope["route"] = inside.get("route")


class ReadOn(HttpMiddleware):
    """Reads the rest of a request that is answered early, for a little while, before the connection is closed.

    A server that closes a connection while its client is still sending destroys its own answer: the client sees a
    broken connection instead of what was wrong with its upload.
    """

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if "transfer-encoding" not in headers and not headers.get("content-length", "0").strip("0"):
            await self._app(scope, receive, send)
            return
        unread, early = True, False

        async def receive_counted() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and message.get("more_body", False)
            return message

        async def read_on() -> None:
            left = MOST_READ_ON
            with suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_READ_ON):
                    while unread and left > 0:
                        left -= len((await receive_counted()).get("body", b""))

        async def send_closing(message: Message) -> None:
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

        await self._app(scope, receive_counted, send_closing)


class Stream(StreamingResponse):
    """A response whose source is closed at its end, even if the client disconnects early."""

    def __init__(self, source: AsyncGenerator[bytes], media_type: str, headers: Mapping[str, str]) -> None:
        super().__init__(source, media_type=media_type, headers=headers)
        self._source = source

    async def stream_response(self, send: Send) -> None:
        """Send the response."""
        async with aclosing(self._source):
            await super().stream_response(send)


class PromptConnection(H11Protocol):
    """Closes a connection on which the head of a request does not arrive, or not completely.

    uvicorn waits for ever for the first head, and for each later one once its first byte has arrived. Based on h11,
    since httptools, uvicorn's other parser, reads heads of any length into memory.
    """

    _next_check: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Start to watch a new connection."""
        super().connection_made(transport)
        self._check_later(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching a closed connection."""
        if self._next_check is not None:
            self._next_check.cancel()
        super().connection_lost(exc)

    def _check_later(self, answered: RequestResponseCycle | None) -> None:
        self._next_check = self.loop.call_later(HEAD_WITHIN, self._check, answered)

    def _check(self, answered: RequestResponseCycle | None) -> None:
        """Close the connection if no request has arrived since the last check, when `answered` was the last one."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._check_later(None)  # a request is being answered: the next one gets its time from now
        elif self.cycle is answered:
            self.transport.close()
        else:
            self._check_later(self.cycle)
