"""What campaigns mail to operators."""

from __future__ import annotations

from keyhouse.accounts.emails import site_address
from keyhouse.core import clock
from keyhouse.mail.letters import Facts, Letter, Link, Text
from keyhouse.mandate.models import Pause


def paused_by_signal(row: Pause) -> Letter:
    """Return the notice that a mandate was paused because of a figure."""
    ends = "" if row.ends_at is None else clock.format_instant(row.ends_at)
    return Letter(
        "mandate-paused",
        f"The mandate {row.mandate} was paused",
        (
            Text(
                f"The mandate {row.mandate} was paused because a figure is over the limit that it sets itself. What has"
                " begun holds on; nothing more begins until it goes on."
            ),
            Facts(
                (
                    ("Figure", row.signal),
                    ("Why", row.reason),
                    ("Since", clock.format_instant(row.begun_at)),
                    ("Ends by itself", ends),
                )
            ),
            Text(
                "Look at what is behind the figure, then resume the mandate, or let a second operator confirm the pause."
            ),
            Link("Mandates", site_address("/mandate/proposals/")),
        ),
    )
