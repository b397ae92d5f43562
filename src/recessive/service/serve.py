"""The service in this process: database, folder, workers and HTTP server, until it is told to stop."""

from __future__ import annotations

import errno
import gc
import os
import shlex
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import uvicorn
from fastapi import FastAPI

from recessive.service.http.access import is_loopback
from recessive.service.http.app import create_app
from recessive.service.http.connections import PromptConnection
from recessive.service.settings import ServiceSettings
from recessive.service.store.database import Database
from recessive.service.store.keys import Keys
from recessive.service.store.storage import Storage
from recessive.service.work.targets import check_allow_list
from recessive.service.work.workers import Workers

DATABASE_URL = "RECESSIVE_DATABASE_URL"  # variable that commands take the URL from
MOST_CONNECTIONS = 500  # an upload takes a socket and a file, and a process may usually have 1024 of both
LONGEST_HEAD = 32_768  # bytes of a request line and its headers
IDLE = 15  # seconds that a connection without a request is kept
LAST_REQUESTS = 10  # seconds that requests get to end in once the service stops
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - how to reach what listens everywhere
_REFUSED = {
    errno.EADDRINUSE: "something else listens there already; choose another --port, or 0 for any that is free",
    errno.EADDRNOTAVAIL: "this machine has no such address; --host 127.0.0.1 is always one",
    errno.EACCES: "ports below 1024 are not for everybody; choose another --port",
}


class ServeError(Exception):
    """The service cannot begin; the message is one line and says what to do."""


def serve(settings: ServiceSettings, *, ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM; then requests are ended, workers put their jobs back, and everything is closed.

    Runs in the main thread, which gets the signals.

    Args:
        settings: of the service.
        ready: told the address to open as soon as requests are answered.

    Raises:
        ServeError: it cannot listen as asked, or should not; or there is no such gallery.
        TargetError: the allow-list of delivery targets makes no sense.
        DatabaseError: the database cannot be used.
        StorageError: the folder cannot.
    """
    check_allow_list(settings.deliver_to)
    if settings.workers and settings.gallery and not settings.gallery.is_dir():
        raise ServeError(f"{settings.gallery} is no folder of photos to search: choose another --gallery, or none")
    with _until_told(), closing(_bound(settings)) as listener:
        address, port = listener.getsockname()[:2]
        settings = settings.model_copy(update={"port": port})
        storage = Storage(settings.folder)
        storage.open()
        with Database(settings.url) as database:
            database.migrate()
            storage.check_same(database)
            if not (is_loopback(settings.host) and is_loopback(address)) and not Keys(database).any():
                raise ServeError(_needs_key(settings))
            with _refusals(settings):
                listener.listen(socket.SOMAXCONN)
            url = f"http://{_shown(settings.host)}:{port}"
            app = create_app(settings, database)
            # Event streams have no end of their own, and the server waits for all responses.
            server = _Server(
                _config(app), ready=lambda: ready(url) if ready else None, ending=app.state.parts.watcher.close
            )
            with _without_pauses(), Workers(settings):
                server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Tells when it answers requests, and when it is about to wait for the last of them."""

    def __init__(self, config: uvicorn.Config, *, ready: Callable[[], None], ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready, self._ending = ready, ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending()
        await super().shutdown(sockets)


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=PromptConnection,
        h11_max_incomplete_event_size=LONGEST_HEAD,
        ws="none",
        lifespan="on",
        log_config=None,  # as the rest of the program
        log_level="warning",
        access_log=False,  # addresses and names of photos are nobody's business
        server_header=False,
        proxy_headers=False,  # nothing here goes by the address of the client
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=LAST_REQUESTS,
    )


@contextmanager
def _without_pauses() -> Iterator[None]:
    """What is loaded by now stays: to look through all of it for garbage would halt requests for 0.2 s."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def _until_told() -> Iterator[None]:
    """SIGTERM unwinds the block as Ctrl-C does; either is an ordinary end of it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


def _bound(settings: ServiceSettings) -> socket.socket:
    """A socket that has the address already, but does not listen yet."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ServeError(f"{settings.host} is not known as an address: choose another --host") from error
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
def _refusals(settings: ServiceSettings) -> Iterator[None]:
    """What the system says of an address, in words."""
    try:
        yield
    except OSError as error:
        why = _REFUSED.get(error.errno or 0, error.strerror)
        raise ServeError(f"cannot listen on {settings.host}, port {settings.port}: {why}") from error


def _shown(host: str) -> str:
    """As part of a URL that a browser on this machine opens."""
    return _WILDCARDS.get(host, f"[{host}]" if ":" in host else host)


def _needs_key(settings: ServiceSettings) -> str:
    """With the command that makes one; the URL of a database may hold a password, so that it is not repeated."""
    words = ["recessive", "keys", "add", "NAME", "--folder", str(settings.folder)]
    if settings.database_url and settings.database_url != os.environ.get(DATABASE_URL):
        words += ["--database-url", "URL"]
    return f"other machines can reach {settings.host}, so a key is needed; make one first: {shlex.join(words)}"
