"""Comparing the stored pages with what they would be if they were rendered now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from django.db import transaction
from django.db.models import Q

from keyhouse.projects import pages
from keyhouse.projects.models import File, IndexPage, Project, Release
from keyhouse.projects.search import verification as search

SEARCH: Final = "search/"  # before the name of what is found by other than its own
_OWN_KINDS: Final = ("simple", "json", "integrity")  # the other kinds belong to no project


@dataclass(frozen=True, slots=True)
class Difference:
    """One page, or row of the search, that isn't as it should be: `page` is its address, `problem` one sentence."""

    page: str
    problem: str


def verify_pages() -> Iterator[Difference]:
    """Compare the pages of every project, one after another, on a running index too; yields what differs."""
    for pk in project_keys():
        with transaction.atomic():
            project = Project.objects.select_for_update().filter(pk=pk).first()
            found = list(differences_of(project)) if project else []
        yield from found
    for page in surplus_pages():
        yield Difference(str(page), "The page shows something that doesn't exist.")
    for name in sorted(search.wrong_counts()):
        yield Difference(f"{SEARCH}classifiers", f"The number of projects is wrong: {name}")
    if search.is_damaged():
        yield Difference(f"{SEARCH}words", "What is searched disagrees with the words that are kept.")


def project_keys() -> Iterator[int]:
    """Return the keys of all projects in their order, also of those made meanwhile; holds no query open."""
    last = 0
    while keys := list(
        Project.objects.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:1000]
    ):
        yield from keys
        last = keys[-1]


def differences_of(project: Project) -> Iterator[Difference]:
    """Compare the pages of one project, whose row is locked, and the row by which it is found."""
    contents = pages.read_contents(project)
    problem = search.problem_of(project, contents.searched())
    if problem:
        yield Difference(f"{SEARCH}{project.normalized_name}", problem)
    serials = _serials_of(project, contents.releases)
    fresh = pages.render_pages(project, contents, project.last_serial, serials)
    provenances = _fresh_provenances(project, contents)
    for some in pages.batches(chain(fresh, provenances)):
        stored = {_address(page): page for page in _stored([page.name for page in some])}
        for page in some:
            problem = _problem_of(stored.get(_address(page)), page)
            if problem:
                yield Difference(str(page), problem)


def surplus_pages() -> Iterator[IndexPage]:
    """Yield pages (their addresses only) of projects and releases that don't exist."""
    last = 0
    shown = IndexPage.objects.filter(kind__in=_OWN_KINDS, is_gone=False).order_by("pk")
    while some := list(shown.filter(pk__gt=last).only("kind", "name", "form")[:500]):
        yield from without_thing(some)
        last = some[-1].pk


def without_thing(some: list[IndexPage]) -> Iterator[IndexPage]:
    """Yield those of some pages whose project or release doesn't exist."""
    parts = {page.pk: [*page.name.split("/", 2), "", ""][:3] for page in some}
    names = {name for name, _, _ in parts.values()}
    projects = set(
        Project.objects.filter(normalized_name__in=names).values_list("normalized_name", flat=True)
    )
    wanted = Q(project__normalized_name__in=names, version__in={version for _, version, _ in parts.values()})
    releases = set(Release.objects.filter(wanted).values_list("project__normalized_name", "version"))
    files = _vouched_among({filename for _, _, filename in parts.values() if filename})
    for page in some:
        name, version, filename = parts[page.pk]
        is_there = name in projects and (not version or (name, version) in releases)
        if not is_there or (filename and (name, version, filename) not in files):
            yield page


def _vouched_among(filenames: set[str]) -> set[tuple[str, str, str]]:
    """Return project, version and name of those files that are there and have a provenance."""
    found = File.objects.filter(filename__in=filenames, has_provenance=True)
    return set(found.values_list("project__normalized_name", "release__version", "filename"))


def _fresh_provenances(project: Project, contents: pages.Contents) -> Iterator[pages.ReadyPage]:
    names = [
        pages.provenance_name(project.normalized_name, one.version, one.filename) for one in contents.vouched
    ]
    serials: dict[str, int] = {}
    for some in pages.batches(names):
        rows = IndexPage.objects.filter(kind="integrity", name__in=some)
        serials |= dict(rows.values_list("name", "serial"))
    return pages.provenance_pages(
        project, contents.vouched, lambda name: serials.get(name, project.last_serial)
    )


def _serials_of(project: Project, versions: Iterable[str]) -> dict[str, int]:
    """Return the serial at which each release's document was rendered last."""
    found: dict[str, int] = {}
    for some in pages.batches(versions):
        names = {pages.document_name(project.normalized_name, version): version for version in some}
        rows = IndexPage.objects.filter(kind="json", name__in=names).values_list("name", "serial")
        stored = dict(rows)
        found |= {version: stored.get(name, project.last_serial) for name, version in names.items()}
    return found


def _stored(names: list[str]) -> Iterable[IndexPage]:
    return IndexPage.objects.filter(kind__in=_OWN_KINDS, name__in=names)


def _address(page: IndexPage | pages.ReadyPage) -> tuple[str, str, str]:
    return page.kind, page.name, page.form


def _problem_of(stored: IndexPage | None, fresh: pages.ReadyPage) -> str:
    if fresh.is_gone:
        return (
            "The page shows something that installers may not see." if stored and not stored.is_gone else ""
        )
    if stored is None or stored.is_gone:
        return "The page is missing."
    if bytes(stored.body) != fresh.body or stored.serial != fresh.serial:
        return "The page doesn't show what the index holds."
    return "" if stored.etag == fresh.etag else "The page's tag doesn't belong to its content."
