"""Publishing several files of one project in one transaction: what each must be asked is asked for all of them together.

The rules are those of a single file; each is judged beside those that were taken before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from django.db import transaction

from keyhouse.audit import rows
from keyhouse.audit.services import Act, record_all
from keyhouse.core import clock, faults
from keyhouse.core.actor import Actor
from keyhouse.projects import pages, queries, rules, sql
from keyhouse.projects.changing import settled, thing_of
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.models import File, Project, Provenance, Release
from keyhouse.projects.pages import Contents
from keyhouse.projects.rules import Candidate, KnownRelease, Neighbours
from keyhouse.projects.services import (
    NewFile,
    file_of,
    judge_place,
    known_release,
    let_in,
    release_of,
    told_of,
    used_name_of,
)

_UNSAVED: Final = 0  # the key of a release that is made together with its files


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What must be known of a file to judge it beside others; `version` is its own spelling."""

    candidate: Candidate
    blake2: str
    version: str


@dataclass
class Surroundings:
    """What stands in the index beside new files of one project, and those among them that were taken already."""

    releases: dict[str, KnownRelease]
    digests: dict[str, str] = field(default_factory=dict)  # SHA-256 of files by name
    named: dict[str, list[str]] = field(default_factory=dict)  # names of files by BLAKE2b
    used: set[str] = field(default_factory=set)
    sdists: dict[str, str] = field(default_factory=dict)  # names of source distributions by version

    def release_of(self, newcomer: Newcomer) -> KnownRelease | None:
        """Return the release that it would join."""
        return rules.find_equal_release(self.releases, newcomer.version)

    def beside(self, newcomer: Newcomer) -> Neighbours:
        """Return what `queries.gather_neighbours` does."""
        release, name = self.release_of(newcomer), newcomer.candidate.filename
        others = [other for other in self.named.get(newcomer.blake2, ()) if other != name]
        return Neighbours(
            same_name_sha256=self.digests.get(name),
            is_name_used=name in self.digests or name in self.used,
            same_content=others[0] if others else None,
            sdist=self.sdists.get(release.version) if release else None,
            release_created_at=release.created_at if release else None,
        )

    def take(self, newcomer: Newcomer, at: datetime) -> None:
        """Let a file count as one that is here."""
        name, candidate = newcomer.candidate.filename, newcomer.candidate
        release = self.release_of(newcomer)
        if release is None:
            release = KnownRelease(_UNSAVED, newcomer.version, at, None, "")
            self.releases[newcomer.version] = release
        self.digests[name] = candidate.sha256
        self.named.setdefault(newcomer.blake2, []).append(name)
        self.used.add(name)
        if candidate.kind == "sdist":
            self.sdists.setdefault(release.version, name)


def gather_surroundings(newcomers: Sequence[Newcomer], releases: dict[str, KnownRelease]) -> Surroundings:
    """Ask at once what stands beside all of them; `releases` are those of the project."""
    found = Surroundings(dict(releases))
    for some in pages.batches(newcomers):
        names = [one.candidate.filename for one in some]
        digests = [one.blake2 for one in some]
        marks = sql.placeholders(some)
        alike = f"{_ALIKE} WHERE filename IN ({marks}) OR blake2 IN ({marks})"
        for name, sha256, blake2 in sql.select(alike, *names, *digests):
            found.digests[name] = sha256
            found.named.setdefault(blake2, []).append(name)
        found.used |= {name for (name,) in sql.select(f"{_USED} IN ({marks})", *names)}
        found.sdists |= dict(_sdists(found, some))
    return found


_ALIKE: Final = "SELECT filename, sha256, blake2 FROM projects_file"
_USED: Final = "SELECT filename FROM projects_usedfilename WHERE filename"
_SDISTS: Final = "SELECT release_id, filename FROM projects_file WHERE kind = 'sdist' AND release_id"


def _sdists(found: Surroundings, newcomers: Iterable[Newcomer]) -> Iterator[tuple[str, str]]:
    joined = [found.release_of(one) for one in newcomers if one.candidate.kind == "sdist"]
    versions = {release.pk: release.version for release in joined if release is not None}
    if versions:
        for release, name in sql.select(f"{_SDISTS} IN ({sql.placeholders([*versions])})", *versions):
            yield versions[release], name


