"""The gate: gathers the facts, asks `rules.decide`, and turns its answer into a refusal, a caution or nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from django.db import DatabaseError, InterfaceError

from keyhouse.accounts.errors import SecondFactorLast
from keyhouse.core import clock
from keyhouse.core.actions import Action, Caution, Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import (
    AccountFrozen,
    AccountHeld,
    AccountSuspended,
    CredentialWeak,
    EmailUnverified,
    GateUnavailable,
    Refusal,
    RoleRequired,
    SecondFactorRequired,
    SignInRequired,
    StepUpRequired,
    StrongerFactorRequired,
)
from keyhouse.core.foresight import Credential, Outlook
from keyhouse.credentials.trusted_publishers.publisher_errors import TrustedPublisherRequired
from keyhouse.mandate import dispositions, history, places, queries
from keyhouse.mandate.documents import DocumentInvalid
from keyhouse.mandate.errors import DeletionHeld
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.rules import Decision, Policy, decide

_log = logging.getLogger("keyhouse.mandate")
# What keeps facts from being gathered; the latter where another hand wrote the ledger.
# InterfaceError is what a driver says of a connection that is gone; Django has it beside DatabaseError, not under it.
UNREADABLE: Final = (DatabaseError, InterfaceError, DocumentInvalid)

REFUSALS: dict[str, type[Refusal]] = {
    refusal.code: refusal
    for refusal in (
        AccountFrozen,
        AccountHeld,
        AccountSuspended,
        CredentialWeak,
        DeletionHeld,
        EmailUnverified,
        RoleRequired,
        SecondFactorLast,
        SecondFactorRequired,
        SignInRequired,
        StepUpRequired,
        StrongerFactorRequired,
        TrustedPublisherRequired,
    )
}


class MandateGate:
    """Implements `core.actions.Gate` and `core.foresight.Foresight`."""

    def require(self, actor: Actor, action: Action, thing: Thing | None) -> Caution | None:
        """Raise the refusal of the decision, or return its caution.

        Where facts can't be gathered, GateUnavailable: privileged acts are refused, and the log says so loudly.
        """
        try:
            decision = judge(actor, action.name, thing)
        except UNREADABLE as error:
            _log.exception("the gate can't gather facts, so %s is refused", action.name)
            raise GateUnavailable from error
        if decision.verdict == "deny":
            raise refusal_of(decision)
        return caution_of(decision)

    def once_told(
        self, actor: Actor, action: str, thing: Thing | None, caution: Caution
    ) -> tuple[Caution, frozenset[str]]:
        """Return the caution as it is once they are told of it: whoever is told at last may have another deadline."""
        now, told = clock.now(), frozenset[str]()
        try:
            facts, policies = queries.gather(actor, action, thing, now)
        except UNREADABLE:
            _log.exception("what a notice would change can't be told")
            return caution, frozenset({caution.mandate})
        notice = _notice_of(decide(facts, policies, now), policies) or caution.mandate
        while notice not in told:
            told |= {notice}
            decision = decide(facts.once_told(told, now), policies, now)
            caution = caution_of(decision) or caution
            notice = _notice_of(decision, policies) or notice
        return caution, told

    def live_mandates(self, at: datetime) -> list[str]:
        """Return the versions that are live and announced at that instant, as ledgers write them."""
        return [one.label for one in queries.live_policies(at) if one.mandate.announced_at <= at]

    def outlooks(self, user_id: int, credentials: Sequence[Credential]) -> list[Outlook]:
        """Tell what becomes of these credentials of one person; where it can't be found out, nothing is told.

        Whoever revokes a token must see the list, also while the ledger can't be read.
        """
        try:
            now, told = clock.now(), {name for one in credentials for name in one.projects}
            owner = queries.facts_of_person(user_id, told=told)
            found = dispositions.ends_of(owner, credentials, queries.ledger(), now)
            there = places.places_of(user_id)
            return [
                dispositions.ended_there(owner, one, outlook, there, now)
                for one, outlook in zip(credentials, found, strict=True)
            ]
        except UNREADABLE:
            _log.exception("what becomes of tokens can't be told")
            return [Outlook()] * len(credentials)

    def answer(self, facts: Facts, policies: Sequence[Policy], now: datetime) -> Decision:
        """Return what doors are told of facts that exist in memory only, while these mandates hold; keeps nothing."""
        return decide(facts, policies, now)

    def refusal_code(self, actor: Actor, action: str) -> str:
        """Return the code by which an act would be refused now, or nothing; nothing is kept of the question."""
        try:
            decision = weigh(actor, action, None, clock.now())[1]
        except UNREADABLE:
            _log.exception("whether %s would be refused can't be told", action)
            return GateUnavailable.code
        return decision.code if decision.verdict == "deny" else ""


def judge(actor: Actor, action: str, thing: Thing | None) -> Decision:
    """Decide about an act now, and keep what it rested on; raises DatabaseError."""
    now = clock.now()
    facts, decision = weigh(actor, action, thing, now)
    history.note(facts, decision, now)
    return decision


def weigh(
    actor: Actor, action: str, thing: Thing | None, now: datetime, *, ledger: queries.Ledger | None = None
) -> tuple[Facts, Decision]:
    """Return what an act rests on, and the decision at `now`, which may lie ahead; keeps nothing.

    `ledger`: mandates to decide by instead of those that hold. Raises DatabaseError.
    """
    return weigh_by(queries.basis_of(actor, thing, now, ledger), action)


def weigh_by(basis: queries.Basis, action: str) -> tuple[Facts, Decision]:
    """Return the same of one act, by what was read for several; gates and dry runs both ask this, so that they agree."""
    actor, thing, now = basis.actor, basis.thing, basis.now
    facts, policies = basis.facts(action), basis.policies
    if facts.person.state == "held" and facts.object is not None and queries.is_of_ci(actor):
        shared = queries.has_other_owner(thing, actor, now)
        facts = replace(facts, object=replace(facts.object, shared=shared))
    decision = decide(facts, policies, now)
    if decision.verdict == "deny" and action == "release.upload":
        facts = _look_for_beginning(facts, actor, thing)
        decision = decide(facts, policies, now)
    return facts, decision


def _look_for_beginning(facts: Facts, actor: Actor, thing: Thing | None) -> Facts:
    """Look whether this release was begun before the deadline; asked only where it matters."""
    begun_at = queries.begun_at(actor, thing)
    if begun_at is None or facts.object is None:
        return facts
    return replace(facts, object=replace(facts.object, begun_at=begun_at))


def refusal_of(decision: Decision) -> Refusal:
    """Return the refusal that a denial is told by; a code nobody here knows closes the gate."""
    refusal = REFUSALS.get(decision.code, GateUnavailable)(
        decision.reason, fix=decision.fix.text if decision.fix else None
    )
    refusal.decision = decision.as_dict()
    return refusal


def _notice_of(decision: Decision, policies: Iterable[Policy]) -> str:
    """Return by what notices of the mandate that warns are known; nothing where none does."""
    if decision.verdict != "warn":
        return ""
    label = (decision.mandate, decision.version)
    return next((one.notice_name for one in policies if (one.name, one.version) == label), "")


def caution_of(decision: Decision) -> Caution | None:
    """Return what is told beside an act that is still allowed."""
    if decision.verdict != "warn":
        return None
    fix = decision.fix
    line = f"{decision.code}: {decision.reason}" + (f" {fix.text}" if fix else "")
    return Caution(line, decision.until, decision.mandate or "", fix.path if fix else "")
