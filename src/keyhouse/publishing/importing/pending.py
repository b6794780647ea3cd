"""People who will own what was imported once they come: invited with a deadline of their own, told once, listed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from keyhouse.accounts import links
from keyhouse.accounts.offers import Reminded, was_told_lately
from keyhouse.accounts.queries import find_verified_email
from keyhouse.audit.services import record
from keyhouse.core import actions, clock, configuration, faults
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.mail.services import queue
from keyhouse.projects.collaborators.errors import ProjectLeft
from keyhouse.projects.collaborators.models import FormerRole, ProjectInvitation
from keyhouse.projects.collaborators.queries import had_role
from keyhouse.projects.collaborators.services import invite, renew
from keyhouse.projects.models import Project, Role
from keyhouse.projects.rules import OWNER, QUARANTINED
from keyhouse.publishing.importing.letters import projects_wait
from keyhouse.publishing.importing.owners import Pending


def offer_roles(project: str, pending: Iterable[Pending], days: int, *, by: Actor) -> None:
    """Offer their roles in a project that just came to people without an account; nobody is mailed yet."""
    until = clock.now() + timedelta(days=days)
    for one in pending:
        invite(project, one.address, one.role, by=by, until=until, is_told=False)


@dataclass(frozen=True, slots=True)
class Waited:
    """Somebody who was offered roles and has not taken them: what waits, and until when at the latest."""

    address: str
    projects: tuple[str, ...]
    until: datetime
    is_over: bool
    has_account: bool

    def as_json(self) -> dict[str, Any]:
        """Return what a report tells."""
        return {
            "address": self.address,
            "projects": list(self.projects),
            "until": clock.format_instant(self.until),
            "is_over": self.is_over,
            "has_account": self.has_account,
        }


def who_has_not_come(now: datetime) -> list[Waited]:
    """Return everybody to whom the host offered roles by address and who has not answered, by address.

    Whose offers are over for some projects and not for others stands there twice.
    """
    found: dict[tuple[str, bool], list[ProjectInvitation]] = {}
    for invitation in _offered().order_by("address", "project__normalized_name"):
        found.setdefault((invitation.address, invitation.expires_at <= now), []).append(invitation)
    return [_waited(address, invitations, now) for (address, _), invitations in found.items()]


def _offered() -> QuerySet[ProjectInvitation]:
    """Return what the host offered by address and nobody answered."""
    offered = ProjectInvitation.objects.filter(ended_at=None, invited_by=None).exclude(address="")
    return offered.select_related("project")


def _waited(address: str, invitations: list[ProjectInvitation], now: datetime) -> Waited:
    until = max(one.expires_at for one in invitations)
    return Waited(
        address=address,
        projects=tuple(one.project.normalized_name for one in invitations),
        until=until,
        is_over=until <= now,
        has_account=find_verified_email(address) is not None,
    )


def ownerless_projects() -> list[str]:
    """Return the projects that nobody owns, by name."""
    return list(_ownerless().values_list("normalized_name", flat=True))


def _ownerless() -> QuerySet[Project]:
    owned = Role.objects.filter(project=OuterRef("pk"), kind=OWNER)
    return Project.objects.filter(~Exists(owned), organization=None).order_by("normalized_name")


def offered_to_nobody() -> list[str]:
    """Return the projects that nobody has owned so far and that are offered to nobody, by name.

    So are those whose offers were forgotten, and with them whom they were for. The host invites an owner into those.
    """
    open_offers = ProjectInvitation.objects.filter(project=OuterRef("pk"), kind=OWNER, ended_at=None)
    had = FormerRole.objects.filter(lineage=OuterRef("lineage"), kind=OWNER)
    found = _ownerless().filter(~Exists(open_offers), ~Exists(had))
    return list(found.values_list("normalized_name", flat=True))


def remind(addresses: Iterable[str] | None = None, *, by: Actor, is_dry: bool = False) -> Reminded:
    """Mail everybody whose roles wait (or those of `addresses`) once.

    Whoever was mailed within a day about all that waits for them is left out, and so are projects in quarantine, where nobody
    could accept now. One transaction for each person; `is_dry` takes each back. Whoever has no account gets a one-time
    link to one, where the index lets people in by invitation.
    """
    now, done = clock.now(), Reminded()
    wanted = None if addresses is None else set(addresses)
    for one in who_has_not_come(now):
        if not one.is_over and (wanted is None or one.address in wanted):
            with transaction.atomic():
                _remind(one.address, done, now, by)
                transaction.set_rollback(is_dry)
    return done


def _remind(address: str, done: Reminded, now: datetime, by: Actor) -> None:
    """Mail one person, and add to `done` what became of it: nothing, where they answered meanwhile."""
    # locked: two at once would mail both; a role that is accepted holds one of these rows alone
    here = _offered().filter(address=address, expires_at__gt=now).select_for_update(of=("self",))
    found = sorted(here.order_by("pk"), key=lambda one: one.project.normalized_name)
    able = [one for one in found if one.project.status != QUARANTINED]
    if able and not all(was_told_lately(one.sent_at, now) for one in able):
        ProjectInvitation.objects.filter(pk__in=[one.pk for one in able]).update(sent_at=now)
        _mail(_waited(address, able, now), now, by)
        done.told.append(address)
    elif found:
        (done.lately if able else done.resting).append(address)


def _mail(one: Waited, now: datetime, by: Actor) -> None:
    actions.require(by, "user.invite")
    letter = projects_wait(one.projects, one.until, _way_in(one, now))
    queue(letter, to=one.address, now=now, expires_at=one.until)
    details = {"projects": list(one.projects)}
    record("user.invite", by=by, about=Thing("invitation", None, ""), details=details)


@dataclass(frozen=True, slots=True)
class OfferedAgain:
    """Whom roles were offered anew, whom not, since the projects are in quarantine, and the projects that the host may not offer."""

    addresses: list[str]
    left: list[str]
    resting: list[str] = field(default_factory=list)


def offer_again(days: int, *, by: Actor, is_dry: bool = False) -> OfferedAgain:
    """Offer everybody anew what they were offered and is over, for so many days, by one mail for all of it.

    What rests in quarantine stays over. One transaction for each person, so that it goes on where it was stopped; `is_dry`
    takes each back.
    """
    now = clock.now()
    told, left, resting = list[str](), set[str](), list[str]()
    for address in [one.address for one in who_has_not_come(now) if one.is_over]:
        with transaction.atomic():
            renewed = _renew(address, now + timedelta(days=days), left, by)
            if renewed:
                _mail(_waited(address, renewed, now), now, by)
                told.append(address)
                faults.reach("invitation.rows-written")
            elif _over(address).filter(project__status=QUARANTINED).exists():
                resting.append(address)
            transaction.set_rollback(is_dry)
    return OfferedAgain(told, sorted(left), resting)


def _over(address: str) -> QuerySet[ProjectInvitation]:
    return _offered().filter(address=address, expires_at__lte=clock.now())


def _renew(address: str, until: datetime, left: set[str], by: Actor) -> list[ProjectInvitation]:
    """Let what is over for somebody wait anew; returns it, and adds to `left` the projects of what it can't."""
    renewed = []
    person = find_verified_email(address)
    for one in _over(address).exclude(project__status=QUARANTINED).order_by("pk"):
        if person and had_role(one.project, person.user_id):
            continue  # they came another way; what the owners made of that since stays
        try:
            if renew(one, until, by=by):
                renewed.append(one)
        except ProjectLeft:
            left.add(one.project.normalized_name)
    return renewed


def _way_in(one: Waited, now: datetime) -> str | None:
    if one.has_account:
        return None
    sign_up = configuration.current().sign_up
    if sign_up == "invitation":
        return links.make_invitation_link(one.address, now=now, expires_at=one.until)
    return "/account/sign-up/" if sign_up == "open" else None
