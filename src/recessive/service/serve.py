"""The server process: database, folder, worker processes and HTTP server, until it is told to stop."""

from __future__ import annotations

import errno
import gc
import os
import shlex
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import uvicorn
from fastapi import FastAPI

from recessive.errors import SettingsError
from recessive.options import ServiceOptions
from recessive.service.http.access import is_loopback
from recessive.service.http.app import create_app
from recessive.service.http.exchange import PromptConnection
from recessive.service.store.database import Database
from recessive.service.store.keys import Keys
from recessive.service.store.storage import Storage
from recessive.service.work.supervisor import Supervisor
from recessive.service.work.targets import check_allow_list

DATABASE_URL = "RECESSIVE_DATABASE_URL"  # environment variable with the URL for commands
MOST_CONNECTIONS = 500  # an upload needs a socket and a file, and a process usually may have 1024 of both
LONGEST_HEAD = 32_768  # bytes of a request line and headers
IDLE = 15  # seconds for which a connection without a request is kept
LAST_REQUESTS = 10  # seconds that requests get to finish once the service stops
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - how to reach what listens everywhere
_REFUSED = {
    errno.EADDRINUSE: "another program listens there already; choose another --port, or 0 for any free port",
    errno.EADDRNOTAVAIL: "this machine does not have this address; --host 127.0.0.1 always works",
    errno.EACCES: "ports below 1024 need special rights; choose another --port",
}


class ServeError(SettingsError):
    """The service cannot start."""


def serve(settings: ServiceOptions, *, ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM; then requests are finished, workers release their jobs, and everything is closed.

    Must run in the main thread, which gets the signals.

    Args:
        settings: the settings of the service.
        ready: called with the URL of the service as soon as requests are answered.

    Raises:
        ServeError: if the service cannot listen, needs a key first, or the gallery does not exist.
        TargetError: if the allow-list of delivery targets is invalid.
        DatabaseError: if the database cannot be used.
        StorageError: if the folder cannot be used.
    """
    check_allow_list(settings.deliver_to)
    if settings.workers and settings.gallery and not settings.gallery.is_dir():
        raise ServeError("is not a folder of photos to search; choose another --gallery, or none", settings.gallery)
    with _until_signal(), closing(_bound(settings)) as listener:
        address, port = listener.getsockname()[:2]
        settings = replace(settings, port=port)
        storage = Storage(settings.folder)
        storage.open()
        with Database(settings.url) as database:
            database.migrate()
            storage.check_same(database)
            if not (is_loopback(settings.host) and is_loopback(address)) and not Keys(database).any():
                raise ServeError(_needs_key(settings))
            with _refusals(settings):
                listener.listen(socket.SOMAXCONN)
            host = _WILDCARDS.get(settings.host, f"[{settings.host}]" if ":" in settings.host else settings.host)
            url = f"http://{host}:{port}"
            app = create_app(settings, database)
            server = _Server(
                _config(app),
                on_ready=lambda: ready(url) if ready else None,
                # Event streams have no end of their own, and the server waits for all responses.
                on_shutdown=app.state.dependencies.watcher.close,
            )
            with _without_pauses(), Supervisor(settings):
                server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Calls back when it answers requests, and when it is about to wait for the last of them."""

    def __init__(
        self, config: uvicorn.Config, *, on_ready: Callable[[], None], on_shutdown: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._on_ready, self._on_shutdown = on_ready, on_shutdown

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_shutdown()
        await super().shutdown(sockets)


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=PromptConnection,
        h11_max_incomplete_event_size=LONGEST_HEAD,
        ws="none",
        lifespan="on",
        log_config=None,  # as in the rest of the program
        log_level="warning",
        access_log=False,  # addresses and names of photos are private
        server_header=False,
        proxy_headers=False,  # nothing here depends on the address of the client
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=LAST_REQUESTS,
    )


@contextmanager
def _without_pauses() -> Iterator[None]:
    """Exempt all that is loaded by now from garbage collection, which would halt requests for 0.2 s."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def _until_signal() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does; both are ordinary ends."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


def _bound(settings: ServiceOptions) -> socket.socket:
    """A socket that is bound to the address, but does not listen yet."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ServeError(f"{settings.host} is not a known address; choose another --host") from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with _refusals(settings):
            listener.bind(address)
    except BaseException:
        listener.close()
        raise
    return listener


@contextmanager
def _refusals(settings: ServiceOptions) -> Iterator[None]:
    """Explain why an address is refused by the system."""
    try:
        yield
    except OSError as error:
        why = _REFUSED.get(error.errno or 0, error.strerror)
        raise ServeError(f"cannot listen on {settings.host}, port {settings.port}: {why}") from error


def _needs_key(settings: ServiceOptions) -> str:
    """Why a key is needed, with the command that creates one, but without the URL of a database and its password."""
    words = ["recessive", "keys", "add", "NAME", "--folder", str(settings.folder)]
    if settings.database_url and settings.database_url != os.environ.get(DATABASE_URL):
        words += ["--database-url", "URL"]
    return f"other machines can reach {settings.host}, so a key is needed; create one first: {shlex.join(words)}"
