"""Refusals about organizations."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class OrganizationsRefusal(Refusal):
    """The family of every refusal of this feature."""


class OrganizationMissing(OrganizationsRefusal):
    """There is no such organization, or not for whoever asks."""

    code = "organization-missing"
    situation = Situation.MISSING
    sentence = "There is no such organization here."


class OrganizationNameRefused(OrganizationsRefusal):
    """An organization or a team can't have this name."""

    code = "organization-name-refused"
    sentence = "An organization can't have this name."
    fix = "Choose one of at most 50 ASCII letters, digits and inner . _ - that no other organization has or had."


class OrganizationTextRefused(OrganizationsRefusal):
    """A title or a description is too long or has characters that can't be shown."""

    code = "organization-text-refused"
    sentence = "This text is too long, or has characters that can't be shown."
    fix = "Write one line: at most 100 characters of a title, 500 of a description or a reason."


class OrganizationNotEmpty(OrganizationsRefusal):
    """What has projects can't be deleted."""

    code = "organization-not-empty"
    situation = Situation.CONFLICT
    sentence = "This organization still has projects."
    fix = "Move its projects out of it, or delete them, first."


class OrganizationApplied(OrganizationsRefusal):
    """Organizations are made by the operators' word only, on this index."""

    code = "organization-needs-approval"
    situation = Situation.FORBIDDEN
    sentence = "On this index the operators decide about each new organization."
    fix = "Apply for it; the operators of this index answer."


class ApplicationsTooMany(OrganizationsRefusal):
    """Somebody waits for so many answers, and no more."""

    code = "applications-too-many"
    situation = Situation.CONFLICT
    sentence = "Too many of your applications wait for an answer already."
    fix = "Wait for the operators of this index."


class ApplicationMissing(OrganizationsRefusal):
    """No such application waits for an answer."""

    code = "application-missing"
    situation = Situation.MISSING
    sentence = "No such application waits for an answer."
    fix = "See the list of applications that wait."


class ApplicationOwn(OrganizationsRefusal):
    """Who applied doesn't decide about it, nor about others who want that name, while somebody else can."""

    code = "application-own"
    situation = Situation.FORBIDDEN
    sentence = "You applied for that name yourself, so another operator decides about it."
    fix = "Ask another operator of this index, or withdraw your application."


class ApplicationNotAsked(OrganizationsRefusal):
    """Whoever applied can only add what the operators asked for."""

    code = "application-not-asked"
    situation = Situation.CONFLICT
    sentence = "The operators asked nothing that waits for your reply."
    fix = "Wait for them, or withdraw the application and apply anew."


class ApplicationNeedless(OrganizationsRefusal):
    """Where everybody makes organizations, nobody decides about applications for them."""

    code = "application-needless"
    situation = Situation.CONFLICT
    sentence = "On this index nobody has to ask for an organization."
    fix = "Create it yourself."


class ApplicantAway(OrganizationsRefusal):
    """Nobody becomes an owner while their account is closed, frozen or on hold."""

    code = "applicant-away"
    situation = Situation.CONFLICT
    sentence = "The account of whoever applied is closed, frozen or on hold."
    fix = "Approve it once the account is open again, or decline it."


class MemberMissing(OrganizationsRefusal):
    """Nobody of that name belongs to the organization, or to the team."""

    code = "member-missing"
    situation = Situation.MISSING
    sentence = "Nobody of that name is a member here."
    fix = "Look at the members of the organization."


class OrganizationOwnerLast(OrganizationsRefusal):
    """An organization always has an owner who can act."""

    code = "organization-owner-last"
    situation = Situation.CONFLICT
    sentence = "This is the only owner, and an organization always has one."
    fix = "Hand the organization over to somebody, or let somebody else become an owner, first."


class OrganizationLeft(OrganizationsRefusal):
    """The host makes and unmakes no owners where those of an organization are gone: operators decide together who owns it."""

    code = "organization-left"
    situation = Situation.CONFLICT
    sentence = "Nobody looks after this organization any more, so operators decide together who does."
    fix = "Propose a new owner: `keyhouse organization new-owner`."


