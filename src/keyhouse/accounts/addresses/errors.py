"""Refusals about e-mail addresses."""

from __future__ import annotations

from keyhouse.accounts.errors import AccountRefused, CodeRefused
from keyhouse.core.errors import Situation


class AddressMissing(AccountRefused):
    """There is no such address in this account; one of somebody else looks the same."""

    code = "address-missing"
    situation = Situation.MISSING
    sentence = "Your account has no such e-mail address."


class AddressKnown(AccountRefused):
    """The account has this address already (in whatever case)."""

    code = "address-known"
    situation = Situation.CONFLICT
    sentence = "Your account has this address already."
    fix = "It stands in the list of your addresses."


class AddressesMany(AccountRefused):
    """More addresses than anybody uses."""

    code = "addresses-many"
    situation = Situation.CONFLICT
    sentence = "Your account has as many e-mail addresses as one can have."
    fix = "Remove one that you don't use any more."


class AddressPrimary(AccountRefused):
    """The primary address stays: another one can take its place first."""

    code = "address-primary"
    situation = Situation.CONFLICT
    sentence = "This is your primary e-mail address."
    fix = "Make another one primary first, then remove this one."


class AddressLast(AccountRefused):
    """The last verified address stays: without one nobody could reach the account's owner."""

    code = "address-last"
    situation = Situation.CONFLICT
    sentence = "This is your only verified e-mail address."
    fix = "Add and verify another one first, then remove this one."


class AddressUnverified(AccountRefused):
    """Only an address that was proven can be the primary one."""

    code = "address-unverified"
    situation = Situation.CONFLICT
    sentence = "This address is not verified."
    fix = "Verify it first: have the mail for it sent again, and follow what it says."


class AddressVerified(AccountRefused):
    """There is nothing left to prove about this address."""

    code = "address-verified"
    situation = Situation.CONFLICT
    sentence = "This address is verified already."


class AddressReachable(AccountRefused):
    """Operators answer for an address only where the person can't show by a mail that they read it."""

    code = "address-reachable"
    situation = Situation.CONFLICT
    sentence = "Mails to this address leave the index, so the person verifies it by themselves."
    fix = "They ask for the mail once more on their page of e-mail addresses."


class AddressCodeWrong(CodeRefused):
    """Not the code in the newest mail to this address."""

    code = "address-code-wrong"
    sentence = "That is not the code in the newest mail to this address."
    fix = "Type it as it stands there; a newer mail makes the codes of older ones worthless."


class VerificationMissing(AccountRefused):
    """No mail to verify this address waits: none was sent, it is too old, or too many wrong codes were typed."""

    code = "verification-missing"
    situation = Situation.GONE
    sentence = "No code for this address is valid any more."
    fix = "Have a new mail sent."
