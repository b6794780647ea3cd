"""What can be wrong with keeping accounts for emergencies."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class EmergencyUnfit(Refusal):
    """An account for emergencies is an operator's, with two security keys, or it helps nobody when it is needed."""

    code = "emergency-unfit"
    situation = Situation.CONFLICT
    sentence = "This account can't be kept for emergencies."
    fix = "It has to be an active operator's, with two security keys that can't leave their device."


class EmergencyUnchanged(Refusal):
    """The account is kept for emergencies already, or isn't."""

    code = "emergency-unchanged"
    situation = Situation.CONFLICT
    sentence = "This account is kept for emergencies already, or it isn't kept for them."
    fix = "`keyhouse mandate emergency list` shows which accounts are."
