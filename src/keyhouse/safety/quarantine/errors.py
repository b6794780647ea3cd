"""Refusals about quarantine."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class QuarantineRefusal(Refusal):
    """The family of every refusal about quarantine."""


class QuarantineMissing(QuarantineRefusal):
    """It is not in quarantine, or no longer."""

    code = "quarantine-missing"
    situation = Situation.MISSING
    sentence = "This is not in quarantine."
    fix = "Open the list of what is; somebody may have lifted it meanwhile."


class QuarantineReasonRefused(QuarantineRefusal):
    """Everybody who asks for the thing reads the reason, so there must be one, and it must fit into a line."""

    code = "quarantine-reason-refused"
    sentence = "A reason is one line of 1 to 300 characters."
    fix = "Say in a few words what you found; everybody who asks for the thing reads it."
