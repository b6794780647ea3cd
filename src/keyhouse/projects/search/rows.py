"""Keeping the row by which a project is found, in the transaction that changes the project."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connection

from keyhouse.index.model import QUARANTINED
from keyhouse.projects import sql
from keyhouse.projects.models import Project
from keyhouse.projects.rules import KnownRelease
from keyhouse.projects.search import rules
from keyhouse.projects.search.engines import engine
from keyhouse.projects.search.rules import Source, Words

Metadata = Mapping[str, Any]


class Shown(NamedTuple):
    """What installers see of a project, as far as it is searched: the release that stands for it, and its files' demands.

    `release` is None where nothing may be seen; `metadata` is given where it needn't be read.
    """

    release: KnownRelease | None
    pythons: Collection[str] = ()
    metadata: Metadata | None = None


class Kept(NamedTuple):
    """What the row says; its fields are the columns of `_KEPT` in their order."""

    form: int | None
    source: str | None
    digest: str | None
    classifiers: str | None
    is_from_publisher: bool


def keep_row(project: Project, shown: Shown) -> None:
    """Make a project found by what it says now; costs one question where that is what it said before.

    Must be called inside the transaction of the change, after its rows, with the project's row locked.
    """
    keep_rows([(project, shown)])


def keep_rows(several: Iterable[tuple[Project, Shown]]) -> None:
    """Do the same for several; what they state is counted once for all, as many of them state the same."""
    changes: Counter[str] = Counter()
    for project, shown in several:
        changes.update(_keep(project, shown))
    _count(changes)


def _keep(project: Project, shown: Shown) -> Counter[str]:
    if project.status == QUARANTINED:
        return _remove(project.pk)
    kept = _kept(project.pk, shown)
    source = _source(project, shown, kept)
    if (kept.form, kept.source) == (rules.FORM, source.digest):
        return Counter()
    return _write(project, shown, kept, source)


def rewrite_row(project: Project, shown: Shown) -> None:
    """Make the row anew whatever it says; must be called as `keep_row`."""
    remove_row(project.pk)
    keep_row(project, shown)


def remove_row(project_id: int) -> None:
    """Make a project found by nothing; must be called as `keep_row`."""
    _count(_remove(project_id))


def _remove(project_id: int) -> Counter[str]:
    lines = sql.find_value("SELECT classifiers FROM projects_searchrow WHERE project_id = %s", project_id)
    if lines is None:
        return Counter()
    sql.change("DELETE FROM projects_searchrow WHERE project_id = %s", project_id)
    return _changes(rules.nodes_in(lines), [])


def fresh_row(project: Project, shown: Shown) -> tuple[Source, Words, list[str]]:
    """Return what the row would be made of, the words and the classifiers."""
    source, metadata = _source(project, shown, _kept(project.pk, shown)), _metadata(project, shown)
    words = rules.words_for(source, project.normalized_name, metadata)
    return source, words, rules.classifiers_in(metadata)


def _kept(project_id: int, shown: Shown) -> Kept:
    release = shown.release.pk if shown.release else None
    found = sql.select(_KEPT, project_id, release)
    return Kept(*found[0])


# one row always, also where there is none yet
_KEPT: Final = (
    "SELECT s.form, s.source, s.digest, s.classifiers, EXISTS (SELECT 1 FROM projects_file file"
    " WHERE file.release_id = asked.shown AND file.uploaded_via = 'publisher')"
    " FROM (SELECT CAST(%s AS bigint) AS project, CAST(%s AS bigint) AS shown) asked"
    " LEFT JOIN projects_searchrow s ON s.project_id = asked.project"
)


def _source(project: Project, shown: Shown, kept: Kept) -> Source:
    release = shown.release.pk if shown.release else None
    return Source(project.name, release, bool(kept.is_from_publisher), frozenset(shown.pythons))


def _write(project: Project, shown: Shown, kept: Kept, source: Source) -> Counter[str]:
    metadata = _metadata(project, shown)
    words = rules.words_for(source, project.normalized_name, metadata)
    nodes, digest = rules.classifiers_in(metadata), words.digest
    sql.change(
        _WRITE,
        project.pk,
        rules.FORM,
        source.digest,
        digest,
        rules.letters_of(project.normalized_name),
        rules.lines_of(nodes),
        _instant(shown.release.created_at) if shown.release else None,
    )
    if kept.digest != digest:
        engine().keep(project.pk, words)
    return _changes(rules.nodes_in(kept.classifiers or ""), nodes)


_WRITE: Final = (
    "INSERT INTO projects_searchrow (project_id, form, source, digest, letters, classifiers, released_at)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (project_id) DO UPDATE SET form = excluded.form,"
    " source = excluded.source, digest = excluded.digest, letters = excluded.letters,"
    " classifiers = excluded.classifiers, released_at = excluded.released_at"
)


def _instant(at: datetime) -> Any:
    adapt: Callable[[datetime], Any] = connection.ops.adapt_datetimefield_value
    return adapt(at)


def _metadata(project: Project, shown: Shown) -> Metadata:
    if shown.release is None:
        return {}
    if shown.metadata is not None:
        return shown.metadata
    found = sql.find_value(_METADATA, project.pk, shown.release.pk)
    metadata = json.loads(found or "{}")
    return metadata if isinstance(metadata, dict) else {}


_METADATA: Final = "SELECT metadata FROM projects_release WHERE project_id = %s AND id = %s"


def _changes(before: Iterable[str], after: Iterable[str]) -> Counter[str]:
    """Return one project less for what it stated before and no more, and one more for what it states now."""
    old, new = set(before), set(after)
    return Counter(dict.fromkeys(old - new, -1) | dict.fromkeys(new - old, 1))


def _count(changes: Counter[str]) -> None:
    """Keep the counts; in the order of their names, so that no two transactions wait for each other in a circle."""
    for name, change in sorted(changes.items()):
        if change:
            sql.change(_COUNT, name, change)


_COUNT: Final = (
    "INSERT INTO projects_classifiercount (name, projects) VALUES (%s, %s)"
    " ON CONFLICT (name) DO UPDATE SET projects = projects_classifiercount.projects + excluded.projects"
)
