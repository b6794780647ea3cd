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
