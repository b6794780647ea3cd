"""Refusals about reserved names."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class ReservationRefused(Refusal):
    """What was typed is no name, or nobody of those named is here."""

    code = "reservation-refused"
    sentence = "This can't be reserved."
    fix = "Write a name of a project, or a prefix as acme-*, and names of accounts that exist."


class ReservationMissing(Refusal):
    """The name is not reserved, or no longer."""

    code = "reservation-missing"
    situation = Situation.MISSING
    sentence = "This name is not reserved."
    fix = "`keyhouse names list` shows all that are."
