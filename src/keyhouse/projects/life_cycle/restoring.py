"""Bringing back what was deleted, while its days last: rows with their numbers, roles, used names, pages.

Whatever has taken its place meanwhile wins. Files whose release is gone come into the one that has its version now; of a
release, those whose place is taken stay kept, and come once it is free. Of a restore and the sweep at once, whoever locks
the row of the deletion first decides; of a restore and a new project of that name at once, the unique name does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from django.db import transaction

from keyhouse.audit.services import Detail, record
from keyhouse.core import actions, clock, configuration, faults, naming
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.distfiles.names import fold
from keyhouse.organizations.models import Team
from keyhouse.projects import founding, pages
from keyhouse.projects import queries as projects
from keyhouse.projects import rules as project_rules
from keyhouse.projects.changing import (
    living_people,
    project_to_change,
    raise_refusal,
    settled,
    thing_of,
)
from keyhouse.projects.errors import OwnerMissing
from keyhouse.projects.life_cycle import aside, letters, queries, rules, successors
from keyhouse.projects.life_cycle.emails import tell_people
from keyhouse.projects.life_cycle.errors import NothingToRestore, RestoreImpossible
from keyhouse.projects.life_cycle.letters import News
from keyhouse.projects.life_cycle.models import KeptRole, Removal
from keyhouse.projects.models import (
    File,
    Project,
    ReadingTeam,
    Role,
    RoleChange,
    TeamRole,
    UsedFileName,
)
from keyhouse.projects.rights import owners_of
from keyhouse.projects.rules import KnownRelease
from keyhouse.projects.team_roles import AS_BEFORE
from keyhouse.storage import blobs
from keyhouse.storage.blobs import key_of

_FILE = Removal.Kind.FILE
_RELEASE = Removal.Kind.RELEASE
_PROJECT = Removal.Kind.PROJECT


def restore_file(name: str, removal_id: int, *, by: Actor) -> Project:
    """Bring a file back into its release, or into the one that has its version now.

    `name` is the project's, normalised. Raises NothingToRestore, RestoreImpossible, ProjectTooLarge, ProjectNotFound,
    ProjectQuarantined, ReleaseQuarantined, RoleRequired and what the gate raises.
    """
    return _restore_part(name, removal_id, _FILE, by)


def restore_release(name: str, removal_id: int, *, by: Actor) -> Project:
    """Bring a release back with its files, or its files into the release that has its version now.

    Files whose place is taken stay away and can be brought back by the same deletion later. Raises as `restore_file`.
    """
    return _restore_part(name, removal_id, _RELEASE, by)


def _restore_part(name: str, removal_id: int, kind: Removal.Kind, by: Actor) -> Project:
    def look() -> Sequence[File]:
        _, removal = _lock_part(name, removal_id, kind, by)
        return list(aside.kept_files(removal))

    def act() -> Project:
        project, removal = _lock_part(name, removal_id, kind, by)
        files = list(aside.kept_files(removal))
        places = find_places(project, removal, files, by)
        coming = [file for file in files if file.filename not in places.taken]
        _require_place(project, removal, places, coming, by)
        aside.put_back_part(removal, coming, places.here.pk if places.here else None)
        _use_names(coming)
        aside.let_go_lifted(project, removal.version, coming)
        _tell_part(project, removal, places.into, len(coming), by)
        version = places.here.version if places.here else removal.version
        pages.refresh_pages(project, versions=[version])
        faults.reach("restore.rows-written")
        return project

    return _done(look, act)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files of a deletion go.

    `here`: the release that is there and has their version, None: their own comes back with them. `into`: its version where
    it isn't theirs, but has taken the place of that. `taken`: by the names of those that can't come now, which file has
    their place.
    """

    here: KnownRelease | None
    into: str
    taken: Mapping[str, str]


def find_places(project: Project, removal: Removal, files: Sequence[File], by: Actor) -> Places:
    """Return where the files that the deletion of a file or a release kept would go now."""
    here = project_rules.find_equal_release(projects.known_releases(project.pk), removal.version)
    taken = queries.find_alike(files, by)
    sdists = File.objects.filter(project=project, release_id=here.pk if here else 0, kind="sdist")
    sdist = sdists.values_list("filename", flat=True).first()
    if sdist is not None:
        taken = dict.fromkeys((file.filename for file in files if file.kind == "sdist"), sdist) | taken
    is_theirs = here is None or all(file.release_id == here.pk for file in files)
    return Places(here, "" if here is None or is_theirs else here.version, taken)


