"""What is shown of the whole index: the root list, the feeds, the totals. Each is built from one state of the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, Protocol
from urllib.parse import quote

from keyhouse.index.database import Ask, Row, as_instant
from keyhouse.index.model import Feed, FeedItem, ListedProject, Totals
from keyhouse.index.render import render_root, render_rss, render_stats

# kind and name of a page in `projects_indexpage`
Place = tuple[str, str]
# normalised names of the projects that somebody may not read
Hidden = frozenset[str]
NOTHING_HIDDEN: Final[Hidden] = frozenset()

_NEWEST_RELEASES: Final = 100
_NEWEST_PROJECTS: Final = 40
_LARGEST: Final = 100
_AT_ONCE: Final = 500  # names of one question
_IS_OFFERED: Final = (
    "p.status <> 'quarantined' AND EXISTS "
    "(SELECT 1 FROM projects_file f WHERE f.release_id = r.id AND NOT f.is_quarantined)"
)


@dataclass(frozen=True, slots=True)
class Built:
    """All forms of a page (`json`, `html`, `xml`) and the serial of the state that they show."""

    serial: int
    forms: dict[str, bytes]


class Builder(Protocol):
    """Builds a page of the whole index, without the projects that are hidden."""

    def __call__(self, ask: Ask, hidden: Hidden = NOTHING_HIDDEN) -> Built:
        """Build it of one state of the database."""


def read_serials(ask: Ask) -> tuple[int, int]:
    """Return the serial of the last change, and of the last one that touched the root list."""
    rows = ask("SELECT value, listing FROM projects_serial")
    return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)


def build_root(ask: Ask, hidden: Hidden = NOTHING_HIDDEN) -> Built:
    """Build the list of all projects that installers may see."""
    serial, _ = read_serials(ask)
    rows = ask(
        "SELECT name, normalized_name, last_serial FROM projects_project WHERE status <> 'quarantined'"
    )
    # sorted here: databases differ in how they sort text
    listed = sorted((ListedProject._make(row) for row in rows if row[1] not in hidden), key=itemgetter(1))
    rendered = render_root(listed, serial)
    return Built(serial, {"json": rendered.json, "html": rendered.html})


def build_updates(ask: Ask, hidden: Hidden = NOTHING_HIDDEN) -> Built:
    """Build the feed of the newest releases."""
    question = (
        "SELECT p.name, p.normalized_name, r.version, r.summary, r.created_at FROM projects_release r "
        f"JOIN projects_project p ON p.id = r.project_id WHERE {_IS_OFFERED} "
        "ORDER BY r.created_at DESC, r.id DESC LIMIT ?"
    )
    rows = _first(ask, question, _NEWEST_RELEASES, hidden)
    feed = Feed("Newest releases", "/", "The releases published last in this index", _releases(rows))
    return Built(read_serials(ask)[0], {"xml": render_rss(feed)})


def build_packages(ask: Ask, hidden: Hidden = NOTHING_HIDDEN) -> Built:
    """Build the feed of the newest projects."""
    question = (
        "SELECT name, normalized_name, summary, created_at FROM projects_project "
        "WHERE status <> 'quarantined' ORDER BY created_at DESC, id DESC LIMIT ?"
    )
    items = tuple(
        FeedItem(name, f"/project/{normalized}/", summary, as_instant(at))
        for name, normalized, summary, at in _first(ask, question, _NEWEST_PROJECTS, hidden)
    )
    feed = Feed("Newest projects", "/", "The projects that came last to this index", items)
    return Built(read_serials(ask)[0], {"xml": render_rss(feed)})


def build_stats(ask: Ask, hidden: Hidden = NOTHING_HIDDEN) -> Built:
    """Build the totals of everything that isn't in quarantine."""
    serial, _ = read_serials(ask)
    counts = _counts(ask, "")
    for names in _some(hidden):
        among = f"AND normalized_name IN ({', '.join('?' * len(names))})"
        counts = [one - less for one, less in zip(counts, _counts(ask, among, names), strict=True)]
    question = (
        "SELECT name, normalized_name, size FROM projects_project WHERE status <> 'quarantined' "
        "ORDER BY size DESC, name LIMIT ?"
    )
    projects, size, releases, files = counts
    totals = Totals(
        projects=projects,
        releases=releases,
        files=files,
        size=size,
        largest=tuple(
            (str(name), int(bytes_)) for name, _, bytes_ in _first(ask, question, _LARGEST, hidden)
        ),
        serial=serial,
    )
    return Built(serial, {"json": render_stats(totals)})


def _counts(ask: Ask, among: str, names: Sequence[str] = ()) -> list[int]:
    """Return how many projects, bytes, releases and files there are, of all or of those named."""
    offered = f"status <> 'quarantined' {among}"
    projects, size = ask(
        f"SELECT COUNT(*), COALESCE(SUM(size), 0) FROM projects_project WHERE {offered}", names
    )[0]
    of_offered = f"WHERE project_id IN (SELECT id FROM projects_project WHERE {offered})"
    releases = ask(f"SELECT COUNT(*) FROM projects_release {of_offered} AND NOT is_quarantined", names)
    files = ask(f"SELECT COUNT(*) FROM projects_file {of_offered} AND NOT is_quarantined", names)
    return [projects, int(size), releases[0][0], files[0][0]]


def _some(hidden: Hidden) -> Iterator[list[str]]:
    names = sorted(hidden)
    for start in range(0, len(names), _AT_ONCE):
        yield names[start : start + _AT_ONCE]


def _first(ask: Ask, question: str, wanted: int, hidden: Hidden) -> list[Row]:
    """Return the first rows that aren't of hidden projects (second column); looks further where too many of them are."""
    limit = wanted
    while True:
        rows = ask(question, [limit])
        shown = [row for row in rows if row[1] not in hidden]
        if len(shown) >= wanted or len(rows) < limit:
            return shown[:wanted]
        limit *= 4


def find_releases_feed(ask: Ask, project: str) -> Built | None:
    """Build the feed of one project's releases, or None where installers may not see such a project."""
    found = ask(
        "SELECT name, summary, last_serial FROM projects_project "
        "WHERE normalized_name = ? AND status <> 'quarantined'",
        [project],
    )
    if not found:
        return None
    name, summary, serial = found[0]
    rows = ask(
        "SELECT p.name, p.normalized_name, r.version, r.summary, r.created_at FROM projects_release r "
        f"JOIN projects_project p ON p.id = r.project_id WHERE p.normalized_name = ? AND {_IS_OFFERED} "
        "ORDER BY r.created_at DESC, r.id DESC LIMIT ?",
        [project, _NEWEST_PROJECTS],
    )
    feed = Feed(f"Releases of {name}", f"/project/{project}/", summary, _releases(rows))
    return Built(serial, {"xml": render_rss(feed)})


def _releases(rows: list[Row]) -> tuple[FeedItem, ...]:
    return tuple(
        FeedItem(f"{name} {version}", f"/project/{project}/{quote(version)}/", summary, as_instant(at))
        for name, project, version, summary, at in rows
    )


ROOT: Final[Place] = ("root", "")
UPDATES: Final[Place] = ("rss", "updates.xml")
PACKAGES: Final[Place] = ("rss", "packages.xml")
STATS: Final[Place] = ("stats", "")
BUILDERS: Final[dict[Place, Builder]] = {
    ROOT: build_root,
    UPDATES: build_updates,
    PACKAGES: build_packages,
    STATS: build_stats,
}
