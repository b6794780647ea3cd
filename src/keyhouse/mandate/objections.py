"""What a plan warns of, and what makes it refused. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from keyhouse.core.actions import REMOVE_LAST
from keyhouse.core.actor import PHISHING_RESISTANT_METHODS
from keyhouse.mandate import words
from keyhouse.mandate.beginnings import bad_days
from keyhouse.mandate.documents import USUAL_GUARDS, Mandate
from keyhouse.mandate.forewarning import Forewarning
from keyhouse.mandate.grounds import BY_TOKEN, Ground, Timeline, acts_asked, is_refused
from keyhouse.mandate.plans import Remark
from keyhouse.mandate.populations import Group
from keyhouse.mandate.rules import TAKEN_NAMES, Policy, covers, satisfies
from keyhouse.mandate.selectors import Selector, View
from keyhouse.mandate.shadowing import shadow_of

_APPROVING: Final = "mandate.approve"  # what an operator must be able to do, or nothing can be mended


def warnings(policy: Policy, groups: Sequence[Group], now: datetime) -> Iterator[Remark]:
    """Yield what to think twice about."""
    mandate = policy.mandate
    for number, stage in enumerate((*mandate.shadows, *mandate.stages)):
        if stage.at < now:
            yield Remark(
                ("stages", number, "at"), f"{words.moment(stage.at)} is past; the stage begins at once"
            )
        if stage.who is not None and not _matches_anybody(policy, stage.who, groups):
            yield Remark(("stages", number, "who"), "nobody is in this set now")
    yield from _schedule_warnings(policy.mandate, now)
    if not any(covers(policy, group.facts) for group in groups):
        yield Remark(("who",), "nobody is in this set now")
    ends, enforced_at = policy.mandate.credentials, _enforced_at(policy.mandate)
    if ends.before == "expire" and ends.at is not None and enforced_at is not None and ends.at > enforced_at:
        yield Remark(("credentials", "at"), f"older tokens outlive the stage of {words.moment(enforced_at)}")
    if mandate.shadows and (ends_at := shadow_of(policy, now).ends) < mandate.announced_at:
        yield Remark(("stages",), f"nothing is counted in its shadow from {words.moment(ends_at)} on")
    yield from _no_brownout(policy, groups, now)
    if _rests_on_own_word(policy.mandate):
        yield Remark(
            ("methods", "accept"),
            "whether a key can leave its device is the key's own word; a mandate doesn't ask its maker (attestation)",
        )


def _schedule_warnings(mandate: Mandate, now: datetime) -> Iterator[Remark]:
    """Tell of bad days that are meant to be, and of guards that a launch doesn't ask for."""
    if mandate.calendar.override:
        for one in bad_days(mandate, now):
            yield Remark(
                ("stages", one.number, "at"),
                f"begins to refuse something on {one.day}, which is {one.objection}: {mandate.calendar.override}",
            )
    left_out = [name for name in USUAL_GUARDS if mandate.launch and name not in mandate.launch.requires]
    if left_out:
        yield Remark(("launch", "requires"), f"a launch wouldn't ask for {', '.join(left_out)}")


def _no_brownout(policy: Policy, groups: Sequence[Group], now: datetime) -> Iterator[Remark]:
    """Warn where people who publish by weak tokens alone, and so see no page, get no brownout before they are refused (N3)."""
    mandate = policy.mandate
    begins = _publishing_ends(mandate)
    if begins is None or begins <= now or policy.is_floor_exempt:
        return
    weak = sum(group.count for group in groups if _has_weak_token(policy, group))
    is_foreseen = any(one.state == "brownout" and now < one.at < begins for one in mandate.stages)
    if weak and not is_foreseen:
        yield Remark(
            ("stages",),
            f"{words.people(weak)} {'has' if weak == 1 else 'have'} tokens below the accepted strength; whoever only publishes reads no notice here,"
            f" so let a brownout come before {words.moment(begins)}",
        )


def _publishing_ends(mandate: Mandate) -> datetime | None:
    """Return when the first lasting stage begins that refuses uploads to everybody covered."""
    return min(
        (
            one.at
            for one in mandate.stages
            if one.who is None and one.state != "brownout" and not one.deny.isdisjoint(BY_TOKEN[:1])
        ),
        default=None,
    )


def _has_weak_token(policy: Policy, group: Group) -> bool:
    facts = (replace(group.facts, asking=one, action="release.upload") for one in group.tokens)
    return covers(policy, group.facts) and any(not satisfies(policy.mandate, one) for one in facts)


def _rests_on_own_word(mandate: Mandate) -> bool:
    """Tell whether it matters to a mandate that a key is bound to its device: it doesn't take every key anyway."""
    return "device-bound" in mandate.accept and not mandate.proofs >= PHISHING_RESISTANT_METHODS


