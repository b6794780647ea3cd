"""Which transitions of the model are driven: each that the index can tell from the others, once.

What the index holds of an account, and what its person has of it, are two things: a lost app and one in hand are one and the
same row, and only the code that is typed differs. Where two situations are one to the index (`as_index`), a step that is open
in both sends the same requests to the same rows, so one of the two is driven, and stands for the other. That this is so in
the model, each such step leading both to what is one to the index again, is tried for every transition that there is
(`contradictions`).

A case is begun by somebody who signs out first, and a wait of a day or more outlives each session (24 hours at most): whether
somebody was signed in before these is nothing that the index still knows when they are done. The walk sees to it that
no session is left (`Walk`), and `contradictions` that the model says so, too. Nothing else is left out.

A situation in which nobody is signed in and nothing is under way is a *root*: its rows are laid in the database. All others
are come to by requests, each from one root. What operators do is driven from the roots that are dead ends, in the operators' own browsers, and
not gone on from: the ways that they lead to are walked to their ends by `test_operators.py`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Final

from keyhouse.accounts.reachability import (
    STEPS,
    WITH_OPERATORS,
    Situation,
    Step,
    Way,
    everything,
    is_compliant,
    next_of,
)
from keyhouse.cli.dev_dead_ends import all_ways

SHARDS: Final = 400
_BY_OPERATORS: Final = frozenset(step.name for step in WITH_OPERATORS) - {step.name for step in STEPS}
# which rows stand behind what a person may have lost
_ROWS: Final = {
    "mail": {"lost": "verified"},
    "password": {"forgotten": "good"},
    "key": {"lost": "passkey"},
    "app": {"lost": "in-hand"},
}
Seen = tuple[Situation, str]  # what the index holds, and what is done
Origin = dict[Situation, tuple[Situation, Step]]


def as_index(now: Situation) -> Situation:
    """Return what the index holds of it."""
    if now.mail != "lost" and now.password != "forgotten" and now.key != "lost" and now.app != "lost":
        return now
    rows = {name: told.get(getattr(now, name), getattr(now, name)) for name, told in _ROWS.items()}
    return replace(now, **rows)


def allows(now: Situation) -> bool:
    """Whether the gate lets this session do what is gated.

    It asks for an address that was verified: that its mails come back, or that its person has lost it, calls for another one
    (which is the goal), and stops nobody meanwhile.
    """
    if now.mail in {"bounced", "lost"}:
        now = replace(now, mail="verified")
    return is_compliant(now)


def seen_as(now: Situation, step: Step) -> Seen:
    """Return what the index sees of a transition.

    `thaw` is by the key where it is in hand, else by the app; a case is finished by a mailed link, or where none comes by
    the browser that began it.
    """
    how = ""
    if step.name == "thaw" and now.key in {"passkey", "touch"}:
        how = " by key"
    elif step.name == "finish-case" and not now.reads_mail:
        how = " without mail"
    if (now.proven or now.mailed_proof) and outlives_session(step):
        now = replace(now, proven="", mailed_proof=False)
    return as_index(now), step.name + how


def outlives_session(step: Step) -> bool:
    """Whether nobody is signed in any more once a step is done, whoever was before."""
    return step.name.startswith("begin-case") or step.name in {"wait-for-hold", "wait-for-browser"}


def open_steps(now: Situation, origin: Mapping[Situation, object] | None = None) -> Iterable[Way]:
    """Return what can be done; at the goal nothing has to. With `origin` also what operators do, in a root that is a dead end."""
    if is_compliant(now):
        return ()
    needs_operators = origin is not None and now not in origin and now not in all_ways()[1]
    return next_of(now, WITH_OPERATORS if needs_operators else STEPS)


def _goes_on(step: Step) -> bool:
    return step.name not in _BY_OPERATORS


@dataclass
class Plan:
    """What is driven from each situation, and whether it is gone on from."""

    edges: dict[Situation, list[tuple[Step, Situation, bool]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    covered: set[Seen] = field(default_factory=set)
    origin: Origin = field(default_factory=dict)
    entered: set[Situation] = field(default_factory=set)

    def grow(self, starts: Iterable[Situation]) -> None:
        """Drive from these, breadth first, what nothing that is driven stands for yet."""
        queue = deque(starts)
        while queue:
            now = queue.popleft()
            for step, after in open_steps(now, self.origin):
                if (seen := seen_as(now, step)) not in self.covered:
                    self.covered.add(seen)
                    if self._drive(now, step, after):
                        queue.append(after)

    def _drive(self, now: Situation, step: Step, after: Situation) -> bool:
        """Note a transition; returns whether it is the one by which its end is come to."""
        is_way_in = _goes_on(step) and after not in self.entered
        if is_way_in:
            self.entered.add(after)
        self.edges[now].append((step, after, is_way_in))
        return is_way_in

    def reach(self, now: Situation) -> None:
        """Lead to a situation that nothing driven comes to, and drive from there."""
        path = []
        while now not in self.entered:
            before, step = self.origin[now]
            path.append((before, step, now))
            now = before
        for before, step, after in reversed(path):
            self.covered.add(seen_as(before, step))
            self._drive(before, step, after)
            self.grow([after])


@lru_cache(maxsize=1)
def model() -> tuple[tuple[Situation, ...], Origin]:
    """Return every situation that can be come to without operators, roots first, and how those that aren't roots are."""
    found = dict.fromkeys(everything())
    origin: Origin = {}
    queue = deque(found)
    while queue:
        now = queue.popleft()
        for step, after in open_steps(now):
            if _goes_on(step) and after not in found:
                found[after] = None
                origin[after] = (now, step)
                queue.append(after)
    return tuple(found), origin


