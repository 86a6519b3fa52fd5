"""Visits: who is signed in in which browser, and the sign that a form was made for it.

All of it is in memory: when the console is started anew, people sign in anew.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from pipeline.deadletters.actor import Actor

COOKIE: Final = "visit"
_MOST: Final = 1000
"""Signed in at once; beyond it the oldest sign-in ends."""


@dataclass(frozen=True, slots=True)
class _Signed:
    actor: Actor
    until: float


class Sessions:
    """Sign-ins by the browser's cookie. `now` is a clock in seconds, `length_s` how long a sign-in holds."""

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._secret = secrets.token_bytes(32)
        self._signed: dict[str, _Signed] = {}

    @staticmethod
    def new_visit() -> str:
        """A cookie nobody can guess."""
        return secrets.token_urlsafe(32)

    def sign_in(self, actor: Actor, now: float) -> str:
        """The new cookie of somebody who is known now. It is another one than before: nobody else can have set it."""
        visit = self.new_visit()
        while len(self._signed) >= _MOST:
            del self._signed[next(iter(self._signed))]
        self._signed[_kept(visit)] = _Signed(actor, now + self._length_s)
        return visit

    def sign_out(self, visit: str) -> None:
        """Ends a sign-in, if it is one."""
        self._signed.pop(_kept(visit), None)

    def actor(self, visit: str, now: float) -> Actor | None:
        """Who is signed in there."""
        found = self._signed.get(_kept(visit))
        if found is None or found.until <= now:
            self.sign_out(visit)
            return None
        return found.actor

    def form_sign(self, visit: str) -> str:
        """What forms of this visit carry: another site does not know it."""
        return hmac.new(self._secret, visit.encode(), hashlib.sha256).hexdigest()

    def knows_form(self, visit: str, sign: str) -> bool:
        """Whether a form was made for this visit."""
        return bool(visit) and hmac.compare_digest(self.form_sign(visit).encode(), sign.encode())


def _kept(visit: str) -> str:
    """Cookies are not kept as they are: what could be read here would open nothing."""
    return hashlib.sha256(visit.encode()).hexdigest()
