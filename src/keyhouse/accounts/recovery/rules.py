"""When a case has proofs enough, how long it then waits, whose first enrolment waits. Pure.

Coming back takes two independent proofs (NIST SP 800-63B-4 4.2.2.2): a link mailed to a verified address is one. The
other is the word of co-owners, the password (where no mail can have set it), a recovery code, or two operators. Without
any mailbox two of a recovery code, a key and an app are two. What fewer answer for is announced to everybody concerned,
and waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

Basis = Literal[
    "host",
    "operators",
    "one operator",
    "co-owners",
    "two factors",
    "mail and password",
    "mail and code",
    "mail, nothing at stake",
]
Stage = Literal["waits for words", "waits for its instant", "ready", "over"]

LIFE: Final = timedelta(days=14)
MOST_VOUCHERS: Final = 2
OPERATORS_NEEDED: Final = 2
A_DAY: Final = timedelta(hours=24)
LONG: Final = timedelta(hours=72)
LONGEST_REASON: Final = 500
_BY_THEMSELVES: Final = frozenset({"two factors", "mail and password", "mail and code"})
LEAST_REASON: Final = 10  # characters: a word is no reason


RECOVERY_CODE: Final = "recovery code"
# what opens a case without password and mailbox, two at once, in the order in which they are judged
PROOFS: Final = {
    RECOVERY_CODE: "a recovery code, which is used up",
    "security key": "a security key",
    "authenticator app": "a code of its authenticator app",
}
PROOFS_NEEDED: Final = 2


def words_of_proofs(names: str) -> str:
    """Return for people what a case was begun with: names of proofs with commas between them; of none, nothing."""
    return " and ".join(words for name, words in PROOFS.items() if name in names.split(", "))


def vouchers_needed(co_owners: int) -> int:
    """Return how many of the compliant co-owners have to vouch; nobody can where there is none."""
    return min(MOST_VOUCHERS, co_owners)


@dataclass(frozen=True, slots=True)
class Support:
    """What speaks for a case now; of vouchers and approvals only those that still count.

    `operators` is how many this index has at all, the person among them: who is on hold, frozen or away for a while makes
    the other one not a sole operator, and neither does asking for that one's account.
    """

    path: str
    knows_password: bool = False
    knows_code: bool = False
    has_authority: bool = True
    vouchers: int = 0
    needed: int = 0
    approvals: int = 0
    operators: int = 0

    @property
    def is_alone(self) -> bool:
        """Whether a day takes the place of a second operator."""
        return self.operators < OPERATORS_NEEDED

    @property
    def approvals_missing(self) -> int:
        """Return how many operators still have to approve."""
        return max(0, (1 if self.is_alone else OPERATORS_NEEDED) - self.approvals)

    @property
    def vouchers_missing(self) -> int:
        """Return how many co-owners still have to vouch."""
        return max(0, self.needed - self.vouchers)


def basis_of(support: Support) -> Basis | None:
    """Return what a case rests on, the strongest first, or None while proofs are missing."""
    if support.path in _OF_PATH:
        return _OF_PATH[support.path]
    if support.approvals and not support.approvals_missing:
        return "one operator" if support.is_alone else "operators"
    return _basis_by_mail(support) if support.path == "mail" else None


# Whoever speaks in a case that was begun by factors makes it no quicker: its owner is to have the whole wait.
_OF_PATH: Final[dict[str, Basis]] = {"host": "host", "factors": "two factors"}


def _basis_by_mail(support: Support) -> Basis | None:
    if support.needed and not support.vouchers_missing:
        return "co-owners"
    if not support.has_authority:
        return "mail, nothing at stake"
    if support.knows_password:
        return "mail and password"
    return "mail and code" if support.knows_code else None


def wait_of(basis: Basis, length: timedelta | None, *, hands_over: bool, is_mail_off: bool) -> timedelta:
    """Return how long a complete case waits, so that whoever was told can stop it.

    `length`: how long changes of this person are held. A link that is handed over waits where mails could warn the owner.
    """
    if basis == "host":
        return timedelta(0)
    warning = (length or A_DAY) if hands_over and not is_mail_off else timedelta(0)
    if basis == "operators":
        return warning
    if basis == "one operator":
        return max(A_DAY, warning)
    return LONG if basis in _BY_THEMSELVES else (length or A_DAY)


def stage_of(
    *, state: str, basis_now: Basis | None, basis: str, ready_at: datetime | None, now: datetime
) -> Stage:
    """Return how a case stands; what it rested on must still be what it rests on."""
    if state != "open":
        return "over"
    if basis_now is None or basis_now != basis or ready_at is None:
        return "waits for words"
    return "ready" if ready_at <= now else "waits for its instant"


@dataclass(frozen=True, slots=True)
class Newness:
    """What is known of whoever enrols a first second factor, and of the account."""

    has_authority: bool
    is_first: bool
    is_idle: bool
    is_known_browser: bool
    has_deliverable_mail: bool
    proved_mail_at: datetime | None


PROOF_AGE: Final = timedelta(minutes=60)


def is_slowed(newness: Newness) -> bool:
    """Whether authority wakes a day after this enrolment: a thief with the password could be the one who enrols."""
    is_suspect = newness.is_idle or not newness.is_known_browser
    return newness.is_first and newness.has_authority and is_suspect


def lacks_mailed_proof(newness: Newness, now: datetime) -> bool:
    """Whether a fresh mailed proof has to come first; where no mail arrives, the wait alone takes its place."""
    if not is_slowed(newness) or not newness.has_deliverable_mail:
        return False
    return newness.proved_mail_at is None or now - newness.proved_mail_at > PROOF_AGE
