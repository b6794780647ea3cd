"""Launch guards (L1): a list of named looks at the index; a launch is refused with all that is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from keyhouse.accounts.models import User
from keyhouse.core import clock
from keyhouse.mandate.campaigns.guards.break_glass import BREAK_GLASS
from keyhouse.mandate.campaigns.guards.guard import Guard, Missing
from keyhouse.mandate.campaigns.guards.methods import METHODS
from keyhouse.mandate.campaigns.guards.notice import NOTICE
from keyhouse.mandate.campaigns.guards.operators import OPERATORS
from keyhouse.mandate.campaigns.guards.recovery import RECOVERY
from keyhouse.mandate.campaigns.guards.rehearsal import REHEARSAL
from keyhouse.mandate.campaigns.guards.simulated import SIMULATION
from keyhouse.mandate.documents import GUARDS as NAMES
from keyhouse.mandate.documents import Launch, Mandate

SHOWN_AT_ONCE_UP_TO: Final = 20_000  # accounts for whom a page plans while somebody waits for it
_ALL: Final = (OPERATORS, BREAK_GLASS, METHODS, RECOVERY, NOTICE, SIMULATION, REHEARSAL)
GUARDS: Final[Mapping[str, Guard]] = {guard.name: guard for guard in _ALL}
_USUAL: Final = Launch()  # of a mandate that is no campaign: what it would have to meet if it became one


@dataclass(frozen=True, slots=True)
class Answer:
    """How one guard stands: whether the mandate asks for it, and what it misses."""

    guard: Guard
    is_asked: bool
    missing: tuple[Missing, ...]
    is_later: bool = False  # not looked at now, but by the launch itself

    @property
    def is_met(self) -> bool:
        """Tell whether nothing is missing; of one that isn't asked for, or not looked at, nothing is known."""
        return self.is_asked and not self.missing and not self.is_later

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "guard": self.guard.name,
            "sentence": self.guard.sentence,
            "is_asked": self.is_asked,
            "is_met": self.is_met if self.is_asked and not self.is_later else None,
            "is_later": self.is_later,
            "missing": [one.as_dict() for one in self.missing],
        }


def answers(mandate: Mandate, now: datetime) -> tuple[Answer, ...]:
    """Ask every guard that the mandate asks for, and list the others beside them; reads, and writes nothing."""
    requires = (mandate.launch or _USUAL).requires
    return tuple(_answer(GUARDS[name], name in requires, mandate, now) for name in NAMES)


def quick_answers(mandate: Mandate, now: datetime) -> tuple[Answer, ...]:
    """Ask the same for a page: on a large index without what looks at everybody, since nobody waits so long for it."""
    if not User.objects.exclude(state=User.State.DELETED)[SHOWN_AT_ONCE_UP_TO:].exists():
        return answers(mandate, now)
    requires = (mandate.launch or _USUAL).requires
    return tuple(
        Answer(GUARDS[name], is_asked=True, missing=(), is_later=True)
        if name in requires and GUARDS[name].plans(mandate, now)
        else _answer(GUARDS[name], name in requires, mandate, now)
        for name in NAMES
    )


def _answer(guard: Guard, is_asked: bool, mandate: Mandate, now: datetime) -> Answer:  # noqa: FBT001 - as it is kept
    return Answer(guard, is_asked, tuple(guard.look(mandate, now)) if is_asked else ())


def missing(mandate: Mandate, now: datetime) -> tuple[Missing, ...]:
    """Return all that is missing for a launch now, in the order of the guards; nothing: it can go ahead."""
    return tuple(_missing(mandate, now))


def _missing(mandate: Mandate, now: datetime) -> Iterator[Missing]:
    for answer in answers(mandate, now):
        yield from answer.missing


def as_dict(mandate: Mandate, found: tuple[Answer, ...], now: datetime) -> dict[str, Any]:
    """Return the whole list as JSON has it."""
    return {
        "mandate": mandate.name,
        "digest": mandate.digest,
        "at": clock.format_instant(now),
        "is_campaign": mandate.launch is not None,
        "may_launch": _may_launch(found),
        "guards": [answer.as_dict() for answer in found],
    }


def _may_launch(found: tuple[Answer, ...]) -> bool | None:
    """Tell whether nothing is missing; None where something of it was not looked at."""
    if any(answer.missing for answer in found):
        return False
    return None if any(answer.is_later for answer in found) else True


class LaunchGuards:
    """The guards as a launch asks them."""

    def missing(self, mandate: Mandate, now: datetime) -> tuple[Missing, ...]:
        """Return all that is missing."""
        return missing(mandate, now)
