"""What is decided about addresses and their domains. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

MOST_ADDRESSES: Final = 10
MOST_MISSES: Final = 10  # wrong codes, of 40 random bits, until the code is void
CLAIM_LIFE: Final = timedelta(days=7)  # of an address that was added and never verified

# ---- codes that are typed instead of following a link

_SIGNS: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_READ_AS: Final = str.maketrans({"i": "1", "l": "1", "o": "0"})
_CODE_LENGTH: Final = 8


def new_code() -> str:
    """Return a code of 40 random bits, in two halves."""
    signs = "".join(secrets.choice(_SIGNS) for _ in range(_CODE_LENGTH))
    return f"{signs[:4]}-{signs[4:]}"


def read_code(typed: str) -> str:
    """Return a typed code in its one form: case, spaces and dashes don't matter."""
    found = "".join(sign for sign in typed.lower() if not sign.isspace() and sign != "-")
    return found.translate(_READ_AS)


# ---- how an address stands

State = Literal["verified", "unverified", "bounced", "domain-gone"]


def state_of(*, is_verified: bool, is_domain_gone: bool, is_deliverable: bool) -> State:
    """Return how an address stands; of two troubles the one that has to be mended first."""
    if is_domain_gone:
        return "domain-gone"
    if not is_deliverable:
        return "bounced"
    return "verified" if is_verified else "unverified"


# ---- domains

Answer = Literal["takes-mail", "no-mail", "missing", "unknown"]

ASK_EVERY: Final = timedelta(hours=24)
ASK_AGAIN: Final = timedelta(hours=1)  # after an answer that says nothing
MISSING_DAYS: Final = 3
_NEXT_DAY: Final = (
    timedelta(hours=20),
    timedelta(hours=36),
)  # after the last: from when a new day counts, until when in a row
HANDFUL: Final = 5  # people who may lose an address in a day, however few accounts there are
LARGEST_SHARE: Final = 50  # one of so many accounts: two per cent

# Nobody can register them (RFC 2606, RFC 6761, RFC 9476), or they mean something in one network only (RFC 8375)
_SPECIAL: Final = (
    *("test", "example", "invalid", "localhost", "local", "onion", "alt", "internal", "home.arpa"),
    *("example.com", "example.net", "example.org"),
)


def domain_of(address: str) -> str:
    """Return the domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()


def is_watched(domain: str, trusted: Iterable[str]) -> bool:
    """Whether the name system is asked about a domain: not for literals, names without a dot, and trusted ones."""
    if "." not in domain or domain.startswith("["):
        return False
    return not any(domain == one or domain.endswith(f".{one}") for one in (*_SPECIAL, *trusted))


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of a domain: the last answer, and how often in a row, a day apart, it was missing."""

    asked_at: datetime | None = None
    answer: str = ""
    missing_count: int = 0
    missing_at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether to ask (again)."""
        if self.asked_at is None:
            return True
        return now - self.asked_at >= (ASK_AGAIN if self.answer == "unknown" else ASK_EVERY)

    @property
    def is_gone(self) -> bool:
        """Whether it was missing on three days in a row."""
        return self.missing_count >= MISSING_DAYS


def after_answer(known: Watched, answer: Answer, now: datetime) -> Watched:
    """Return what is known after one more answer.

    Only the word that there is no such domain counts against it. Time-outs and failures of servers say nothing at all:
    they neither count nor end a row, and a row that is not carried on within a day and a half begins anew.
    """
    told = replace(known, asked_at=now, answer=answer)
    if answer == "unknown":
        return told
    if answer != "missing":
        return replace(told, missing_count=0, missing_at=None)
    if known.missing_at is None:
        return replace(told, missing_count=1, missing_at=now)
    since, (least, most) = now - known.missing_at, _NEXT_DAY
    if since < least:
        return told
    return replace(told, missing_count=known.missing_count + 1 if since <= most else 1, missing_at=now)


def is_too_many(touched: int, accounts: int) -> bool:
    """Whether so many people losing an address in a day looks like a fault of ours and not of their domains."""
    return touched > HANDFUL and touched * LARGEST_SHARE > accounts
