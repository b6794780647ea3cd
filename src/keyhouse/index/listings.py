"""What is shown of the whole index: the root list, the feeds, the totals. Each is built from one state of the database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Final
from urllib.parse import quote

from keyhouse.index.database import Ask, Row, as_instant
from keyhouse.index.model import Feed, FeedItem, ListedProject, Totals
from keyhouse.index.render import render_root, render_rss, render_stats

# kind and name of a page in `projects_indexpage`
Place = tuple[str, str]

_NEWEST_RELEASES: Final = 100
_NEWEST_PROJECTS: Final = 40
_LARGEST: Final = 100
_IS_OFFERED: Final = (
    "p.status <> 'quarantined' AND EXISTS "
    "(SELECT 1 FROM projects_file f WHERE f.release_id = r.id AND NOT f.is_quarantined)"
)


@dataclass(frozen=True, slots=True)
class Built:
    """All forms of a page (`json`, `html`, `xml`) and the serial of the state that they show."""

    serial: int
    forms: dict[str, bytes]


def read_serials(ask: Ask) -> tuple[int, int]:
    """Return the serial of the last change, and of the last one that touched the root list."""
    rows = ask("SELECT value, listing FROM projects_serial")
    return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)


def build_root(ask: Ask) -> Built:
    """Build the list of all projects that installers may see."""
    serial, _ = read_serials(ask)
    rows = ask(
        "SELECT name, normalized_name, last_serial FROM projects_project WHERE status <> 'quarantined'"
    )
    # sorted here: databases differ in how they sort text
    listed = sorted(map(ListedProject._make, rows), key=itemgetter(1))
    rendered = render_root(listed, serial)
    return Built(serial, {"json": rendered.json, "html": rendered.html})


def build_updates(ask: Ask) -> Built:
    """Build the feed of the newest releases."""
    rows = ask(
        "SELECT p.name, p.normalized_name, r.version, r.summary, r.created_at FROM projects_release r "
        f"JOIN projects_project p ON p.id = r.project_id WHERE {_IS_OFFERED} "
        "ORDER BY r.created_at DESC, r.id DESC LIMIT ?",
        [_NEWEST_RELEASES],
    )
    feed = Feed("Newest releases", "/", "The releases published last in this index", _releases(rows))
    return Built(read_serials(ask)[0], {"xml": render_rss(feed)})


def build_packages(ask: Ask) -> Built:
    """Build the feed of the newest projects."""
    rows = ask(
        "SELECT name, normalized_name, summary, created_at FROM projects_project "
        "WHERE status <> 'quarantined' ORDER BY created_at DESC, id DESC LIMIT ?",
        [_NEWEST_PROJECTS],
    )
    items = tuple(
        FeedItem(name, f"/project/{normalized}/", summary, as_instant(at))
        for name, normalized, summary, at in rows
    )
    feed = Feed("Newest projects", "/", "The projects that came last to this index", items)
    return Built(read_serials(ask)[0], {"xml": render_rss(feed)})


def build_stats(ask: Ask) -> Built:
    """Build the totals of everything that isn't in quarantine."""
    serial, _ = read_serials(ask)
    offered = "status <> 'quarantined'"
    projects, size = ask(f"SELECT COUNT(*), COALESCE(SUM(size), 0) FROM projects_project WHERE {offered}")[0]
    of_offered = f"WHERE project_id IN (SELECT id FROM projects_project WHERE {offered})"
    largest = ask(
        f"SELECT name, size FROM projects_project WHERE {offered} ORDER BY size DESC, name LIMIT ?",
        [_LARGEST],
    )
    totals = Totals(
        projects=projects,
        releases=ask(f"SELECT COUNT(*) FROM projects_release {of_offered} AND NOT is_quarantined")[0][0],
        files=ask(f"SELECT COUNT(*) FROM projects_file {of_offered} AND NOT is_quarantined")[0][0],
        size=int(size),
        largest=tuple((str(name), int(bytes_)) for name, bytes_ in largest),
        serial=serial,
    )
    return Built(serial, {"json": render_stats(totals)})


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
BUILDERS: Final[dict[Place, Callable[[Ask], Built]]] = {
    ROOT: build_root,
    UPDATES: build_updates,
    PACKAGES: build_packages,
    STATS: build_stats,
}
