"""Refusals about who is approved to make projects."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class CreatorMissing(Refusal):
    """Nobody approved this person, or not any more."""

    code = "creator-missing"
    situation = Situation.MISSING
    sentence = "This person is not approved to make projects."
    fix = "`keyhouse creators list` shows who is."
