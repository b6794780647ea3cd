"""Telling everybody who has a role in a project what became of it, in the transaction of what it tells of."""

from __future__ import annotations

from keyhouse.accounts import emails
from keyhouse.accounts.models import User
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.projects import rights
from keyhouse.projects.life_cycle.letters import News, letter
from keyhouse.projects.models import Project

_AT_HOST = "the operators of this index, at the host"


def people_of(project: Project) -> list[int]:
    """Return the numbers of all who have a right in a project."""
    return rights.people_of(project.pk)


def tell_people(
    project: Project,
    news: News,
    *,
    by: Actor,
    reason: str = "",
    path: str = "",
) -> None:
    """Write to owners and maintainers; who did it gets the link that says “this was not me” besides."""
    now, told = clock.now(), set(people_of(project))
    who = _AT_HOST if by.kind == "host" else by.name
    path = path or f"/manage/project/{project.normalized_name}/"
    mail = letter(project.name, news, who, reason, path)
    actor = User.objects.filter(pk=by.user_id).first() if by.user_id in told else None
    if actor is not None:
        emails.tell(actor, mail, now=now)
    tell_others(sorted(told - {by.user_id}), mail, now)
