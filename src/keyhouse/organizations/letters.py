"""What mails say about organizations."""

from __future__ import annotations

from datetime import datetime

from keyhouse.accounts.emails import site_address
from keyhouse.core import clock, configuration
from keyhouse.core.actor import named
from keyhouse.mail.letters import Block, Facts, Letter, Link, Text
from keyhouse.organizations.models import Organization, OrganizationApplication, OrganizationInvitation

INBOX = "/account/invitations/"
APPLICATIONS = "/manage/organizations/applications/"
QUEUE = "/operator/applications/"


def invited(
    invitation: OrganizationInvitation, organization: Organization, way_in: Link | None = None
) -> Letter:
    """Return the mail to whoever is invited; `way_in` leads whoever has no account to one."""
    site = configuration.current().base_url
    by = named(invitation.invited_by_name)
    return Letter(
        "organization-invitation",
        f"You are invited to the organization {organization.name}",
        (
            Text(
                f"{by} invites you to the organization {organization.name} at {site}, as {invitation.kind}."
            ),
            *_instead(invitation),
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


def _instead(invitation: OrganizationInvitation) -> tuple[Block, ...]:
    told = f"It is handed over to you: once you accept, {invitation.invited_by_name} belongs to it no more."
    return (Text(told),) if invitation.hands_over else ()


def ways_in(address: str, way_in: Link | None) -> tuple[Block, ...]:
    """Return what an invitation to an address says besides: whose it is, and how to make an account first."""
    if not address:
        return ()
    told = Text(
        f"It is for whoever has {address} as a verified address of their account there. Without an account, "
        "make one first; the invitation waits in it."
    )
    return (told,) if way_in is None else (told, way_in)


def owner_invited(organization: Organization, whom: str, by: str) -> Letter:
    """Return the notice to the other owners that somebody is invited to be one."""
    return Letter(
        "organization-owner-invited",
        f"{whom} is invited to own {organization.name}",
        (
            Text(
                f"{named(by)} invited {whom} to be an owner of the organization {organization.name}, which you own, too. An owner "
                "of it owns all of its projects."
            ),
            Text("If that is not meant to be, take the invitation back among those of the organization."),
        ),
    )


def joined(organization: Organization, who: str, kind: str) -> Letter:
    """Return the notice to the owners that an invitation was accepted."""
    return Letter(
        "organization-joined",
        f"{who} is now {kind} of {organization.name}",
        (Text(f"{who} accepted the invitation to be {kind} of the organization {organization.name}."),),
    )


def declined(organization: Organization, who: str) -> Letter:
    """Return the notice to whoever invited that it was declined."""
    return Letter(
        "organization-declined",
        f"{who} declined the invitation to {organization.name}",
        (Text(f"{who} does not want to belong to the organization {organization.name}."),),
    )


def changed(organization: Organization, who: str, before: str, after: str, by: str) -> Letter:
    """Return the notice that somebody's role in an organization was changed by somebody else."""
    return Letter(
        "organization-role-changed",
        f"{who} is now {after} of {organization.name}",
        (
            Text(
                f"{named(by)} made {who} {after} of the organization {organization.name}; before it was {before}."
            ),
            Text("If that is not right, talk to each other."),
        ),
    )


def will_end(organization: Organization, who: str, after: str, by: str, due_at: datetime) -> Letter:
    """Return the notice to all owners that an owner will be one no more, and how to stop it."""
    return Letter(
        "organization-owner-ends",
        f"{who} will no longer own {organization.name}",
        (
            Text(
                f"{named(by)} asked for it: {who} will {f'be {after}' if after else 'not belong to it'} in the organization "
                f"{organization.name}. Because many depend on a project of it, that waits."
            ),
            Facts((("Takes effect at", clock.format_second(due_at)),)),
            Text("Until then every owner can take it back, also the one whom it is about."),
        ),
    )


def kept(organization: Organization, who: str, kind: str, by: str) -> Letter:
    """Return the notice that somebody stays what they are."""
    return Letter(
        "organization-owner-kept",
        f"{who} stays {kind} of {organization.name}",
        (Text(f"By {named(by, begins=False)}: {who} stays {kind} of the organization {organization.name}."),),
    )


def removed(organization: Organization, who: str, by: str) -> Letter:
    """Return the notice that somebody was removed from an organization."""
    return Letter(
        "organization-member-removed",
        f"{who} no longer belongs to {organization.name}",
        (
            Text(
                f"{named(by)} removed {who} from the organization {organization.name}. With that end all rights in its projects "
                "that came by it and its teams."
            ),
            Text("If that is not right, talk to each other; an owner can invite somebody again."),
        ),
    )


def handed_over(organization: Organization, who: str) -> Letter:
    """Return the notice that an owner has gone, as the one to whom they handed it over accepted."""
    return Letter(
        "organization-handed-over",
        f"{who} handed {organization.name} over",
        (
            Text(
                f"{who} handed the organization {organization.name} over and belongs to it no more. With that ended what "
                "they could do in its projects by it."
            ),
        ),
    )


def left(organization: Organization, who: str, before: str) -> Letter:
    """Return the notice to the owners that somebody left."""
    return Letter(
        "organization-left",
        f"{who} left {organization.name}",
        (Text(f"{who} was {before} of the organization {organization.name} and left it, by their own act."),),
    )


def team_changed(organization: Organization, team: str, who: str, by: str, *, is_in: bool) -> Letter:
    """Return the notice to the owners, and to whom it is about, that somebody came into a team or out of it."""
    what = "is now in" if is_in else "is no longer in"
    rights = "from now on" if is_in else "no more, unless they have it otherwise"
    return Letter(
        "organization-team-member",
        f"{who} {what} the team {team} of {organization.name}",
        (
            Text(
                f"By {named(by, begins=False)}: {who} {what} the team {team} of the organization {organization.name}."
            ),
            Text(f"What the team may do in projects, they may do {rights}."),
            Text("If that is not right, talk to each other."),
        ),
    )


def team_member_will_end(
    organization: Organization, team: str, who: str, by: str, due_at: datetime
) -> Letter:
    """Return the notice that somebody will be taken out of a team that owns a critical project, and how to stop it."""
    return Letter(
        "organization-team-member-ends",
        f"{who} will be taken out of the team {team} of {organization.name}",
        (
            Text(
                f"{named(by)} asked for it: {who} will be in the team {team} of the organization {organization.name} no more. "
                "Because the team owns a project that many depend on, that waits."
            ),
            Facts((("Takes effect at", clock.format_second(due_at)),)),
            Text(
                "Until then every owner and manager can take it back, also the one whom it is about, on the team's page."
            ),
        ),
    )


def team_member_kept(organization: Organization, team: str, who: str, by: str) -> Letter:
    """Return the notice that somebody stays in a team."""
    return Letter(
        "organization-team-member-kept",
        f"{who} stays in the team {team} of {organization.name}",
        (
            Text(
                f"By {named(by, begins=False)}: {who} stays in the team {team} of the organization {organization.name}."
            ),
        ),
    )


def team_deleted(organization: Organization, team: str, by: str) -> Letter:
    """Return the notice to the owners, and to who was in a team, that it is gone."""
    return Letter(
        "organization-team-deleted",
        f"The team {team} of {organization.name} is deleted",
        (
            Text(f"{named(by)} deleted the team {team} of the organization {organization.name}."),
            Text("What its members could do in projects by it, they can do no more."),
        ),
    )


def renamed(organization: Organization, before: str, by: str) -> Letter:
    """Return the notice to the owners that an organization has another name."""
    return Letter(
        "organization-renamed",
        f"{before} is now called {organization.name}",
        (
            Text(
                f"{named(by)} gave the organization {before} the name {organization.name}. The former name leads to it and nobody "
                "else can have it."
            ),
        ),
    )


def deleted(name: str, by: str) -> Letter:
    """Return the notice to who belonged to an organization that it is gone."""
    return Letter(
        "organization-deleted",
        f"The organization {name} is deleted",
        (Text(f"{named(by)} deleted the organization {name}. It had no projects."),),
    )


def applied(application: OrganizationApplication) -> Letter:
    """Return the notice to operators that an application waits for them."""
    return Letter(
        "organization-applied",
        f"{application.asked_by.username} applies for the organization {application.name}",
        (
            Text("An application for an organization waits for the operators of this index."),
            Facts((("Name", application.name), ("By", application.asked_by.username))),
            Link("See it, and answer", site_address(f"{QUEUE}{application.pk}/")),
        ),
    )


def asked_for_more(application: OrganizationApplication) -> Letter:
    """Return the operators' question to whoever applied."""
    return Letter(
        "organization-application-question",
        f"A question about your application for {application.name}",
        (
            Text(
                f"The operators of this index want to know more before they decide about the organization "
                f"{application.name}: {application.question}"
            ),
            Text("Nothing is decided until you reply."),
            Link("Reply, or withdraw", site_address(f"{APPLICATIONS}{application.pk}/")),
        ),
    )


def decided(application: OrganizationApplication) -> Letter:
    """Return the answer to whoever applied for an organization."""
    told = f" They say: {application.answer}" if application.answer else ""
    return Letter(
        "organization-decided",
        f"Your application for {application.name} is {application.outcome}",
        (
            Text(
                f"The operators of this index {application.outcome} your application for the organization "
                f"{application.name}.{told}"
            ),
        ),
    )


def readers_changed(organization: Organization, readers: str, by: str) -> Letter:
    """Return the notice to the other owners that somebody else reads an organization's projects from now on."""
    return Letter(
        "organization-readers",
        f"Who reads the projects of {organization.name} changed",
        (
            Text(
                f"{named(by)} changed who reads the projects of the organization {organization.name} that don't say otherwise. From "
                f"now on: {readers}. Whoever has a role in a project reads it always."
            ),
            Link(
                "Who reads them",
                site_address(f"/manage/organization/{organization.normalized_name}/readers/"),
            ),
        ),
    )
