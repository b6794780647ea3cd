"""What the outbox decides: when to try again, what a server's answer means, when something is stuck. Pure."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime, timedelta
from typing import Final, Literal

Step = Literal["connect", "tls", "sign-in", "sender", "recipient", "content"]
Verdict = Literal["trouble", "later", "refused", "bounced"]

STUCK_AFTER: Final = timedelta(minutes=15)  # that a security mail waits

_SECOND, _MINUTE, _HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
# After so many tries, the wait until the next; the last one repeats until the mail is given up.
WAITS: Final = (
    *(20 * _SECOND, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 20 * _MINUTE, 40 * _MINUTE),
    *(_HOUR, 2 * _HOUR, 4 * _HOUR),
)
LONGEST_WAIT_FOR_SERVER: Final = (
    5 * _MINUTE
)  # what stands in the server's way stands in every mail's way, and ends for all
GIVE_UP_AFTER: Final = timedelta(days=2)

LONGEST_FOLDED: Final = 320  # folding may lengthen what was as long as an address can be

PACE: Final = (
    6 * _SECOND
)  # bulk mails are counted over this time, so that a minute's share doesn't leave at once

_CLOSING: Final = 421
_TOO_BIG: Final = 552
_PERMANENT: Final = 500
_NO_SUCH_MAILBOX: Final = frozenset({550, 551, 553})
_ENHANCED: Final = re.compile(r"\b5\.([0-9]{1,3})\.([0-9]{1,3})\b")  # RFC 3463
_OF_THE_SENDER: Final = frozenset({"7", "8"})  # 5.1.7 and 5.1.8: our own address is what is wrong
# Answers without an enhanced code that are about who sends, not about the mailbox
_ABOUT_US: Final = re.compile(
    r"(?i)relay|authent|polic|spam|block|black ?list|reputation|spf|dkim|dmarc|denied|sender|tls"
)


def wait_after(tries: int) -> timedelta:
    """Return how long to wait after so many tries (1: the first)."""
    return WAITS[min(tries, len(WAITS)) - 1]


def wait_for_server(tries: int) -> timedelta:
    """Return how long to wait where the server was the trouble."""
    return min(wait_after(tries), LONGEST_WAIT_FOR_SERVER)


def is_given_up(queued_at: datetime, now: datetime) -> bool:
    """Whether a mail that didn't leave now has been tried for long enough."""
    return now - queued_at >= GIVE_UP_AFTER


def is_too_late(expires_at: datetime | None, now: datetime) -> bool:
    """Whether what the mail holds is of no use any more."""
    return expires_at is not None and expires_at <= now


def pace(rate: int) -> tuple[timedelta, int]:
    """Return of a number of mails a minute: at most so many in so long."""
    of_pace = int(rate * PACE / _MINUTE)
    return (PACE, of_pace) if of_pace else (_MINUTE / rate, 1)


def judge_reply(step: Step, code: int, told: str) -> Verdict:
    """Return what a refusing answer of a mail server means (RFC 5321 4.2, RFC 3463).

    `trouble`: with the server or our account there, no mail leaves now. `later`: this one not now. `refused`: this one
    never. `bounced`: nothing ever to this address. That an address is dead is only believed where the answer is about
    the mailbox: a relay that was set up wrongly must not mark everybody's address.
    """
    if code == _CLOSING or (step not in {"recipient", "content"} and code != _TOO_BIG):
        return "trouble"
    if code < _PERMANENT:
        return "later"
    if _is_about_mailbox(step, code, told):
        return "bounced"
    return "refused" if step == "content" or code == _TOO_BIG else "later"


def _is_about_mailbox(step: Step, code: int, told: str) -> bool:
    enhanced = _ENHANCED.search(told)
    if enhanced:
        is_mailbox = enhanced[2] not in {"2", "3"} if enhanced[1] == "2" else enhanced[1] == "1"
        return is_mailbox and not (enhanced[1] == "1" and enhanced[2] in _OF_THE_SENDER)
    return step == "recipient" and code in _NO_SUCH_MAILBOX and not _ABOUT_US.search(told)


def fold_address(address: str) -> str:
    """Return the form by which addresses are compared: mailboxes that differ in case only are one."""
    local, _, domain = address.strip().rpartition("@")
    with contextlib.suppress(UnicodeError):  # an address that no mail can reach is compared as it was written
        domain = domain.encode("idna").decode() if domain else ""
    return f"{local}@{domain}".casefold()[:LONGEST_FOLDED]
