"""Switches by which operators and moderators stop what can't wait: which of them stops which action.

`actions.require_gate` asks for every action, so no door can forget. `safety` keeps the switches; with nothing wired
whatever a switch could stop is refused. An action that stands in no list is stopped by `everything`, and a test asks
for it to be put into one.

`everything` leaves open what people need to look after their accounts, and what stops the abuse itself. The host and the
index's own jobs are stopped by no switch: somebody must be able to clean up, and what was announced goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from types import MappingProxyType
from typing import Final, Protocol

from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.core.errors import Refusal, Situation

NEW_ACCOUNTS: Final = "new-accounts"
NEW_PROJECTS: Final = "new-projects"
UPLOADS: Final = "uploads"
DELETIONS: Final = "deletions"
EVERYTHING: Final = "everything"
# Switch → what it stops, as people read it.
NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        NEW_ACCOUNTS: "signing up, inviting people, and accepting an invitation",
        NEW_PROJECTS: "making projects",
        UPLOADS: "uploading files, also those that would make a project",
        DELETIONS: "deleting files, releases, projects and accounts",
        EVERYTHING: "whatever changes the index, also all of the others",
    }
)

# Action → the switch that stops it, beside `everything`.
STOPPED_BY: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "sign-up.ask": (NEW_ACCOUNTS,),
        "sign-up.finish": (NEW_ACCOUNTS,),
        "invitation.accept": (NEW_ACCOUNTS,),
        "user.invite": (NEW_ACCOUNTS,),
        "user.create": (NEW_ACCOUNTS,),
        "project.create": (NEW_PROJECTS, UPLOADS),
        "release.upload": (UPLOADS,),
        "release.publish": (UPLOADS,),
        "file.delete": (DELETIONS,),
        "release.delete": (DELETIONS,),
        "project.delete": (DELETIONS,),
        "project.ask-deletion": (DELETIONS,),
        "account.delete": (DELETIONS,),
        "organization.delete": (DELETIONS,),
        "organization.add-project": (NEW_PROJECTS,),
    }
)
# What `everything` alone stops: it changes what others see, who may do what, or who has an account.
STOPPED_BY_EVERYTHING_ALONE: Final = frozenset(
    {
        "token.mint",
        "publisher.add",
        "publisher.confirm",
        "publisher.constrain",
        "publisher.add-pending",
        "project.allow-tokens",
        "robot-token.mint",
        "robot-token.confirm",
        "publisher.mint",
        "publisher.settle",
        "release.yank",
        "release.unyank",
        "project.set-staging",
        "project.archive",
        "project.unarchive",
        "project.deprecate",
        "project.undeprecate",
        "file.restore",
        "release.restore",
        "project.restore",
        "collaborator.invite",
        "collaborator.resend",
        "collaborator.accept",
        "collaborator.change-role",
        "collaborator.remove",
        "collaborator.hand-over",
        "organization.create",
        "organization.apply",
        "application.reply",
        "organization.decide",
        "organization.describe",
        "organization.rename",
        "organization.set-readers",
        "organization.invite",
        "organization.hand-over",
        "organization.resend",
        "organization.accept",
        "organization.change-role",
        "organization.remove-member",
        "organization.move-project",
        "organization.loosen-mandate",
        "organization.approve-mandate",
        "team.create",
        "team.rename",
        "team.delete",
        "team.add-member",
        "team.remove-member",
        "team-role.set",
        "team-role.end",
        "project.move",
        "project.set-readers",
        "collaborator.nudge",
        "organization.nudge",
        "second-factor.remove-last",
        "password.remove",
        "email.add",
        "email.remove",
        "email.make-primary",
        "mandate.snooze",
        "mandate.propose",
        "mandate.approve",
        "mandate.launch",
        "mandate.resume",
        "mandate.rollback",
        "mandate.abandon",
        "exemption.propose",
        "exemption.approve",
        "office.propose",
        "address.propose",
        "ownership.propose",
        "emergency.propose",
        "proposal.approve",
        "project.set-limits",
        "creator.approve",
        "issuer.add",
    }
)
# What no switch stops.
ALWAYS_OPEN: Final = frozenset(
    {
        # reading
        "index.read", "site.read", "site.help", "site.static", "site.read-styleguide", "service.health", "service.metrics", "index.read-private",
        "token.use", "publisher.read-audience", "session.list", "account.read", "account.export", "audit.read-own", "token.list", "mandate.check",
        "mandate.read-own", "recovery.read", "account.read-troubled", "recovery.read-all", "audit.read-all",
        "mandate.read-all", "mail.read-all", "project.manage", "organization.manage", "organization.oversee", "organization.see-readers", "switch.read-all",
        "collaborator.read-invitations", "console.read", "person.read",
        "proposal.read", "project.read-any", "audit.export", "settings.read", "job.read", "announcement.read",
        # signing in, and proving who one is
        "session.start", "session.ask-confirmation", "session.confirm", "session.end", "session.step-up",
        "enrolment-proof.ask", "enrolment-proof.give", "second-factor.add", "second-factor.enable", "email.verify",
        # taking back what one gave out, stopping one's account, and what a thief would not want
        "session.revoke", "browser.forget", "token.revoke", "robot-token.revoke", "publisher.burn",
        "token.report-leak", "leak.report", "minted-token.revoke", "account.freeze", "account.freeze-by-link", "account.keep",
        "password.change", "password.disable", "password.ask-reset", "password.reset", "recovery-codes.replace",
        "second-factor.remove", "second-factor.rename", "second-factor.check-up", "second-factor.disable", "email.revert", "email.lose-domain",
        "publisher.read", "publisher.remove", "publisher.remove-pending", "publisher.learn", "publisher.refuse",
        "project.require-publishers",
        "collaborator.revoke", "collaborator.decline", "collaborator.leave", "collaborator.keep",
        "organization.revoke", "organization.decline", "organization.leave", "organization.keep-member", "application.withdraw",
        "organization.declare-mandate", "organization.keep-mandate",
        "team.keep-member", "team-role.keep",
        # leaving, also where one is alone, and asking to
        "collaborator.lay-down", "organization.lay-down", "exemption.ask", "exemption.answer",
        # letting go of what nobody has seen, and a thief may have put there
        "release.discard",
        # stopping the accounts of others, and letting go of one that was stopped by mistake
        "person.suspend", "person.off-board", "person.end-sessions", "person.reinstate",
        # taking power back, and telling everybody
        "office.revoke", "proposal.withdraw", "announcement.publish", "announcement.end",
        # coming back in
        "setup.finish", "setup.link", "enrolment.finish", "enrolment.link", "account.thaw", "recovery.ask", "recovery.open",
        "recovery.go-on", "recovery.stop", "recovery.settle", "recovery.vouch", "recovery.propose", "recovery.approve", "recovery.withdraw",
        "recovery.refuse", "recovery.hand-over", "hold.confirm", "hold.release",
        # the mails that all of this needs
        "mail.report-bounces", "mail.retry", "mail.clear-bounce",
        # tightening, and the switches themselves
        "report.file", "report.read-own", "report.read-all", "report.close", "application.read-own", "application.read-all",
        "name.reserve", "name.release", "name.read-all", "creator.read-all", "creator.revoke", "issuer.read-all", "issuer.test", "issuer.remove",
        "quarantine.read-all", "quarantine.set", "quarantine.lift",
        "mandate.withdraw", "mandate.complete", "mandate.pause", "mandate.simulate", "mandate.end-brownout", "mandate.go-stale", "switch.set", "switch.set-long", "switch.lift",
        # the index's own upkeep, and whoever has the machine
        "account.forget", "removal.sweep", "release.stage", "release.expire", "proposal.carry-out", "job.run", "host.command",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stop:
    """A switch that is on: why, since when, until when (None: until somebody lifts it)."""

    switch: str
    reason: str
    since_at: datetime
    until_at: datetime | None = None


class Switches(Protocol):
    """Tells which switches are on now, in every process from the next question on."""

    def find(self, names: tuple[str, ...]) -> Stop | None:
        """Return the first of these switches that is on, or None."""


class Stopped(Refusal):
    """The family of what switches refuse."""

    situation = Situation.FORBIDDEN
    fix = "Try again later, or ask the operators of this index."


class NewAccountsFrozen(Stopped):
    """The operators have stopped the making of accounts for a while."""

    code = "new-accounts-frozen"
    sentence = "New accounts are not made on this index at present."


class NewProjectsFrozen(Stopped):
    """New files are taken, new projects are not."""

    code = "new-projects-frozen"
    sentence = "New projects are not taken on this index at present."


class UploadsFrozen(Stopped):
    """Nobody may upload at present."""

    code = "uploads-frozen"
    sentence = "Uploads are switched off on this index at present."


class DeletionsFrozen(Stopped):
    """The operators have stopped deletions for a while."""

    code = "deletions-frozen"
    sentence = "Nothing can be deleted on this index at present."


class EverythingFrozen(Stopped):
    """The index can only be read for a while."""

    code = "everything-frozen"
    sentence = "This index can only be read at present."


_REFUSALS: Final[Mapping[str, type[Stopped]]] = MappingProxyType(
    {
        NEW_ACCOUNTS: NewAccountsFrozen,
        NEW_PROJECTS: NewProjectsFrozen,
        UPLOADS: UploadsFrozen,
        DELETIONS: DeletionsFrozen,
        EVERYTHING: EverythingFrozen,
    }
)


def switches_of(action: str) -> tuple[str, ...]:
    """Return the switches that stop an action; none for what is always open."""
    return () if action in ALWAYS_OPEN else (*STOPPED_BY.get(action, ()), EVERYTHING)


def is_beyond_switches(actor: Actor) -> bool:
    """Tell whether no switch stops this actor: the host, and the index's own jobs."""
    return actor.kind in {"host", "job"}


def refusal_of(stop: Stop, action: str) -> Stopped:
    """Return the refusal that tells of a switch in one line; an upload has one code, whichever switch stops it."""
    is_upload = UPLOADS in STOPPED_BY.get(action, ())
    kind = _REFUSALS[UPLOADS if is_upload and stop.switch == EVERYTHING else stop.switch]
    until, wait = "", None
    if stop.until_at is not None:
        until = f" Until {clock.format_second(stop.until_at)}."
        wait = max(1, ceil((stop.until_at - clock.now()).total_seconds()))
    return kind(f"{_REFUSALS[stop.switch].sentence}{until} Reason: {stop.reason}", retry_after=wait)
