"""What mails say about reports."""

from __future__ import annotations

from keyhouse.accounts.emails import site_address
from keyhouse.mail.letters import Facts, Letter, Link, Text
from keyhouse.safety.reports.models import Report

_DECIDED = {
    Report.Outcome.ACTED: "The people who run this index looked at what you reported, and acted on it.",
    Report.Outcome.DISMISSED: "The people who run this index looked at what you reported, and found no reason to act.",
}


def filed(report: Report) -> Letter:
    """Return the notice to those who answer reports; what was written is read on the page, not in a mail."""
    return Letter(
        "report-filed",
        f"{report.normalized_name} was reported",
        (
            Text(f"Somebody reported {report.normalized_name}. It waits for an answer."),
            Facts((("What", str(report)),)),
            Text("While it is open, further reports about the same project are not told by mail."),
            Link("Read it", site_address(f"/operator/reports/{report.pk}/")),
        ),
    )


def closed(report: Report) -> Letter:
    """Return the answer to whoever reported something."""
    note = (("Note", report.note),) if report.note else ()
    return Letter(
        "report-closed",
        f"Your report about {report.normalized_name}",
        (
            Text(_DECIDED[Report.Outcome(report.outcome)]),
            Facts((("What", str(report)), *note)),
            Text("The people of the project are not told who reported it."),
            Link("Your reports", site_address("/account/reports/")),
        ),
    )
