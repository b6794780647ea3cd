"""Refusals about roles and invitations."""

from __future__ import annotations

from keyhouse.core.errors import Situation
from keyhouse.projects.errors import ProjectsRefusal


class InvitationMissing(ProjectsRefusal):
    """There is no such invitation, or it is for somebody else: both are answered alike."""

    code = "invitation-missing"
    situation = Situation.MISSING
    sentence = "There is no such invitation for you."
    fix = "Look at the invitations of your account."


class InvitationOver(ProjectsRefusal):
    """The invitation was too old, taken back, declined or used."""

    code = "invitation-over"
    situation = Situation.GONE
    sentence = "This invitation is over."
    fix = "Ask an owner of the project for a new one."


class InvitationRests(ProjectsRefusal):
    """The account of whoever invited is frozen, on hold or closed: it may not have been them."""

    code = "invitation-rests"
    situation = Situation.CONFLICT
    sentence = "This invitation can't be accepted right now."
    fix = "Try again in some days, or ask another owner of the project for a new one."


class InviteeRefused(ProjectsRefusal):
    """What was typed is neither a user name nor an address."""

    code = "invitee-refused"
    sentence = "This is neither a user name nor an e-mail address."
    fix = "Type the person's user name here, or their e-mail address."


class RoleUnknown(ProjectsRefusal):
    """There are two roles in a project."""

    code = "role-unknown"
    sentence = "There is no such role in a project."
    fix = "Choose owner or maintainer."


class AlreadyInvited(ProjectsRefusal):
    """One invitation a person waits in a project at a time."""

    code = "already-invited"
    situation = Situation.CONFLICT
    sentence = "An invitation to this name or address waits already."
    fix = "Send that one again, or take it back first."


class AlreadyCollaborator(ProjectsRefusal):
    """The person has that role, or a higher one."""

    code = "already-collaborator"
    situation = Situation.CONFLICT
    sentence = "This person has that role already."
    fix = "Look at the people of the project."


class InvitationsTooMany(ProjectsRefusal):
    """A project has so many invitations that wait, and no more."""

    code = "invitations-too-many"
    situation = Situation.CONFLICT
    sentence = "Too many invitations of this project wait already."
    fix = "Take back those that nobody takes up."


class CollaboratorMissing(ProjectsRefusal):
    """Nobody of that name has a role in the project."""

    code = "collaborator-missing"
    situation = Situation.MISSING
    sentence = "Nobody of that name has a role in this project."
    fix = "Look at the people of the project."


class ProjectLeft(ProjectsRefusal):
    """The host gives nobody a role in a project whose owners are gone: operators decide together who owns it."""

    code = "project-left"
    situation = Situation.CONFLICT
    sentence = "Nobody looks after this project any more, so operators decide together who does."
    fix = "Propose a new owner: `keyhouse project new-owner`, or the page of the project in the console."


class OwnerLast(ProjectsRefusal):
    """A project always has an owner."""

    code = "owner-last"
    situation = Situation.CONFLICT
    sentence = "This is the only owner, and a project always has one."
    fix = "Hand the project over, or let somebody else become an owner first."
