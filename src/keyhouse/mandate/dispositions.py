"""What becomes of API tokens and publishers that were made below the strength a mandate asks for (G5, A5, A6).

When a token ends is derived from the mandates at each use and each look, by the very rules of the gate; nothing is
stored with the token. Only where a mandate says `revoke` a job ends it for good, and that is audited.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeVar

from keyhouse.core.actor import Strength, job
from keyhouse.core.foresight import Credential, Outlook
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.queries import gated_actions_of, live_tokens
from keyhouse.credentials.tokens.services import end_token
from keyhouse.credentials.trusted_publishers.queries import all_live
from keyhouse.mandate import people, queries
from keyhouse.mandate.declarations import NOTICE, Place
from keyhouse.mandate.facts import NEEDING_FACTOR, Asking, Facts, Object, Person
from keyhouse.mandate.populations import turning_points
from keyhouse.mandate.queries import Ledger
from keyhouse.mandate.rules import (
    FINISH_WITHIN,
    FLOOR,
    FOUNDING,
    UPLOADS,
    Decision,
    Policy,
    acts_of,
    covers,
    deadline,
    decide,
    has_second_factor,
    objection,
    prospective,
    satisfies,
    stages_in_force,
)
from keyhouse.mandate.selectors import View

JOB: Final = "token-disposition"
_Own = TypeVar("_Own")
_AT_ONCE: Final = 2000  # rows
_FEW: Final = 200  # owners; more than that are read in one go with everybody else


# ---- one person's


def ends_of(owner: Facts, credentials: Sequence[Credential], ledger: Ledger, now: datetime) -> list[Outlook]:
    """Tell what becomes of one person's tokens by the mandates that are live, and those that will be."""
    firm = ledger.without_ends_to_come(now) if ledger.pauses else ledger
    return [_outlook(owner, one, firm, now) for one in credentials]


def _outlook(owner: Facts, credential: Credential, ledger: Ledger, now: datetime) -> Outlook:
    facts = replace(owner, asking=Asking.of(credential.kind, credential.strength))
    weak = _weak_for(facts, credential, ledger, now)
    if not weak and not _is_under_floor(facts):
        return Outlook()
    uses = _ends(_uses(facts, credential, weak, now), ledger, now)
    founding = _ends(_foundings(facts, credential), ledger, now)
    if not uses and not founding:
        label, title = (weak[0].label, weak[0].mandate.title) if weak else (FLOOR, "")
        return Outlook(is_weak=True, mandate=label, title=title)
    at, decision = min([*uses, *founding], key=_instant_of)
    titles = {(one.name, one.version): one.mandate.title for one in weak}
    title = titles.get((decision.mandate or "", decision.version or 0), "")
    uses_end_at = min(uses, key=_instant_of)[0] if uses else None
    return Outlook(True, at, label_of(decision), title, uses_end_at)


def ended_there(
    owner: Facts, credential: Credential, outlook: Outlook, places: Sequence[Queried], now: datetime
) -> Outlook:
    """Tell the same where an organization refuses one of the projects that it is limited to sooner than the index does."""
    facts = replace(owner, asking=Asking.of(credential.kind, credential.strength))
    ends = [
        end
        for place, things in places
        for thing in things
        if thing.kind == "project" and thing.name in credential.projects
        for action in credential.actions
        for end in _first_refusal_there(replace(facts, action=action, object=thing), place, now)
    ]
    if not ends:
        return outlook
    at, decision = min(ends, key=_instant_of)
    if outlook.uses_end_at is not None and outlook.uses_end_at <= at:
        return outlook
    titles = {(one.name, one.version): one.mandate.title for place, _ in places for one in place.policies(at)}
    title = titles.get((decision.mandate or "", decision.version or 0), "")
    return Outlook(True, at, label_of(decision), title, at)


def _first_refusal_there(facts: Facts, place: Place, now: datetime) -> Iterator[End]:
    """Yield since when, or from when on, an organization refuses this, if it will."""
    came_at = facts.object.organization_since if facts.object else None
    days = {one.from_at for one in place.rows} | {one.begins_at for one in place.rows}
    days |= {came_at + NOTICE} if came_at is not None else set()
    for at in (now, *sorted(day for day in days if day > now)):
        decision = decide(facts, place.policies(at), at)
        if decision.verdict == "deny" and decision.mandate is not None:
            yield (decision.since or at) if at == now else at, decision
            return


Queried = tuple[Place, tuple[Object, ...]]
End = tuple[datetime, Decision]


def _instant_of(end: End) -> datetime:
    return end[0]


