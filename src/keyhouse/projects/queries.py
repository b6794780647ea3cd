"""Reading projects, releases, files and roles."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Final

from django.db.models import QuerySet

from keyhouse.audit import rows
from keyhouse.projects import rights, sql
from keyhouse.projects.models import File, Project, Release, Role, Tombstone
from keyhouse.projects.rules import KnownRelease, Neighbours

# Whole descriptions stand in these; lists and look-ups don't load them.
_HEAVY: Final = ("metadata", "description_html")


def find_project(normalized_name: str) -> Project | None:
    """Return the project of that normalised name, or None."""
    return rows.read(Project, _PROJECT, normalized_name)


def is_folded_name_taken(folded_name: str) -> bool:
    """Tell whether a project has this name or one that people confuse with it (`distfiles.names.fold`)."""
    return sql.find_value(_FOLDED, folded_name) is not None


_FOLDED: Final = "SELECT 1 FROM projects_project WHERE folded_name = %s"


def is_like_another(normalized_name: str, folded_name: str) -> bool:
    """Tell whether a project of another name is one that people confuse with this one.

    The project of this very name isn't: another upload may have made it since it was looked for and not found.
    """
    return sql.find_value(_ANOTHER, folded_name, normalized_name) is not None


_ANOTHER: Final = "SELECT 1 FROM projects_project WHERE folded_name = %s AND normalized_name <> %s"


def lock_project(normalized_name: str) -> Project | None:
    """Return the project with its row locked until the transaction ends, or None."""
    return rows.read(Project, sql.locking(_PROJECT), normalized_name)


_PROJECT: Final = f"SELECT {rows.columns(Project)} FROM projects_project WHERE normalized_name = %s"


def find_tombstone(normalized_name: str) -> Tombstone | None:
    """Return what a deleted project of that name left behind, or None."""
    return rows.read(Tombstone, _TOMBSTONE, normalized_name)


_TOMBSTONE: Final = f"SELECT {rows.columns(Tombstone)} FROM projects_tombstone WHERE normalized_name = %s"


def projects_of_person(user_id: int) -> QuerySet[Project]:
    """Return the projects in which a person has a right, by whatever, by name."""
    return Project.objects.filter(rights.of_person(user_id)).order_by("normalized_name")


def roles_of_person(user_id: int) -> QuerySet[Role]:
    """Return the roles of a person's own with their projects, by name."""
    return Role.objects.filter(user_id=user_id).select_related("project").order_by("project__normalized_name")


def roles_of_project(project: Project) -> QuerySet[Role]:
    """Return owners, then maintainers, with their accounts: who has a role of their own."""
    return project.roles.select_related("user").order_by("-kind", "user__username")


def find_release(project: Project, version: str) -> Release | None:
    """Return the release of that canonical version without its metadata, or None."""
    return rows.read(Release, _RELEASE, project.pk, version)


_RELEASE: Final = (
    "SELECT id, project_id, version, summary, created_at, yanked_at, yanked_reason, is_quarantined, quarantine_reason"
    " FROM projects_release WHERE project_id = %s AND version = %s"
)


def known_releases(project_id: int) -> dict[str, KnownRelease]:
    """Return what is to be known of every release of a project, by version, the one made first first."""
    return {
        row[1]: _known_release(*row) for row in sql.select(sql.with_text_of("created_at", _KNOWN), project_id)
    }


def held_releases(project_id: int) -> dict[str, KnownRelease]:
    """Return the same of the releases that are in quarantine."""
    return {row[1]: _known_release(*row) for row in sql.select(_HELD, project_id)}


_KNOWN_COLUMNS: Final = (
    "SELECT id, version, created_at, yanked_at, yanked_reason, summary, is_quarantined, quarantine_reason"
    " FROM projects_release WHERE project_id = %s"
)
_KNOWN: Final = f"{_KNOWN_COLUMNS} ORDER BY id"
_HELD: Final = f"{_KNOWN_COLUMNS} AND is_quarantined"


# asked for each release of a project at each upload to it, and nearly all of them are as they were
@lru_cache(maxsize=4096)
def _known_release(  # noqa: PLR0913, PLR0917 - the columns of `_KNOWN` in their order
    pk: int,
    version: str,
    created_at: datetime | str,
    yanked_at: object,
    reason: str,
    summary: str,
    is_quarantined: object,
    quarantine_reason: str,
) -> KnownRelease:
    yanked = None if yanked_at is None else reason
    quarantined = quarantine_reason if is_quarantined else None
    return KnownRelease(pk, version, sql.read_instant(created_at), yanked, summary, quarantined)


def releases_of(project: Project) -> QuerySet[Release]:
    """Return all releases without their metadata, the one made last first."""
    return project.releases.defer(*_HEAVY).order_by("-created_at", "-id")


def find_file(filename: str) -> File | None:
    """Return the file of that name, whatever project it belongs to, or None."""
    return File.objects.filter(filename=filename).first()


def find_held_file(files: QuerySet[File]) -> str | None:
    """Return the name of one of these files that is in quarantine, or None."""
    return files.filter(is_quarantined=True).order_by("pk").values_list("filename", flat=True).first()


def find_held_release(releases: QuerySet[Release]) -> str | None:
    """Return the name of one of these releases that is in quarantine, or None."""
    held = releases.filter(is_quarantined=True).order_by("pk").values_list("project__name", "version").first()
    return None if held is None else " ".join(held)


def files_of(release: Release) -> QuerySet[File]:
    """Return the files of a release in their order."""
    return in_their_order(release.files.all())


def in_their_order(files: QuerySet[File]) -> QuerySet[File]:
    """Put the files of a release into the order that pages show: the source distribution first, then wheels by name."""
    return files.order_by("-kind", "filename")


def gather_neighbours(filename: str, blake2: str, kind: str, release: KnownRelease | None) -> Neighbours:
    """Gather what stands in the index beside a new file; `release` is the one it joins, where there is one."""
    sdists_of = release.pk if release and kind == "sdist" else None
    rows = sql.select(_ALIKE, filename, blake2, filename, sdists_of)
    alike = [(name, sha256) for name, sha256, is_beside in rows if not is_beside]
    digests = {name: sha256 for name, sha256 in alike if sha256}
    others = [name for name in digests if name != filename]
    return Neighbours(
        same_name_sha256=digests.get(filename),
        is_name_used=any(name == filename for name, _ in alike),
        same_content=others[0] if others else None,
        sdist=next((name for name, _, is_beside in rows if is_beside), None),
        release_created_at=release.created_at if release else None,
    )


# files that are here, then the name alone where it was ever used, then the release's source distribution
_ALIKE: Final = (
    "SELECT filename, sha256, 0 FROM projects_file WHERE filename = %s OR blake2 = %s"
    " UNION ALL SELECT filename, '', 0 FROM projects_usedfilename WHERE filename = %s"
    " UNION ALL SELECT filename, '', 1 FROM projects_file WHERE release_id = %s AND kind = 'sdist'"
)


def visible_projects() -> QuerySet[Project]:
    """Return the projects that lists name; quarantined ones are left out."""
    return Project.objects.exclude(status=Project.Status.QUARANTINED)


def newest_projects() -> QuerySet[Project]:
    """Return the projects in lists, the one made last first."""
    return visible_projects().order_by("-created_at", "-id")


def newest_releases() -> QuerySet[Release]:
    """Return releases with their projects and without their metadata, the one made last first."""
    shown = Release.objects.filter(is_quarantined=False).exclude(project__status=Project.Status.QUARANTINED)
    return shown.select_related("project").defer(*_HEAVY).order_by("-created_at", "-id")
