"""What can be wrong with putting a deadline off."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class SnoozeRefused(Refusal):
    """A deadline can't be put off: too often, too late, or there is none of this person's own."""

    code = "snooze-refused"
    situation = Situation.CONFLICT
    sentence = "This can't be put off now."
    fix = "Your account page says what is asked of you, and the next step."


class ShadowMissing(Refusal):
    """No version of this mandate has, or had, a shadow."""

    code = "shadow-missing"
    situation = Situation.MISSING
    sentence = "This mandate has no shadow."
    fix = "Give it a stage `shadow` before all others, then apply it."