def _ends(uses: Iterable[Facts], ledger: Ledger, now: datetime) -> list[End]:
    return [end for one in uses for end in [_first_refusal(one, ledger, now)] if end is not None]


def _weak_for(facts: Facts, credential: Credential, ledger: Ledger, now: datetime) -> list[Policy]:
    """Return the mandates that ask for more than the token has, of its owner or of whoever begins a project."""
    kinds = [facts, *(replace(one, authority=prospective(one)) for one in _foundings(facts, credential))]
    below = (one for one in _known(ledger, now) if is_below(one, facts) or _takes_none(one, credential))
    return [one for one in below if any(covers(one, kind) for kind in kinds)]


def _takes_none(policy: Policy, credential: Credential) -> bool:
    """Tell whether the mandate wants what this token is for to be done by trusted publishers alone."""
    return (
        credential.kind == "token"
        and not policy.mandate.takes_tokens
        and not UPLOADS.isdisjoint(credential.actions)
    )


def _foundings(facts: Facts, credential: Credential) -> list[Facts]:
    """Return that it begins a project, which only a token for all projects can."""
    can_begin = not credential.projects and "release.upload" in credential.actions
    return [replace(facts, action=name) for name in sorted(FOUNDING)] if can_begin else []


def _is_under_floor(facts: Facts) -> bool:
    """Tell whether the operators' floor refuses this, whatever any mandate says."""
    return not NEEDING_FACTOR.isdisjoint(facts.person.roles) and not has_second_factor(facts)


def label_of(decision: Decision) -> str:
    """Return the mandate of a decision as ledgers write it; the operators' floor has no version."""
    return f"{decision.mandate}@{decision.version}" if decision.version else decision.mandate or ""


def is_below(policy: Policy, facts: Facts) -> bool:
    """Tell whether what was proven is less than the mandate accepts, whatever it lets be."""
    return not satisfies(policy.mandate, replace(facts, asking=replace(facts.asking, kind="session")))


def _known(ledger: Ledger, now: datetime) -> list[Policy]:
    """Return the versions that are live, and those that will be."""
    return [*ledger.live_at(now), *(policy for _, policy in ledger.coming(now))]


def _uses(facts: Facts, credential: Credential, weak: Sequence[Policy], now: datetime) -> Iterator[Facts]:
    """Yield each thing that the token is for and the mandates tell apart."""
    things: dict[tuple[datetime, ...], Object | None] = {}
    for name in credential.projects or ("",):
        thing = Object("project", name) if name else None
        asked = replace(facts, object=thing)
        last = (deadline(one, asked, one.mandate.stages[-1].at, now) for one in weak)
        things.setdefault(tuple(last), thing)
    for action in credential.actions:
        yield from (replace(facts, action=action, object=thing) for thing in things.values())


def _first_refusal(facts: Facts, ledger: Ledger, now: datetime) -> End | None:
    """Return since when, or from when on, a mandate refuses this, or None."""
    for at in (now, *_instants(facts, ledger, now)):
        decision = decide(facts, ledger.live_at(at), at)
        if decision.verdict == "deny" and decision.mandate is not None:
            return (decision.since or at) if at == now else at, decision
    return None


def _instants(facts: Facts, ledger: Ledger, now: datetime) -> list[datetime]:
    """Return the coming instants at which the answer to this person may change."""
    policies = _known(ledger, now)
    found = turning_points(policies) | {at for at, _ in ledger.coming(now)}
    found |= {one.until for one in facts.exemptions}
    for policy in policies:
        found |= {deadline(policy, facts, stage.at, now) for stage in policy.mandate.stages}
    return sorted(at for at in found if at > now)


# ---- everybody's


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """Live API tokens or publishers, and how many of them are below what a live mandate asks of their owners.

    `before` were made before that mandate was announced, `grace` since. Exempted owners count like others: an exemption
    doesn't make a token stronger.
    """

    live: int
    before: int
    grace: int

    @property
    def accepted(self) -> int:
        """Return how many are strong enough, or of people whom no mandate covers."""
        return self.live - self.before - self.grace

    def as_dict(self) -> dict[str, int]:
        """Return it as JSON has it, with the denominator first."""
        return {
            "live": self.live,
            "accepted": self.accepted,
            "weak_before": self.before,
            "weak_in_grace": self.grace,
        }


def count_by_class(now: datetime) -> ClassCounts:
    """Count the live tokens of the index by strength and the time of their making."""
    return _count([_Made("token", one.user_id, one.strength, one.minted_at) for one in live_tokens(now)], now)


