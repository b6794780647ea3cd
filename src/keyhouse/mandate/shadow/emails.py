"""What operators are told of shadows and brownouts."""

from __future__ import annotations

from datetime import datetime

from keyhouse.accounts.emails import site_address
from keyhouse.core import clock
from keyhouse.mail.letters import Facts, Letter, Link, Text
from keyhouse.mandate.rules import Policy


def brownout_ended(policy: Policy, began_at: datetime, now: datetime, why: str) -> Letter:
    """Tell that a brownout ended before its time, and why."""
    return Letter(
        "mandate-brownout-ended",
        f"The brownout of {policy.name} ended: its error budget is used up",
        (
            Text(
                f"The brownout of the mandate {policy.label} refuses nothing any more. What held before it holds again."
                " It doesn't begin again by itself; its next stages come as they are written."
            ),
            Facts(
                (
                    ("Began", clock.format_instant(began_at)),
                    ("Ended", clock.format_instant(now)),
                    ("Why", why),
                )
            ),
            Text(
                "Find out who was refused and why, help them, then plan another brownout or go on as planned."
            ),
            Link("Mandates", site_address("/mandate/proposals/")),
        ),
    )


def shadow_stale(policy: Policy, ended_at: datetime) -> Letter:
    """Tell that a shadow ended, and that nothing follows unless somebody decides."""
    return Letter(
        "mandate-shadow-stale",
        f"The shadow of {policy.name} is over, and nothing follows it yet",
        (
            Text(
                f"The mandate {policy.label} was in its shadow until {clock.format_instant(ended_at)}: it refused nobody, and"
                " counted whom it would have refused. It counts no more. Nobody was told of it."
            ),
            Text(
                "Look at the report, then apply it with a stage that announces it, apply it again to count on, or leave it."
            ),
            Link("What it would have refused", site_address(f"/operator/mandates/{policy.name}/shadow/")),
        ),
    )
