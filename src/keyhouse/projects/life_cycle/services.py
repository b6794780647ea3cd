"""Yanking, archiving and deprecating. One transaction, one audit record, one mail to everybody in the project, pages rendered in it.

The lock of the project's row is taken first and the number of the change last, as in every service of projects.
A yank is of a release, though PEP 592 knows it of files: what is wrong with a release is wrong with all that is built of
it, and a release of which some files are passed by would be taken by some installers and not by others.
"""

from __future__ import annotations

from typing import Final

from django.db import transaction

from keyhouse.audit.services import Detail, record
from keyhouse.core import clock, faults
from keyhouse.core.actor import Actor
from keyhouse.projects import pages
from keyhouse.projects import rules as project_rules
from keyhouse.projects.changing import (
    cleaned,
    project_to_change,
    raise_refusal,
    release_to_change,
    thing_of,
)
from keyhouse.projects.life_cycle import letters, rules
from keyhouse.projects.life_cycle.deleting import delete_file, delete_project, delete_release
from keyhouse.projects.life_cycle.emails import tell_people
from keyhouse.projects.life_cycle.rules import ACTIVE, ARCHIVED, DEPRECATED, Standing
from keyhouse.projects.models import Project, Release
from keyhouse.projects.rules import told_reason

__all__ = [
    "archive_in",
    "archive_project",
    "delete_file",
    "delete_project",
    "delete_release",
    "deprecate_project",
    "unarchive_project",
    "undeprecate_project",
    "unyank_release",
    "yank_release",
]

_NEWS: Final = {
    "project.archive": letters.ARCHIVED,
    "project.unarchive": letters.UNARCHIVED,
    "project.deprecate": letters.DEPRECATED,
    "project.undeprecate": letters.UNDEPRECATED,
}


def yank_release(name: str, version: str, reason: str = "", *, by: Actor, is_told: bool = True) -> Release:
    """Mark a release as one that installers pass by (PEP 592); once more with another reason changes the reason.

    Its people are mailed, but where it came here yanked (`is_told`). `name` is normalised, `version` canonical. Raises ProjectNotFound, ProjectQuarantined, ReasonRefused, RoleRequired
    and what the gate raises.
    """
    reason = cleaned(reason)
    with transaction.atomic():
        project, release = release_to_change(name, version, "release.yank", by)
        if release.yanked_at is not None and release.yanked_reason == reason:
            return release
        release.yanked_at, release.yanked_reason = release.yanked_at or clock.now(), reason
        release.save(update_fields=["yanked_at", "yanked_reason"])
        details: dict[str, Detail] = {"version": version, "reason": reason}
        record("release.yank", by=by, about=thing_of(project), details=details)
        if is_told:
            tell_people(project, letters.yanked(version), by=by, reason=reason)
        pages.refresh_pages(project, versions=[version])
        faults.reach("yank.rows-written")
    faults.reach("yank.committed")
    return release


def unyank_release(name: str, version: str, *, by: Actor) -> Release:
    """Take back a yank; one that isn't there changes nothing. Raises as `yank_release`."""
    with transaction.atomic():
        project, release = release_to_change(name, version, "release.unyank", by)
        if release.yanked_at is None:
            return release
        details: dict[str, Detail] = {"version": version, "reason": release.yanked_reason}
        release.yanked_at, release.yanked_reason = None, ""
        release.save(update_fields=["yanked_at", "yanked_reason"])
        record("release.unyank", by=by, about=thing_of(project), details=details)
        tell_people(project, letters.unyanked(version), by=by)
        pages.refresh_pages(project, versions=[version])
        faults.reach("yank.rows-written")
    faults.reach("yank.committed")
    return release


def archive_project(name: str, reason: str = "", *, by: Actor) -> Project:
    """Mark a project as finished: it takes no files and installers say so (PEP 792).

    One that is deprecated is so no longer, and names no successor. Raises as `yank_release`.
    """
    return _set_standing(name, Standing(ARCHIVED, cleaned(reason)), "project.archive", by)


def unarchive_project(name: str, *, by: Actor) -> Project:
    """Take a project out of the archive; one that isn't in it stays as it is. Raises as `yank_release`."""
    return _set_standing(name, Standing(ACTIVE), "project.unarchive", by, ends=ARCHIVED)


def deprecate_project(name: str, reason: str = "", successor: str = "", *, by: Actor) -> Project:
    """Mark a project as one that people should leave, for its successor where one is named (PEP 792).

    It still takes files, and an archived one does so again. Raises SuccessorRefused, and as `yank_release`.
    """
    reason, successor = cleaned(reason), successor.strip()
    raise_refusal(rules.judge_successor(name, successor))
    return _set_standing(name, Standing(DEPRECATED, reason, successor), "project.deprecate", by)


def undeprecate_project(name: str, *, by: Actor) -> Project:
    """Take a deprecation back; a project that isn't deprecated stays as it is. Raises as `yank_release`."""
    return _set_standing(name, Standing(ACTIVE), "project.undeprecate", by, ends=DEPRECATED)


def _set_standing(name: str, wanted: Standing, action: str, by: Actor, *, ends: str = "") -> Project:
    with transaction.atomic():
        project = project_to_change(name, action, by)
        # for the host, too: a quarantine ends by being lifted, and not by the way
        raise_refusal(project_rules.judge_change(project.status, project.status_reason))
        before = Standing(project.status, project.status_reason, project.told_successor)
        after = rules.next_standing(before, wanted, ends)
        if after is None:
            return project
        _stand(project, after)
        record(action, by=by, about=thing_of(project), details=_told(before, after))
        news = letters.ARCHIVED_INSTEAD if _is_instead(before, after) else _NEWS[action]
        tell_people(project, news, by=by, reason=_why(after))
        pages.refresh_pages(project)
        faults.reach("status.rows-written")
    faults.reach("status.committed")
    return project


def _stand(project: Project, after: Standing) -> None:
    project.status, project.status_reason, project.successor = after.status, after.reason, after.successor
    project.successor_key = None
    project.save(update_fields=["status", "status_reason", "successor", "successor_key"])


def _is_instead(before: Standing, after: Standing) -> bool:
    """Tell whether the archive ends a deprecation: a project has one status, and comes out of the archive with none."""
    return (before.status, after.status) == (DEPRECATED, ARCHIVED)


def archive_in(project: Project, reason: str) -> bool:
    """Archive a locked project in the caller's transaction, which records and tells it; returns whether it was not archived."""
    before = Standing(project.status, project.status_reason, project.told_successor)
    after = rules.next_standing(before, Standing(ARCHIVED, reason), "")
    if after is None or before.status == ARCHIVED:
        return False
    _stand(project, after)
    pages.refresh_pages(project)
    return True


def _told(before: Standing, after: Standing) -> dict[str, Detail]:
    told: dict[str, Detail] = {"before": before.status, "reason": after.reason or before.reason}
    successor = after.successor or before.successor
    return told | ({"successor": successor} if successor else {})


def _why(standing: Standing) -> str:
    return told_reason(standing.reason, standing.successor)