def count_publishers(now: datetime) -> ClassCounts:
    """Count the publishers of the index in the same way, by who set them up or confirmed them last, and when."""
    rows = all_live(now).order_by("configured_by_id", "pk").iterator(chunk_size=_AT_ONCE)
    made = [_Made("publisher", one.configured_by_id, one.strength, one.configured_at) for one in rows]
    return _count(made, now)


@dataclass(frozen=True, slots=True)
class _Made:
    """A token, or a publisher: whose it is, what stands behind it, and since when."""

    kind: str
    user_id: int
    strength: Strength
    at: datetime

    @property
    def asking(self) -> Asking:
        return Asking.of(self.kind, self.strength)


def _count(made: Sequence[_Made], now: datetime) -> ClassCounts:
    policies = [one for one in queries.live_policies(now) if one.mandate.announced_at <= now]
    weak: dict[int, list[_Made]] = defaultdict(list)
    for one in made:
        if _is_weak(one.asking, policies):
            weak[one.user_id].append(one)
    before = grace = 0
    for owner, own in _with_facts(weak):
        for one in own:
            facts = replace(owner, asking=one.asking)
            asked = [each for each in policies if is_below(each, facts) and covers(each, facts)]
            if any(one.at >= each.mandate.announced_at for each in asked):
                grace += 1
            elif asked or _is_under_floor(facts):
                before += 1
    return ClassCounts(len(made), before, grace)


def _is_weak(asking: Asking, policies: Sequence[Policy]) -> bool:
    facts = Facts(Person(""), asking, "")
    return not has_second_factor(facts) or any(is_below(one, facts) for one in policies)


def _weak_by_owner(policies: Sequence[Policy], now: datetime) -> dict[int, list[Token]]:
    """Return the live tokens that one of these mandates doesn't accept, by owner."""
    found: dict[int, list[Token]] = defaultdict(list)
    for token in live_tokens(now):
        if _is_weak(Asking.of("token", token.strength), policies):
            found[token.user_id].append(token)
    return found


def _with_facts(made: Mapping[int, list[_Own]]) -> Iterator[tuple[Facts, list[_Own]]]:
    """Join tokens or publishers with the facts of their owners."""
    if len(made) <= _FEW:
        for user_id, own in made.items():
            yield queries.facts_of_person(user_id), own
        return
    for facts in people.all_facts():
        own = made.get(int(facts.person.id.removeprefix("u")), [])
        if own:
            yield facts, own


# ---- revoking


def revoke_due_tokens(now: datetime) -> int:
    """End the tokens whose mandate says `revoke` and refuses them by now; returns how many.

    A release that was begun before the deadline may be finished first. A brownout is no deadline.
    """
    policies = [one for one in queries.live_policies(now) if _may_revoke(one, now)]
    if not policies:
        return 0
    weak = _weak_by_owner(policies, now)
    ended = 0
    for owner, tokens in _with_facts(weak):
        for token in tokens:
            policy = _revoking(owner, token, policies, now)
            if policy is not None:
                ended += end_token(token, by=job(JOB), reason=f"mandate {policy.label}")
    return ended


def _may_revoke(policy: Policy, now: datetime) -> bool:
    """Tell whether a mandate revokes at all, and has begun to refuse anything."""
    mandate = policy.mandate
    has_begun = any(stage.at <= now and stage.deny and stage.state != "brownout" for stage in mandate.stages)
    return has_begun and "revoke" in {mandate.credentials.before, mandate.credentials.grace}


def _revoking(owner: Facts, token: Token, policies: Iterable[Policy], now: datetime) -> Policy | None:
    """Return the mandate that ends this token now, or None."""
    for policy in policies:
        credentials = policy.mandate.credentials
        is_old = token.minted_at < policy.mandate.announced_at
        if (credentials.before if is_old else credentials.grace) != "revoke":
            continue
        for action in gated_actions_of(token):
            if _is_over(
                policy, replace(owner, asking=Asking.of("token", token.strength), action=action), now
            ):
                return policy
    return None


def _is_over(policy: Policy, facts: Facts, now: datetime) -> bool:
    view = View(facts.person, facts.authority, policy.mandate.announced_at)
    found = objection(policy, facts, view, now)
    if found is None or not found.is_denial or found.at is None or not is_below(policy, facts):
        return False
    stages = stages_in_force(policy.mandate, view, now)
    acts = acts_of(facts)  # whatever a token does is also a use of it
    is_lasting = any(stage.state != "brownout" and not acts.isdisjoint(stage.deny) for stage in stages)
    return is_lasting and found.at + FINISH_WITHIN <= now
