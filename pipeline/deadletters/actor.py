"""Who does something with dead letters, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.errors import NotAllowedError


class Role(StrEnum):
    """What a person may do (a closed list)."""

    VIEWER = "viewer"
    """See everything but personal data."""
    OPERATOR = "operator"
    """Mend, send again, close."""
    PRIVACY = "privacy"
    """See personal data."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, as the audit names them."""

    name: str
    roles: frozenset[Role]

    def require(self, role: Role) -> None:
        """Raises NotAllowedError when the role is missing."""
        if role not in self.roles:
            raise NotAllowedError(f"{self.name} may not do this: it takes the role {role}")
