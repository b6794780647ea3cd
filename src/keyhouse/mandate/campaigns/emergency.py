"""Accounts kept for emergencies (break-glass, L1): marked by two operators, watched, and tested.

Such an account is an operator's with two security keys. Nobody uses it day by day, so every sign-in with it is told to
all operators at once: either it is tested, or something is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keyhouse.accounts import strength
from keyhouse.accounts.models import Proposal, Session, User
from keyhouse.accounts.oversight import proposals
from keyhouse.accounts.oversight.proposals import Undertaking
from keyhouse.accounts.recovery.telling import tell_operators
from keyhouse.accounts.visitor import Visitor
from keyhouse.core import clock
from keyhouse.core.actor import PHISHING_RESISTANT_METHODS, Actor
from keyhouse.mail.letters import Facts, Letter, Text
from keyhouse.mandate.campaigns.errors import EmergencyUnchanged, EmergencyUnfit
from keyhouse.mandate.campaigns.models import EmergencyAccount

PROPOSE: Final = "emergency.propose"
KEYS_NEEDED: Final = 2
TESTED_FOR: Final = timedelta(days=180)
ALARM_FOR: Final = timedelta(days=7)  # so long the console shows that one was used
_KEPT: Final = "kept for emergencies"
_KEPT_NO_MORE: Final = "kept for emergencies no more"


def _keys_of(user_id: int) -> int:
    """Count the keys that work here and can't leave their device: copies elsewhere could be used unseen."""
    return strength.usable_keys(user_id).filter(backup_eligible=False).count()


def _is_marked(user: User) -> bool:
    return EmergencyAccount.objects.filter(user=user).exists()


def _judge(user: User, about: str, now: datetime) -> None:
    del now
    if about not in {_KEPT, _KEPT_NO_MORE} or _is_marked(user) is (about == _KEPT):
        raise EmergencyUnchanged
    if about == _KEPT and not (_can_act(user) and _keys_of(user.pk) >= KEYS_NEEDED):
        raise EmergencyUnfit


def _can_act(user: User) -> bool:
    return user.is_operator and user.kind == "person" and user.state == User.State.ACTIVE


def _carry_out(user: User, about: str, now: datetime) -> None:
    if about == _KEPT:
        EmergencyAccount.objects.create(user=user, marked_at=now)
    else:
        EmergencyAccount.objects.filter(user=user).delete()


EMERGENCY: Final = Undertaking(
    kind=Proposal.Kind.EMERGENCY,
    action=PROPOSE,
    sentence="the account of {person} is {about}",
    judge=_judge,
    carry_out=_carry_out,
    tell_others=lambda _about, _told, _now: None,
    notice=lambda _about, _since: None,
)


def propose_mark(user: User, reason: str, *, by: Actor, now: datetime) -> Proposal:
    """Propose to keep an operator's account for emergencies.

    Raises EmergencyUnfit, EmergencyUnchanged and as `proposals.propose`.
    """
    return proposals.propose(EMERGENCY, user, _KEPT, reason, by=by, now=now)


def propose_unmark(user: User, reason: str, *, by: Actor, now: datetime) -> Proposal:
    """Propose to keep it for them no more; raises EmergencyUnchanged and as `proposals.propose`."""
    return proposals.propose(EMERGENCY, user, _KEPT_NO_MORE, reason, by=by, now=now)


def carry_out_due(now: datetime) -> int:
    """Do what one operator alone announced, once it has waited; returns how many."""
    return proposals.carry_out_due(EMERGENCY, now)


# ---- use


def follow_arrival(session: Session, visitor: Visitor, now: datetime) -> None:
    """Note that such an account was signed in to, and tell all other operators, in the sign-in's transaction."""
    row = EmergencyAccount.objects.select_related("user").filter(user_id=session.user_id).first()
    if row is None:
        return
    row.used_at = now
    if not PHISHING_RESISTANT_METHODS.isdisjoint(session.methods):
        row.key_used_at = now
    row.save(update_fields=["used_at", "key_used_at"])
    tell_operators(row.user, _alarm(row.user, session, visitor, now), now)


def _alarm(user: User, session: Session, visitor: Visitor, now: datetime) -> Letter:
    facts = (
        ("When", clock.format_second(now)),
        ("By", ", ".join(session.methods)),
        ("From", visitor.network),
    )
    return Letter(
        "emergency-account-used",
        f"The emergency account {user.username} was signed in to",
        (
            Text(f"Somebody signed in to {user.username}, an account that is kept for emergencies."),
            Facts(tuple(row for row in facts if row[1])),
            Text(
                "If nobody of you is testing it, and there is no emergency, suspend it in the console, and look"
                " into the audit log."
            ),
        ),
    )


# ---- reading


@dataclass(frozen=True, slots=True)
class Kept:
    """An account kept for emergencies, and what it lacks to be of use; nothing where it is ready."""

    name: str
    marked_at: datetime
    used_at: datetime | None
    tested_at: datetime | None
    lacks: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return {
            "name": self.name,
            "marked_at": clock.format_instant(self.marked_at),
            "used_at": clock.format_if_any(self.used_at),
            "tested_at": clock.format_if_any(self.tested_at),
            "is_ready": not self.lacks,
            "lacks": list(self.lacks),
        }


def kept_accounts(now: datetime) -> list[Kept]:
    """Return the accounts kept for emergencies, by name."""
    rows = EmergencyAccount.objects.select_related("user").order_by("user__username")
    return [
        Kept(row.user.username, row.marked_at, row.used_at, row.key_used_at, tuple(_lacks(row, now)))
        for row in rows
    ]


def _lacks(row: EmergencyAccount, now: datetime) -> list[str]:
    found = [] if _can_act(row.user) else ["is no active operator's"]
    keys = _keys_of(row.user_id)
    if keys < KEYS_NEEDED:
        found.append(f"has {keys} of {KEYS_NEEDED} security keys")
    tested = row.key_used_at
    if tested is None or not now - TESTED_FOR < tested <= now:
        found.append(f"was not signed in to by a key within {TESTED_FOR.days} days")
    return found


def used_lately(now: datetime) -> list[str]:
    """Return the names of those that were signed in to within the last days."""
    rows = EmergencyAccount.objects.filter(used_at__gt=now - ALARM_FOR).order_by("user__username")
    return list(rows.values_list("user__username", flat=True))
