"""Making rows for projects that have none, or one made by older rules: after an upgrade, beside requests.

Some projects at a time in a transaction of their own; killed in the middle it goes on with those that are left.
"""

from __future__ import annotations

from typing import Final

from django.db import close_old_connections, transaction

from keyhouse.core.rounds import Rounds, Work
from keyhouse.projects import pages, sql
from keyhouse.projects.models import Project
from keyhouse.projects.search import rows, rules

POLL_SECONDS: Final = 300.0
FIRST_SECONDS: Final = 1.0  # after the start
AT_ONCE: Final = 50  # projects whose rows stay locked meanwhile


def fill() -> int:
    """Make all rows that are missing or old, and return how many; what others make meanwhile is left alone."""
    done = last = 0
    while some := [key for (key,) in sql.select(_LACKING, rules.FORM, last, AT_ONCE)]:
        done += _fill_some(some)
        last = some[-1]
    return done


# those in quarantine shall have none
_LACKING: Final = (
    "SELECT project.id FROM projects_project project LEFT JOIN projects_searchrow s ON s.project_id = project.id"
    " WHERE project.status <> 'quarantined' AND (s.form IS NULL OR s.form <> %s) AND project.id > %s ORDER BY project.id LIMIT %s"
)


def _fill_some(keys: list[int]) -> int:
    with transaction.atomic():
        projects = list(Project.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
        rows.keep_rows((project, pages.read_contents(project).searched()) for project in projects)
    return len(projects)


class Filler(Rounds):
    """Does it in the background of a server; nearly always there is nothing to do."""

    def __init__(self) -> None:
        """Begin when told to."""
        work = Work("search-filler", fill, "projects can't be made found right now", close_old_connections)
        super().__init__(work, first=FIRST_SECONDS, every=POLL_SECONDS)
