"""What each role in an organization may do, and what a name may be. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from keyhouse.distfiles.names import fold, normalise
from keyhouse.organizations.errors import OrganizationNameRefused, OrganizationTextRefused

OWNER: Final = "owner"
MANAGER: Final = "manager"
MEMBER: Final = "member"
INVITED: Final = "invited"
KINDS: Final = (MEMBER, MANAGER, OWNER)  # the lowest one first

# Who reads a project where the index is private: every reader of it, the members of its organization, some of its teams.
# Whoever has a role in the project reads it, whatever else is said.
EVERYBODY: Final = "everybody"
MEMBERS: Final = "members"
TEAMS: Final = "teams"
READERS: Final = (EVERYBODY, MEMBERS, TEAMS)

_EVERY_MEMBER: Final = frozenset({"organization.manage", "organization.leave", "team.keep-member"})
_MANAGING: Final = frozenset(
    {
        "organization.add-project",
        "team.create",
        "team.rename",
        "team.delete",
        "team.add-member",
        "team.remove-member",
    }
)
# The one table: every door, the pages and `docs/reference/roles.md` ask it.
ROLE_ACTIONS: Final[dict[str, frozenset[str]]] = {
    OWNER: _EVERY_MEMBER
    | _MANAGING
    | {
        "organization.move-project",
        "organization.oversee",
        "organization.describe",
        "organization.rename",
        "organization.set-readers",
        "organization.see-readers",
        "organization.delete",
        "organization.invite",
        "organization.resend",
        "organization.revoke",
        "organization.change-role",
        "organization.remove-member",
        "organization.keep-member",
        "organization.nudge",
        "organization.hand-over",
        "organization.lay-down",
        "organization.declare-mandate",
        "organization.loosen-mandate",
        "organization.approve-mandate",
        "organization.keep-mandate",
        "robot-token.mint",
        "robot-token.revoke",
        "robot-token.confirm",
        "publisher.read",
        "publisher.add",
        "publisher.remove",
        "publisher.confirm",
        "publisher.constrain",
        "publisher.add-pending",
        "publisher.remove-pending",
    },
    MANAGER: _EVERY_MEMBER | _MANAGING,
    MEMBER: _EVERY_MEMBER,
    # of whoever is invited and has not accepted; the invitation itself is looked for by the service
    INVITED: frozenset({"organization.accept", "organization.decline"}),
}
# Done to an organization by people without a role in it, too.
ROLELESS_ACTIONS: Final = frozenset({"organization.create", "organization.apply"}) | ROLE_ACTIONS[INVITED]

LONGEST_NAME: Final = 50
LONGEST_TITLE: Final = 100
LONGEST_TEXT: Final = 500
MOST_WAITING: Final = 200  # invitations of one organization
MOST_APPLICATIONS: Final = 3  # of one person, undecided
KEPT_FOR: Final = timedelta(days=30)  # an invitation and an application are remembered after their end
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
# They name something else where a name stands beside them; `own` and `organization` tell through what somebody has a right.
_RESERVED: Final = frozenset(
    fold(name)
    for name in (
        "own", "organization", "organizations", "prospective", "team", "teams", "new", "all", "none", "null",
        "host", "job", "keyhouse", "system", "undefined", "admin", "operator", "operators",
    )
)  # fmt: skip


def allows_role(role: str | None, action: str) -> bool:
    """Tell whether somebody with this role (None: no role) may do this to the organization."""
    return action in ROLE_ACTIONS.get(role or "", frozenset())


def is_higher(kind: str, present: str | None) -> bool:
    """Tell whether a role is more than what somebody has now (None: nothing)."""
    return present is None or KINDS.index(kind) > KINDS.index(present)


def is_waiting(ended_at: datetime | None, expires_at: datetime, now: datetime) -> bool:
    """Tell whether an invitation can be accepted."""
    return ended_at is None and now < expires_at


def check_name(name: str) -> str:
    """Return the name of an organization or a team; raises OrganizationNameRefused where it breaks a rule."""
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name) or fold(name) in _RESERVED:
        raise OrganizationNameRefused
    return name


def key_of(name: str) -> str:
    """Return the one spelling that decides which organization or team is meant; what no name could be is nothing."""
    return normalise(name) if len(name) <= LONGEST_NAME and _NAME.fullmatch(name) else ""


def check_reason(text: str) -> str:
    """Return one line that says why; raises OrganizationTextRefused also where there is none."""
    text = check_text(text)
    if not text:
        raise OrganizationTextRefused("A reason is missing.", fix="Say in a line why.")
    return text


def check_text(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return one line that everybody may read; raises OrganizationTextRefused."""
    text = text.strip()
    if len(text) > longest or not text.isprintable():
        raise OrganizationTextRefused
    return text
