"""Refusals of what operators do about people."""

from __future__ import annotations

from keyhouse.accounts.errors import AccountRefused
from keyhouse.core.errors import Situation


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
