"""Nobody is sent to a successor that was deleted, since somebody else may take its name. Once it is back it is told again.

Who owns those that named it is mailed both, in the same transaction, each once a day at most. On a private index nobody learns so of a project that they
may not read.

In quarantine it is told on: its name stays taken, and its page says what is the matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from django.db import transaction

from keyhouse.accounts.recovery.telling import tell_each
from keyhouse.audit.models import Record
from keyhouse.core import clock, configuration
from keyhouse.distfiles.names import normalise
from keyhouse.mail.letters import Letter
from keyhouse.organizations.rules import EVERYBODY
from keyhouse.projects import pages, reading, rights, sql
from keyhouse.projects.life_cycle import letters
from keyhouse.projects.life_cycle.models import Removal
from keyhouse.projects.models import Project, Tombstone
from keyhouse.projects.rules import OWNER, QUARANTINED

# as literals: so the index of the few that name one is used
_NAMING: Final = "SELECT id, successor FROM projects_project WHERE successor > ''"
_TOLD: Final = f"{_NAMING} AND successor_key IS NULL"


def lock_with_those_naming(name: str) -> None:
    """Lock a project and those that name it, by their numbers, as whoever locks several does; before anything else."""
    naming = [pk for pk, successor in sql.select(_NAMING) if normalise(successor) == name]
    if naming:
        own = Project.objects.filter(normalized_name=name).values_list("pk", flat=True)
        _locked([*naming, *own])


def tell_no_more(project: Project, until: datetime | None) -> None:
    """Let those that name a project send nobody there any more, in the transaction that deletes it, before its rows go.

    Their rows are locked, and so none of them may have been rendered before. They are rendered here and not later, since the
    name is free for anybody from the commit on. `until`: so long it can be brought back.
    """
    name = project.normalized_name
    naming = [
        one
        for one in _locked(pk for pk, successor in sql.select(_NAMING) if normalise(successor) == name)
        if one.successor_key is None and normalise(one.successor) == name
    ]
    _set(naming, project.pk)
    _tell_owners(naming, project, "deleted", partial(letters.successor_deleted, until=until))


def tell_again(project: Project) -> None:
    """Let those that named a project send people there again, in the transaction that brings it back, after its rows came."""
    found = _locked(pk for pk, _ in sql.select(f"{_NAMING} AND successor_key = %s", project.pk))
    naming = [one for one in found if one.successor_key == project.pk]
    _set(naming, None)
    is_held = project.status == QUARANTINED
    _tell_owners(naming, project, "restored", partial(letters.successor_restored, is_held=is_held))


def key_after(project: Project, removal: Removal) -> int | None:
    """Return which successor of a project that comes back is gone: it may have gone, or come back, meanwhile."""
    key = project.successor_key
    if key is not None:
        return None if Project.objects.filter(pk=key).exists() else key
    gone = Removal.objects.filter(
        kind=Removal.Kind.PROJECT,
        normalized_name=normalise(project.successor),
        removed_at__gte=removal.removed_at,
    )
    return gone.order_by("pk").values_list("project_key", flat=True).first() if project.successor else None


def let_go_of_gone() -> int:
    """Let nobody be sent any more to what a version deleted that told it on; returns how many projects named such a one.

    The audit log knows: it was deleted after it had been named, and isn't back. Done whenever a server starts, and nobody is
    mailed, since it is no news.
    """
    told = {pk: normalise(successor) for pk, successor in sql.select(_TOLD)}
    deleted = set[str]()
    for some in pages.batches(sorted(set(told.values()))):
        buried = Tombstone.objects.filter(normalized_name__in=some)
        deleted |= set(buried.values_list("normalized_name", flat=True))
    return sum(_let_go(pk, name) for pk, name in told.items() if name in deleted)


def _let_go(pk: int, name: str) -> bool:
    with transaction.atomic():
        key = _deleted_since_named(pk, name)
        if key is None:
            return False
        # whoever brings it back holds this row until they are done
        list(Removal.objects.select_for_update().filter(project_key=key, kind=Removal.Kind.PROJECT))
        if Project.objects.filter(pk=key).exists():
            return False
        found = [
            one for one in _locked([pk]) if one.successor_key is None and normalise(one.successor) == name
        ]
        _set(found, key)
        return bool(found)


def _deleted_since_named(pk: int, name: str) -> int | None:
    """Return the number of the first project of a name that was deleted after a project had named it as its successor."""
    named = Project.objects.filter(pk=pk).values_list("normalized_name", flat=True).first()
    done = Record.objects.filter(about_kind="project", outcome="done")
    said = done.filter(about_name=named, about_id=str(pk), action="project.deprecate").order_by("id").last()
    if said is None:
        return None
    gone = done.filter(about_name=name, action="project.delete", id__gt=said.pk).order_by("id").first()
    return int(gone.about_id) if gone else None


def _locked(keys: Iterable[int]) -> list[Project]:
    wanted = list(keys)
    return list(Project.objects.select_for_update().filter(pk__in=wanted).order_by("pk")) if wanted else []


def _set(naming: Sequence[Project], key: int | None) -> None:
    Project.objects.filter(pk__in=[one.pk for one in naming]).update(successor_key=key)
    for one in naming:
        one.successor_key = key
        pages.refresh_pages(one)


def _tell_owners(
    naming: Sequence[Project], successor: Project, what: str, write: Callable[[Sequence[str], str], Letter]
) -> None:
    """Mail the owners of those that named a project; one mail to each of them, whatever many they own.

    Of what happens over and over they are told once a day: who does that to it is somebody else.
    """
    names = {one.pk: one.normalized_name for one in naming}
    owned: dict[int, set[str]] = {}
    for right in rights.rights_in_several(names):
        if right.kind == OWNER:
            owned.setdefault(right.user_id, set()).add(names[right.project_id])
    people = _who_may_read(successor, owned)
    now = clock.now()
    mails = {one: write(sorted(owned[one]), successor.name) for one in people}
    tell_each(mails, now, key=f"successor-{what}:{successor.pk}:{now:%Y-%m-%d}")


def _who_may_read(project: Project, people: Iterable[int]) -> list[int]:
    """Return those who may read a project; each is asked about where it is kept to somebody."""
    if not configuration.current().is_private or reading.readers_of(project) == EVERYBODY:
        return sorted(people)
    return [one for one in sorted(people) if not reading.is_hidden(one, project.normalized_name)]