def publish_files(new: Sequence[NewFile], *, by: Actor) -> list[File]:
    """Make several stored files of one project visible, all or none, and return those that were not here already.

    One transaction, one rendering of the pages, one audit record for each. The project must be there. Raises
    ProjectNotFound, and what `publish_file` raises.
    """
    return settled(lambda: _publish(new, by))


def _publish(new: Sequence[NewFile], by: Actor) -> list[File]:
    with transaction.atomic():
        project = queries.lock_project(new[0].normalized_name)
        if project is None:
            raise ProjectNotFound
        let_in(project, by)
        contents = pages.read_contents(project)
        taken = _judged(new, project, contents, by)
        if not taken:
            return []
        made = _make_releases(taken, project, contents)
        releases = contents.releases | {version: known_release(release) for version, release in made.items()}
        files = _make_files(taken, project, releases, by)
        _record(taken, made, project, releases, by)
        _render(project, contents, files, releases, made)
        faults.reach("upload.rows-written")
    return files


@dataclass(frozen=True, slots=True)
class _Taken:
    """A file that will be published, and when it appeared."""

    new: NewFile
    at: datetime


def _judged(new: Sequence[NewFile], project: Project, contents: Contents, by: Actor) -> list[_Taken]:
    """Return those that are not here already; raises the refusal of the first that can't be published."""
    newcomers = [Newcomer(one.candidate, one.blake2, one.version) for one in new]
    around = gather_surroundings(newcomers, contents.releases)
    taken, size = list[_Taken](), 0
    for one, newcomer in zip(new, newcomers, strict=True):
        release, beside = around.release_of(newcomer), around.beside(newcomer)
        if judge_place(one, project, release, beside, by=by, besides=size):
            continue
        at = one.uploaded_at or clock.now()
        around.take(newcomer, at)
        taken.append(_Taken(one, at))
        size += one.size
    return taken


def _make_releases(taken: Sequence[_Taken], project: Project, contents: Contents) -> dict[str, Release]:
    """Insert the releases that aren't there yet, and return them by version."""
    made: dict[str, Release] = {}
    known = dict(contents.releases)
    for one in taken:
        if rules.find_equal_release(known, one.new.version) is None:
            release = made[one.new.version] = release_of(one.new, project, one.at)
            known[release.version] = KnownRelease(_UNSAVED, release.version, one.at, None, "")
    rows.insert_all(list(made.values()))
    return made


def _make_files(
    taken: Sequence[_Taken], project: Project, releases: dict[str, KnownRelease], by: Actor
) -> list[File]:
    rows.insert_all([used_name_of(one.new, one.at) for one in taken])
    files = [file_of(one.new, project, _joined(one, releases), by, one.at) for one in taken]
    rows.insert_all(files)
    rows.insert_all(
        [
            Provenance(file_id=file.pk, body=dict(one.new.provenance))
            for one, file in zip(taken, files, strict=True)
            if one.new.provenance is not None
        ]
    )
    return files


def _joined(one: _Taken, releases: dict[str, KnownRelease]) -> KnownRelease:
    release = rules.find_equal_release(releases, one.new.version)
    if release is None:
        message = f"{one.new.filename} has no release"
        raise RuntimeError(message)
    return release


def _record(
    taken: Sequence[_Taken],
    made: dict[str, Release],
    project: Project,
    releases: dict[str, KnownRelease],
    by: Actor,
) -> None:
    """Write one record for each file; the first of a new release tells that it made it."""
    acts, left = list[Act](), set(made)
    for one in taken:
        version = _joined(one, releases).version
        told = told_of(one.new, version, is_new_project=False, is_new_release=version in left)
        left.discard(version)
        acts.append(Act("release.upload", thing_of(project), details=told))
    record_all(acts, by=by)


def _render(
    project: Project,
    contents: Contents,
    files: Sequence[File],
    releases: dict[str, KnownRelease],
    made: dict[str, Release],
) -> None:
    by_key = {release.pk: release for release in releases.values()}
    shown = [pages.shown_file(file, by_key[file.release_id]) for file in files]
    vouched = [pages.Vouched(one.version, one.filename, is_shown=True) for one in shown if one.has_provenance]
    now = replace(
        contents,
        releases=releases,
        files=(*contents.files, *shown),
        size=contents.size + sum(file.size for file in files),
        vouched=(*contents.vouched, *vouched),
    )
    joined = {file.release_id for file in files}
    touched = [release.version for pk, release in by_key.items() if pk in joined]
    pages.write_pages(
        project, now, touched, metadata={version: release.metadata for version, release in made.items()}
    )
