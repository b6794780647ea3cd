"""Facts, mandates and instants as anybody might have them, for properties; small, so that cases meet.

Each is made from one drawn number, which is far quicker than drawing every part, so that thousands can be tried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from tests.mandate.building import GATED, document, stage

from keyhouse.mandate.documents import (
    ACTION_SETS,
    DISPOSITIONS,
    ENDING,
    METHODS,
    SHADOW,
    STATES,
    read_mandate,
)
from keyhouse.mandate.facts import (
    ASKING_KINDS,
    FACTORS,
    PROOFS,
    Asking,
    Authority,
    Exempted,
    Facts,
    Notice,
    Object,
    Person,
)
from keyhouse.mandate.rules import Policy
from keyhouse.mandate.selectors import ROLES, Criterion

START = datetime(2023, 1, 1, tzinfo=UTC)
NAMES = ("alpha", "beta", "gamma")
PROJECTS = ("one", "two")
PEOPLE = ("u1", "u2", "u3")
CRITERION = Criterion("unique-clients", 180, top=100)
_STATES = (
    "active",
    "active",
    "active",
    "active",
    "held",
    "frozen",
    "password-disabled",
    "suspended",
    "deleted",
)
# a shadow does nothing, and how a mandate ends before its time is written by the services alone
_RANKED = tuple(state for state in STATES if state not in {SHADOW, *ENDING})
_ROLES = [role for role in ROLES if "project" in role or "." not in role]
_TENS_OF_DAYS = 80
_DEEPEST = 2
_END = START + timedelta(days=10 * _TENS_OF_DAYS + 1)  # after every instant that is made

T = TypeVar("T")


def _made(make: Callable[[Random], T]) -> SearchStrategy[T]:
    return st.integers(0, 2**48).map(lambda seed: make(Random(seed)))  # noqa: S311 - made-up people


def _some(chance: Random, values: Sequence[T], most: int = 3) -> list[T]:
    return chance.sample(list(values), chance.randint(0, min(most, len(values))))


def _instant(chance: Random) -> datetime:
    """Return a day, or its neighbour by a microsecond, so that instants coincide and just miss."""
    shift = timedelta(microseconds=chance.choice([0, 0, 1, -1]))
    return START + timedelta(days=10 * chance.randint(0, _TENS_OF_DAYS)) + shift


def _perhaps(chance: Random) -> datetime | None:
    return _instant(chance) if chance.random() < 0.7 else None


def _person(chance: Random) -> Person:
    return Person(
        id=chance.choice(PEOPLE),
        joined_at=_perhaps(chance),
        state=chance.choice(_STATES),
        verified_email=chance.random() < 0.7,
        factors=tuple(_some(chance, FACTORS)),
        recovery_codes=chance.randint(0, 10),
        roles=tuple(_some(chance, ["operator", "invited", "reader"], 1)),
        name=chance.choice(["", "ada", "Bob"]),
        has_device_bound=chance.random() < 0.5,
    )


def _authority(chance: Random) -> Authority:
    return Authority(
        kind="project",
        name=chance.choice(PROJECTS),
        role=chance.choice(["owner", "owner", "maintainer"]),
        since=_perhaps(chance),
        via=chance.choice(["own", "team:ci"]),
        critical=chance.choice([frozenset(), frozenset({"*"}), frozenset({CRITERION.key})]),
        covered_since=_perhaps(chance),
    )


def _authorities(chance: Random) -> tuple[Authority, ...]:
    return tuple(_authority(chance) for _ in range(chance.randint(0, 3)))


def _asking(chance: Random) -> Asking:
    return Asking(
        kind=chance.choice(["session", "token", "session", "token", *ASKING_KINDS]),
        proved=frozenset(_some(chance, PROOFS)),
        user_verified=chance.random() < 0.5,
        at=_perhaps(chance),
        device_bound=chance.random() < 0.3,
    )


def _object(chance: Random) -> Object | None:
    if chance.random() < 0.3:
        return None
    held_by = tuple(_some(chance, NAMES, 1))
    return Object("project", chance.choice(["", *PROJECTS]), _perhaps(chance), _perhaps(chance), held_by)


def _notices(chance: Random) -> tuple[Notice, ...]:
    return tuple(Notice(chance.choice(NAMES), "shown", _instant(chance)) for _ in range(chance.randint(0, 3)))


def _exemptions(chance: Random) -> tuple[Exempted, ...]:
    return tuple(
        Exempted(chance.choice(NAMES), chance.choice([None, 1, 2]), _instant(chance), _perhaps(chance))
        for _ in range(chance.choice([0, 0, 1, 2]))
    )


def _facts(chance: Random) -> Facts:
    return Facts(
        person=_person(chance),
        asking=_asking(chance),
        action=chance.choice([*GATED, "project.delete", "release.upload", "token.mint", "project.create"]),
        authority=_authorities(chance),
        object=_object(chance),
        notices=_notices(chance),
        exemptions=_exemptions(chance),
    )


def _telling_facts(chance: Random) -> Facts:
    """Return facts of somebody in good order whom a mandate may hit: what time does to them is told by mandates."""
    begun, asked = _perhaps(chance), _perhaps(chance)
    return replace(
        _facts(chance),
        person=replace(_person(chance), state="active", verified_email=chance.random() < 0.8, roles=()),
        authority=(_authority(chance), *_authorities(chance)),
        asking=Asking(
            chance.choice(["session", "token"]),
            frozenset(["password", *_some(chance, ["totp"], 1)]),
            at=_instant(chance) if chance.random() < 0.5 else _END,
        ),
        object=chance.choice([None, Object("project", "one", begun, asked, tuple(_some(chance, NAMES, 1)))]),
        action=chance.choice(
            ["project.delete", "project.delete", "release.upload", "project.manage", *GATED]
        ),
    )


def _selector(chance: Random, depth: int = 0) -> dict[str, Any]:
    if depth < _DEEPEST and chance.random() < 0.3:
        parts = [_selector(chance, depth + 1) for _ in range(chance.randint(1, 3))]
        return {"any": parts} if chance.random() < 0.6 else chance.choice([{"all": parts}, {"not": parts[0]}])
    roles = {"role": _some(chance, _ROLES, 3) or ["project.owner"]}
    return chance.choice(
        [
            {"everyone": True},
            roles,
            roles,
            {"role": ["project.owner"]},
            {"user": ["ada"]},
            {"user": ["u1", "bob"]},
            {"project": ["one"]},
            {"joined_from": _instant(chance).isoformat()},
            {"cohort": {"percent": chance.randint(1, 100), "seed": "s"}},
            {"critical": CRITERION.as_dict()},
        ]
    )


def _stages(chance: Random) -> list[dict[str, Any]]:
    moments = sorted({_instant(chance) for _ in range(chance.randint(1, 4))})
    ranks = sorted(chance.randrange(len(_RANKED) - 1) for _ in moments)
    words = [
        *ACTION_SETS,
        "all",
        "all",
        "all",
        "all",
        "token.mint",
        "release.upload",
        "second-factor.remove-last",
    ]
    found: list[dict[str, Any]] = []
    for moment, rank in zip(moments, ranks, strict=True):
        is_pause = bool(found) and chance.random() < 0.1
        more: dict[str, Any] = {
            "warn": sorted(set(_some(chance, words, 2))),
            "deny": sorted(set(_some(chance, words, 2))),
        }
        if chance.random() < 0.3:
            more["who"] = _selector(chance)
        found.append(stage("paused" if is_pause else _RANKED[rank], moment, **more))
    return found


def _credentials(chance: Random) -> dict[str, Any]:
    before = chance.choice(["refuse", *DISPOSITIONS])
    grace = chance.choice(["refuse", "refuse", "expire", "revoke"])
    found: dict[str, Any] = {"before": before, "grace": grace}
    if "expire" in {before, grace}:
        found["at"] = _instant(chance).isoformat()
    return found


def _policy(chance: Random, name: str = "alpha") -> Policy:
    floor = chance.choice([0, 10, 30, 60])
    body = document(
        name,
        who=_selector(chance),
        methods={"accept": _some(chance, METHODS) or ["authenticator-app"]},
        notice={
            "floor_days": floor,
            "unreached_cap_days": floor + chance.choice([0, 20, 60]),
            "deletion_hold_days": chance.choice([0, 10, 60]),
        },
        credentials=_credentials(chance),
        stages=_stages(chance),
    )
    return Policy(read_mandate(body), chance.choice([1, 2]), is_floor_exempt=chance.random() < 0.4)


def _several(chance: Random) -> list[Policy]:
    return [_policy(chance, name) for name in NAMES if chance.random() < 0.7]


def instants() -> SearchStrategy[datetime]:
    """Return instants over two years."""
    return _made(_instant)


def people() -> SearchStrategy[Person]:
    """Return accounts."""
    return _made(_person)


def authorities() -> SearchStrategy[tuple[Authority, ...]]:
    """Return what somebody may do, to few things."""
    return _made(_authorities)


def any_facts() -> SearchStrategy[Facts]:
    """Return facts, likely and unlikely ones."""
    return _made(_facts)


def telling_facts() -> SearchStrategy[Facts]:
    """Return facts about which mandates, and little else, have something to say."""
    return _made(_telling_facts)


def selectors() -> SearchStrategy[dict[str, Any]]:
    """Return selectors as they are written down."""
    return _made(_selector)


def policies(name: str = "alpha") -> SearchStrategy[Policy]:
    """Return a live version of a mandate of that name."""
    return _made(lambda chance: _policy(chance, name))


def several_policies() -> SearchStrategy[list[Policy]]:
    """Return up to three live mandates, each of its own name."""
    return _made(_several)
