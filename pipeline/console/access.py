"""Who may come in: people with a token, or people whom a trusted proxy names."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers

from pipeline.deadletters.actor import Actor, Role
from pipeline.errors import UsageError
from pipeline.settings import ConsoleSettings

_log = logging.getLogger(__name__)
_SHORTEST_TOKEN: Final = 20
"""Characters: a shorter one could be guessed."""
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Pass:
    """One person's token, as a digest only: nothing that is printed by accident opens a door."""

    actor: Actor
    digest: bytes


@dataclass(frozen=True, slots=True)
class Proxy:
    """Whose headers are believed, and which they are. Without a header of roles everybody it names is a viewer."""

    networks: Sequence[_Network]
    user_header: str
    roles_header: str


class Access:
    """Says who somebody is, or that nobody knows them."""

    def __init__(self, passes: Sequence[Pass] = (), proxy: Proxy | None = None) -> None:
        self._passes, self._proxy = tuple(passes), proxy

    @classmethod
    def of(cls, settings: ConsoleSettings) -> Access:
        """As the settings say. Raises UsageError, without any token in it, when they are not valid."""
        passes = parsed(settings.tokens.get_secret_value()) if settings.tokens is not None else []
        proxy = None
        if settings.user_header:
            if not settings.proxies:
                raise UsageError("console.user_header is set: name the proxies that may send it in console.proxies")
            proxy = Proxy([_network(text) for text in settings.proxies], settings.user_header, settings.roles_header)
        elif settings.proxies or settings.roles_header:
            raise UsageError("console.proxies and console.roles_header need console.user_header")
        return cls(passes, proxy)

    @property
    def anybody(self) -> bool:
        """Whether there is anyone who could come in."""
        return bool(self._passes) or self._proxy is not None

    @property
    def by_tokens(self) -> bool:
        """Whether there are tokens to sign in with."""
        return bool(self._passes)

    def by_token(self, token: str) -> Actor | None:
        """Whose token it is. Takes as long for a wrong one as for a right one."""
        digest, found = _digest(token), None
        for one in self._passes:
            if hmac.compare_digest(digest, one.digest):
                found = one.actor
        return found

    def by_proxy(self, peer: str, headers: Headers) -> Actor | None:
        """Whom the proxy at the address `peer` names; None when it is no trusted proxy or names nobody.

        Raises UsageError when a header stands more than once: then one of them is the proxy's, and nobody knows which.
        """
        proxy = self._proxy
        if proxy is None or not _inside(peer, proxy.networks):
            return None
        name = _only(headers, proxy.user_header).strip()
        told = _only(headers, proxy.roles_header) if proxy.roles_header else Role.VIEWER
        if not name or not name.isprintable():
            return None
        roles = frozenset(Role(role) for role in map(str.strip, told.lower().split(",")) if role in list(Role))
        return Actor(name, roles) if roles else None


def parsed(text: str) -> list[Pass]:
    """Entries of `name:role+role:token`. Raises UsageError that says which entry is wrong, and quotes none."""
    found: dict[str, Pass] = {}
    for number, entry in enumerate(_entries(text), start=1):
        name, _, rest = entry.partition(":")
        roles, _, token = rest.partition(":")
        if not name or not token:
            raise UsageError(f"entry {number} of console.tokens does not read name:role+role:token")
        if not set(roles.split("+")) <= set(Role):
            raise UsageError(f"entry {number} of console.tokens names a role that is none of {', '.join(Role)}")
        if len(token) < _SHORTEST_TOKEN:
            raise UsageError(
                f"entry {number} of console.tokens: a token has {_SHORTEST_TOKEN} characters or more "
                "(openssl rand -hex 24)"
            )
        if name in found:
            raise UsageError(f"entry {number} of console.tokens: this name stands there before")
        found[name] = passed(Actor(name, frozenset(Role(role) for role in roles.split("+"))), token)
    return list(found.values())


def passed(actor: Actor, token: str) -> Pass:
    """The pass of who has this token."""
    return Pass(actor, _digest(token))


def _entries(text: str) -> Iterable[str]:
    for line in text.splitlines():
        if not line.lstrip().startswith("#"):
            yield from line.split()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _network(text: str) -> _Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise UsageError(f"console.proxies: {text} is neither an address nor a network") from None


def _only(headers: Headers, name: str) -> str:
    found = headers.getlist(name)
    if len(found) > 1:
        _log.warning("a request with %d headers %s was refused", len(found), name)
        raise UsageError(f"{name} came {len(found)} times: the proxy has to overwrite it, not to add its own")
    return found[0] if found else ""


def _inside(peer: str, networks: Sequence[_Network]) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return any(address in network for network in networks)
