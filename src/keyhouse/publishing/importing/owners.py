"""Who owns what is imported: a CSV file of project patterns, people and roles."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from keyhouse.accounts.models import User
from keyhouse.accounts.queries import find_user_by_identifier
from keyhouse.distfiles.findings import shown
from keyhouse.projects.rules import MAINTAINER, OWNER
from keyhouse.publishing.importing.errors import OwnersInvalid
from keyhouse.publishing.importing.names import matches

_ROLES: Final = (OWNER, MAINTAINER)
_COLUMNS: Final = ("project", "person", "role")
_LARGEST: Final = 8 * 2**20
_LONGEST: Final = 254


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the projects that fit `pattern` have `person` (user name or address) as `role`."""

    pattern: str
    person: str
    role: str = OWNER


@dataclass(frozen=True, slots=True)
class People:
    """Who has a role in one project: accounts that are there, and people who have none yet, with their roles."""

    owners: tuple[User, ...] = ()
    maintainers: tuple[User, ...] = ()
    missing: tuple[Line, ...] = ()

    @property
    def has_owner(self) -> bool:
        """Whether somebody owns it, or will once they have an account."""
        return bool(self.owners) or any(line.role == OWNER for line in self.missing)


@dataclass(frozen=True, slots=True)
class Owners:
    """All lines; every one that fits a project counts. `ownerless`: a project may have nobody."""

    lines: Sequence[Line] = ()
    ownerless: bool = False
    find: Callable[[str], User | None] = field(default_factory=lambda: lru_cache(maxsize=1000)(find_person))

    def of(self, project: str) -> People:
        """Return the people of a project by its normalised name."""
        fitting = list(dict.fromkeys(line for line in self.lines if matches(project, line.pattern)))
        found = [(line, self.find(line.person)) for line in fitting]
        return People(
            owners=_with_role(found, OWNER),
            maintainers=_with_role(found, MAINTAINER),
            missing=tuple(line for line, user in found if user is None),
        )


def find_person(person: str) -> User | None:
    """Return the account of a user name or verified address, or None where there is none in use."""
    user = find_user_by_identifier(person)
    return None if user is None or user.state == User.State.DELETED else user


def read_owners(path: Path) -> list[Line]:
    """Read the file; raises OwnersInvalid with the line."""
    try:
        text = path.read_bytes()[: _LARGEST + 1].decode("utf-8-sig")
    except OSError as error:
        raise OwnersInvalid(f"{shown(path.name)} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise OwnersInvalid(f"{shown(path.name)} is not UTF-8.") from error
    if len(text) > _LARGEST:
        raise OwnersInvalid(f"{shown(path.name)} is too large.")
    return list(_read(csv.DictReader(io.StringIO(text), restkey="surplus")))


def _read(rows: csv.DictReader[str]) -> Iterable[Line]:
    try:
        columns = [name.strip().lower() for name in rows.fieldnames or ()]
        if columns not in (list(_COLUMNS), list(_COLUMNS[:2])):
            raise OwnersInvalid("The first line must be project,person,role.")
        rows.fieldnames = columns
        yield from (_line(row, rows.line_num) for row in rows)
    except csv.Error as error:
        raise OwnersInvalid(f"Line {rows.line_num} is no CSV.") from error


def _line(row: dict[str, str | None], number: int) -> Line:
    pattern, person = (row.get("project") or "").strip(), (row.get("person") or "").strip()
    role = (row.get("role") or OWNER).strip().lower()
    if not pattern or not person or "surplus" in row or max(len(pattern), len(person)) > _LONGEST:
        raise OwnersInvalid(f"Line {number} needs a project, a person and, if it is not owner, a role.")
    if role not in _ROLES:
        raise OwnersInvalid(f"Line {number}: {shown(role)} is no role; it is owner or maintainer.")
    return Line(pattern, person, role)


def _with_role(found: Sequence[tuple[Line, User | None]], role: str) -> tuple[User, ...]:
    users = {user.pk: user for line, user in found if user is not None and line.role == role}
    return tuple(users.values())
