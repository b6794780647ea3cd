"""Refusals about switches."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class SwitchesRefusal(Refusal):
    """The family of every refusal about switches."""


class SwitchUnknown(SwitchesRefusal):
    """There is no switch of that name."""

    code = "switch-unknown"
    situation = Situation.MISSING
    sentence = "There is no switch of that name."
    fix = "`keyhouse freeze list` and the page of the switches name all of them."


class SwitchReasonRefused(SwitchesRefusal):
    """Whoever is refused reads the reason, so there must be one, and it must fit into a line."""

    code = "switch-reason-refused"
    sentence = "A reason is one line of 1 to 90 characters."
    fix = "Say in a few words what is going on; everybody who is refused reads it."


class SwitchEndRefused(SwitchesRefusal):
    """A switch that would be off at once stops nothing."""

    code = "switch-end-refused"
    sentence = "The end of a switch lies ahead."
    fix = "Name an instant that is still to come, or lift the switch."
