"""Who may ask for what: host names, other web sites, keys, and the headers that tell browsers what is allowed."""

from __future__ import annotations

import ipaddress
from hashlib import sha256

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recessive.service.http.problems import Problem
from recessive.service.http.recent import Recent
from recessive.service.settings import ServiceSettings
from recessive.service.store.keys import Key, Keys

KEY = "recessive.key"
"""Under this name the scope of a request holds its key, or None."""

PAGES = ("/", "/docs")
"""What other web sites may link to."""

_LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}
_NEEDS_KEY = ("/v1", "/metrics")
_SECRET = (*_NEEDS_KEY, "/health")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "font-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
)
# Swagger UI has icons in its style sheet.
_POLICY_OF_DOCS = _POLICY.replace("img-src 'self' blob:", "img-src 'self' data:")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class SafeHeaders:
    """ASGI middleware: every response says what browsers may do with it, and that they keep nothing of anybody's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                docs = scope["path"] == "/docs" and message["status"] == 200
                headers["Content-Security-Policy"] = _POLICY_OF_DOCS if docs else _POLICY
                headers["Cache-Control"] = "no-store" if scope["path"].startswith(_SECRET) else "no-cache"
            await send(message)

        await self._app(scope, receive, with_headers)


class Lock:
    """Whether requests need a key, and whose they are.

    Args:
        settings: of the service.
        keys: the keys there are; none is needed on a loopback address while there are none.
    """

    def __init__(self, settings: ServiceSettings, keys: Keys) -> None:
        self._keys = keys
        self._loopback = is_loopback(settings.host)

    def needs_key(self) -> bool:
        """Whether a request needs a key.

        Raises:
            DatabaseError: nobody knows.
        """
        return not self._loopback or self._keys.any()

    def key(self, authorization: str | None) -> Key | None:
        """The key of a header `Authorization`; None where there is none and none is needed.

        Raises:
            Problem: 401.
            DatabaseError: nobody knows.
        """
        if authorization is None:
            if self.needs_key():
                raise _locked("this service needs a key: send it as Authorization: Bearer KEY", "")
            return None
        scheme, _, token = authorization.partition(" ")
        key = self._keys.find(token.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise _locked("this key is none of the service's, or is not valid any more", ', error="invalid_token"')
        return key


class Gate:
    """ASGI middleware: refuses what comes under a foreign name, from another web site, or without a key.

    The first two protect an open service on this machine from web pages in its user's browser: those can reach it under
    a name of theirs (DNS rebinding), or send it requests whose answers they do not see. That a key is made or revoked
    counts after a moment: see `Recent`.

    Args:
        app: what is behind the gate.
        settings: of the service.
        lock: who needs a key.
    """

    def __init__(self, app: ASGIApp, settings: ServiceSettings, lock: Lock) -> None:
        self._app, self._lock = app, lock
        self._let_in: Recent[Key | None] = Recent()
        self._names = {bare.lower() for name in (settings.host, *settings.names) if (bare := host_of(name))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection.

        Raises:
            Problem: it is refused.
            DatabaseError: nobody knows the keys.
        """
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            self._check_host(headers, scope)
            _check_site(headers, scope)
            scope[KEY] = None
            if scope["path"].startswith(_NEEDS_KEY):
                given = headers.get("authorization")
                about = given and sha256(given.encode()).digest()  # keys themselves are not kept
                scope[KEY] = await self._let_in.get(about, lambda: self._lock.key(given))
        await self._app(scope, receive, send)

    def _check_host(self, headers: Headers, scope: Scope) -> None:
        """Let in what asks for a name of ours, or for the address that the connection reached us at."""
        given = headers.getlist("host")
        name = host_of(given[0]).lower() if len(given) == 1 else ""
        server = scope.get("server")
        reached = _address(server[0]) if server else None
        ours = name in self._names or (reached is not None and _address(name) == reached)
        if not ours and not (reached is not None and is_loopback(str(reached)) and name in _LOCAL_NAMES):
            raise Problem(
                421,
                "this service is not called that; whoever runs it can add the name with --name",
                "unknown-host",
                "Unknown host",
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def host_of(authority: str) -> str:
    """The host of a `Host` header, without port and brackets; empty when it makes no sense."""
    if _address(authority) is not None:  # an IPv6 address, in settings
        return authority
    if authority.startswith("["):
        host, bracket, port = authority[1:].partition("]")
        port = port if bracket and _address(host) is not None else "?"
    else:
        host, colon, port = authority.partition(":")
        port = colon + port
    return host.removesuffix(".") if not port or (port[0] == ":" and port[1:].isdecimal()) else ""


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _check_site(headers: Headers, scope: Scope) -> None:
    """Refuse requests that another web site's page makes; following its link to a page of ours is fine."""
    origin = headers.get("origin")
    own = origin is None or origin.partition("://")[2].lower() == headers["host"].lower()
    if own and headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return
    how = (scope["method"], headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    link = how == ("GET", "navigate", "document")  # HEAD has become GET by now
    if origin is not None or not link or scope["path"] not in PAGES:
        raise Problem(403, "requests from other web sites are refused", "other-site", "From another web site")


def _locked(detail: str, why: str) -> Problem:
    challenge = f'Bearer realm="recessive"{why}'
    return Problem(401, detail, "key-needed", "A key is needed", {"WWW-Authenticate": challenge})
