"""What mails say about roles that end."""

from __future__ import annotations

from datetime import datetime

from keyhouse.core import clock
from keyhouse.core.actor import named
from keyhouse.mail.letters import Facts, Letter, Text
from keyhouse.projects.collaborators.letters import people_link
from keyhouse.projects.models import Project


def ended(project: Project, who: str, kind: str, by: str) -> Letter:
    """Return the notice that somebody's role was ended or lowered by somebody else."""
    what = f"made {who} a {kind}" if kind else f"removed {who}"
    return Letter(
        "project-role-ended",
        f"{who} is {'now ' + kind if kind else 'no longer one of the people'} of {project.name}",
        (
            Text(f"{named(by)} {what} in the project {project.name}."),
            Text("If that is not right, talk to each other; an owner can invite somebody again."),
            people_link(project),
        ),
    )


def will_end(project: Project, who: str, kind: str, by: str, due_at: datetime) -> Letter:
    """Return the notice to all owners that an owner will be one no more, and how to stop it."""
    after = f"a {kind}" if kind else "without a role"
    return Letter(
        "project-owner-ends",
        f"{who} will no longer own {project.name}",
        (
            Text(
                f"{named(by)} asked for it: {who} will be {after} in the project {project.name}. Because many depend on this "
                "project, that waits."
            ),
            Facts((("Takes effect at", clock.format_second(due_at)),)),
            Text("Until then every owner can take it back, also the one whom it is about, on this page:"),
            people_link(project),
        ),
    )


def kept(project: Project, who: str, by: str) -> Letter:
    """Return the notice that an owner stays one."""
    return Letter(
        "project-owner-kept",
        f"{who} stays an owner of {project.name}",
        (Text(f"{named(by)} took back that {who} would no longer own {project.name}."), people_link(project)),
    )


def stays(project: Project, who: str) -> Letter:
    """Return the notice that an owner stays, since they are the only one by now."""
    return Letter(
        "project-owner-stays",
        f"{who} stays an owner of {project.name}",
        (
            Text(
                f"{who} was to own {project.name} no more from now on. By now nobody else owns it, and a project always "
                "has an owner, so nothing changes."
            ),
            people_link(project),
        ),
    )


def left(project: Project, who: str, before: str, after: str) -> Letter:
    """Return the notice to a project's owners that somebody stepped down."""
    what = f"is now {after} instead of {before}" if after else f"was {before} and has no role any more"
    return Letter(
        "project-left",
        f"{who} stepped down in {project.name}",
        (Text(f"{who} {what} in the project {project.name}, by their own act."), people_link(project)),
    )
