"""What mails say about projects and organizations."""

from __future__ import annotations

from keyhouse.accounts.emails import site_address
from keyhouse.mail.letters import Letter, Link, Text
from keyhouse.projects.models import Project


def moved(project: Project, before: str, after: str, by: str) -> Letter:
    """Return the notice to everybody who has or had a right in a project that it stands elsewhere now."""
    place = f"into the organization {after}" if after else f"out of the organization {before}"
    source = f" from the organization {before}" if before and after else ""
    return Letter(
        "project-moved",
        f"{project.name} moved {place}",
        (
            Text(f"{by} moved the project {project.name}{source} {place}."),
            Text(
                "Roles that people have of their own stay. Rights by an organization or a team that the project left are "
                "over, as are invitations that waited, and tokens and publishers of whoever has no right in it any more."
            ),
            Link("The project", site_address(f"/manage/project/{project.normalized_name}/")),
        ),
    )


def team_role(project: Project, team: str, kind: str, by: str) -> Letter:
    """Return the notice to a project's owners that a team's role in it changed; `kind` empty: it ended."""
    what = f"is now {kind} of" if kind else "has no role any more in"
    return Letter(
        "project-team-role",
        f"The team {team} {what} {project.name}",
        (
            Text(f"By {by}: the team {team} {what} the project {project.name}."),
            Text("If that is not meant to be, change it on the project's page."),
            Link("The project", site_address(f"/manage/project/{project.normalized_name}/")),
        ),
    )
