"""How one person stands towards one mandate, in a word (M3): derived from facts at an instant, never stored. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Literal

from keyhouse.mandate.facts import Asking, Facts
from keyhouse.mandate.rules import Objection, Policy, covers, is_compliant, objection
from keyhouse.mandate.selectors import View

SubjectState = Literal[
    "out_of_scope",
    "covered_unnotified",
    "notified",
    "compliant",
    "grace",
    "snoozed",
    "exempt",
    "gated",
    "recovering",
    "dormant",
]
DORMANT_AFTER: Final = timedelta(days=365)
_ASKED: Final = (
    "project.manage",
    "release.upload",
    "token.mint",
)  # what covered people do; one refusal gates


def subject_state(
    facts: Facts, policy: Policy, now: datetime, *, last_seen_at: datetime | None = None
) -> SubjectState:
    """Return the state of the person of these facts under a live mandate.

    In this order: whom it doesn't cover; an account that is being recovered; who complies; who is exempt; who hasn't been
    seen for a year (`last_seen_at`, where it is known); who is refused something; who put a deadline off; who was told and
    has a deadline of their own ahead; who was told; who wasn't.
    """
    if now < policy.mandate.announced_at or not covers(policy, facts):
        return "out_of_scope"
    if facts.person.state == "held":
        return "recovering"
    if is_compliant(policy.mandate, facts.person):
        return "compliant"
    if _is_exempt(facts, policy, now):
        return "exempt"
    if last_seen_at is not None and now - last_seen_at >= DORMANT_AFTER:
        return "dormant"
    return _waiting(facts, policy, now)


def _waiting(facts: Facts, policy: Policy, now: datetime) -> SubjectState:
    found = [_objection(facts, policy, action, now) for action in _ASKED]
    if any(one is not None and one.is_denial for one in found):
        return "gated"
    if any(one.mandate == policy.name and one.since <= now < one.until for one in facts.snoozes):
        return "snoozed"
    is_told = any(policy.mandate.announced_at <= at <= now for at in facts.told_at.get(policy.name, ()))
    if not is_told:
        return "covered_unnotified"
    has_begun = any(one is not None and one.at is not None and _is_scheduled(policy, now) for one in found)
    return "grace" if has_begun else "notified"


def _is_scheduled(policy: Policy, now: datetime) -> bool:
    """Tell whether a stage that refuses something has begun: then who isn't refused yet has a grace of their own."""
    return any(
        stage.at <= now and stage.deny - {"second-factor.remove-last"} for stage in policy.mandate.stages
    )


def _objection(facts: Facts, policy: Policy, action: str, now: datetime) -> Objection | None:
    asked = replace(
        facts, action=action, object=None, asking=Asking("session", frozenset({"password"}), at=now)
    )
    return objection(policy, asked, View(asked.person, asked.authority), now, counts_holds=False)


def _is_exempt(facts: Facts, policy: Policy, now: datetime) -> bool:
    return any(
        one.mandate == policy.name
        and one.version in {None, policy.version}
        and (one.since is None or one.since <= now)
        and now < one.until
        for one in facts.exemptions
    )
