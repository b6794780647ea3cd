"""Comparing what projects are found by with what it would be if it were made now."""

from __future__ import annotations

from collections import Counter
from typing import Final

from django.db import transaction

from keyhouse.index.model import QUARANTINED
from keyhouse.projects.models import ClassifierCount, Project, SearchRow
from keyhouse.projects.search import rules
from keyhouse.projects.search.engines import engine
from keyhouse.projects.search.rows import Shown, fresh_row

_MISSING: Final = "The project isn't found by searching."
_HIDDEN: Final = "The project is found though it is in quarantine."
_OTHER: Final = "The project is found by other words than its own."


def problem_of(project: Project, shown: Shown) -> str:
    """Return what is wrong with the row of a project, which is locked, in one sentence; empty: nothing."""
    row = SearchRow.objects.filter(pk=project.pk).first()
    if project.status == QUARANTINED:
        return _HIDDEN if row else ""
    if row is None:
        return _MISSING
    return "" if _is_right(row, project, shown) else _OTHER


def _is_right(row: SearchRow, project: Project, shown: Shown) -> bool:
    source, words, nodes = fresh_row(project, shown)
    released_at = shown.release.created_at if shown.release else None
    expected = (
        rules.FORM,
        source.digest,
        words.digest,
        rules.letters_of(project.normalized_name),
        rules.lines_of(nodes),
        released_at,
    )
    stored = (row.form, row.source, row.digest, row.letters, row.classifiers, row.released_at)
    return stored == expected and engine().holds(project.pk, words)


def wrong_counts() -> dict[str, int]:
    """Return the right numbers of projects for the classifiers whose stored number is another."""
    counted: Counter[str] = Counter()
    for lines in SearchRow.objects.values_list("classifiers", flat=True).iterator(chunk_size=1000):
        counted.update(rules.nodes_in(lines))
    stored = dict(ClassifierCount.objects.values_list("name", "projects"))
    return {name: counted[name] for name in stored.keys() | counted if stored.get(name, 0) != counted[name]}


def is_damaged() -> bool:
    """Tell whether what the database searches disagrees with the words that are kept."""
    return engine().is_damaged()


def mend_whole() -> int:
    """Make anew what belongs to no single project, where it is wrong; returns how much was.

    Counts are compared and set in one transaction that holds all of them, so that no change of a project is lost.
    """
    with transaction.atomic():
        list(ClassifierCount.objects.select_for_update().order_by("name"))
        wrong = wrong_counts()
        for name, projects in sorted(wrong.items()):
            ClassifierCount.objects.update_or_create(name=name, defaults={"projects": projects})
        damaged = is_damaged()
        if damaged:
            engine().rebuild()
    return len(wrong) + damaged
