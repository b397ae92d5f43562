"""Where photos may be delivered: the target that a client names, compared with the operator's allow-list.

A URL on the list trusts its host, and whatever answers there, with the photos; names are resolved when a photo is
delivered, so the host may move. A folder on the list trusts everybody who may write to it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from recessive.errors import RecessiveError

_URL = re.compile(
    r"""(?P<scheme>https?)://
        (?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])
        (?::(?P<port>[0-9]{0,5}))?
        (?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?
        (?P<query>\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?""",
    re.VERBOSE,
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # of two letters or more: C: is a drive
_PORTS = {"http": 80, "https": 443}
_LONGEST = 2_000
_MOST_DECODED = 5  # times; no useful address is still encoded then


class TargetError(RecessiveError, ValueError):
    """Nothing may be delivered to a target; the message says what is allowed."""


@dataclass(frozen=True)
class _Url:
    origin: str
    path: str
    query: str

    def below(self, other: _Url) -> bool:
        """Whether `other` is a prefix that ends at the border of a path segment."""
        if self.origin != other.origin:
            return False
        if other.query:
            return (self.path, self.query) == (other.path, other.query)
        return self.path == other.path or self.path.startswith(other.path.removesuffix("/") + "/")


def check_target(target: str, allowed: Sequence[str]) -> str:
    """Check whether photos may be delivered to a target.

    A URL must have the scheme, host and port of an entry, and a path equal to or below that of the entry. A folder must
    be equal to or below an entry after all symbolic links are resolved.

    Args:
        target: an http or https URL, or the absolute path of a folder.
        allowed: the allow-list, see `ServiceOptions.deliver_to`.

    Returns:
        The target in its normal form.

    Raises:
        TargetError: if they may not.
    """
    known = [entry for entry in map(_entry, allowed) if not isinstance(entry, TargetError)]
    if _SCHEME.match(target):
        url = _url(target)
        fits = any(isinstance(entry, _Url) and url.below(entry) for entry in known)
        target = f"{url.origin}{url.path}{url.query}"
    else:
        folder = _folder(target)
        real = folder.resolve()
        fits = any(isinstance(entry, Path) and real.is_relative_to(entry.resolve()) for entry in known)
        target = str(folder)
    if not fits:
        # Without queries, which may contain a secret.
        shown = [f"{entry.origin}{entry.path}" if isinstance(entry, _Url) else str(entry) for entry in known]
        only = f"allowed targets begin with {' or '.join(shown)}" if shown else "its allow-list is empty"
        raise TargetError(f"this service does not deliver there; {only}")
    return target


def check_allow_list(allowed: Sequence[str]) -> None:
    """Check that each entry of the allow-list is valid: others would match no target.

    Raises:
        TargetError: if an entry is invalid; names its position and what is wrong, not the entry itself.
    """
    for number, entry in enumerate(map(_entry, allowed), 1):
        if isinstance(entry, TargetError):
            raise TargetError(f"entry {number} of the allow-list of delivery targets is {entry}")


def _entry(text: str) -> _Url | Path | TargetError:
    try:
        return _url(text) if _SCHEME.match(text) else _folder(text)
    except TargetError as error:
        return error


def _folder(text: str) -> Path:
    path = Path(text)
    if not text.isprintable() or len(text) > _LONGEST or not path.is_absolute() or ".." in path.parts:
        raise TargetError("neither an http or https URL nor the absolute path of a folder, without ..")
    return path


def _url(text: str) -> _Url:
    """A URL in its normal form, parsed strictly: whatever two programs could read differently is refused."""
    if len(text) > _LONGEST:
        raise TargetError(f"a URL of more than {_LONGEST} characters")
    authority = re.match(r"([A-Za-z]+://[!-~]*?)(?=[/?#]|$)", text)  # ASCII: lower() turns the Kelvin sign into a k
    match = authority and _URL.fullmatch(authority[1].lower() + text[authority.end() :])
    if not match:
        form = "https://HOST:PORT/PATH, in ASCII characters, without a user, a fragment or a backslash"
        raise TargetError(f"not of the form {form}")
    scheme, host, path = match["scheme"], match["host"], match["path"] or "/"
    host, port = _host(host), int(match["port"] or _PORTS[scheme])
    if not 0 < port < 2**16:
        raise TargetError("a URL with an invalid port")
    for part in (path, match["query"] or ""):
        if re.search(r"%(?![0-9A-Fa-f]{2})", part):
            raise TargetError("a URL with a percent sign that encodes nothing")
    _plain_path(path)
    origin = f"{scheme}://{host}" if port == _PORTS[scheme] else f"{scheme}://{host}:{port}"
    return _Url(origin, _normal(path), match["query"] or "")


def _host(text: str) -> str:
    """A host name, or an IPv6 address in its normal form."""
    try:
        if text.startswith("["):
            return f"[{ipaddress.IPv6Address(text[1:-1])}]"
    except ValueError:
        raise TargetError("a URL with an invalid address") from None
    if len(text) > 253 or not all(0 < len(label) <= 63 and label.strip("-") == label for label in text.split(".")):
        raise TargetError("a URL with an invalid host")
    return text


def _plain_path(path: str) -> None:
    """Refuse a path that a server could take for another one, however often it decodes it."""
    for _ in range(_MOST_DECODED):
        for segment in path.split("/"):
            if segment.partition(";")[0] in (".", ".."):  # some servers drop what follows a semicolon
                raise TargetError("a URL with . or .. in its path")
        decoded = unquote(path, errors="replace")
        if decoded == path:
            return
        if decoded.count("/") != path.count("/") or "\\" in decoded or not decoded.isprintable():
            raise TargetError("a URL with an encoded slash, backslash or control character in its path")
        path = decoded
    raise TargetError("a URL whose path is encoded repeatedly")


def _normal(path: str) -> str:
    """The path encoded only where necessary, in upper case (RFC 3986, section 6.2.2)."""

    def plain(match: re.Match[str]) -> str:
        character = chr(int(match[1], 16))
        return character if re.fullmatch(r"[A-Za-z0-9._~-]", character) else match[0].upper()

    return re.sub(r"%([0-9A-Fa-f]{2})", plain, path)
