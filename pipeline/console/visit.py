"""One request of somebody who is known: who it is, what they wrote, and how they are answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pipeline.console.forms import Form
from pipeline.console.office import Office
from pipeline.deadletters.actor import Actor, Role


@dataclass(frozen=True, slots=True)
class Visit:
    """Made for handlers of pages; `form` is the address's for what is read, the posted one for what is done."""

    request: Request
    actor: Actor
    form: Form
    form_sign: str
    signed_in: bool
    """By a token here, so that one can sign out here."""
    office: Office
    lasts: Callable[[], bool]
    """Whether the sign-in still holds: some answers take long."""

    def may(self, role: Role) -> bool:
        """Whether the person has the role: what they may not do is not offered."""
        return role in self.actor.roles

    def page(self, name: str, status: int = 200, **values: object) -> Response:
        """The page of a template."""
        return HTMLResponse(self.part(name, **values), status)

    def part(self, name: str, **values: object) -> str:
        """What a template says to this visitor."""
        return self.office.pages.render(
            name,
            visitor=self.actor,
            may_operate=self.may(Role.OPERATOR),
            may_reveal=self.may(Role.PRIVACY),
            form_sign=self.form_sign,
            signed_in=self.signed_in,
            path=self.request.url.path,
            **values,
        )

    def to(self, address: str) -> Response:
        """Sends the browser to another page, after something was done."""
        return RedirectResponse(address, 303)