def _matches_anybody(policy: Policy, who: Selector, groups: Sequence[Group]) -> bool:
    announced = policy.mandate.announced_at
    return any(who.matches(View(one.facts.person, one.facts.authority, announced)) for one in groups)


def refusals(before: Timeline, ground: Ground, policy: Policy, groups: Sequence[Group]) -> Iterator[Remark]:
    """Yield why it can't be so."""
    if policy.name in TAKEN_NAMES:
        yield Remark(("name",), f"no mandate can be called {policy.name}")
    yield from _bad_replacements(before, policy, ground.now)
    yield from _outlives_enforcement(policy.mandate)
    yield from _dated_before_a_pause(before, policy, ground.now)
    yield from _on_bad_days(before, policy, ground.now)
    forewarning = Forewarning(before, ground, policy)
    yield from forewarning.remarks(groups, sum(group.count for group in groups))
    yield from _locked_out(ground, groups)


def _bad_replacements(before: Timeline, policy: Policy, now: datetime) -> Iterator[Remark]:
    """Refuse names that aren't there, and mandates that would replace each other, so that none of them holds."""
    newest = {one.name: one for at, one in before.versions if at <= now} | {
        one.name: one for one in before.live_at(now)
    }
    for name in policy.mandate.replaces:
        if name not in newest:
            yield Remark(("replaces",), f"there is no mandate {name}")
        elif _leads_to(name, policy.name, newest):
            yield Remark(("replaces",), f"{name} itself replaces {policy.name}")


def _on_bad_days(before: Timeline, policy: Policy, now: datetime) -> Iterator[Remark]:
    """Refuse to begin refusing something when nobody would be there to help (N1); what holds can be said again."""
    mandate = policy.mandate
    holds = any(one.as_written.digest == mandate.digest for one in before.live_at(now))
    if not holds and not mandate.calendar.override:
        for one in bad_days(mandate, now):
            yield Remark(("stages", one.number, "at"), str(one))


def _leads_to(name: str, target: str, newest: Mapping[str, Policy]) -> bool:
    waiting, seen = [name], set[str]()
    while waiting:
        found = waiting.pop()
        if found == target:
            return True
        if found in newest and found not in seen:
            seen.add(found)
            waiting.extend(newest[found].mandate.replaces)
    return False


def _dated_before_a_pause(before: Timeline, policy: Policy, now: datetime) -> Iterator[Remark]:
    """Refuse a new version with the dates from before a pause: deadlines would come sooner than people were told."""
    former = next((one for one in before.live_at(now) if one.name == policy.name and one.original), None)
    if former is None or former.is_paused or former.as_written.digest == policy.mandate.digest:
        return
    written = {stage.at for stage in former.as_written.stages}
    holding = {stage.at for stage in former.mandate.stages}
    for number, stage in enumerate(policy.mandate.stages, start=len(policy.mandate.shadows)):
        if stage.at in written - holding:
            moved = min((at for at in holding if at > stage.at), default=stage.at)
            reason = f"{words.moment(stage.at)} is the date from before a pause; now it is {words.moment(moved)} at the earliest"
            yield Remark(("stages", number, "at"), reason)


def _outlives_enforcement(mandate: Mandate) -> Iterator[Remark]:
    """Refuse what would let a token of the grace period live on once everybody is refused (A6)."""
    ends, enforced_at = mandate.credentials, _enforced_at(mandate)
    if ends.grace == "expire" and ends.at is not None and enforced_at is not None and ends.at > enforced_at:
        yield Remark(
            ("credentials", "at"),
            "tokens made since the announcement would outlive the stage that refuses,"
            f" which begins at {words.moment(enforced_at)}; `expire` must not be later",
        )


def _enforced_at(mandate: Mandate) -> datetime | None:
    """Return when the first lasting stage begins that refuses more than to shed the last factor; a general one first."""
    lasting = [one for one in mandate.stages if one.state != "brownout" and one.deny - {REMOVE_LAST}]
    general = [one.at for one in lasting if one.who is None]
    return min(general or [one.at for one in lasting], default=None)


def _locked_out(ground: Ground, groups: Sequence[Group]) -> Iterator[Remark]:
    """Refuse what would leave no operator who could approve anything, with what they have enrolled."""
    operators = [one for one in groups if "operator" in one.facts.person.roles]
    points = {at for group in operators for at in ground.telling_instants(group)}
    for at in sorted(points):
        before, after = ground.live(at)
        if _can_any_approve(ground, operators, before, at) and not _can_any_approve(
            ground, operators, after, at
        ):
            yield Remark(
                ("methods", "accept"),
                f"no operator could act any more from {words.moment(at)} on, with the factors that they have now",
            )
            return


def _can_any_approve(
    ground: Ground, operators: Sequence[Group], policies: Sequence[Policy], at: datetime
) -> bool:
    facts = (one for group in operators for one in acts_asked(ground, group, [group.best], [_APPROVING], at))
    return any(not is_refused(one, policies, at) for one in facts)
