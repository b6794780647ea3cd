"""What a mail says, sealed while it waits: it holds one-time links, and a dump of the database must not open them.

The address is sealed with it, so that nobody who can write to the database turns a link to another address.
"""

from __future__ import annotations

import json
from typing import Final

from keyhouse.core import keys
from keyhouse.core.keys import KeyRing, SealBrokenError
from keyhouse.mail.letters import Letter, as_json, from_json

PURPOSE: Final = "mail"


class UnreadableError(Exception):
    """What the mail said can't be read any more."""


def seal(letter: Letter, to: str) -> str:
    """Return the letter for this address, sealed."""
    body = json.dumps({"to": to, "letter": as_json(letter)}, separators=(",", ":"))
    return keys.ring().seal(PURPOSE, body.encode())


def unseal(sealed: str, to: str) -> Letter:
    """Return the letter that was sealed for this address; raises UnreadableError, and KeyFileError."""
    ring: KeyRing = keys.ring()
    try:
        told = json.loads(ring.open(PURPOSE, sealed))
        if told["to"] != to:
            raise UnreadableError("it was written to another address")
        return from_json(told["letter"])
    except SealBrokenError as error:
        raise UnreadableError("no key of the key file opens it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError("it is not what this version writes") from error
