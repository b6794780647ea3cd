"""What people may do in a project, and which files it takes. Pure: facts in, verdict out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from packaging.utils import canonicalize_version

from keyhouse.core.errors import Refusal
from keyhouse.organizations.rules import EVERYBODY, MEMBERS, TEAMS
from keyhouse.projects.errors import (
    ContentExists,
    FileExists,
    FileHeld,
    FileNameUsed,
    ProjectArchived,
    ProjectQuarantined,
    ProjectTooLarge,
    ReasonRefused,
    ReleaseClosed,
    ReleaseQuarantined,
    SecondSourceDistribution,
)

OWNER: Final = "owner"
MAINTAINER: Final = "maintainer"
INVITED: Final = "invited"
ACTIVE: Final = "active"
ARCHIVED: Final = "archived"
QUARANTINED: Final = "quarantined"
DEPRECATED: Final = "deprecated"
# Who reads a project where the index is private; empty: as its organization says. Whoever has a role in it reads it always.
AS_ORGANIZATION: Final = ""
ROLES: Final = "roles"  # nobody else
READERS: Final = (AS_ORGANIZATION, EVERYBODY, MEMBERS, TEAMS, ROLES)
LONGEST_SUMMARY: Final = 512  # characters
LONGEST_REASON: Final = 500  # characters; it becomes an attribute of every link of a yanked release

# Maintainers publish and see how the project stands; whatever takes something away is for owners.
ROLE_ACTIONS: Final[dict[str, frozenset[str]]] = {
    MAINTAINER: frozenset(
        {
            "project.manage",
            "release.upload",
            "release.publish",
            "release.discard",
            "collaborator.leave",
            "publisher.read",
        }
    ),
    OWNER: frozenset(
        {
            "project.manage",
            "release.upload",
            "release.publish",
            "release.discard",
            "project.set-staging",
            "robot-token.mint",
            "robot-token.revoke",
            "robot-token.confirm",
            "release.yank",
            "release.unyank",
            "file.delete",
            "release.delete",
            "project.delete",
            "project.ask-deletion",
            "project.archive",
            "project.unarchive",
            "collaborator.invite",
            "collaborator.resend",
            "collaborator.revoke",
            "project.deprecate",
            "project.undeprecate",
            "release.restore",
            "file.restore",
            "collaborator.change-role",
            "collaborator.remove",
            "collaborator.keep",
            "collaborator.nudge",
            "collaborator.hand-over",
            "collaborator.leave",
            "collaborator.lay-down",
            "publisher.read",
            "publisher.add",
            "publisher.remove",
            "publisher.confirm",
            "publisher.constrain",
            "project.require-publishers",
            "project.allow-tokens",
            "project.move",
            "project.set-readers",
            "team-role.set",
            "team-role.end",
            "team-role.keep",
        }
    ),
    # of whoever is invited and has not accepted; the invitation itself is looked for by the service
    INVITED: frozenset({"collaborator.accept", "collaborator.decline"}),
}
# What a credential may do without a person at hand; deleting and taking back a yank need one.
CREDENTIAL_ACTIONS: Final = frozenset(
    {"index.read", "token.use", "project.create", "release.upload", "release.yank"}
)
# Done to a project by people without a role in it, too.
ROLELESS_ACTIONS: Final = frozenset({"project.create", "index.read"}) | ROLE_ACTIONS[INVITED]
# Done to what a deleted project left, by whoever owned it.
FORMER_OWNERS_ACTION: Final = "project.restore"


def allows_role(role: str | None, action: str) -> bool:
    """Tell whether somebody with this role (None: no role) may do this to the project."""
    return action in ROLE_ACTIONS.get(role or "", frozenset())


def judge_upload_state(status: str, reason: str = "") -> Refusal | None:
    """Return why a project in this state takes no files, or None."""
    if status == ARCHIVED:
        return ProjectArchived()
    return judge_change(status, reason)


def judge_change(status: str, reason: str = "") -> Refusal | None:
    """Return why a project in this state can't be changed by its owners, or None."""
    if status != QUARANTINED:
        return None
    return ProjectQuarantined(f"This project is in quarantine: {reason}") if reason else ProjectQuarantined()


