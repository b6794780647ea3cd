"""Refusals about compromised passwords and about the file that they are looked up in."""

from __future__ import annotations

from keyhouse.accounts.errors import AccountRefused, PasswordRefused
from keyhouse.core.errors import Situation


class PasswordCompromised(PasswordRefused):
    """The password stands in a list of passwords that were taken from somewhere else."""

    code = "password-compromised"
    sentence = (
        "This password has been found among passwords stolen elsewhere, whoever it was that used it there."
    )
    fix = "Choose a new one that is used nowhere else; a password manager makes one for you."


class ResetLinkStale(AccountRefused):
    """A mailed link for a new password dies with any change of password, factors or addresses, and with the account."""

    code = "reset-link-stale"
    situation = Situation.GONE
    sentence = "This link is not valid any more: the account was changed since it was mailed."
    fix = "Ask for a new one on the page “Forgot your password?”."


class PasswordNeeded(AccountRefused):
    """Without its password nobody could get into the account, or only by a single thing that gets lost."""

    code = "password-needed"
    situation = Situation.CONFLICT
    sentence = "Your account still needs its password."
    fix = "Add a second passkey, or save recovery codes; then it can go."


class PasswordMissing(AccountRefused):
    """There is no password to remove."""

    code = "password-missing"
    situation = Situation.CONFLICT
    sentence = "Your account has no password."


class DumpRefused(AccountRefused):
    """A list of compromised passwords that is not what was published; nothing was replaced."""

    code = "password-dump-refused"
    sentence = "This is not a list of SHA-1 digests ordered by hash."
    fix = "Fetch it anew in the form `SHA1:count`, ordered by hash. The file that was in use stays in use."


class CompromisedFileDamaged(AccountRefused):
    """The file of compromised passwords is not as it was written, and is not asked."""

    code = "password-file-damaged"
    situation = Situation.UNAVAILABLE
    sentence = "The file of compromised passwords is damaged."
    fix = "Import it anew with `keyhouse passwords import`."


def dump_refused(line: int, what: str) -> DumpRefused:
    """Return the refusal of one line of a dump."""
    return DumpRefused(f"Line {line:,}: {what}.")