class MembershipKindUnknown(OrganizationsRefusal):
    """There are three roles in an organization."""

    code = "membership-unknown"
    sentence = "There is no such role in an organization."
    fix = "Choose owner, manager or member."


class AlreadyMember(OrganizationsRefusal):
    """The person has that role, or a higher one."""

    code = "already-member"
    situation = Situation.CONFLICT
    sentence = "This person has that role already."
    fix = "Look at the members of the organization."


class TeamMissing(OrganizationsRefusal):
    """The organization has no such team."""

    code = "team-missing"
    situation = Situation.MISSING
    sentence = "There is no such team in this organization."
    fix = "Look at the teams of the organization."


class TeamNameTaken(OrganizationsRefusal):
    """A name stands once in an organization."""

    code = "team-name-taken"
    situation = Situation.CONFLICT
    sentence = "A team of this organization has this name already."
    fix = "Choose another name."


class OwnTeamRefused(OrganizationsRefusal):
    """A manager would give themselves rights in projects."""

    code = "own-team-refused"
    situation = Situation.FORBIDDEN
    sentence = "Only an owner of the organization puts managers into teams."
    fix = "Ask an owner of the organization."


class OfferMissing(OrganizationsRefusal):
    """There is no such invitation, or it is for somebody else: both are answered alike."""

    code = "offer-missing"
    situation = Situation.MISSING
    sentence = "There is no such invitation for you."
    fix = "Look at the invitations of your account."


class OfferOver(OrganizationsRefusal):
    """The invitation was too old, taken back, declined or used."""

    code = "offer-over"
    situation = Situation.GONE
    sentence = "This invitation is over."
    fix = "Ask an owner of the organization for a new one."


class OfferRests(OrganizationsRefusal):
    """Whoever invited may not have been themselves, or may invite nobody any more."""

    code = "offer-rests"
    situation = Situation.CONFLICT
    sentence = "This invitation can't be accepted right now."
    fix = "Try again in some days, or ask another owner of the organization for a new one."


class OfferedAlready(OrganizationsRefusal):
    """One invitation a person waits in an organization at a time."""

    code = "offered-already"
    situation = Situation.CONFLICT
    sentence = "An invitation to this name or address waits already."
    fix = "Send that one again, or take it back first."


class OffersTooMany(OrganizationsRefusal):
    """An organization has so many invitations that wait, and no more."""

    code = "offers-too-many"
    situation = Situation.CONFLICT
    sentence = "Too many invitations of this organization wait already."
    fix = "Take back those that nobody takes up."


class OfferTargetRefused(OrganizationsRefusal):
    """What was typed is neither a user name nor an address."""

    code = "offer-target-refused"
    sentence = "This is neither a user name nor an e-mail address."
    fix = "Type the person's user name here, or their e-mail address."


class OrganizationOwned(Refusal):
    """Operators find a new owner only where every owner was suspended, has left, or was not here for half a year."""

    code = "organization-owned"
    situation = Situation.CONFLICT
    sentence = "An owner of this organization looks after it."
    fix = "Ask them."


class TeamOwnsCritical(Refusal):
    """Deleting a team would take owners out of a critical project unseen."""

    code = "team-owns-critical"
    situation = Situation.CONFLICT
    sentence = "This team owns a project that many depend on, and its members would be owners no more."
    fix = "Take the team's role in that project away first, on the project's page of teams; that waits, and all owners are told."


class ReadersPublic(OrganizationsRefusal):
    """On a public index everybody reads all."""

    code = "readers-public"
    situation = Situation.CONFLICT
    sentence = "This index is public: everybody reads all of its projects."
    fix = "Whoever runs it can make it private (KEYHOUSE_READS)."


class ReadersUnknown(OrganizationsRefusal):
    """These can't be the readers of this."""

    code = "readers-unknown"
    sentence = "This can't be said of who reads it."
    fix = "Choose one of the answers; with teams, at least one of them, and without, none."
