"""What a change of mandates would do: differences, people touched, refusals at each coming stage, loosening. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from keyhouse.mandate import populations
from keyhouse.mandate.coming import forecasts
from keyhouse.mandate.documents import DocumentInvalid, Path, read_mandate
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.forewarning import Forewarning
from keyhouse.mandate.grounds import Add, Ground, Timeline
from keyhouse.mandate.loosening import Change, compare, loosenings
from keyhouse.mandate.objections import refusals, warnings
from keyhouse.mandate.plans import Difference, Plan, Remark, Touch
from keyhouse.mandate.populations import Group, Tokens
from keyhouse.mandate.rules import Policy

# Sections of a document that decide something; the others only say why.
SECTIONS: Final = ("who", "methods", "notice", "credentials", "stages", "replaces")
Found = Sequence[tuple[Group, Change]]


class Sides(NamedTuple):
    """What is compared: mandates as they are, how they are with one version more, that version, and when."""

    before: Timeline
    add: Add
    proposed: Policy
    now: datetime

    @property
    def former(self) -> Policy | None:
        """Return the version that holds now, or None."""
        live = self.before.live_at(self.now)
        return next((one for one in live if one.name == self.proposed.name), None)

    @property
    def written(self) -> dict[str, Any]:
        """Return its document, empty where there is none."""
        former = self.former
        return {} if former is None else former.as_written.as_dict()


def plan_change(  # noqa: PLR0913 - both sides, who is here, with what in hand, and when
    before: Timeline,
    add: Add,
    proposed: Policy,
    people: Iterable[Facts],
    now: datetime,
    *,
    tokens: Tokens | None = None,
) -> Plan:
    """Compare the mandates as they are with what they are once `proposed` holds; `add` gives them with one more version.

    `people` are streamed once, and kept only as groups of those who get the same decisions; `tokens` are their live ones.
    """
    sides = Sides(before, add, proposed, now)
    ground, parts = Ground(before, add(proposed), now), _parts(sides.former, proposed)
    policies = (*ground.policies, *(policy for _, policy in parts if policy))
    groups = populations.group_people(people, policies, tokens)
    found = [(group, compare(ground, group)) for group in groups]
    looser = loosenings(ground, found)
    return Plan(
        name=proposed.name,
        version=proposed.version,
        is_new=sides.former is None,
        is_loosening=bool(looser),
        people=sum(group.count for group in groups),
        touched=_count(found, lambda change: change.is_any),
        loosened=_count(found, lambda change: change.looser is not None),
        tightened=_count(found, lambda change: change.tighter is not None),
        differences=tuple(differences(sides.written, proposed.mandate.as_dict())),
        touches=tuple(_touches(sides, parts, found)),
        forecasts=tuple(forecasts(ground, proposed, groups)),
        loosenings=looser,
        warnings=tuple(warnings(proposed, groups, now)),
        refusals=tuple(refusals(before, ground, proposed, groups)),
    )


class NoticeLook:
    """What is looked at to tell whom a version would refuse too soon after their notice, without the rest of its plan."""

    def __init__(self, before: Timeline, add: Add, proposed: Policy, now: datetime) -> None:
        """Take what `plan_change` takes."""
        sides = Sides(before, add, proposed, now)
        self._ground = Ground(before, add(proposed), now)
        self._apart = [policy for _, policy in _parts(sides.former, proposed) if policy]
        self._forewarning = Forewarning(before, self._ground, proposed)
        self.is_at_everybody = self._forewarning.may_concern_anybody()  # else only at those who are exempt

    def remarks(self, people: Iterable[Facts], tokens: Tokens, count: int) -> list[Remark]:
        """Return what the plan would say of it; `people`: everybody, or those who are exempt; `count`: how many are here."""
        concerned = self._forewarning.concerned(people, tokens)
        # told apart as in a plan, so that the same people are named
        groups = populations.group_people(concerned, (*self._ground.policies, *self._apart), tokens)
        return list(self._forewarning.remarks(groups, count))


def _count(found: Found, is_meant: Callable[[Change], bool]) -> int:
    return sum(group.count for group, change in found if is_meant(change))


# ---- differences


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return field by field what two documents say differently."""
    left, right = dict(_fields(before, ())), dict(_fields(after, ()))
    return [
        Difference(path, left.get(path), right.get(path))
        for path in dict.fromkeys((*left, *right))
        if left.get(path) != right.get(path)
    ]


def _fields(body: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the values of a document; a list of texts is one value."""
    if isinstance(body, Mapping):
        for key, value in body.items():
            yield from _fields(value, (*path, key))
    elif isinstance(body, list) and any(isinstance(one, Mapping) for one in body):
        for number, value in enumerate(body):
            yield from _fields(value, (*path, number))
    else:
        yield path, body


def _parts(former: Policy | None, proposed: Policy) -> list[tuple[str, Policy | None]]:
    """Return each section that changes, with the former version changed in that alone where it can be."""
    if former is None:
        return []
    old, new = former.as_written.as_dict(), proposed.mandate.as_dict()
    return [
        (section, _changed_in(section, old, new, proposed))
        for section in SECTIONS
        if old.get(section) != new.get(section)
    ]


def _changed_in(section: str, old: dict[str, Any], new: dict[str, Any], proposed: Policy) -> Policy | None:
    document = {key: value for key, value in old.items() if key != section}
    if section in new:
        document[section] = new[section]
    try:
        mandate = read_mandate(document)
    except DocumentInvalid:
        return None
    return replace(proposed, mandate=mandate)


def _touches(sides: Sides, parts: Sequence[tuple[str, Policy | None]], found: Found) -> Iterator[Touch]:
    """Tell how many people each section that changes would touch alone; one alone is the whole change."""
    for section, policy in parts:
        if len(parts) == 1:
            yield Touch(section, _count(found, lambda change: change.is_any))
        elif policy is None:
            yield Touch(section, None)
        else:
            ground = Ground(sides.before, sides.add(policy), sides.now)
            touched = (group.count for group, _ in found if compare(ground, group).is_any)
            yield Touch(section, sum(touched))
