"""What can be wrong with a check-up."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class CheckUpOver(Refusal):
    """Nothing is asked of this person now: it was answered, has ended, or has not begun."""

    code = "check-up-over"
    situation = Situation.CONFLICT
    sentence = "No check-up is open for your account."
    fix = "Nothing is asked of you. You can still test each second factor on the page of the check-up."


class CheckUpPutOff(Refusal):
    """It was put off as often as it can be, or is put off already."""

    code = "check-up-put-off"
    situation = Situation.CONFLICT
    sentence = "The check-up can't be put off once more."
    fix = "Test your second factor now, or leave it: nothing is refused to you for it."
