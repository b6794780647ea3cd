"""What is to be done with one project, before any of its files is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from keyhouse.core import clock, configuration, naming
from keyhouse.core.errors import Refusal
from keyhouse.distfiles.filenames import parse_any_spelling
from keyhouse.distfiles.findings import UnacceptableError
from keyhouse.distfiles.names import judge_new_name, normalise
from keyhouse.projects import queries, sql
from keyhouse.projects.errors import FileExists, FileNameUsed, NameRefused, OwnerMissing
from keyhouse.projects.models import Project
from keyhouse.projects.rules import judge_upload_state
from keyhouse.publishing.importing.names import is_project_name
from keyhouse.publishing.importing.offers import Offered, Source
from keyhouse.publishing.importing.owners import Owners, People
from keyhouse.publishing.importing.rows import HERE, Row, refused
from keyhouse.publishing.importing.rules import Placed, place, uploaded_at

_AT_ONCE = 500  # names of one question


@dataclass(frozen=True, slots=True)
class ProjectPlan:
    """A project on its way in: who will own it where it is new, and how large one of its files may be."""

    name: str  # normalised
    people: People
    is_new: bool
    file_limit: int
    began_at: datetime | None
    may_lack_owner: bool
    takes_reserved: bool
    days: int  # within which people who are offered a role in it must take it
    offered: Offered


def plan_project(offered: Offered, owners: Owners) -> tuple[ProjectPlan, list[Placed]]:
    """Say what a project is here, and place its files."""
    name = normalise(offered.name)
    # of what can't be a name, nothing is asked: a database takes no half characters, nor zeros
    project = queries.find_project(name) if is_project_name(offered.name) else None
    limit = project.file_limit if project else None
    placed, now, people = place(offered), clock.now(), owners.of(name)
    times = [at for one in placed if (at := uploaded_at(one.offer.uploaded_at, now))]
    plan = ProjectPlan(
        name=name,
        people=people,
        is_new=project is None,
        file_limit=configuration.current().file_limit if limit is None else limit,
        began_at=min(times, default=None),
        may_lack_owner=owners.ownerless or people.has_owner,
        takes_reserved=owners.takes_reserved,
        days=owners.days,
        offered=offered,
    )
    refusal = _judge_existing(project) if project else _judge_new(offered.name, people, owners)
    return plan, [replace(one, refusal=one.refusal or refusal) for one in placed]


def _judge_existing(project: Project) -> Refusal | None:
    return judge_upload_state(project.status, project.status_reason)


def _judge_new(name: str, people: People, owners: Owners) -> Refusal | None:
    finding = judge_new_name(name, partial(queries.is_like_another, normalise(name)))
    if finding is not None:
        return NameRefused(finding.sentence, fix="A project can't come in by this name; rename it first.")
    users = [user.pk for user in (*people.owners, *people.maintainers)]
    objection = None if owners.takes_reserved else naming.find_objection(name, users)
    if objection is not None:
        return NameRefused(
            objection, fix="Name somebody it is kept for, or take reserved names (--take-reserved)."
        )
    if not people.has_owner and not owners.ownerless:
        return OwnerMissing(
            fix="Name an owner (--owner, --owners), or let it come without one (--ownerless)."
        )
    return None


def part(plan: ProjectPlan, placed: list[Placed], source: Source) -> Iterator[Row | Placed]:
    """Give the row of each file that is settled already, and each file that must be fetched, in their order."""
    known = _Known(plan.name, placed)
    for one in placed:
        yield known.row_of(one, source) or one


class _Known:
    """What the index knows of a project's files."""

    def __init__(self, project: str, placed: list[Placed]) -> None:
        self._project = project
        names = [name for one in placed if (name := one.offer.filename).isascii() and name.isprintable()]
        self._here = {row[0]: row[1] for row in _asked_by_names(_HERE, names)}
        self._used = {filename for (filename,) in _asked_by_names(_USED, names)}
        self._spellings = _spellings(project) if is_project_name(project) else {}

    def row_of(self, placed: Placed, source: Source) -> Row | None:
        """Return what became of a file that needn't be fetched, or None."""
        offer = placed.offer
        try:
            if offer.problem is None and offer.filename in self._here and self._is_same(placed, source):
                return Row(
                    self._project, offer.filename, HERE, sha256=self._here[offer.filename], size=offer.size
                )
        except Refusal as refusal:
            return refused(self._project, offer.filename, refusal)
        objection = placed.refusal or self._judge_name(placed, source)
        return refused(self._project, offer.filename, objection) if objection else None

    def _is_same(self, placed: Placed, source: Source) -> bool:
        return source.find_sha256(placed.offer) == self._here[placed.offer.filename]

    def _judge_name(self, placed: Placed, source: Source) -> Refusal | None:
        filename = placed.offer.filename
        if filename in self._here:
            is_known = source.find_sha256(placed.offer) is not None
            return (
                FileExists(f"File already exists: {filename} is here with other content.")
                if is_known
                else None
            )
        if filename in self._used:
            return FileNameUsed(f"{filename} was used before and deleted; a file name is never used twice.")
        other = self._spellings.get(placed.name.canonical) if placed.name else None
        return FileExists(f"File already exists in another spelling: {other}.") if other else None


def _asked_by_names(statement: str, names: list[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        yield from sql.select(f"{statement} WHERE filename IN ({sql.placeholders(some)})", *some)


_HERE: Final = "SELECT filename, sha256 FROM projects_file"
_USED: Final = "SELECT filename FROM projects_usedfilename"
_FILES: Final = "SELECT f.filename FROM projects_file f JOIN projects_project p ON p.id = f.project_id WHERE p.normalized_name = %s"


def _spellings(project: str) -> dict[str, str]:
    """Return the files that are here by their canonical names."""
    found = {}
    for (filename,) in sql.select(_FILES, project):
        try:
            found[parse_any_spelling(filename, takes_zip=True).canonical] = filename
        except UnacceptableError:  # written by rules that are no longer
            continue
    return found