def _richness(now: Situation) -> int:
    """Count what its person has lost, so that who has most comes first and stands for the others."""
    return sum(getattr(now, name) in told for name, told in _ROWS.items())


@lru_cache(maxsize=1)
def plan() -> Plan:
    """Return the whole plan; it takes a minute."""
    situations, origin = model()
    roots = sorted((one for one in situations if one not in origin), key=_richness)
    made = Plan(entered=set(roots), origin=origin)
    made.grow(roots)
    for now in situations:  # what only somebody can do whom nothing driven has come to
        if any(seen_as(now, step) not in made.covered for step, _ in open_steps(now, origin)):
            made.reach(now)
            made.grow([now])
    return made


def planned_roots() -> list[Situation]:
    """Return the roots from which something is driven, in their order."""
    return [root for root in everything() if plan().edges.get(root)]


def driven() -> int:
    """Return how many transitions are driven in all."""
    return sum(map(len, plan().edges.values()))


def transitions() -> int:
    """Return how many transitions the model has, those of operators from roots among them."""
    situations, origin = model()
    return sum(len(list(open_steps(one, origin))) for one in situations)


def contradictions() -> Iterator[tuple[Situation, Step]]:
    """Yield each transition that leads elsewhere, to the index, than the first one that is the same to it."""
    first: dict[Seen, tuple[Situation, bool]] = {}
    situations, origin = model()
    for now in situations:
        for step, after in open_steps(now, origin):
            led_to = as_index(after), allows(after)
            if first.setdefault(seen_as(now, step), led_to) != led_to:
                yield now, step


def words_of(now: Situation) -> str:
    """Return a situation as text."""
    return " ".join(f"{one.name}={getattr(now, one.name)}" for one in fields(now))


def shard_of(root: Situation) -> int:
    """Return in which part a root is: by chance, and the same one always."""
    return int.from_bytes(hashlib.sha256(words_of(root).encode()).digest()[:4]) % SHARDS


@lru_cache(maxsize=1)
def shards() -> list[list[Situation]]:
    """Return the roots of each part."""
    found: list[list[Situation]] = [[] for _ in range(SHARDS)]
    for root in planned_roots():
        found[shard_of(root)].append(root)
    return found
