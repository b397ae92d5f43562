"""Connections to the server, of which there are only so many: nobody is to hold one for nothing."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEAD_WITHIN = 20.0  # seconds that the head of a request may take, at most twice as many


class PromptConnection(H11Protocol):
    """Hangs up when the head of a request does not come, or not to its end.

    uvicorn waits for ever for the first one, and for each later one once its first byte has come. By h11 and not by
    httptools, with which uvicorn reads heads without end into memory.
    """

    _next_look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """A connection is there."""
        super().connection_made(transport)
        self._look_later(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        if self._next_look is not None:
            self._next_look.cancel()
        super().connection_lost(exc)

    def _look_later(self, answered: RequestResponseCycle | None) -> None:
        self._next_look = self.loop.call_later(HEAD_WITHIN, self._look, answered)

    def _look(self, answered: RequestResponseCycle | None) -> None:
        """Hang up if nothing has been asked since the last look, when `answered` was the last request."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._look_later(None)  # which is not the last request: the next one gets its time from now
        elif self.cycle is answered:
            self.transport.close()
        else:
            self._look_later(self.cycle)
