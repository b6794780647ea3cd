"""Freezing: an account that its owner stops (“this was not me”), so that nobody else goes on in it.

The page needs no sign-in: whoever reads the owner's mail may stop the account, and only stop it. The way back is
recovery, which proves more.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction

from keyhouse.accounts import browsers, emails, links
from keyhouse.accounts.addresses import letters
from keyhouse.accounts.errors import LinkUnknown
from keyhouse.accounts.models import OneTimeLink, Suspension, User
from keyhouse.accounts.oversight.suspending import end_proposals_of
from keyhouse.accounts.recovery.cases import stop_cases
from keyhouse.accounts.recovery.queries import find_open
from keyhouse.accounts.recovery.telling import tell_operators
from keyhouse.accounts.sessions import end_sessions
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.services import Detail, record
from keyhouse.core import actions
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor

# Former addresses can still be put back, so that recovery reaches the owner instead of the thief; a deletion taken back.
# What the host made brings back somebody whose mailbox a thief has; the links of cases end with these.
SURVIVING: Final = (links.NOT_ME, links.REVERT_ADDRESSES, links.KEEP_ACCOUNT, links.ENROLMENT)


def look_at_freeze(secret: str, now: datetime) -> User:
    """Return whose account a link freezes; raises the refusals of links, but not for an account that is frozen already."""
    link = links.find_link_even_used(links.NOT_ME, secret)
    user = link.user
    if user is None or user.state == User.State.DELETED:
        raise LinkUnknown
    if user.state != User.State.FROZEN:
        links.find_link(links.NOT_ME, secret, now)
    return user


def freeze_by_link(secret: str, visitor: Visitor, now: datetime) -> User:
    """Freeze the account that a mail was about; a second time changes nothing. Raises the refusals of links."""
    actions.require(visitor.actor, "account.freeze-by-link")
    with transaction.atomic():
        user = _lock(look_at_freeze(secret, now))
        if user.state == User.State.FROZEN:
            _stop_cases_again(user, secret, visitor, now)
            return user
        link = links.lock_link(links.NOT_ME, secret, now)
        _freeze(user, "account.freeze-by-link", by=visitor.actor, now=now, told_at=link.address)
    return user


def stops_case(secret: str, now: datetime) -> bool:
    """Whether a link would stop what somebody began to open an account that is frozen already."""
    link = links.find_link_even_used(links.NOT_ME, secret)
    is_alive = link.used_at is None and now < link.expires_at
    return is_alive and link.user_id is not None and find_open(link.user_id, now) is not None


def _stop_cases_again(user: User, secret: str, visitor: Visitor, now: datetime) -> None:
    """Stop what somebody began to open the frozen account: by a link that was mailed since."""
    link = links.find_link_even_used(links.NOT_ME, secret)
    if link.used_at is None and now < link.expires_at:
        links.use_link(link, now)
        stop_cases(user, how="not-me", by=visitor.actor, now=now)


def freeze_own(user: User, *, by: Actor, now: datetime) -> None:
    """Freeze one's own account, signed in; a second time changes nothing."""
    actions.require(by, "account.freeze", Thing("account", user.pk, user.username))
    with transaction.atomic():
        found = _lock(user)
        if found.state != User.State.FROZEN:
            _freeze(found, "account.freeze", by=by, now=now)


def _lock(user: User) -> User:
    found = User.objects.select_for_update().exclude(state=User.State.DELETED).filter(pk=user.pk).first()
    if found is None:
        raise LinkUnknown
    return found


def _freeze(user: User, action: str, *, by: Actor, now: datetime, told_at: str = "") -> None:
    """Write it. `told_at`: the address that the mail went to, which a thief may have taken off the account meanwhile."""
    if user.state == User.State.SUSPENDED:  # frozen once that ends, and closed until then
        Suspension.objects.filter(user=user, ended_at=None).update(state_before=User.State.FROZEN)
    else:
        User.objects.filter(pk=user.pk).update(state=User.State.FROZEN)
        user.state = User.State.FROZEN
    end_sessions(user.pk)
    browsers.forget(user.pk, now)  # one of them may be the thief's, and so may one that waits
    stop_cases(user, how="not-me", by=by, now=now)
    links.end_all_links(user, but=SURVIVING)
    ended = end_proposals_of(user, "whoever proposed it says that others used the account", now)
    OneTimeLink.objects.filter(user=user, purpose=links.NOT_ME, used_at=None).update(used_at=now)
    details: dict[str, Detail] = {"proposals": ended} if ended else {}
    record(action, by=by, about=Thing("account", user.pk, user.username), account_id=user.pk, details=details)
    for address in _reached(user, told_at):
        emails.send_to(user, address, letters.frozen(by=by, now=now), now=now)
    # it is not about the operators' own accounts, so nothing in it may freeze these
    tell_operators(user, letters.frozen_for_operators(user.username, by=by, now=now), now)


def _reached(user: User, told_at: str) -> list[str]:
    """Return the verified addresses, the one that was told, and those to which a way back to former addresses was mailed."""
    verified = user.emails.filter(verified_at__isnull=False).order_by("pk").values_list("address", flat=True)
    former = OneTimeLink.objects.filter(user=user, purpose=links.REVERT_ADDRESSES, used_at=None)
    asked = [told_at] if told_at else []
    return list(dict.fromkeys([*verified, *asked, *former.order_by("pk").values_list("address", flat=True)]))
