"""Applications for organizations, where operators decide about each: apply, reply, withdraw; ask, approve, decline.

Whoever is approved becomes the owner without a further act, so the gate is asked of them when they apply. Accounts are
locked before applications, and all applications for one name together, in one order: two operators who approve rivals at
once wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.db import transaction

from keyhouse.accounts import holds, limits
from keyhouse.accounts.models import User
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import Detail, record
from keyhouse.core import actions, clock, configuration, faults
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.distfiles.names import fold
from keyhouse.organizations import letters, queries, rules
from keyhouse.organizations.changing import count, lock_people, person_of, thing_named, thing_of
from keyhouse.organizations.errors import (
    ApplicantAway,
    ApplicationMissing,
    ApplicationNeedless,
    ApplicationNotAsked,
    ApplicationOwn,
    ApplicationsTooMany,
    OrganizationNameRefused,
)
from keyhouse.organizations.models import Organization, OrganizationApplication
from keyhouse.organizations.services import TAKEN, write_organization

APPLY: Final = "organization.apply"
REPLY: Final = "application.reply"
WITHDRAW: Final = "application.withdraw"
DECIDE: Final = "organization.decide"
_RIVAL: Final = "Somebody else has this name now, or one that people would confuse with it."
_Outcome = OrganizationApplication.Outcome


# ---- whoever applies


def apply(name: str, reason: str, title: str = "", *, by: Actor) -> OrganizationApplication:
    """Ask the operators for an organization; the same name again returns what waits.

    Raises ApplicationNeedless, OrganizationNameRefused, OrganizationTextRefused, ApplicationsTooMany, TooManyAttempts and
    what the gate raises.
    """
    actions.require(by, APPLY, thing_named(name))
    user_id, texts = person_of(by), (rules.check_text(title, rules.LONGEST_TITLE), rules.check_reason(reason))
    if configuration.current().organizations != "application":
        raise ApplicationNeedless
    rules.check_name(name)
    count(by, limits.CREATION)
    with transaction.atomic():
        lock_people([user_id])
        actions.require(by, APPLY, thing_named(name))
        waiting = list(queries.waiting_applications().filter(asked_by_id=user_id))
        present = next((one for one in waiting if one.folded_name == fold(name)), None)
        if present is not None:
            return present
        if len(waiting) >= rules.MOST_APPLICATIONS:
            raise ApplicationsTooMany
        return _file(name, *texts, by)


def _file(name: str, title: str, reason: str, by: Actor) -> OrganizationApplication:
    if queries.is_taken(name):
        raise OrganizationNameRefused(TAKEN)
    is_first, now = not queries.unanswered_applications().exists(), clock.now()
    asked = OrganizationApplication.objects.create(
        name=name,
        folded_name=fold(name),
        title=title,
        reason=reason,
        asked_by_id=person_of(by),
        asked_at=now,
    )
    record(APPLY, by=by, about=_thing(asked), account_id=by.user_id, details={"name": name})
    if is_first:  # whoever looks after the queue sees the others there
        _tell_operators(asked, now)
    faults.reach("organization.rows-written")
    return asked


def reply(application_id: int, text: str, *, by: Actor) -> OrganizationApplication:
    """Tell the operators what they asked for; the same again changes nothing.

    Raises ApplicationMissing for one of somebody else, ApplicationNotAsked, OrganizationTextRefused and what the gate raises.
    """
    with transaction.atomic():
        application = _own(application_id, REPLY, by)
        text, now = rules.check_reason(text), clock.now()
        if application.state != "asked":
            if application.reply == text:
                return application
            raise ApplicationNotAsked
        application.reply, application.replied_at = text, now
        application.save(update_fields=["reply", "replied_at"])
        record(REPLY, by=by, about=_thing(application), account_id=by.user_id)
        _tell_operators(application, now)
        faults.reach("organization.rows-written")
    return application


def withdraw(application_id: int, *, by: Actor) -> None:
    """Take one's application back; a second time changes nothing. Never gated. Raises ApplicationMissing."""
    with transaction.atomic():
        application = _own(application_id, WITHDRAW, by, is_open=False)
        if application.outcome == _Outcome.WITHDRAWN:
            return
        if application.decided_at is not None:
            raise ApplicationMissing
        _end(application, _Outcome.WITHDRAWN, "", by, clock.now())
        record(WITHDRAW, by=by, about=_thing(application), account_id=by.user_id)
        faults.reach("organization.rows-written")


def _own(application_id: int, action: str, by: Actor, *, is_open: bool = True) -> OrganizationApplication:
    """Return one's own application, locked; one of somebody else is as if it were not there."""
    actions.require(by, action)
    user_id = person_of(by)
    lock_people([user_id])
    rows = queries.waiting_applications() if is_open else queries.applications_of(user_id)
    mine = rows.filter(asked_by_id=user_id, pk=application_id)
    application = mine.select_for_update(of=("self",)).select_related("asked_by").first()
    if application is None:
        raise ApplicationMissing
    return application


