"""Which requests are allowed: host names, other web sites, keys; and the headers that restrict browsers."""

from __future__ import annotations

import ipaddress
from hashlib import sha256

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recessive.options import ServiceOptions
from recessive.service.http.exchange import HttpMiddleware
from recessive.service.http.problems import Problem
from recessive.service.http.short_cache import ShortCache
from recessive.service.store.keys import Key, Keys

KEY = "recessive.key"
"""The entry of a request's scope that holds its key, or None."""

PAGES = ("/", "/docs")
"""Pages that other web sites may link to."""

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


class SafeHeaders(HttpMiddleware):
    """Adds headers to every response that restrict what browsers do with it and keep of it."""

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                docs = scope["path"] == "/docs" and message["status"] == 200
                headers["Content-Security-Policy"] = _POLICY_OF_DOCS if docs else _POLICY
                headers["Cache-Control"] = "no-store" if scope["path"].startswith(_SECRET) else "no-cache"
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Authenticator:
    """Decides whether requests need a key, and finds their keys.

    Args:
        settings: the settings of the service.
        keys: the keys of the service. While there are none, a service on a loopback address needs no key.

    Raises:
        DatabaseError: from each call, if the database cannot be used.
    """

    def __init__(self, settings: ServiceOptions, keys: Keys) -> None:
        self._keys = keys
        self._loopback = is_loopback(settings.host)

    def needs_key(self) -> bool:
        """Whether requests need a key."""
        return not self._loopback or self._keys.any()

    def authenticate(self, authorization: str | None) -> Key | None:
        """The key of an `Authorization` header; None if there is no header and none is needed.

        Raises:
            Problem: 401.
        """
        if authorization is None:
            if self.needs_key():
                raise _unauthorized("this service needs a key; send it in the header Authorization: Bearer KEY", "")
            return None
        scheme, _, token = authorization.partition(" ")
        key = self._keys.find(token.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise _unauthorized("this key does not exist or was revoked", ', error="invalid_token"')
        return key


class AccessControl(HttpMiddleware):
    """Refuses requests that use a foreign host name, come from another web site, or lack a key.

    The first two protect an open service on this machine from web pages in its user's browser, which can reach it under
    a name of theirs (DNS rebinding), or send it requests whose answers they do not see. New and revoked keys take
    effect after a moment: see `ShortCache`.

    Args:
        app: the app behind it.
        settings: the settings of the service.
        authenticator: finds the keys of requests.
    """

    def __init__(self, app: ASGIApp, settings: ServiceOptions, authenticator: Authenticator) -> None:
        super().__init__(app)
        self._authenticator = authenticator
        self._authenticated: ShortCache[Key | None] = ShortCache()
        self._names = {bare.lower() for name in (settings.host, *settings.name) if (bare := host_of(name))}

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self._check_host(headers, scope)
        _check_site(headers, scope)
        scope[KEY] = None
        if scope["path"].startswith(_NEEDS_KEY):
            given = headers.get("authorization")
            digest = given and sha256(given.encode()).digest()  # keys themselves are not kept
            scope[KEY] = await self._authenticated.get(digest, lambda: self._authenticator.authenticate(given))
        await self._app(scope, receive, send)

    def _check_host(self, headers: Headers, scope: Scope) -> None:
        """Allow the names of the service, and the address at which the connection reached it."""
        given = headers.getlist("host")
        name = host_of(given[0]).lower() if len(given) == 1 else ""
        server = scope.get("server")
        reached = _address(server[0]) if server else None
        ours = name in self._names or (reached is not None and _address(name) == reached)
        if not ours and not (reached is not None and is_loopback(str(reached)) and name in _LOCAL_NAMES):
            detail = "the service does not have this host name; its operator can add the name with --name"
            raise Problem(421, detail, "unknown-host", "Unknown host")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a service that listens on a host."""
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def host_of(authority: str) -> str:
    """The host of a `Host` header, without port and brackets; empty if the header is invalid."""
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
    """Refuse requests by pages of other web sites, except when a user follows their link to one of `PAGES`."""
    origin = headers.get("origin")
    own = origin is None or origin.partition("://")[2].lower() == headers["host"].lower()
    if own and headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return
    how = (scope["method"], headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    link = how == ("GET", "navigate", "document")  # HEAD has become GET by now
    if origin is not None or not link or scope["path"] not in PAGES:
        raise Problem(403, "requests from other web sites are refused", "other-site", "From another web site")


def _unauthorized(detail: str, why: str) -> Problem:
    challenge = f'Bearer realm="recessive"{why}'
    return Problem(401, detail, "key-needed", "A key is needed", {"WWW-Authenticate": challenge})
