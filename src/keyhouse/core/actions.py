"""The catalogue of actions and the four protocols every door asks: gate, switches, authority, reader.

Closed by default: a name that is not in the catalogue is refused, and with nothing wired everything is.
`mandate` implements the gate, `safety` the switches (`core.switches`), `projects` the authority, `credentials.tokens` the
reader; `web` and `cli` wire them at start-up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol, TypeVar

from keyhouse.core import switches
from keyhouse.core.actor import OFFICES, Actor
from keyhouse.core.errors import GateUnavailable, RoleRequired
from keyhouse.core.switches import Switches

ActionSet = Literal["management", "publishing", "credentials", "open"]
STEP_UP_AGE: Final = timedelta(minutes=15)
REMOVE_LAST: Final = "second-factor.remove-last"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing somebody can do.

    `gated`: the gate is asked. `needs_session`: pages ask for sign-in first. `step_up`: a proof not older than
    15 minutes by the strongest factor of the account is needed (`takes_any_proof`: by any of them).
    `offices`: operators, moderators (who act against abuse), auditors (who read), of the whole index.
    """

    name: str
    summary: str
    set: ActionSet = "open"
    gated: bool = False
    needs_session: bool = False
    step_up: bool = False
    takes_any_proof: bool = False  # of a step-up: also one that is not by the strongest factor
    offices: frozenset[str] = frozenset()  # for who holds one of them; empty: for everybody


@dataclass(frozen=True, slots=True)
class Thing:
    """What an action is done to: kind (`project`, `account`, `token`, …), its id and its name."""

    kind: str
    id: int | str | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Caution:
    """Allowed now, and not for ever: the line to tell, from when on it is refused (None: not yet known), by what."""

    line: str
    until: datetime | None = None
    mandate: str = ""
    path: str = ""


class Gate(Protocol):
    """Tells whether this session or credential is strong enough for this action now."""

    def require(self, actor: Actor, action: Action, thing: Thing | None) -> Caution | None:
        """Raise a `Refusal` with a stable code and the fix, or return what there is to be told."""


class Authority(Protocol):
    """Tells whether this person may do it to this thing."""

    def require(self, actor: Actor, action: Action, thing: Thing | None) -> None:
        """Raise a `Refusal`, or return."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What somebody who may read does not get to see: projects by their normalised names, as if they weren't there.

    Asked about one project it holds that one or nothing; asked about all it holds all that are hidden.
    """

    hidden: frozenset[str] = frozenset()


EVERYTHING: Final = Reading()


class Reader(Protocol):
    """May this credential read a private index, and what? Asked by the Django-free read plane, on a thread."""

    def find_reading(
        self, authorization: str, cookie: str, project: str | None, network: str
    ) -> Reading | None:
        """Judge an `Authorization` header and a `Cookie` header (either may be empty); None: it may not read."""


def _open(name: str, summary: str) -> Action:
    return Action(name, summary)


def _own(name: str, summary: str, *, step_up: bool = False) -> Action:
    """Something people do for their own account or reading; never gated."""
    return Action(name, summary, needs_session=True, step_up=step_up)


def _gated(
    name: str,
    summary: str,
    set_: ActionSet,
    *,
    step_up: bool = False,
    offices: frozenset[str] = frozenset(),
) -> Action:
    return Action(
        name,
        summary,
        set_,
        gated=True,
        needs_session=True,
        step_up=step_up,
        offices=offices,
    )


def _operator(name: str, summary: str, *, step_up: bool = False) -> Action:
    return _gated(name, summary, "management", step_up=step_up, offices=frozenset({"operator"}))


def _moderator(name: str, summary: str, *, step_up: bool = False) -> Action:
    """Return something done against abuse, for moderators and operators."""
    offices = frozenset({"operator", "moderator"})
    return _gated(name, summary, "management", step_up=step_up, offices=offices)


def _auditor(name: str, summary: str) -> Action:
    """Return something read of how the index is run, for auditors and operators."""
    return _gated(name, summary, "management", offices=frozenset({"operator", "auditor"}))


def _any_office(name: str, summary: str) -> Action:
    """Return something that everybody who runs the index needs to see."""
    return _gated(name, summary, "management", offices=frozenset(OFFICES))


