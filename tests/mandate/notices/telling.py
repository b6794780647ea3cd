"""A campaign that mails, people it is about, and what lies in their mailboxes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.mandate.stored import ANNOUNCED, ENFORCED, document, make_project, make_user, retire_default, store

from keyhouse.accounts.models import Authenticator, User
from keyhouse.mail.contents import unseal
from keyhouse.mail.letters import Letter, render_html, render_text
from keyhouse.mail.models import SENT, WAITING, Mail
from keyhouse.mandate.notices import following, services
from keyhouse.mandate.notices.models import Delivery

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
__all__ = ["ANNOUNCED", "DAY", "ENFORCED", "HOUR", "make_project", "make_user", "store"]


def campaign(name: str = "campaign", **changes: Any) -> dict[str, Any]:
    """Return a mandate that tells people by mail."""
    notice = {"floor_days": 30, "unreached_cap_days": 60, "remind_days": [28, 14, 7, 1]}
    return document(name=name, **{"notice": notice, **changes})


def announce(*bodies: dict[str, Any]) -> None:
    """Let these mandates hold, and nothing else."""
    retire_default()
    for body in bodies or (campaign(),):
        store(body)


def owner(name: str, *projects: str, **facts: Any) -> User:
    """Make somebody who owns projects."""
    user = make_user(name, **facts)
    for project in projects or (f"of-{name}",):
        make_project(project, user)
    return user


def enrol(user: User) -> None:
    Authenticator.objects.create(user=user, name="phone", secret_sealed="x", created_at=ANNOUNCED)


def look(now: datetime) -> int:
    """Do one round, as the keeper does."""
    following.follow(now)
    return services.queue_due(now)


def letters(user: User | None = None) -> list[Letter]:
    """Return what waits in the outbox, in its order."""
    mails = Mail.objects.filter(kind="mandate-notice", state=WAITING).order_by("pk")
    found = mails if user is None else mails.filter(account_id=user.pk)
    return [unseal(mail.content_sealed, mail.address) for mail in found]


def texts(user: User) -> list[str]:
    return [render_text(one) for one in letters(user)]


def pages(user: User) -> list[str]:
    return [render_html(one) for one in letters(user)]


def arrive(now: datetime, user: User | None = None) -> int:
    """Let waiting mails have left at `now`."""
    mails = Mail.objects.filter(kind="mandate-notice", state=WAITING)
    found = mails if user is None else mails.filter(account_id=user.pk)
    return found.update(state=SENT, ended_at=now, content_sealed="")


def told(user: User) -> list[tuple[str, str]]:
    """Return mandate and kind of what somebody was told, in its order."""
    return list(Delivery.objects.filter(user=user).order_by("pk").values_list("mandate", "kind"))


def states(user: User) -> dict[str, str]:
    return dict(Delivery.objects.filter(user=user).values_list("kind", "state"))


def go_through(begin: datetime, end: datetime, step: timedelta = DAY) -> None:
    """Let time pass, a round at each step, mails leaving at once."""
    now = begin
    while now <= end:
        look(now)
        arrive(now)
        now += step
    look(end)
