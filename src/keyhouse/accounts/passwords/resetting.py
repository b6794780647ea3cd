"""A new password for whoever forgot theirs, or whose was disabled: by a link in a mail to the address on file.

Asking answers the same for everybody, after the same work. The link is no sign-in and takes no factor away; it dies with
any change of password, factors or addresses. After it the account is on hold until its second factor is proven, or set
up where there was none. (A hold ends in `sessions`, where factors are proven.)
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction

from keyhouse.accounts import emails, holds, limits, links, queries, strength
from keyhouse.accounts.errors import AddressTaken
from keyhouse.accounts.forgetting import forget_old_sometimes
from keyhouse.accounts.hashing import hash_password
from keyhouse.accounts.models import (
    Authenticator,
    Email,
    Hold,
    OneTimeLink,
    RecoveryCodeSet,
    SecurityKey,
    User,
)
from keyhouse.accounts.passwords import letters
from keyhouse.accounts.passwords.choosing import choose_for
from keyhouse.accounts.passwords.errors import ResetLinkStale
from keyhouse.accounts.sessions import end_sessions
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.services import record
from keyhouse.core.actions import Thing
from keyhouse.mail.models import Mail
from keyhouse.mail.services import queue

# Counted apart from what else is mailed: who asks for others' passwords must not use up what these ask for, and a limit
# that is full only where nobody has the address would tell so on another page
COUNTED: Final = "reset:"
CLOSED: Final = frozenset({User.State.FROZEN, User.State.SUSPENDED, User.State.DELETED})
NOWHERE: Final = "nobody@invalid"
MOST_MAILS: Final = 3  # accounts that one unverified address may stand in


def ask_for_reset(identifier: str, visitor: Visitor, now: datetime) -> None:
    """Mail a link to whoever has this user name or address; nothing tells whether that is anybody.

    Raises TooManyAttempts for a network that asks too often. For an account that was asked for too often nothing is mailed.
    """
    forget_old_sometimes(now)
    limits.count_attempt(now=now, limit=limits.MAIL, network=visitor.network)
    mailed = [
        _mail_link(user, email, visitor, now)
        for user, email in queries.find_recoverable(identifier)[:MOST_MAILS]
    ]
    if not any(mailed):
        _do_the_same_for_nobody(identifier, visitor, now)


def _mail_link(user: User, email: Email, visitor: Visitor, now: datetime) -> bool:
    """Mail the link; returns whether the account may have one."""
    if user.state in CLOSED or not limits.is_within(limits.MAIL, f"{COUNTED}account:{user.pk}", now):
        return False
    with transaction.atomic():
        made = {"state": _fingerprint(user), "email": email.pk}
        path = links.make_link_for(user, links.PASSWORD_RESET, now=now, address=email.address, data=made)
        expires_at = now + links.LIFE[links.PASSWORD_RESET]
        letter = letters.reset_letter(user.username, emails.site_address(path), expires_at)
        # also where a mail came back once: the person says that they read this mailbox
        emails.send_to(user, email.address, letter, now=now, expires_at=expires_at, even_if_bounced=True)
        about = Thing("account", user.pk, user.username)
        record("password.ask-reset", by=visitor.actor, about=about, account_id=user.pk)
    return True


def _do_the_same_for_nobody(identifier: str, visitor: Visitor, now: datetime) -> None:
    """Read and write as much as for somebody, so that it takes as long: a link that never worked, a mail that never was."""
    limits.is_within(limits.MAIL, COUNTED + limits.typed_subject(identifier), now)
    nobody = User(pk=0, username="nobody")
    with transaction.atomic():
        OneTimeLink.objects.create(
            purpose=links.PASSWORD_RESET,
            digest=links.digest_of(links.new_secret()),
            data={"state": _fingerprint(nobody), "addresses": len(queries.emails_of(nobody))},
            made_at=now,
            expires_at=now,
        )
        letter = letters.reset_letter(nobody.username, emails.site_address("/password-reset/"), now)
        key = links.new_secret()
        queue(letter, to=NOWHERE, now=now, key=key, expires_at=now)
        Mail.objects.filter(key=key).delete()
        record("password.ask-reset", by=visitor.actor, details={"account": "none, or one that may not"})


def _fingerprint(user: User) -> str:
    """Return a digest of everything whose change ends a link: password, state of closing, factors, addresses."""
    told = [
        user.password,
        user.state in CLOSED,
        *(
            list(rows.filter(user=user).order_by("pk").values_list("pk", flat=True))
            for rows in (Authenticator.objects, SecurityKey.objects, RecoveryCodeSet.objects)
        ),
        [
            (email.pk, email.address, email.is_primary, email.verified_at is not None)
            for email in Email.objects.filter(user=user).order_by("pk")
        ],
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def find_reset(secret: str, now: datetime) -> User:
    """Return whose password a link would set; raises LinkUnknown, LinkUsed, LinkExpired, ResetLinkStale."""
    link = links.find_link(links.PASSWORD_RESET, secret, now)
    if link.user is None:
        raise ResetLinkStale
    _require_same(link, link.user)
    return link.user


def _require_same(link: OneTimeLink, user: User) -> None:
    if link.data.get("state") != _fingerprint(user) or user.state in CLOSED:
        raise ResetLinkStale
    if _find_email(link, user) not in queries.addresses_that_recover(
        user
    ):  # its domain may be missing by now
        raise ResetLinkStale


def _find_email(link: OneTimeLink, user: User) -> Email | None:
    return Email.objects.filter(pk=link.data.get("email"), user=user, address=link.address).first()


def reset_password(secret: str, password: str, visitor: Visitor, now: datetime) -> None:
    """Set a new password by a mailed link; nobody is signed in by that, and all sessions end.

    A refused one leaves nothing, and the link works still. Raises PasswordRefused, LinkUnknown, LinkUsed, LinkExpired,
    ResetLinkStale, AddressTaken.
    """
    user = find_reset(secret, now)
    chosen = choose_for(user, password, now)
    hashed = hash_password(chosen.password)
    with transaction.atomic():
        # the account before its link: whoever freezes it takes the locks in this order, too
        user = User.objects.select_for_update().get(pk=user.pk)
        link = links.lock_link(links.PASSWORD_RESET, secret, now)
        _require_same(link, user)
        links.use_link(link, now)
        links.end_links(user.pk, links.PASSWORD_RESET)
        _verify_address(link, user, now)
        has_factor = strength.has_second_factor(user.pk)
        user.password, user.password_changed_at = hashed, now
        user.password_checked_at = chosen.checked_at
        if user.state == User.State.PASSWORD_DISABLED:
            user.state = User.State.ACTIVE
        user.save(update_fields=["password", "password_changed_at", "password_checked_at", "state"])
        end_sessions(user.pk)
        holds.place_hold(user, Hold.Reason.PASSWORD_RESET, now=now, until=holds.FOR_EVER)
        about = Thing("account", user.pk, user.username)
        record("password.reset", by=visitor.actor, about=about, account_id=user.pk)
        letter = letters.reset_done_letter(user.username, now, visitor.network, has_factor=has_factor)
        emails.tell(user, letter, now=now)


def _verify_address(link: OneTimeLink, user: User, now: datetime) -> None:
    """Let the address count as verified: its owner just followed the link. Raises AddressTaken, ResetLinkStale."""
    email = _find_email(link, user)
    if email is None:
        raise ResetLinkStale
    if email.verified_at is not None:
        return
    try:
        with transaction.atomic():
            Email.objects.filter(pk=email.pk).update(verified_at=now, verified_by="link")
    except IntegrityError as error:  # somebody else has verified it meanwhile
        raise AddressTaken from error
