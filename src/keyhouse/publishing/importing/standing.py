"""Carrying over what a source says of a whole project (PEP 792), once: whoever sets a status here decides after that.

A project that the source holds in quarantine is never open here, not for a moment: it goes into quarantine in the
transaction that brings its files. The others get their status behind their last file, and where that was cut off, when
the same command is run once more.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Final

from packaging.version import Version

from keyhouse.audit.queries import records
from keyhouse.core import faults
from keyhouse.core.actor import Actor
from keyhouse.projects import queries
from keyhouse.projects.life_cycle.services import archive_project, deprecate_project, yank_release
from keyhouse.projects.models import File, Project, Release
from keyhouse.projects.rules import ACTIVE, ARCHIVED, DEPRECATED, QUARANTINED
from keyhouse.publishing.importing import rules
from keyhouse.publishing.importing.offers import Offered
from keyhouse.safety.models import Quarantine
from keyhouse.safety.quarantine import services as quarantine

_DECIDED_ON_YANK: Final = ("release.yank", "release.unyank")
_DECIDED: Final = (
    "project.archive",
    "project.unarchive",
    "project.deprecate",
    "project.undeprecate",
    "quarantine.set",
)


def quarantine_reason(offered: Offered) -> str | None:
    """Return why the source holds a project in quarantine, None: it doesn't."""
    if offered.status != QUARANTINED:
        return None
    told = (
        f"The index it was imported from holds it in quarantine: {offered.status_reason or 'no reason given'}"
    )
    return told[: quarantine.LONGEST_REASON].strip()


def room_for_files(name: str, reason: str | None, *, by: Actor) -> AbstractContextManager[None]:
    """Return within what files come, also where an earlier batch of them brought this quarantine, which stays."""
    return nullcontext() if reason is None else quarantine.room_for_files(name, reason, by=by)


def hold(name: str, reason: str, *, by: Actor) -> None:
    """Take a project out of every face of the index, unless somebody here lifted this very quarantine."""
    lifted = Quarantine.objects.filter(project__normalized_name=name, version="", filename="", reason=reason)
    if not lifted.filter(lifted_at__isnull=False).exists():
        quarantine.quarantine(name, reason, by=by)


def carry_over(name: str, offered: Offered, *, by: Actor) -> None:
    """Archive or deprecate an imported project as its source says, unless somebody has decided about it here."""
    if offered.status not in {ARCHIVED, DEPRECATED}:
        return
    project = queries.find_project(name)
    if project is None or project.status != ACTIVE or not _is_undecided(project):
        return
    faults.reach("import.files-written")
    change = archive_project if offered.status == ARCHIVED else deprecate_project
    change(name, offered.status_reason, by=by)


def carry_yanks_over(name: str, offered: Offered, *, by: Actor) -> list[str]:
    """Yank imported releases that the source has yanked since, unless somebody has decided about them here.

    Returns their versions.
    """
    yanks = {Version(version): reason for version, reason in rules.release_yanks(offered).items()}
    project = queries.find_project(name) if yanks else None
    if project is None or project.status == QUARANTINED:
        return []
    told = records(about_kind="project", about_name=project.normalized_name, outcome="done")
    told = told.filter(about_id=str(project.pk), action__in=_DECIDED_ON_YANK)
    decided = {Version(str(details["version"])) for details in told.values_list("details", flat=True)}
    own = File.objects.filter(project=project).exclude(uploaded_via="import").values("release_id")
    releases = Release.objects.filter(project=project, yanked_at=None).exclude(pk__in=own)
    yanked = []
    for version in releases.order_by("pk").values_list("version", flat=True):
        reason = yanks.get(Version(version))
        if reason is not None and Version(version) not in decided:
            yank_release(name, version, reason, by=by)
            yanked.append(version)
    return yanked


def _is_undecided(project: Project) -> bool:
    """Tell whether files of it were imported, and nobody has given or taken a status."""
    if not File.objects.filter(project=project, uploaded_via="import").exists():
        return False
    decided = records(about_kind="project", about_name=project.normalized_name, outcome="done")
    return not decided.filter(about_id=str(project.pk), action__in=_DECIDED).exists()
