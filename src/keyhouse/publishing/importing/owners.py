"""Who owns what is imported: a CSV file of project patterns, people and roles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from keyhouse.accounts.inviting.queries import find_invited_address
from keyhouse.accounts.models import User
from keyhouse.accounts.queries import find_user_by_identifier
from keyhouse.accounts.rules import check_address
from keyhouse.core.errors import Refusal
from keyhouse.core.tables import TableError, read_table
from keyhouse.distfiles.findings import shown
from keyhouse.projects.rules import MAINTAINER, OWNER
from keyhouse.publishing.importing.errors import OwnersInvalid
from keyhouse.publishing.importing.names import matches

_ROLES: Final = (OWNER, MAINTAINER)


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the projects that fit `pattern` have `person` (user name or address) as `role`."""

    pattern: str
    person: str
    role: str = OWNER


@dataclass(frozen=True, slots=True)
class Pending:
    """Somebody without an account, by address, and the role that is offered to them."""

    address: str
    role: str


@dataclass(frozen=True, slots=True)
class People:
    """Who has a role in one project: accounts that are there, and people who have none yet."""

    owners: tuple[User, ...] = ()
    maintainers: tuple[User, ...] = ()
    pending: tuple[Pending, ...] = ()

    @property
    def has_owner(self) -> bool:
        """Whether somebody owns it, or will once they have an account and accept."""
        return bool(self.owners) or any(one.role == OWNER for one in self.pending)


@dataclass(frozen=True, slots=True)
class Owners:
    """All lines; every one that fits a project counts. `ownerless`: a project may have nobody; `takes_reserved`: any reserved name."""

    lines: Sequence[Line] = ()
    ownerless: bool = False
    takes_reserved: bool = False
    days: int = 30  # within which whoever is offered a role must take it
    find: Callable[[str], User | str | None] = field(
        default_factory=lambda: lru_cache(maxsize=2000)(find_person)
    )

    def of(self, project: str) -> People:
        """Return the people of a project by its normalised name; who is named twice is an owner."""
        fitting = [(line, self.find(line.person)) for line in self.lines if matches(project, line.pattern)]
        users = {user.pk: user for _, user in fitting if isinstance(user, User)}
        owners = {user.pk for line, user in fitting if isinstance(user, User) and line.role == OWNER}
        return People(
            owners=tuple(user for pk, user in users.items() if pk in owners),
            maintainers=tuple(user for pk, user in users.items() if pk not in owners),
            pending=tuple(_pending((line, found) for line, found in fitting if isinstance(found, str))),
        )

    def require_known(self) -> None:
        """Raise OwnersInvalid where a line names somebody who has no account and no address to invite them by."""
        for line in self.lines:
            if self.find(line.person) is None:
                raise OwnersInvalid(
                    f"There is nobody called {shown(line.person)} here, and nobody of that name is invited.",
                    fix="Name their e-mail address, or invite them first: keyhouse user invite.",
                )


def find_person(person: str) -> User | str | None:
    """Return the account of a user name or verified address, the address to invite somebody by, or None."""
    user = find_user_by_identifier(person)
    if user is not None:
        return None if user.state == User.State.DELETED else user
    if "@" not in person:
        return find_invited_address(person)
    try:
        return check_address(person).lower()
    except Refusal:
        return None


def read_owners(path: Path) -> list[Line]:
    """Read the file; raises OwnersInvalid with the line."""
    try:
        return [_line(row, number) for number, row in read_table(path, ("project", "person"), ("role",))]
    except TableError as error:
        raise OwnersInvalid(str(error)) from error


def _line(row: dict[str, str], number: int) -> Line:
    role = row["role"].lower() or OWNER
    if role not in _ROLES:
        raise OwnersInvalid(f"Line {number}: {shown(role)} is no role; it is owner or maintainer.")
    return Line(row["project"], row["person"], role)


def _pending(fitting: Iterable[tuple[Line, str]]) -> Iterable[Pending]:
    roles: dict[str, str] = {}
    for line, address in fitting:
        roles[address] = OWNER if OWNER in {line.role, roles.get(address)} else MAINTAINER
    return (Pending(address, role) for address, role in roles.items())
