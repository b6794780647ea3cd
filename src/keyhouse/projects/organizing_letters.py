"""What mails say about projects and organizations."""

from __future__ import annotations

from datetime import datetime

from keyhouse.accounts.emails import site_address
from keyhouse.core import clock
from keyhouse.core.actor import named
from keyhouse.mail.letters import Facts, Letter, Link, Text
from keyhouse.projects.models import Project
from keyhouse.projects.rules import ROLES


def readers_changed(project: Project, readers: str, by: str) -> Letter:
    """Return the notice to the other owners that somebody else reads a project from now on."""
    return Letter(
        "project-readers",
        f"Who reads {project.name} changed",
        (
            Text(
                f"{named(by)} changed who reads the project {project.name}. From now on: {readers}. Whoever has a role in it reads it "
                "always."
            ),
            Link("Who reads it", site_address(f"/manage/project/{project.normalized_name}/readers/")),
        ),
    )


def moved(project: Project, before: str, after: str, by: str) -> Letter:
    """Return the notice to everybody who has or had a right in a project that it stands elsewhere now."""
    place = f"into the organization {after}" if after else f"out of the organization {before}"
    source = f" from the organization {before}" if before and after else ""
    return Letter(
        "project-moved",
        f"{project.name} moved {place}",
        (
            Text(f"{named(by)} moved the project {project.name}{source} {place}."),
            Text(
                "Roles that people have of their own stay. Rights by an organization or a team that the project left are "
                "over, as are invitations that waited, and tokens and publishers of whoever has no right in it any more. Tokens and "
                "publishers for all projects of an organization reach what stands in it, and so not what left it."
            ),
            *_kept(project),
            Link("The project", site_address(f"/manage/project/{project.normalized_name}/")),
        ),
    )


def _kept(project: Project) -> tuple[Text, ...]:
    told = (
        "It was kept to some readers before. On a private index only whoever has a role in it reads it from now on, until an "
        "owner says who else does."
    )
    return (Text(told),) if project.reads == ROLES else ()


def team_role(project: Project, team: str, kind: str, by: str) -> Letter:
    """Return the notice to a project's owners that a team's role in it changed; `kind` empty: it ended."""
    what = f"is now {kind} of" if kind else "has no role any more in"
    return Letter(
        "project-team-role",
        f"The team {team} {what} {project.name}",
        (
            Text(f"By {named(by, begins=False)}: the team {team} {what} the project {project.name}."),
            Text("If that is not meant to be, change it on the project's page."),
            Link("The project", site_address(f"/manage/project/{project.normalized_name}/")),
        ),
    )


def team_role_will_end(project: Project, team: str, kind: str, by: str, due_at: datetime) -> Letter:
    """Return the notice to all owners that a team will own a critical project no more, and how to stop it."""
    after = f"will be {kind} of" if kind else "will have no role in"
    return Letter(
        "project-team-role-ends",
        f"The team {team} will no longer own {project.name}",
        (
            Text(
                f"{named(by)} asked for it: the team {team} {after} the project {project.name}. Because many depend on this project, "
                "that waits."
            ),
            Facts((("Takes effect at", clock.format_second(due_at)),)),
            Text("Until then every owner can take it back, on this page:"),
            Link("Teams", site_address(f"/manage/project/{project.normalized_name}/teams/")),
        ),
    )


def team_role_kept(project: Project, team: str, by: str) -> Letter:
    """Return the notice that a team stays an owner."""
    return Letter(
        "project-team-role-kept",
        f"The team {team} still owns {project.name}",
        (Text(f"By {named(by, begins=False)}: the team {team} still owns the project {project.name}."),),
    )
