"""Refusals about reports."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class ReportMissing(Refusal):
    """There is no such report."""

    code = "report-missing"
    situation = Situation.MISSING
    sentence = "There is no such report."
    fix = "Open the list of reports."


class ReportOpen(Refusal):
    """Somebody reports a project a second time before anybody has looked."""

    code = "report-open"
    situation = Situation.CONFLICT
    sentence = "You have reported this project, and nobody has answered yet."
    fix = "Wait for the answer by mail; your account's page of reports shows how it stands."


class ReportClosed(Refusal):
    """Somebody else has closed it meanwhile, in another way."""

    code = "report-closed"
    situation = Situation.CONFLICT
    sentence = "This report was closed already."
    fix = "Read what was decided on its page."


class ReportRefused(Refusal):
    """A report says what is wrong, in so many words."""

    code = "report-refused"
    sentence = "This can't be taken: a report has a kind and 1 to 2,000 characters, its answer one line of up to 500."
    fix = "Say in a few words what is wrong and where you saw it."