def judge_release_change(quarantined: str | None) -> Refusal | None:
    """Return why a release in quarantine (None: it isn't) can't be changed by owners and takes no files, or None."""
    if quarantined is None:
        return None
    return (
        ReleaseQuarantined(f"This release is in quarantine: {quarantined}")
        if quarantined
        else ReleaseQuarantined()
    )


def judge_parts(quarantined: str | None) -> Refusal | None:
    """Return why what holds a file of that name, which is in quarantine, can't be deleted, or None."""
    if quarantined is None:
        return None
    return FileHeld(f"{quarantined} is in quarantine, so it can't be deleted, nor what holds it.")


def judge_project_size(size: int, added: int, limit: int) -> Refusal | None:
    """Return why a project of `size` bytes can't grow by `added` bytes, or None."""
    if size + added <= limit:
        return None
    return ProjectTooLarge(
        f"The project's files would become {size + added:,} bytes; its limit is {limit:,}."
    )


@dataclass(frozen=True, slots=True)
class KnownRelease:
    """A release beside which a file is judged and pages are `yanked` is the reason of its yank, None: it is not.

    So is `quarantined` that of its quarantine.
    """

    pk: int
    version: str
    created_at: datetime
    yanked: str | None
    summary: str
    quarantined: str | None = None


def find_equal_release(releases: Mapping[str, KnownRelease], version: str) -> KnownRelease | None:
    """Return the release of that canonical version, or the one of an equal version with other zeros at its end.

    To installers 1.0 and 1.0.0 are one version (PEP 440), so a file of either belongs to one release.
    """
    found = releases.get(version)
    if found is not None:
        return found
    wanted = _without_zeros(version)
    return next((release for other, release in releases.items() if _without_zeros(other) == wanted), None)


def is_same_version(one: str, other: str) -> bool:
    """Tell whether installers take two versions for one: 1.0 and 1.0.0 are."""
    return one == other or _without_zeros(one) == _without_zeros(other)


# asked for each version of a project at each upload to it
_without_zeros = lru_cache(maxsize=65536)(canonicalize_version)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file somebody wants to publish."""

    filename: str
    kind: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What stands in the index beside a candidate.

    `same_name_sha256`: digest of the file that has its name now. `is_name_used`: some file had this name once.
    `same_content`: name of another file with the same bytes, empty where it isn't told. `sdist`: the release's source distribution.
    """

    same_name_sha256: str | None = None
    is_name_used: bool = False
    same_content: str | None = None
    sdist: str | None = None
    release_created_at: datetime | None = None


def is_repeat(candidate: Candidate, beside: Neighbours) -> bool:
    """Tell whether this very file is published already, so that there is nothing left to do."""
    return beside.same_name_sha256 is not None and beside.same_name_sha256 == candidate.sha256


def judge_file(candidate: Candidate, beside: Neighbours) -> Refusal | None:
    """Return why this file can't be published beside what is there, or None. A repeat has no objection."""
    if is_repeat(candidate, beside):
        return None
    if beside.same_name_sha256 is not None:
        return FileExists(f"File already exists: {candidate.filename} is here with other content.")
    if beside.is_name_used:
        return FileNameUsed(
            f"{candidate.filename} was used before and deleted; a file name is never used twice."
        )
    if beside.same_content is not None:
        is_told = bool(beside.same_content)
        return ContentExists(f"The same content is here as {beside.same_content}." if is_told else None)
    if candidate.kind == "sdist" and beside.sdist is not None:
        return SecondSourceDistribution(f"This release has a source distribution already: {beside.sdist}.")
    return None


def judge_release_age(created_at: datetime | None, now: datetime, open_days: int) -> Refusal | None:
    """Return why a release made at `created_at` takes no new file at `now`, or None (0 days: always open)."""
    if created_at is None or open_days == 0 or now - created_at <= timedelta(days=open_days):
        return None
    return ReleaseClosed(f"This release is older than {open_days} days and takes no new files.")


def judge_reason(text: str) -> Refusal | None:
    """Return why this can't be shown as a reason to everybody, or None; no reason at all is fine."""
    return None if len(text) <= LONGEST_REASON and text.isprintable() else ReasonRefused()


def told_reason(reason: str, successor: str) -> str:
    """Return what installers show as the reason of a project's status, with what to take instead where that is known."""
    if not successor:
        return reason
    gap = "" if not reason or reason.endswith((".", "!", "?")) else "."
    return f"{reason}{gap} Use {successor} instead.".lstrip()
