"""Whether one mandate can be seen to refuse whatever another one does, by their words alone. Pure.

A yes is proven, for whoever may come, by whatever they hold in hand, at any instant. A no says only that it can't be
seen this way: whoever asks must then look further, or take it for a loosening.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from keyhouse.mandate.documents import BEFORE_FORCE, IN_FORCE, PROOFS_OF, Mandate, Stage
from keyhouse.mandate.rules import Policy
from keyhouse.mandate.selectors import (
    AllOf,
    AnyOf,
    Cohort,
    Everyone,
    HasRole,
    JoinedFrom,
    Named,
    NotOf,
    OfOrganizations,
    OfProjects,
    Selector,
)

_REFUSING: Final = frozenset({"refuse", "revoke"})
_NO_MILDER: Final = _REFUSING | {"warn", "keep"}  # words than which a refusal is no milder
_MOST_STEPS: Final = 20_000  # of following two selectors; beyond that nothing is proven


def is_as_strict(new: Policy, old: Policy) -> bool:
    """Tell whether it can be seen that `new` refuses all that `old` refuses."""
    later, former = new.mandate, old.mandate
    return (
        later.announced_at == former.announced_at
        and _accepts_no_more(later, former)
        and later.publishing <= former.publishing
        and _lets_no_more_be(later, former)
        and _waits_no_longer(new, old)
        and (not new.pauses or new.pauses == old.pauses)
        and lies_within(former.who, later.who)
        and _refuses_no_less(later, former)
    )


def _accepts_no_more(later: Mandate, former: Mandate) -> bool:
    is_bound_known = "device-bound" in former.accept or PROOFS_OF["phishing-resistant"] <= former.proofs
    return later.proofs <= former.proofs and ("device-bound" not in later.accept or is_bound_known)


def _lets_no_more_be(later: Mandate, former: Mandate) -> bool:
    return all(
        _is_no_milder(getattr(later.credentials, field), getattr(former.credentials, field), later, former)
        for field in ("before", "grace")
    )


def _is_no_milder(word: str, before: str, later: Mandate, former: Mandate) -> bool:
    """Compare what becomes of a weak token.

    One that becomes weak only by a shorter list of methods may then be spared what it was refused for another reason,
    so a word that spares any is compared only where the lists are alike.
    """
    if before == "revoke":  # ends it also for what isn't refused
        return word == "revoke"
    if word in _REFUSING:
        return before in _NO_MILDER
    if not _accepts_alike(later, former):
        return False
    if word == before == "expire":
        ends, ended = later.credentials.at, former.credentials.at
        return ends is not None and ended is not None and ends <= ended
    return word == before


def _accepts_alike(later: Mandate, former: Mandate) -> bool:
    return later.proofs == former.proofs and ("device-bound" in later.accept) == (
        "device-bound" in former.accept
    )


def _waits_no_longer(new: Policy, old: Policy) -> bool:
    later, former = new.mandate, old.mandate
    if later.deletion_hold < former.deletion_hold:
        return False
    if _is_at_once(new):
        return True
    if not later.snoozing.is_within(former.snoozing):
        return False
    is_same = later.name == former.name  # whoever was told of the one was told of the other
    is_sooner = later.floor <= former.floor and later.unreached_cap <= former.unreached_cap
    return not _is_at_once(old) and is_same and is_sooner


def _is_at_once(policy: Policy) -> bool:
    return policy.is_floor_exempt or not (policy.mandate.floor or policy.mandate.unreached_cap)


# ---- stages


def _refuses_no_less(later: Mandate, former: Mandate) -> bool:
    """Compare at each instant at which either turns; in between nothing does."""
    return all(
        _holds_as_long(later, former, at)
        and all(_is_denied_by(_holding(later, at), stage, former) for stage in _holding(former, at))
        for at in {stage.at for one in (later, former) for stage in one.stages}
    )


def _holding(mandate: Mandate, at: datetime) -> tuple[Stage, ...]:
    begun = sum(stage.at <= at for stage in mandate.stages)
    return mandate.holding[begun - 1] if begun else ()


def _is_denied_by(held: tuple[Stage, ...], stage: Stage, former: Mandate) -> bool:
    whom = [former.who] if stage.who is None else [stage.who, former.who]
    denying = [
        one.deny for one in held if one.who is None or any(lies_within(inner, one.who) for inner in whom)
    ]
    return stage.deny <= frozenset().union(*denying)


def _holds_as_long(later: Mandate, former: Mandate, at: datetime) -> bool:
    """Tell whether deletions that wait still do, or wait no more only because it is in force by then."""
    state, before = _general_state(later, at), _general_state(former, at)
    is_in_force = state in IN_FORCE and later.name == former.name
    return before not in BEFORE_FORCE or state in BEFORE_FORCE or is_in_force


def _general_state(mandate: Mandate, at: datetime) -> str:
    general = [stage.state for stage in mandate.stages if stage.at <= at and stage.who is None]
    return general[-1] if general else ""


# ---- sets of people


def lies_within(inner: Selector, outer: Selector) -> bool:
    """Tell whether it can be seen that everybody in one set is in the other."""
    return _Walk().is_within(inner, outer)


class _Walk:
    """Follows two selectors at once, for so many steps."""

    def __init__(self) -> None:
        self._left = _MOST_STEPS

    def is_within(self, inner: Selector, outer: Selector) -> bool:
        self._left -= 1
        if self._left < 0:
            return False
        if isinstance(outer, Everyone) or inner == outer:
            return True
        if isinstance(inner, AnyOf):
            return all(self.is_within(part, outer) for part in inner.parts)
        if isinstance(outer, AllOf):
            return all(self.is_within(inner, part) for part in outer.parts)
        return self._is_part_within(inner, outer)

    def _is_part_within(self, inner: Selector, outer: Selector) -> bool:
        if isinstance(outer, AnyOf) and self._is_among(inner, outer):
            return True
        if isinstance(inner, AllOf):
            return any(self.is_within(part, outer) for part in inner.parts)
        if isinstance(inner, NotOf) and isinstance(outer, NotOf):
            return self.is_within(outer.part, inner.part)
        return _is_leaf_within(inner, outer)

    def _is_among(self, inner: Selector, outer: AnyOf) -> bool:
        names = _names_of(inner)
        alike = [_names_of(part) for part in outer.parts if type(part) is type(inner)]
        if names is not None and names <= frozenset().union(*(one for one in alike if one)):
            return True
        return any(self.is_within(inner, part) for part in outer.parts)


def _names_of(selector: Selector) -> frozenset[str] | None:
    if isinstance(selector, HasRole):
        return selector.roles
    return selector.names if isinstance(selector, Named | OfProjects | OfOrganizations) else None


def _is_leaf_within(inner: Selector, outer: Selector) -> bool:
    if type(inner) is not type(outer):
        return False
    if isinstance(inner, JoinedFrom) and isinstance(outer, JoinedFrom):
        return inner.at >= outer.at
    if isinstance(inner, Cohort) and isinstance(outer, Cohort):
        return inner.seed == outer.seed and inner.percent <= outer.percent
    names, others = _names_of(inner), _names_of(outer)
    return names is not None and others is not None and names <= others
