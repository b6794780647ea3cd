"""The gate: the one place that says whether a session or credential is strong enough for an action."""

from __future__ import annotations

from django.db import DatabaseError

from keyhouse.core.actions import Action, Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import (
    AccountFrozen,
    AccountHeld,
    CredentialWeak,
    EmailUnverified,
    GateUnavailable,
    Refusal,
    RoleRequired,
    SecondFactorRequired,
    SignInRequired,
)
from keyhouse.mandate import queries
from keyhouse.mandate.rules import Decision, Facts, Person, decide

REFUSALS: dict[str, type[Refusal]] = {
    refusal.code: refusal
    for refusal in (
        AccountFrozen,
        AccountHeld,
        CredentialWeak,
        EmailUnverified,
        RoleRequired,
        SecondFactorRequired,
        SignInRequired,
    )
}


class SecondFactorGate:
    """Implements `core.actions.Gate`."""

    def require(self, actor: Actor, action: Action, thing: Thing | None) -> None:
        """Raise the refusal of the decision, or return; where facts can't be gathered, GateUnavailable."""
        del thing
        try:
            decision = decide(facts_of(actor, action))
        except DatabaseError as error:
            raise GateUnavailable from error
        if decision.verdict == "deny":
            raise refusal_of(decision)


def facts_of(actor: Actor, action: Action) -> Facts:
    """Gather what the decision needs; the factors are looked up only where the actor's own proof doesn't settle it."""
    is_settled = actor.state == "active" and actor.strength.has_second_factor
    has_factor = is_settled or queries.has_second_factor(actor.user_id)
    person = Person(actor.state, actor.email_is_verified, has_factor)
    return Facts(actor.kind, actor.strength, person, action.name)


def refusal_of(decision: Decision) -> Refusal:
    """Return the refusal that a denial is told by; a code nobody here knows closes the gate."""
    refusal = REFUSALS.get(decision.code, GateUnavailable)
    return refusal(decision.reason, fix=decision.fix.text if decision.fix else None)