def restore_project(removal_id: int, *, by: Actor) -> Project:
    """Bring a project back with its releases, files and the roles of everybody whose account is there, and of teams that are.

    For whoever owned it, also where they may make no project. Raises NothingToRestore, RestoreImpossible, OwnerMissing, RoleRequired and what the gate raises.
    """

    def look() -> Sequence[File]:
        return list(aside.kept_files(_lock_whole(removal_id, by)))

    def act() -> Project:
        removal = _lock_whole(removal_id, by)
        files = list(aside.kept_files(removal))
        roles = _living_roles(removal)
        _require_name(removal, roles, by)
        raise_refusal(rules.judge_place(next(iter(queries.find_alike(files, by).values()), "")))
        aside.put_back(removal)
        _use_names(files)
        project = Project.objects.get(pk=removal.project_key)
        _drop_teams_gone(project)
        _give_roles_back(project, removal, roles)
        founding.tell(project, by)
        # with the roles back the gate sees what mandates ask of this project's people
        actions.require(by, _action_of(removal), _thing_of(removal))
        project.restored_at = clock.now()
        project.successor_key = successors.key_after(project, removal)
        project.save(update_fields=["restored_at", "successor_key"])
        news = letters.project_restored(is_held=project.status == project_rules.QUARANTINED)
        _tell(project, removal, news, by, files=len(files))
        removal.delete()
        successors.tell_again(project)
        pages.refresh_pages(project, versions=None, touches_listing=True)
        faults.reach("restore.rows-written")
        return project

    return _done(look, act)


def _drop_teams_gone(project: Project) -> None:
    """Let go of what came back for teams that are gone, or of an organization that the project isn't in."""
    # asked in two steps, so that a row whose team is gone isn't passed over for want of that; the organization is locked
    there = list(Team.objects.filter(organization=project.organization_id).values_list("pk", flat=True))
    TeamRole.objects.filter(project=project).exclude(team_id__in=there).delete()
    ReadingTeam.objects.filter(project=project).exclude(team_id__in=there).delete()


def _give_roles_back(project: Project, removal: Removal, roles: Sequence[KeptRole]) -> None:
    """Let those with an account have the roles they had; what was asked of others, or by others, is dropped."""
    if project.organization_id is None and removal.organization_key is not None and not _owners_of(roles):
        raise OwnerMissing("The organization that owned it is gone.")
    Role.objects.bulk_create(
        Role(project=project, user_id=role.user_id, kind=role.kind, since_at=role.since_at) for role in roles
    )
    changes = RoleChange.objects.filter(project=project)
    changes.exclude(user_id__in=[role.user_id for role in roles]).delete()
    owners = owners_of(project.pk)
    changes.filter(asked_by__isnull=False).exclude(asked_by_id__in=owners).delete()
    ending = TeamRole.objects.filter(project=project, ends_asked_by__isnull=False)
    ending.exclude(ends_asked_by_id__in=owners).update(**AS_BEFORE)


def _done(look: Callable[[], Sequence[File]], act: Callable[[], Project]) -> Project:
    """See whether it may be and whether the bytes are there, outside of the transaction that then does it."""
    with transaction.atomic():
        files = look()
    _require_bytes(files)

    def whole() -> Project:
        with transaction.atomic():
            return act()

    project = settled(whole)
    faults.reach("restore.committed")
    return project


def _lock_part(name: str, removal_id: int, kind: Removal.Kind, by: Actor) -> tuple[Project, Removal]:
    project = project_to_change(name, f"{kind.value}.restore", by)
    removal = (
        Removal.objects.select_for_update().filter(pk=removal_id, kind=kind, project_key=project.pk).first()
    )
    return project, _require_open(removal)


def _lock_whole(removal_id: int, by: Actor) -> Removal:
    removal = Removal.objects.select_for_update().filter(pk=removal_id, kind=_PROJECT).first()
    actions.require(by, "project.restore", _thing_of(removal))
    return _require_open(removal)


def _thing_of(removal: Removal | None) -> Thing:
    return Thing("removal", removal.pk, removal.normalized_name) if removal else Thing("removal")


def _require_open(removal: Removal | None) -> Removal:
    if removal is None:
        raise NothingToRestore
    raise_refusal(rules.judge_restore(removal.until_at, removal.swept_at, clock.now()))
    return removal


def _require_bytes(files: Sequence[File]) -> None:
    store = blobs()
    for file in files:
        if store.size(key_of(file.blake2, file.filename)) != file.size:
            raise RestoreImpossible(f"The bytes of {file.filename} are not here any more.")


