"""Refusals of what operators do about people."""

from __future__ import annotations

from keyhouse.accounts.errors import AccountRefused
from keyhouse.core.errors import Refusal, Situation


class PersonMissing(AccountRefused):
    """There is no such account (any more)."""

    code = "person-missing"
    situation = Situation.MISSING
    sentence = "There is no account of this name."
    fix = "Look for it in the list of people."


class OwnAccount(AccountRefused):
    """Nobody closes or changes the office of their own account, so that a borrowed session can't."""

    code = "own-account"
    situation = Situation.CONFLICT
    sentence = "This is your own account."
    fix = "Another operator has to do it."


class OperatorNeeded(AccountRefused):
    """The index would be left with nobody who can run it."""

    code = "operator-needed"
    situation = Situation.CONFLICT
    sentence = "This is the last operator who can act, and an index needs one."
    fix = "Make somebody else an operator first."


class NotSuspended(AccountRefused):
    """There is no suspension that could end."""

    code = "not-suspended"
    situation = Situation.CONFLICT
    sentence = "This account is not suspended."
    fix = "Nothing needs to be done."


class WhyMissing(AccountRefused):
    """Whoever is told of it needs to know why."""

    code = "why-missing"
    sentence = "Say why: it stands in the log, and the person reads it."
    fix = "One sentence is enough."


class ApprovalRefused(Refusal):
    """A two-person act lacks its second person (ASVS 2.3.5)."""

    code = "approval-refused"
    situation = Situation.FORBIDDEN
    sentence = "Somebody else must approve this."
    fix = "Ask another operator of this index."


class ProposalOver(Refusal):
    """The proposal was approved, withdrawn or overtaken meanwhile."""

    code = "proposal-over"
    situation = Situation.CONFLICT
    sentence = "This proposal is no longer open."
    fix = "Look at the list for what holds now."


class ProposalMissing(Refusal):
    """There is no such proposal."""

    code = "proposal-missing"
    situation = Situation.MISSING
    sentence = "There is no such proposal."
    fix = "The list of proposals has all that are open."


class ProposalOpen(Refusal):
    """The same was proposed before, and nobody decided yet."""

    code = "proposal-open"
    situation = Situation.CONFLICT
    sentence = "This was proposed already and waits."
    fix = "Approve or withdraw it in the list of proposals."


class PersonUnfit(Refusal):
    """Whoever is to hold power over others must be reachable, and protected by more than a password."""

    code = "person-unfit"
    situation = Situation.CONFLICT
    sentence = "This account can't take that on now."
    fix = "It takes an open account of a person, without a hold, with a verified primary address and a second factor."


class OfficeUnchanged(Refusal):
    """The person holds the office already, or doesn't hold it."""

    code = "office-unchanged"
    situation = Situation.CONFLICT
    sentence = "Nothing would change: this is how it is already."
    fix = "Look at the person's page."


class AnnouncementMalformed(Refusal):
    """What is announced, or when, can't be."""

    code = "announcement-malformed"
    sentence = "An announcement ends after it begins, later than now, and within 90 days."
    fix = "Choose other instants."


class AnnouncementMissing(Refusal):
    """There is no such announcement."""

    code = "announcement-missing"
    situation = Situation.MISSING
    sentence = "There is no such announcement."


class WorkMissing(Refusal):
    """There is no such work, or none that can be begun by hand."""

    code = "work-missing"
    situation = Situation.MISSING
    sentence = "There is no such work that could be begun from here."
