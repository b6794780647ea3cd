"""What decisions see in somebody's authority, however much of it there is: a handful of entries for thousands. Pure.

Decisions tell projects apart by name only where a mandate names them, and where one is the very thing that is asked about.
Of all others they see which roles there are, by which criteria any of them is critical, since when the first one is held,
and whether one was held before a criterion covered it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from keyhouse.mandate.facts import Authority

SEVERAL: Final = "several"  # in the place of a team where an entry stands for many; it has no name
_MANY: Final = frozenset({"project", "publisher"})  # of an organization each entry stays


def condensed(
    authority: Iterable[Authority], joined_at: datetime | None, names: Collection[str]
) -> tuple[Authority, ...]:
    """Return authority of which the same is seen: entries with these names, and one for all that are alike.

    `joined_at` is since when somebody holds what has no instant of its own.
    """
    kept: list[Authority] = []
    alike: dict[_Likeness, list[_Times]] = {}
    for one in authority:
        if one.kind not in _MANY or one.name in names:
            kept.append(one)
            continue
        since = one.since or joined_at
        for likeness in _likenesses(one, since):
            alike.setdefault(likeness, []).append((since, one.covered_since if likeness.is_covered else None))
    return (*kept, *(_standing_for(likeness, times) for likeness, times in alike.items()))


class _Likeness(NamedTuple):
    """What is the same of entries that one stands for; `is_late`: they were held before a criterion covered them."""

    kind: str
    role: str
    critical: frozenset[str] = frozenset()
    is_covered: bool = False
    is_late: bool = False


_Times = tuple[datetime | None, datetime | None]  # since when something is held, and covered


def _likenesses(one: Authority, since: datetime | None) -> Iterator[_Likeness]:
    """Yield with which others an entry stands: those of its role, and of what is critical those of each criterion.

    What was held before a criterion covered it stands apart, as only that has grace from then on.
    """
    yield _Likeness(one.kind, one.role)
    covered = one.covered_since
    is_late = covered is not None and since is not None and since < covered
    if covered is not None or one.critical:
        for criteria in [frozenset({key}) for key in one.critical] or [frozenset[str]()]:
            yield _Likeness(one.kind, one.role, criteria, covered is not None, is_late)


def _standing_for(likeness: _Likeness, times: Sequence[_Times]) -> Authority:
    """Return the entry that stands for several: held since the first one was, and covered since the first one was."""
    since = min((at for at, _ in times if at is not None), default=None)
    covered = min((at for _, at in times if at is not None), default=None)
    return Authority(likeness.kind, "", likeness.role, since, SEVERAL, likeness.critical, covered)


def is_condensed(authority: Iterable[Authority]) -> bool:
    """Tell whether entries stand for several, whose names are told nowhere."""
    return any(one.via == SEVERAL and not one.name for one in authority)