CATALOGUE: Final[dict[str, Action]] = {
    action.name: action
    for action in (
        # never gated: reading, signing in, enrolling, recovering, revoking one's own
        _open("index.read", "Read the index: pages, files, metadata, feeds, statistics"),
        _open("site.read", "Read the pages for people"),
        _open("site.help", "Read what a refusal means"),
        _open("site.read-styleguide", "See the components that pages are made of, in a test environment"),
        _open("site.static", "Load style sheets and pictures of the pages"),
        _open("service.health", "Ask whether the server works"),
        _open("service.metrics", "Read the server's measurements"),
        _open("mail.report-bounces", "Report mails that came back, with the token for that"),
        _open(
            "publisher.read-audience",
            "Ask whom identity tokens from CI must be made for, and where they are exchanged",
        ),
        _open("publisher.mint", "Exchange an identity token from CI for a token of minutes"),
        _open("publisher.burn", "End a token that was minted for a trusted publisher, by showing it"),
        Action("publisher.settle", "Give a pending publisher the project that it made"),
        _open("setup.finish", "Make the first operator by the one-time set-up link"),
        _open("invitation.accept", "Make an account by a one-time invitation link"),
        _open("sign-up.ask", "Ask for a link by which an account is made"),
        _open("sign-up.finish", "Make an account by the one-time link that was mailed"),
        _open("enrolment.finish", "Set an account up anew by a one-time link"),
        _open("password.ask-reset", "Ask for a mail by which a forgotten password is replaced"),
        _open("password.reset", "Set a new password by the link in that mail"),
        Action("password.disable", "Disable a password that is known to others"),
        _open("recovery.ask", "Ask for a way back into an account by mail"),
        _open("recovery.open", "Begin a recovery case by a mailed link, or by two proofs without it"),
        _open(
            "recovery.go-on",
            "Go on with a recovery case that two proofs began without a mail, in its browser",
        ),
        _open("account.thaw", "Open one's frozen account again by a mailed link and a second factor"),
        _open("session.start", "Sign in"),
        _open(
            "session.ask-confirmation",
            "Have a sign-in from an unknown browser confirmed: by mail, or by waiting",
        ),
        _open("session.confirm", "Confirm a sign-in from an unknown browser"),
        _open("session.end", "Sign out"),
        _own("session.step-up", "Prove once more that it is you"),
        _own("session.list", "See one's own sessions"),
        _own("session.revoke", "End one's own sessions"),
        _own("browser.forget", "Forget a browser that one signed in with"),
        _own("account.read", "See one's own account"),
        _own("account.export", "Take away everything that is held about oneself", step_up=True),
        _open("account.keep", "Take back the deletion of one's own account"),
        Action(
            "account.forget", "Free the name of an account that is gone, and erase who it was from the log"
        ),
        _own("audit.read-own", "See what happened to one's own account"),
        _own("collaborator.read-invitations", "See into which projects one is invited"),
        _own("collaborator.leave", "Give up one's own role in a project, or become a maintainer"),
        _own("collaborator.decline", "Decline an invitation into a project"),
        _own("organization.leave", "Leave an organization"),
        _own("collaborator.lay-down", "Lay down a project that one owns alone, or take that back"),
        _own("organization.lay-down", "Lay down an organization that one owns alone, or take that back"),
        _own("exemption.ask", "Ask operators for an exemption or a security key, or take that back"),
        _own("application.read-own", "See what became of one's applications for organizations"),
        _own("application.withdraw", "Take back one's application for an organization"),
        _own("organization.decline", "Decline an invitation into an organization"),
        _own("report.file", "Report a project to the people who run the index"),
        _own("report.read-own", "See what one reported, and what became of it"),
        _own("token.list", "See one's own API tokens"),
        _own("token.revoke", "Revoke one's own API tokens"),
        _own("token.report-leak", "Report an API token that was found in the open"),
        _open("leak.report", "Report tokens that were found in the open, by a known scanner"),
        Action("minted-token.revoke", "End a token of a trusted publisher that was found in the open"),
        _own("robot-token.revoke", "Revoke a robot token of a project or an organization"),
        # enrolling is open to everybody signed in; the proof asked for is the strongest the account has
        Action(
            "second-factor.add",
            "Add a second factor",
            needs_session=True,
            step_up=True,
            takes_any_proof=True,  # whoever lost their key adds a new one by what they have left
        ),
        _own("second-factor.remove", "Remove a second factor while another stays", step_up=True),
        _own("second-factor.enable", "Switch an authenticator app on again", step_up=True),
        _own("second-factor.rename", "Give a second factor another name"),
        _own("second-factor.check-up", "Put one's check-up off, or say which factor of one's own is lost"),
        _own("enrolment-proof.ask", "Have a link mailed before adding a first second factor"),
        _own(
            "enrolment-proof.give",
            "Prove by a mailed link that mail reaches one, before a first second factor",
        ),
        _own("recovery.read", "See who asks for one's word: recovery cases and holds of co-owners"),
        Action(
            "recovery.stop",
            "Stop a recovery case, since its owner proved a factor or says that it is not them",
        ),
        Action("recovery.settle", "Let a recovery case that has proofs enough be ready from an instant on"),
        _own("recovery-codes.replace", "Make a new set of recovery codes", step_up=True),
        _own("password.change", "Change one's password", step_up=True),
        _own("password.remove", "Remove one's password, where passkeys open the account", step_up=True),
        _own("email.add", "Add an e-mail address", step_up=True),
        _own("email.verify", "Verify an e-mail address of one's own, or have the mail for it sent again"),
        _own("email.remove", "Remove an e-mail address", step_up=True),
        _own("email.make-primary", "Make another e-mail address the primary one", step_up=True),
        _open("email.revert", "Put former e-mail addresses back by the one-time link mailed to one of them"),
        Action("email.lose-domain", "Count an e-mail address as unproven, since its domain is gone"),
        _own("account.freeze", "Freeze one's own account"),
        _open("account.freeze-by-link", "Freeze an account by the one-time link in a mail about it"),
        Action(
            "second-factor.disable",
            "Switch a factor off: an app after a hundred wrong codes, a key that may have been copied",
        ),
        _own(
            "publisher.read",
            "See the trusted publishers of one's projects and organizations, and one's own that wait for a project",
        ),
        _own("publisher.remove", "Trust a publisher of a project or an organization no more"),
        _own("publisher.remove-pending", "Give up a publisher that waits for a project"),
        Action("publisher.learn", "Keep the numbers that an identity has at its first use"),
        Action("publisher.refuse", "Turn an identity away that differs from what a project trusts"),
        Action("release.stage", "Let an uploaded file wait until a person publishes it"),
        Action("release.expire", "Let go of a staged release that has waited too long"),
        Action("removal.sweep", "Let go of what was deleted, once it can't be brought back any more"),
        _open("mandate.check", "Ask what would be allowed, with the session or token in hand"),
        _own("mandate.read-own", "See what is asked of oneself, since when, until when, and why"),
        _own("mandate.snooze", "Put one's own deadline under a mandate off, as often as it allows"),
        Action("mandate.end-brownout", "End a brownout whose error budget is used up"),
        Action("mandate.go-stale", "Tell operators of a mandate's shadow that nothing follows"),
        # gated
        _gated(REMOVE_LAST, "Remove the last second factor", "management", step_up=True),
        _gated("account.delete", "Delete one's own account", "management", step_up=True),
        _gated("token.mint", "Create an API token", "credentials", step_up=True),
        _gated(
            "robot-token.mint",
            "Create a robot token for a project or an organization",
            "credentials",
            step_up=True,
        ),
        _gated(
            "robot-token.confirm",
            "Stand behind a robot token of a project or an organization",
            "credentials",
            step_up=True,
        ),
        Action("token.use", "Use an API token", "credentials", gated=True),
        _gated(
            "publisher.add",
            "Let a project, or those of an organization, trust a publisher",
            "credentials",
            step_up=True,
        ),
        _gated("publisher.confirm", "Answer for a publisher oneself", "credentials", step_up=True),
        _gated(
            "publisher.constrain",
            "Bind a publisher to the environment that was seen",
            "credentials",
            step_up=True,
        ),
        _gated(
            "publisher.add-pending",
            "Set a publisher up that makes a project by its first upload",
            "credentials",
            step_up=True,
        ),
        _gated(
            "project.require-publishers",
            "Let a project take files from trusted publishers only",
            "management",
        ),
        _gated(
            "project.allow-tokens", "Let a project take files by API tokens again", "management", step_up=True
        ),
        Action("index.read-private", "Read an index that is private", "credentials", gated=True),
        Action("project.create", "Create a project by its first upload", "publishing", gated=True),
        Action("release.upload", "Upload a file of a release", "publishing", gated=True),
        _gated("release.publish", "Publish a staged release", "publishing", step_up=True),
        _gated("release.discard", "Discard a staged release", "management", step_up=True),
        _gated(
            "project.set-staging",
            "Say whether uploads to a project wait for a person",
            "management",
            step_up=True,
        ),
        _gated("project.manage", "See the settings of a project", "management"),
        _gated("release.yank", "Yank a release", "management", step_up=True),
        _gated("release.unyank", "Take back a yank", "management", step_up=True),
        _gated("file.delete", "Delete a file of a release", "management", step_up=True),
        _gated("release.delete", "Delete a release", "management", step_up=True),
        _gated("project.delete", "Delete a project", "management", step_up=True),
        _gated("project.ask-deletion", "Ask for the deletion of a project, where that is held", "management"),
        _gated("project.archive", "Archive a project", "management", step_up=True),
        _gated("project.unarchive", "Take a project out of the archive", "management", step_up=True),
        _gated("collaborator.invite", "Invite somebody into a project", "management", step_up=True),
        _gated("collaborator.resend", "Send an invitation into a project once more", "management"),
        _gated("collaborator.revoke", "Take back an invitation into a project", "management"),
        _gated("collaborator.change-role", "Change somebody's role in a project", "management", step_up=True),
        _gated("collaborator.remove", "End somebody's role in a project", "management", step_up=True),
        _gated("collaborator.keep", "Take back the end of an owner's role, which waits", "management"),
        _gated("collaborator.hand-over", "Hand a project over to a new owner", "management", step_up=True),
        _gated(
            "collaborator.nudge", "Remind somebody of what a project's mandates ask of them", "management"
        ),
        _gated("collaborator.accept", "Accept an invitation into a project", "management", step_up=True),
        _gated(
            "project.deprecate", "Deprecate a project, and name its successor", "management", step_up=True
        ),
        _gated("project.undeprecate", "Take back that a project is deprecated", "management", step_up=True),
        _gated("file.restore", "Bring a deleted file back", "management", step_up=True),
        _gated("release.restore", "Bring a deleted release back", "management", step_up=True),
        _gated("project.restore", "Bring a deleted project back that one owned", "management", step_up=True),
        _gated("organization.create", "Make an organization", "management", step_up=True),
        _gated("organization.apply", "Apply for an organization, where operators decide", "management"),
        _gated("application.reply", "Reply to what operators ask about an application", "management"),
        _gated(
            "organization.manage", "See an organization with its people, teams and projects", "management"
        ),
        _gated(
            "organization.oversee",
            "See what happened in an organization, and who lacks what is asked",
            "management",
        ),
        _gated(
            "organization.see-readers",
            "See who reads which project of an organization, and by which right",
            "management",
        ),
        _gated("organization.describe", "Say what an organization is about", "management"),
        _gated("organization.rename", "Give an organization another name", "management", step_up=True),
        _gated(
            "organization.set-readers",
            "Say who reads the projects of an organization on a private index",
            "management",
            step_up=True,
        ),
        _gated("organization.delete", "Delete an organization", "management", step_up=True),
        _gated("organization.invite", "Invite somebody into an organization", "management", step_up=True),
        _gated(
            "organization.hand-over", "Hand an organization over to a new owner", "management", step_up=True
        ),
        _gated("organization.resend", "Send an invitation into an organization once more", "management"),
        _gated("organization.revoke", "Take back an invitation into an organization", "management"),
        _gated(
            "organization.accept", "Accept an invitation into an organization", "management", step_up=True
        ),
        _gated(
            "organization.change-role",
            "Change somebody's role in an organization",
            "management",
            step_up=True,
        ),
        _gated(
            "organization.remove-member", "Remove somebody from an organization", "management", step_up=True
        ),
        _gated(
            "organization.keep-member",
            "Take back the end of an owner's membership, which waits",
            "management",
        ),
        _gated(
            "organization.nudge",
            "Remind a member of an organization of what the mandates ask of them",
            "management",
        ),
        _gated(
            "organization.add-project",
            "Make a project in an organization, or move one into it",
            "management",
            step_up=True,
        ),
        _gated(
            "organization.move-project", "Move a project out of an organization", "management", step_up=True
        ),
        _gated(
            "organization.declare-mandate",
            "Ask for more of an organization's people than the index does",
            "management",
            step_up=True,
        ),
        _gated(
            "organization.loosen-mandate",
            "Ask for less of an organization's people than its own mandate does; that waits",
            "management",
            step_up=True,
        ),
        _gated(
            "organization.approve-mandate",
            "Answer for a loosening that another owner asked for",
            "management",
            step_up=True,
        ),
        _gated("organization.keep-mandate", "Take back a loosening that waits", "management"),
        _gated("team.create", "Make a team in an organization", "management"),
        _gated("team.rename", "Give a team another name", "management"),
        _gated("team.delete", "Delete a team", "management", step_up=True),
        _gated("team.add-member", "Put a member of an organization into a team", "management", step_up=True),
        _gated("team.remove-member", "Take somebody out of a team", "management", step_up=True),
        _gated(
            "team.keep-member", "Take back that somebody is taken out of a team, which waits", "management"
        ),
        _gated(
            "team-role.keep", "Take back the end of a team's role in a project, which waits", "management"
        ),
        _gated("team-role.set", "Give a team a role in a project", "management", step_up=True),
        _gated("team-role.end", "Take a team's role in a project away", "management", step_up=True),
        _gated(
            "project.move", "Move a project into, out of or between organizations", "management", step_up=True
        ),
        _gated(
            "project.set-readers", "Say who reads a project on a private index", "management", step_up=True
        ),
        _operator("application.read-all", "See who applies for which organization"),
        _operator("organization.decide", "Answer an application for an organization", step_up=True),
        _operator("account.read-troubled", "See which accounts are frozen and which mail domains are gone"),
        _any_office("console.read", "See how the index is doing, and what needs attention"),
        _any_office("person.read", "See people: their state, offices, factors by kind, roles and holds"),
        _operator("person.suspend", "Suspend somebody's account", step_up=True),
        _operator("person.reinstate", "End the suspension of an account", step_up=True),
        _operator("person.off-board", "Close the account of somebody who has left", step_up=True),
        _operator("person.end-sessions", "End all sessions of somebody", step_up=True),
        _operator("office.propose", "Propose that somebody gets an office", step_up=True),
        _operator("office.revoke", "Take an office from somebody", step_up=True),
        _operator(
            "address.propose",
            "Propose that somebody's address counts as verified, where no mail reaches it",
            step_up=True,
        ),
        _operator(
            "ownership.propose",
            "Propose a new owner for a project or organization that nobody looks after",
            step_up=True,
        ),
        _operator(
            "emergency.propose",
            "Propose that an operator's account is kept for emergencies, or no more",
            step_up=True,
        ),
        _auditor("proposal.read", "See proposals about offices, owners and addresses"),
        _operator(
            "proposal.approve",
            "Approve an office, owner or address that somebody else proposed",
            step_up=True,
        ),
        _operator("proposal.withdraw", "Withdraw a proposal about an office, owner or address", step_up=True),
        Action("proposal.carry-out", "Carry out what operators have answered for, once its wait is over"),
        _any_office("project.read-any", "See every project with its size, files, limits and people"),
        _operator("project.set-limits", "Set the limits of one project", step_up=True),
        _gated(
            "audit.export",
            "Take records of the audit log away as a file",
            "management",
            step_up=True,
            offices=frozenset({"operator", "auditor"}),
        ),
        _auditor(
            "settings.read", "See the settings of the index and where each comes from; secrets are hidden"
        ),
        _auditor("job.read", "See what works beside requests, and how its last round went"),
        _operator("job.run", "Let a work that is done beside requests be done now", step_up=True),
        _any_office("announcement.read", "See the announcements of the index, also those to come and gone"),
        _operator("announcement.publish", "Announce something on every page for people", step_up=True),
        _operator("announcement.end", "End an announcement", step_up=True),
        _gated("recovery.vouch", "Vouch for a co-owner who asks to come back in", "management", step_up=True),
        _gated(
            "hold.confirm",
            "End the hold of a co-owner by confirming that it was them",
            "management",
            step_up=True,
        ),
        _operator("recovery.read-all", "See all recovery cases and who may act in them"),
        _operator("recovery.propose", "Open a recovery case for somebody whom no mail reaches", step_up=True),
        _operator("recovery.approve", "Approve a recovery case", step_up=True),
        _operator("recovery.withdraw", "Take back one's approval of a recovery case", step_up=True),
        _operator("recovery.refuse", "Refuse a recovery case", step_up=True),
        _operator(
            "recovery.hand-over", "Make the link of an approved case for whom no mail reaches", step_up=True
        ),
        _operator(
            "hold.release",
            "End the hold after a first second factor by confirming that it was them",
            step_up=True,
        ),
        _auditor("audit.read-all", "See the audit log of the whole index"),
        _auditor("mandate.read-all", "See mandates with their plans, proposals, exemptions and weak tokens"),
        _operator("mandate.propose", "Propose a version of a mandate", step_up=True),
        _operator("mandate.approve", "Approve what somebody else proposed about a mandate", step_up=True),
        _operator(
            "mandate.complete", "Check whether a mandate is complete, and keep what was found", step_up=True
        ),
        _operator("mandate.withdraw", "Withdraw a proposal, or an exemption", step_up=True),
        _operator("mandate.simulate", "Simulate a mandate on the index as it is", step_up=True),
        _operator("mandate.launch", "Launch a campaign; somebody else approves it", step_up=True),
        _operator("mandate.pause", "Stop the calendar of a mandate, or confirm that it stands", step_up=True),
        _operator("mandate.resume", "Let the calendar of a mandate go on", step_up=True),
        _operator("mandate.rollback", "Propose to roll a mandate back", step_up=True),
        _operator("mandate.abandon", "Propose to give a mandate up", step_up=True),
        _operator("exemption.propose", "Propose to exempt somebody for a while", step_up=True),
        _operator(
            "exemption.answer", "Answer somebody who asks for an exemption or a security key", step_up=True
        ),
        _operator("exemption.approve", "Approve an exemption that somebody else proposed", step_up=True),
        _operator(
            "mail.read-all", "See what was not mailed and why, what waits, and which addresses bounced"
        ),
        _operator("mail.retry", "Try at once what waits to be mailed", step_up=True),
        _operator("mail.clear-bounce", "Let mails go again to an address that bounced", step_up=True),
        _operator("user.invite", "Invite somebody by a one-time link", step_up=True),
        _operator("user.create", "Make an account", step_up=True),
        _operator("setup.link", "Make the link for setting up the first operator", step_up=True),
        _operator("enrolment.link", "Make a one-time link to set an account up anew", step_up=True),
        # against abuse
        _any_office("switch.read-all", "See which switches are on, since when and why"),
        _moderator(
            "switch.set", "Stop new accounts, new projects, uploads, deletions or everything for a day"
        ),
        _moderator(
            "switch.set-long", "Stop one of these for longer than a day, or without an end", step_up=True
        ),
        _moderator("switch.lift", "Let go on what a switch stopped, or end that sooner", step_up=True),
        _moderator("name.reserve", "Keep a name or a prefix of names for somebody", step_up=True),
        _moderator("name.release", "Let a reserved name go", step_up=True),
        _any_office("name.read-all", "See which names are kept, and for whom"),
        _any_office("creator.read-all", "See who may make projects"),
        _operator("creator.approve", "Approve somebody to make projects", step_up=True),
        _operator("creator.revoke", "Take back that somebody may make projects", step_up=True),
        _any_office("issuer.read-all", "See which issuers of identities from CI are believed"),
        _operator("issuer.test", "Ask an issuer of identities for its keys, and see what comes"),
        _operator("issuer.add", "Believe an issuer of identities from CI", step_up=True),
        _operator("issuer.remove", "Stop believing an issuer of identities from CI", step_up=True),
        _any_office("quarantine.read-all", "See what is in quarantine"),
        _moderator("quarantine.set", "Take a project, a release or a file out of the index"),
        _moderator("quarantine.lift", "Put back what is in quarantine", step_up=True),
        _any_office("report.read-all", "See what people reported about projects"),
        _moderator("report.close", "Answer a report and close it", step_up=True),
        # at the host, by whoever has the machine
        Action("host.command", "Run an administrative command on the host", "management"),
    )
}