def _tell_operators(application: OrganizationApplication, now: datetime) -> None:
    operators = User.objects.filter(is_operator=True, state=User.State.ACTIVE).exclude(
        pk=application.asked_by_id
    )
    tell_others(operators.values_list("pk", flat=True), letters.applied(application), now)


# ---- operators


def ask(application_id: int, question: str, *, by: Actor) -> OrganizationApplication:
    """Ask whoever applied for more; the same question again changes nothing until it has its reply.

    Raises ApplicationMissing, ApplicationOwn, OrganizationTextRefused, RoleRequired and what the gate raises.
    """
    with transaction.atomic():
        application, _ = _to_decide(application_id, by)
        question, now = rules.check_reason(question), clock.now()
        if application.state == "asked" and application.question == question:
            return application
        application.question, application.question_at, application.question_by_name = question, now, by.name
        application.reply, application.replied_at = "", None
        application.save(update_fields=["question", "question_at", "question_by_name", "reply", "replied_at"])
        tell_others([application.asked_by_id], letters.asked_for_more(application), now)
        _record(application, _thing(application), by, question=question)
        faults.reach("organization.rows-written")
    return application


def approve(application_id: int, *, by: Actor) -> Organization:
    """Make what was applied for, owned by whoever asked; others who want that name or a confusable one are told no.

    Raises ApplicationMissing, ApplicationOwn, ApplicantAway, OrganizationNameRefused, RoleRequired and what the gate raises.
    """
    now = clock.now()
    with transaction.atomic():
        application, rivals = _to_decide(application_id, by)
        if holds.effective_state(application.asked_by, now) != User.State.ACTIVE:
            raise ApplicantAway
        owner_ids = [application.asked_by_id]
        organization = write_organization(application.name, (application.title, ""), owner_ids, now)
        _answer(application, _Outcome.APPROVED, "", by, now)
        for rival in rivals:
            _answer(rival, _Outcome.DECLINED, _RIVAL, by, now)
        _record(application, thing_of(organization), by, is_approved=True, rivals=len(rivals))
        faults.reach("organization.rows-written")
    return organization


def decline(application_id: int, answer: str, *, by: Actor) -> None:
    """Say no to an application, and why.

    Raises ApplicationMissing, ApplicationOwn, OrganizationTextRefused, RoleRequired and what the gate raises.
    """
    with transaction.atomic():
        application, _ = _to_decide(application_id, by)
        answer, now = rules.check_reason(answer), clock.now()
        _answer(application, _Outcome.DECLINED, answer, by, now)
        _record(application, _thing(application), by, is_approved=False, answer=answer)
        faults.reach("organization.rows-written")


def _to_decide(
    application_id: int, by: Actor
) -> tuple[OrganizationApplication, list[OrganizationApplication]]:
    """Return an undecided application and its rivals, all of them locked; raises ApplicationOwn for who wants that name."""
    actions.require(by, DECIDE)
    named = queries.waiting_applications().filter(pk=application_id).first()
    if named is None:
        raise ApplicationMissing
    same = queries.waiting_applications().filter(folded_name=named.folded_name)
    lock_people([*same.values_list("asked_by_id", flat=True), by.user_id])
    locked = list(_locked(same.values_list("pk", flat=True)))
    application = next((one for one in locked if one.pk == application_id), None)
    if application is None:
        raise ApplicationMissing
    if any(one.asked_by_id == by.user_id for one in locked) and _may_others_decide(by):
        raise ApplicationOwn
    return application, [one for one in locked if one is not application]


def _may_others_decide(by: Actor) -> bool:
    operators = User.objects.filter(is_operator=True, state=User.State.ACTIVE)
    return operators.exclude(pk=by.user_id or 0).exists()


def _locked(numbers: Iterable[int]) -> Iterable[OrganizationApplication]:
    rows = OrganizationApplication.objects.select_for_update(of=("self",)).select_related("asked_by")
    return rows.filter(pk__in=list(numbers), decided_at=None).order_by("pk")


def _answer(
    application: OrganizationApplication, outcome: str, answer: str, by: Actor, now: datetime
) -> None:
    _end(application, outcome, answer, by, now)
    tell_others([application.asked_by_id], letters.decided(application), now)


def _end(application: OrganizationApplication, outcome: str, answer: str, by: Actor, now: datetime) -> None:
    application.outcome, application.answer = outcome, answer
    application.decided_at, application.decided_by_name = now, by.name
    application.save(update_fields=["outcome", "answer", "decided_at", "decided_by_name"])


def _record(application: OrganizationApplication, about: Thing, by: Actor, **details: Detail) -> None:
    told: dict[str, Detail] = {"application": application.pk, **details}
    record(DECIDE, by=by, about=about, account_id=application.asked_by_id, details=told)


def _thing(application: OrganizationApplication) -> Thing:
    return Thing("application", application.pk, application.name)
