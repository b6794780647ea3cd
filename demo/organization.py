"""The organization of the made-up index: its people and projects, robot tokens, a publisher, and what it asks for itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from demo.acting import acting, person_named
from demo.document import GITHUB
from keyhouse.core.actor import host
from keyhouse.credentials.tokens import robots
from keyhouse.credentials.tokens.rules import Reach
from keyhouse.credentials.trusted_publishers import of_organizations
from keyhouse.mandate.by_organizations import services as declarations
from keyhouse.mandate.calendars import Calendar
from keyhouse.mandate.declarations import NOTICE, Demand
from keyhouse.organizations import applying, inviting, populating, services
from keyhouse.projects.organizing import move_project, set_team_role

NAME: Final = "harbour-works"


def found_organization() -> None:
    """Let mara apply for it; a month later it has tokens and a publisher, and lately it asks more of its people."""
    with acting("mara", days=72) as (by, _):
        asked = applying.apply("Harbour-Works", "What the harbour runs on, kept by more than one.", by=by)
    with acting("iris", days=71) as (by, _):
        made = applying.approve(asked.pk, by=by)
    with acting("mara", days=70) as (by, _):
        services.describe_organization(
            NAME, "Harbour Works", "What the harbour runs on, day and night.", by=by
        )
        people = {"elena": "owner", "jonas": "member", "kenji": "member"}
        populating.add_members(made, {person_named(name): kind for name, kind in people.items()}, by=host())
        populating.add_team(made, "releases", [person_named("kenji")], by=host())
        for project in ("sextant", "moor"):
            move_project(project, NAME, by=by)
        set_team_role("sextant", "releases", "maintainer", by=by)
    with acting("mara", days=30) as (by, _):
        robots.mint_organization_token(
            NAME, description="nightly builds", reach=Reach(is_also_later=True), may_found=True,
            expires_in_days=90, by=by,
        )  # fmt: skip
    with acting("elena", days=26) as (by, _):
        robots.mint_organization_token(
            NAME, description="sextant: charts", reach=Reach(("sextant",)), expires_in_days=60, by=by
        )
    with acting("mara", days=9) as (by, _):
        fields = {"owner": "harbour", "repository": "works", "workflow": "release.yml", "owner_id": "40711"}
        of_organizations.add_organization_publisher(
            NAME, "github", GITHUB, fields, reach=Reach(("sextant", "moor")), by=by
        )
        of_organizations.add_organization_pending(
            NAME, "harbour-lights", "github", GITHUB, {**fields, "repository": "lights"}, by=by
        )
    with acting("mara", days=4) as (by, now):
        day = (now + NOTICE + timedelta(days=2)).replace(hour=9, minute=0, second=0, microsecond=0)
        declarations.declare(NAME, Demand("phishing-resistant"), Calendar().next_allowed(day), by=by)
    with acting("mara", days=1) as (by, _):
        for name, kind in (("hana", "manager"), ("priya", "member")):
            inviting.invite(NAME, name, kind, by=by)


def apply_for_more() -> None:
    """Let jonas ask for two more, about one of which iris wants to know something."""
    for hours, name, title in ((60, "Night-Watch", "Whoever is awake"), (20, "Tide-Tables", "Tides as data")):
        with acting("jonas", hours=hours) as (by, _):
            asked = applying.apply(name, "Two of us publish for it, and we share the work.", title, by=by)
        if name == "Night-Watch":
            with acting("iris", hours=40) as (by, _):
                applying.ask(asked.pk, "Who else is in it? The name is that of a service of ours.", by=by)