@dataclass(slots=True)
class _Wiring:
    gate: Gate | None = None
    authority: Authority | None = None
    reader: Reader | None = None
    switches: Switches | None = None


_wiring = _Wiring()


def wire(
    *,
    gate: Gate | None = None,
    authority: Authority | None = None,
    reader: Reader | None = None,
    switches: Switches | None = None,
) -> None:
    """Install the implementations; None leaves what is there."""
    _wiring.gate = gate or _wiring.gate
    _wiring.authority = authority or _wiring.authority
    _wiring.reader = reader or _wiring.reader
    _wiring.switches = switches or _wiring.switches


def unwire() -> None:
    """Take every implementation out; from then on everything is refused."""
    _wiring.gate = _wiring.authority = _wiring.reader = _wiring.switches = None


def get_action(name: str) -> Action:
    """Return the action of that exact name; an unknown one raises GateUnavailable (closed by default)."""
    try:
        return CATALOGUE[name]
    except KeyError:
        raise GateUnavailable from None


def require_authority(actor: Actor, name: str, thing: Thing | None = None) -> None:
    """Raise unless the actor may do this to this thing. Ask this before revealing what exists."""
    action = get_action(name)
    if _wiring.authority is None:
        raise GateUnavailable
    if actor.restrictions is not None and not actor.restrictions.allows(
        name, thing.kind if thing else "", thing.id if thing else None
    ):
        raise RoleRequired("This credential doesn't reach that far.", fix="Use one made for this project.")
    if action.offices and actor.kind != "host" and not actor.offices & action.offices:
        raise RoleRequired
    _wiring.authority.require(actor, action, thing)


