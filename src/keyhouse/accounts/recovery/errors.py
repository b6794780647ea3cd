"""Refusals of recovery."""

from __future__ import annotations

from keyhouse.accounts.errors import AccountRefused
from keyhouse.core.errors import Situation


class CaseMissing(AccountRefused):
    """There is no such case, or none in which this person has a word."""

    code = "recovery-missing"
    situation = Situation.MISSING
    sentence = "There is no such request, or you have no word in it."


class CaseOver(AccountRefused):
    """The case ended: it was finished, stopped, refused, or nobody went on for two weeks."""

    code = "recovery-over"
    situation = Situation.GONE
    sentence = "This request to come back in is over."
    fix = "Begin again at `/account/recover/`."


class CaseIncomplete(AccountRefused):
    """Proofs are missing, or somebody who answered for the case doesn't count any more."""

    code = "recovery-incomplete"
    situation = Situation.CONFLICT
    sentence = "This request to come back in still needs somebody's word."
    fix = "Its page says whose."


class CaseWaits(AccountRefused):
    """Everybody concerned was told, and has until that instant to stop it."""

    code = "recovery-waits"
    situation = Situation.CONFLICT
    sentence = "This link doesn't work yet."
    fix = "Come back after the instant that the mail names."


class WordRefused(AccountRefused):
    """Nobody answers for themselves, or twice."""

    code = "recovery-word-refused"
    situation = Situation.CONFLICT
    sentence = "Your word doesn't count here."


class ReasonMissing(AccountRefused):
    """Whoever answers for somebody says why."""

    code = "recovery-reason-missing"
    sentence = "Say in a sentence why."
    fix = "Write how you know that it is them, in at least ten characters."


class ProofsRefused(AccountRefused):
    """Name and proofs don't belong together, or open nothing; which of them is wrong isn't told."""

    code = "recovery-proofs-refused"
    sentence = "This user name, recovery code and code don't open a request together."
    fix = "Check all three. A recovery code works once, and so does a code of the app: wait for the next one."


class ThawRefused(AccountRefused):
    """The account isn't frozen, or what opens it again isn't what was given."""

    code = "thaw-refused"
    situation = Situation.CONFLICT
    sentence = "This account can't be opened again by this link."
    fix = "Begin again at `/account/recover/`."


class MailedProofRequired(AccountRefused):
    """The first second factor of an account with projects, from a browser that isn't known, or after a long silence."""

    code = "mailed-proof-required"
    situation = Situation.FORBIDDEN
    sentence = "Before this account gets its first second factor, prove that its mail reaches you."
    fix = "Have a link mailed to you, then come back."
