"""Refusals of the mail feature."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class BouncesMalformed(Refusal):
    """A report of bounces that can't be read without guessing; nothing of it was kept."""

    code = "bounces-malformed"
    sentence = "This report of bounced mails can't be read."
    fix = 'Send a JSON list of at most 1,000 objects: {"address": "…", "kind": "permanent", "at": "2024-01-01T00:00:00Z"}.'


class BounceMissing(Refusal):
    """There is no such bounce, or it was forgotten."""

    code = "bounce-missing"
    situation = Situation.MISSING
    sentence = "There is no such bounce."
    fix = "Go back to the list; somebody may have cleared it."