def require_gate(actor: Actor, name: str, thing: Thing | None = None) -> Caution | None:
    """Raise unless the session or credential in hand is strong enough for this action now, and no switch stops it."""
    action, caution = get_action(name), None
    if action.gated:
        if _wiring.gate is None:
            raise GateUnavailable
        caution = _wiring.gate.require(actor, action, thing)
    require_open(actor, name)
    return caution


def require_open(actor: Actor, name: str) -> None:
    """Raise where a switch stops this action for everybody; part of `require_gate`."""
    names = switches.switches_of(get_action(name).name)
    if not names or switches.is_beyond_switches(actor):
        return
    if _wiring.switches is None:
        raise GateUnavailable
    stop = _wiring.switches.find(names)
    if stop is not None:
        raise switches.refusal_of(stop, name)


def require(actor: Actor, name: str, thing: Thing | None = None) -> Caution | None:
    """Ask authority, then the gate; services call this inside their own transaction."""
    require_authority(actor, name, thing)
    return require_gate(actor, name, thing)


def find_gate() -> Gate | None:
    """Return the wired gate, or None; `core.foresight` looks whether it can tell more."""
    return _wiring.gate


def is_fresh(actor: Actor, action: Action, now: datetime) -> bool:
    """Tell whether the actor's proof is as fresh as the action asks (ASVS 7.5.3)."""
    if not action.step_up:
        return True
    if not action.takes_any_proof:
        return actor.is_fresh(now, STEP_UP_AGE)
    return actor.strength.at is not None and now - actor.strength.at <= STEP_UP_AGE


