"""Who may make projects: asked for whoever acts whenever a project is made, inside that transaction.

The setting says who: everybody, approved people, or operators. The host makes projects whatever it says, and so an
import does. Bringing back a deleted project makes none. `safety` keeps who is approved; `web` wires it at start-up.
"""

from __future__ import annotations

from typing import Final, Protocol

from keyhouse.core import configuration
from keyhouse.core.actor import Actor
from keyhouse.core.errors import GateUnavailable, Refusal, Situation

EVERYBODY: Final = "everybody"
APPROVED: Final = "approved"
OPERATORS: Final = "operators"


class CreationRestricted(Refusal):
    """Not everybody may make projects here."""

    code = "project-creation-restricted"
    situation = Situation.FORBIDDEN
    sentence = "Only people whom the operators approved may make projects on this index."
    fix = "Ask the operators of this index to approve you, or to make the project for you."


class Creators(Protocol):
    """Tells who may make projects where not everybody may."""

    def is_operator(self, user_id: int) -> bool:
        """Tell whether this account is an operator's now."""

    def is_approved(self, user_id: int) -> bool:
        """Tell whether operators approved this account."""


_wired: list[Creators] = []


def wire(creators: Creators | None) -> None:
    """Install the implementation; None takes it out."""
    _wired[:] = [] if creators is None else [creators]


def require(by: Actor) -> None:
    """Raise CreationRestricted where this actor may make no project; GateUnavailable where nobody is asked."""
    whom = configuration.current().project_creators
    if whom == EVERYBODY or by.kind in {"host", "job"}:
        return
    if not _wired:
        raise GateUnavailable
    if by.user_id is not None and _wired[0].is_operator(by.user_id):
        return
    if whom == OPERATORS:
        raise CreationRestricted(
            "Only operators may make projects on this index.", fix="Ask them to make the project for you."
        )
    if by.user_id is None or not _wired[0].is_approved(by.user_id):
        raise CreationRestricted