def _require_name(removal: Removal, roles: Sequence[KeptRole], by: Actor) -> None:
    name = removal.normalized_name
    owners = [role.user_id for role in _owners_of(roles)]
    objection = None if by.kind == "host" else naming.find_objection(name, owners)
    if objection is not None:  # reserved since it was deleted
        raise RestoreImpossible(objection, fix="Ask the operators of this index.")
    if projects.find_project(name) is not None:
        raise_refusal(rules.judge_place(f"a new project {name}"))
    if projects.is_folded_name_taken(fold(removal.project_name)):
        raise_refusal(rules.judge_place("a project of a name that people would confuse with it"))


def _require_place(
    project: Project, removal: Removal, places: Places, coming: Sequence[File], by: Actor
) -> None:
    """Raise where a part of a project can't stand beside what is in it now."""
    if places.here is None and not aside.holds_release(removal):
        kept = aside.kept_versions(project, clock.now())
        can_come = any(project_rules.is_same_version(version, removal.version) for version in kept)
        raise RestoreImpossible(
            "Its release is not here any more.", fix="Bring the release back first." if can_come else None
        )
    if places.taken and not coming:
        raise_refusal(rules.judge_place(next(iter(places.taken.values()))))
    if places.here is not None:
        _require_release(project, removal, places.here, coming, is_theirs=not places.into)
    if by.kind != "host":
        limit = project.project_limit or configuration.current().project_limit
        added = sum(file.size for file in coming)
        raise_refusal(project_rules.judge_project_size(project.size, added, limit))


def _require_release(
    project: Project, removal: Removal, here: KnownRelease, coming: Sequence[File], *, is_theirs: bool
) -> None:
    """Raise where files can't come into a release that is there, which may be another one than theirs was."""
    if not coming:
        raise_refusal(rules.judge_place(f"a new release {here.version}"))
    raise_refusal(project_rules.judge_release_change(here.quarantined))
    if is_theirs:
        return
    was_yanked = aside.were_yanked(removal, coming)
    raise_refusal(rules.judge_yank(here.version, was_yanked=was_yanked, is_yanked=here.yanked is not None))
    if (
        here.version != removal.version
    ):  # what holds a file names it by that version, and would never let go of it
        held = (file.filename for file in coming if aside.is_held(project, removal.version, file))
        raise_refusal(rules.judge_held(next(held, ""), here.version))


def _living_roles(removal: Removal) -> list[KeptRole]:
    """Return the roles of those whose accounts are there, which can't begin to go until the end; raises OwnerMissing."""
    kept = list(removal.roles.order_by("user_id"))
    living = living_people(role.user_id for role in kept)
    roles = [role for role in kept if role.user_id in living]
    if _owners_of(kept) and not _owners_of(roles) and removal.organization_key is None:
        raise OwnerMissing("Nobody who owned it has an account any more.")
    return roles


def _owners_of(roles: Sequence[KeptRole]) -> list[KeptRole]:
    return [role for role in roles if role.kind == project_rules.OWNER]


def _use_names(files: Sequence[File]) -> None:
    names = [file.filename for file in files]
    for start in range(0, len(names), 500):
        UsedFileName.objects.filter(filename__in=names[start : start + 500]).update(deleted_at=None)


def _tell_part(project: Project, removal: Removal, into: str, files: int, by: Actor) -> None:
    """Tell of files that came back; `into`: a release that has taken the place of theirs. What is left stays kept."""
    left = removal.file_count - files
    news = (
        letters.file_restored(removal.filename, into)
        if removal.kind == _FILE
        else letters.release_restored(removal.version, into, left)
    )
    more: dict[str, Detail] = {"into": into} if into else {}
    _tell(project, removal, news, by, files=files, more=more | ({"left": left} if left else {}))
    if left:
        removal.file_count = left
        removal.save(update_fields=["file_count"])
    else:
        removal.delete()


def _tell(  # noqa: PLR0913 - one keyword for each thing that is told
    project: Project,
    removal: Removal,
    news: News,
    by: Actor,
    *,
    files: int,
    more: Mapping[str, Detail] = MappingProxyType({}),
) -> None:
    """Record and mail a restore; a project's own gate is asked before."""
    details: dict[str, Detail] = {
        "version": removal.version,
        "filename": removal.filename,
        "files": files,
        "removed_at": removal.removed_at.isoformat(),
        **more,
    }
    record(_action_of(removal), by=by, about=thing_of(project), details=details)
    tell_people(project, news, by=by)


def _action_of(removal: Removal) -> str:
    return f"{removal.kind}.restore"