def find_reader() -> Reader | None:
    """Return the wired reader, or None: then a private index is readable by nobody."""
    return _wiring.reader


View = TypeVar("View", bound=Callable[..., object])


def classified(**methods: str) -> Callable[[View], View]:
    """Say which action each HTTP method of a view is: `@classified(GET="token.list", POST="token.mint")`.

    The middleware refuses methods that are not named, and a test walks all routes.
    """
    for name in methods.values():
        get_action(name)

    def mark(view: View) -> View:
        view.actions = methods  # type: ignore[attr-defined]  # functions take attributes; mypy doesn't know
        return view

    return mark


def takes(*fields: str) -> Callable[[View], View]:
    """Name the form fields that a POST to this view reads, beside the token against forged forms."""

    def mark(view: View) -> View:
        view.fields = fields  # type: ignore[attr-defined]  # functions take attributes; mypy doesn't know
        return view

    return mark


def returns(*fields: str, to: str = "") -> Callable[[View], View]:
    """Name the fields of a form, none of them secret, that a way through another page brings back to it (`web.ways_on`).

    `to` is the page of the form, as a link on the view's own address, where that address shows none.
    """

    def mark(view: View) -> View:
        view.returned = fields  # type: ignore[attr-defined]  # functions take attributes; mypy doesn't know
        view.returned_to = to  # type: ignore[attr-defined]  # the same
        return view

    return mark
