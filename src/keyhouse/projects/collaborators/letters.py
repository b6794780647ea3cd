"""What mails say about roles in projects."""

from __future__ import annotations

from keyhouse.accounts.emails import site_address
from keyhouse.core import clock, configuration
from keyhouse.core.actor import named
from keyhouse.mail.letters import Facts, Letter, Link, Text
from keyhouse.organizations.letters import ways_in
from keyhouse.projects.collaborators.models import ProjectInvitation
from keyhouse.projects.models import Project

INBOX = "/account/invitations/"


def invited(invitation: ProjectInvitation, project: Project, way_in: Link | None = None) -> Letter:
    """Return the mail to whoever is invited; `way_in` leads whoever has no account to one."""
    site = configuration.current().base_url
    by = named(invitation.invited_by_name)
    return Letter(
        "project-invitation",
        f"You are invited to {project.name}",
        (
            Text(f"{by} invites you to the project {project.name} at {site}, as {invitation.kind}."),
            Facts((("Until", clock.format_second(invitation.expires_at)),)),
            Text(
                "Nothing changes until you accept. This index asks for a second factor before: a security key or an "
                "authenticator app."
            ),
            Link("See the invitation, accept or decline", site_address(INBOX)),
            *ways_in(invitation.address, way_in),
            Text("If you don't know what this is about, there is nothing to do."),
        ),
    )


def owner_invited(project: Project, whom: str, by: str) -> Letter:
    """Return the notice to the other owners that somebody is invited to be one."""
    return Letter(
        "project-owner-invited",
        f"{whom} is invited to own {project.name}",
        (
            Text(
                f"{named(by)} invited {whom} to be an owner of the project {project.name}, which you own, too."
            ),
            Text("If that is not meant to be, take the invitation back on the page of its people."),
            people_link(project),
        ),
    )


def joined(project: Project, who: str, kind: str) -> Letter:
    """Return the notice to a project's owners that an invitation was accepted."""
    return Letter(
        "project-joined",
        f"{who} is now {kind} of {project.name}",
        (Text(f"{who} accepted the invitation to be {kind} of {project.name}."), people_link(project)),
    )


def declined(project: Project, who: str) -> Letter:
    """Return the notice to whoever invited that it was declined."""
    return Letter(
        "project-declined",
        f"{who} declined the invitation to {project.name}",
        (Text(f"{who} does not want to have a role in {project.name}."), people_link(project)),
    )


def people_link(project: Project) -> Link:
    """Return the way to the page of a project's people."""
    return Link("People of the project", site_address(f"/manage/project/{project.normalized_name}/people/"))
