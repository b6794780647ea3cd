"""When a switch is on, and what changing it is. Pure: facts in, verdict out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from keyhouse.core.errors import Refusal
from keyhouse.safety.switches.errors import SwitchEndRefused, SwitchReasonRefused

SHORT: Final = timedelta(days=1)  # for so long it takes no fresh proof to stop something
LONGEST_REASON: Final = 90  # characters; clients of uploads show one line of 200, and the rest of it says what is stopped until when


def is_on(since_at: datetime | None, until_at: datetime | None, now: datetime) -> bool:
    """Tell whether a switch stops anything now."""
    return since_at is not None and (until_at is None or now < until_at)


def action_of_change(before: datetime | None, after: datetime | None, now: datetime, *, was_on: bool) -> str:
    """Return which action it is to let a switch end at `after` (None: never) that ended at `before`.

    An end that comes sooner lifts the switch a little; one within a day of now stops something for a short while.
    """
    if was_on and after is not None and (before is None or after < before):
        return "switch.lift"
    is_kept = was_on and before == after
    is_short = after is not None and after - now <= SHORT
    return "switch.set" if is_short or is_kept else "switch.set-long"


def judge_reason(text: str) -> Refusal | None:
    """Return why this can't be told to everybody who is refused, or None."""
    return None if 0 < len(text) <= LONGEST_REASON and text.isprintable() else SwitchReasonRefused()


def judge_end(until_at: datetime | None, now: datetime) -> Refusal | None:
    """Return why a switch can't end then, or None."""
    return SwitchEndRefused() if until_at is not None and until_at <= now else None
