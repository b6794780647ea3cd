"""The one mail to somebody who will own what was imported, once they have an account and accept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from keyhouse.accounts.emails import site_address
from keyhouse.core import clock, configuration
from keyhouse.mail.letters import Facts, Letter, Link, Text
from keyhouse.projects.collaborators.letters import INBOX

_MOST_NAMED: Final = 20


def projects_wait(projects: Sequence[str], until: datetime, way_in: str | None) -> Letter:
    """Return the mail; `way_in` is the path of a one-time link to an account, None: there are other ways."""
    count, named = len(projects), ", ".join(projects[:_MOST_NAMED])
    more = f" and {count - _MOST_NAMED} more" if count > _MOST_NAMED else ""
    what = "A project waits" if count == 1 else f"{count} projects wait"
    link = (Link("Make an account", site_address(way_in)),) if way_in else ()
    return Letter(
        "import-projects-wait",
        f"{what} for you",
        (
            Text(
                f"The package index at {configuration.current().base_url} has taken over projects from another one, and "
                f"whoever runs it says that you have a role in: {named}{more}."
            ),
            Facts((("Accept until", clock.format_second(until)),)),
            Text(
                "Until you accept, nobody can publish them in your name. The index asks for a second factor before."
            ),
            *link,
            Link("See the projects, accept or decline", site_address(INBOX)),
            Text("If you don't know what this is about, there is nothing to do."),
        ),
    )
