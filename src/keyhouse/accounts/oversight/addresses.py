"""Verifying an address on the word of operators, where no mail reaches it: two of them, or a day after one announced it.

For an index without mail, so that its people need not wait for whoever has the machine. It opens nothing: factors, holds,
cases and sessions stay as they are, and an account that is on hold or closed is left alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from keyhouse.accounts import emails
from keyhouse.accounts.addresses import by_hand
from keyhouse.accounts.addresses.changes import lock_person
from keyhouse.accounts.addresses.errors import AddressMissing, AddressReachable, AddressVerified
from keyhouse.accounts.confirming import masked
from keyhouse.accounts.models import Email, Proposal, User
from keyhouse.accounts.oversight import letters, proposals
from keyhouse.accounts.oversight.errors import PersonUnfit
from keyhouse.accounts.oversight.proposals import JOB, Undertaking
from keyhouse.accounts.sessions import CLOSED_STATES
from keyhouse.core.actor import Actor, job
from keyhouse.mail.queries import is_off, is_stuck_for

PROPOSE: Final = "address.propose"
GONE: Final = "that is gone"


def is_out_of_reach(address: str, now: datetime) -> bool:
    """Whether no mail to it leaves this index; else the person verifies it by themselves."""
    return is_off() or is_stuck_for([address], now)


def unreached(user: User, now: datetime) -> list[Email]:
    """Return the addresses of a person that operators may answer for; none of an account that is closed."""
    if user.state in CLOSED_STATES:
        return []
    rows = Email.objects.filter(user=user, verified_at=None).order_by("pk")
    return [row for row in rows if is_out_of_reach(row.address, now)]


def _find(user: User, about: str) -> Email:
    found = Email.objects.filter(user=user, pk=int(about)).first() if about.isdecimal() else None
    if found is None:
        raise AddressMissing
    return found


def _judge(user: User, about: str, now: datetime) -> None:
    if user.state in CLOSED_STATES:
        raise PersonUnfit(
            "This account is closed, so nobody answers for its addresses.", fix="It is opened first."
        )
    email = _find(user, about)
    if email.verified_at:
        raise AddressVerified
    if not is_out_of_reach(email.address, now):
        raise AddressReachable
    lock_person(user, now)


def _verify(user: User, about: str, now: datetime) -> None:
    by_hand.count_as_theirs(user, _find(user, about), by_hand.BY_OPERATORS, by=job(JOB), now=now)


def _masked(about: str) -> str:
    """Return the address so that whoever knows it recognises it: proposals are read by others than operators, too."""
    found = Email.objects.filter(pk=int(about)).first() if about.isdecimal() else None
    return masked(found.address) if found else GONE


def _tell(about: str, told: str, now: datetime) -> None:
    """Tell the address itself, which isn't verified yet: whoever reads it learns of it once mails leave."""
    email = Email.objects.select_related("user").filter(pk=int(about), verified_at=None).first()
    if email is not None:
        emails.send_to(email.user, email.address, letters.address_proposed(told), now=now)


ADDRESS: Final = Undertaking(
    kind=Proposal.Kind.ADDRESS,
    action=PROPOSE,
    sentence="{person}'s address {about} counts as verified on the word of the operators",
    judge=_judge,
    carry_out=_verify,
    tell_others=_tell,
    notice=lambda _about, _since: None,
    is_fit=lambda _user, _now: True,  # who lacks a verified address complies with nothing yet
    show=_masked,
)


def propose_address(user: User, email_id: int, reason: str, *, by: Actor, now: datetime) -> Proposal:
    """Propose it. Raises AddressMissing, AddressVerified, AddressReachable, AccountHeld and as `proposals.propose`."""
    return proposals.propose(ADDRESS, user, str(email_id), reason, by=by, now=now)


def carry_out_due(now: datetime) -> int:
    """Verify what one operator alone announced, once it has waited; returns how many."""
    return proposals.carry_out_due(ADDRESS, now)
