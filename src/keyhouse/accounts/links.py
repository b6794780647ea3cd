"""One-time links: made, found, bound to the browser that begins, used once."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q

from keyhouse.accounts.drafts import open_draft, seal_draft
from keyhouse.accounts.errors import (
    LinkExpired,
    LinkInUse,
    LinkUnknown,
    LinkUsed,
    OperatorExists,
    SignUpClosed,
)
from keyhouse.accounts.models import OneTimeLink, User
from keyhouse.accounts.queries import is_set_up
from keyhouse.accounts.sessions import digest_of as digest_of  # noqa: PLC0414 - links are kept by the same
from keyhouse.core import configuration
from keyhouse.mail.forgetting import rewrite_waiting
from keyhouse.mail.letters import with_links

SETUP: Final = "setup"
INVITATION: Final = "invitation"
SIGN_UP: Final = "sign-up"  # mailed to whoever asked for an account
ENROLMENT: Final = "enrolment"  # of somebody whose factors died
PASSWORD_RESET: Final = "password-reset"  # noqa: S105 - the name of a purpose; mailed to whoever says that the password is forgotten
KEEP_ACCOUNT: Final = "keep-account"  # takes back the deletion of an account
RECOVERY: Final = "recovery"  # begins a case, or opens a frozen account
ENROLMENT_PROOF: Final = "enrolment-proof"  # that mail reaches whoever enrols a first second factor
NOT_ME: Final = "not-me"  # stands in security mails: freezes the account
VERIFY_ADDRESS: Final = "verify-address"  # proves that an address is read by who signed in
REVERT_ADDRESSES: Final = "revert-addresses"  # stands in mails to former addresses: puts them back
CONFIRM: Final = "confirm-sign-in"  # of a sign-in from an unknown browser
LIFE: Final = {
    SETUP: timedelta(hours=24),
    INVITATION: timedelta(days=7),
    SIGN_UP: timedelta(hours=24),
    ENROLMENT: timedelta(days=7),
    PASSWORD_RESET: timedelta(hours=6),
    KEEP_ACCOUNT: timedelta(days=30),  # as long as the longest wait; it dies with the account
    NOT_ME: timedelta(days=7),
    VERIFY_ADDRESS: timedelta(hours=24),
    REVERT_ADDRESSES: timedelta(days=7),
    RECOVERY: timedelta(hours=6),
    ENROLMENT_PROOF: timedelta(hours=1),
    CONFIRM: timedelta(hours=3),  # at most; `confirming` ends it 15 minutes after its mail has left
}
# What a change of the addresses makes worthless: it may have been mailed to whoever had the former ones
DEAD_AFTER_CHANGE: Final = (PASSWORD_RESET, RECOVERY, ENROLMENT_PROOF)
# What is of use only in a session, or beside a code in the same mail that stays as it was
OF_A_SESSION: Final = (ENROLMENT_PROOF, VERIFY_ADDRESS, CONFIRM)
SECRET_BYTES: Final = 32
LONGEST_SECRET: Final = 100
DRAFT_PURPOSE: Final = "link-draft"


def make_link(purpose: str, *, now: datetime, username: str = "", address: str = "") -> str:
    """Make a link in the caller's transaction and return its path; earlier ones for the same are dead.

    Its secret is 256 random bits, kept by digest only.
    """
    OneTimeLink.objects.filter(purpose=purpose, username__iexact=username, used_at=None).delete()
    secret = new_secret()
    OneTimeLink.objects.create(
        purpose=purpose,
        digest=digest_of(secret),
        username=username,
        address=address,
        made_at=now,
        expires_at=now + LIFE[purpose],
    )
    return f"/{purpose}/{secret}/"


def make_link_for(
    user: User, purpose: str, *, now: datetime, address: str = "", data: dict[str, Any] | None = None
) -> str:
    """Make a link for somebody who has an account, in the caller's transaction, and return its path.

    Earlier ones live on; where they must not, `end_links` ends them.
    """
    secret = new_secret()
    OneTimeLink.objects.create(
        purpose=purpose,
        digest=digest_of(secret),
        user=user,
        username=user.username,
        address=address,
        made_at=now,
        expires_at=now + LIFE[purpose],
        data=data or {},
    )
    return f"/{purpose}/{secret}/"


def make_sign_up_link(address: str, *, now: datetime, is_dead: bool = False) -> str:
    """Make a link for whoever reads this mailbox, in the caller's transaction, and return its path.

    Earlier ones live on: somebody who asks with another one's address must not end what that one has begun.
    """
    secret = new_secret()
    OneTimeLink.objects.create(
        purpose=SIGN_UP,
        digest=digest_of(secret),
        address="" if is_dead else address,
        made_at=now,
        expires_at=now if is_dead else now + LIFE[SIGN_UP],
    )
    return f"/{SIGN_UP}/{secret}/"


def make_invitation_link(address: str, *, now: datetime, expires_at: datetime) -> str:
    """Make a link by which whoever reads this mailbox makes an account under a name of their own; returns its path.

    In the caller's transaction; earlier ones live on.
    """
    secret = new_secret()
    OneTimeLink.objects.create(
        purpose=INVITATION, digest=digest_of(secret), address=address, made_at=now, expires_at=expires_at
    )
    return f"/{INVITATION}/{secret}/"


def new_secret() -> str:
    """Return the secret part of a link: 256 random bits."""
    return secrets.token_urlsafe(SECRET_BYTES)


def renew_mailed_links() -> list[OneTimeLink]:
    """Give the links in mails that still wait other secrets, and return their rows, which the caller has to save.

    Those of sessions stay as they are. One that is in several mails stays one.
    """
    renewable = OneTimeLink.objects.filter(used_at=None).exclude(purpose__in=OF_A_SESSION)
    secrets_of: dict[str, str] = {}
    renewed: list[OneTimeLink] = []

    def renew(url: str) -> str:
        former = url.rstrip("/").rpartition("/")[2]
        if former not in secrets_of:
            link = renewable.filter(digest=digest_of(former)).first()
            secrets_of[former] = new_secret() if link else former
            if link:
                link.digest = digest_of(secrets_of[former])
                renewed.append(link)
        return url.replace(former, secrets_of[former])

    rewrite_waiting(lambda letter: with_links(letter, renew))
    return renewed


def end_links(user_id: int, *purposes: str) -> int:
    """End the unused links of a person for these purposes, in the caller's transaction; returns how many."""
    return OneTimeLink.objects.filter(user_id=user_id, purpose__in=purposes, used_at=None).delete()[0]


def end_all_links(user: User, *, but: Iterable[str]) -> int:
    """End every unused link of a person except those for some purposes, in the caller's transaction; returns how many."""
    mine = Q(user=user) | Q(user=None, username__iexact=user.username)
    return OneTimeLink.objects.filter(mine, used_at=None).exclude(purpose__in=list(but)).delete()[0]


def find_link(purpose: str, secret: str, now: datetime) -> OneTimeLink:
    """Return a link that can be used; raises LinkUnknown, LinkUsed, LinkExpired, OperatorExists."""
    return _usable(find_link_even_used(purpose, secret), now)


def find_link_even_used(purpose: str, secret: str) -> OneTimeLink:
    """Return a link whether or not it was used or is too old; raises LinkUnknown."""
    found = None
    if len(secret) <= LONGEST_SECRET:
        found = OneTimeLink.objects.filter(purpose=purpose, digest=digest_of(secret)).first()
    if found is None:
        raise LinkUnknown
    return found


def lock_link(purpose: str, secret: str, now: datetime) -> OneTimeLink:
    """Return it with the lock of its row held; of the set-up links all are locked, so that one operator is made."""
    rows = OneTimeLink.objects.select_for_update().filter(purpose=purpose).order_by("pk")
    if purpose != SETUP:
        rows = rows.filter(digest=digest_of(secret))
    found = next((row for row in list(rows) if row.digest == digest_of(secret)), None)
    if found is None:
        raise LinkUnknown
    return _usable(found, now)


def _usable(link: OneTimeLink, now: datetime) -> OneTimeLink:
    if link.used_at is not None:
        raise LinkUsed
    if now >= link.expires_at:
        raise LinkExpired
    if link.purpose == SETUP and is_set_up():
        raise OperatorExists
    if configuration.current().sign_up not in _LETS_IN.get(link.purpose, _ANY):
        raise SignUpClosed
    return link


_ANY: Final = frozenset({"open", "invitation", "closed"})
# links by which somebody new comes in are dead while the index takes nobody that way
_LETS_IN: Final = {SIGN_UP: frozenset({"open"}), INVITATION: frozenset({"open", "invitation"})}


def was_finished_here(purpose: str, secret: str, browser: str) -> bool:
    """Whether this very browser has finished with the link: then a second click is no mistake."""
    try:
        link = find_link_even_used(purpose, secret)
    except LinkUnknown:
        return False
    return link.used_at is not None and _is_bound_to(link, browser)


def find_used(purpose: str, secret: str) -> OneTimeLink | None:
    """Return a link that was used, or None."""
    try:
        link = find_link_even_used(purpose, secret)
    except LinkUnknown:
        return None
    return link if link.used_at is not None else None


def _is_bound_to(link: OneTimeLink, browser: str) -> bool:
    kept = str(link.data.get("browser", ""))
    return bool(browser) and hmac.compare_digest(kept, digest_of(browser))


def require_browser(link: OneTimeLink, browser: str) -> None:
    """Raise LinkInUse where another browser began with the link."""
    if link.data.get("browser") and not _is_bound_to(link, browser):
        raise LinkInUse


def bind_browser(link: OneTimeLink, browser: str) -> str:
    """Bind the link to the browser that begins; returns the browser's cookie value. The caller holds the lock."""
    require_browser(link, browser)
    if not link.data.get("browser"):
        browser = secrets.token_urlsafe(SECRET_BYTES)
        link.data = {**link.data, "browser": digest_of(browser)}
    return browser


def read_link_draft(link: OneTimeLink, browser: str) -> dict[str, Any]:
    """Return what was entered so far in this browser; raises LinkInUse for any other."""
    require_browser(link, browser)
    return open_draft(DRAFT_PURPOSE, link.draft_sealed)


def keep_link_draft(link: OneTimeLink, draft: dict[str, Any]) -> None:
    """Keep what was entered, sealed. The caller holds the lock."""
    link.draft_sealed = seal_draft(DRAFT_PURPOSE, draft)
    link.save(update_fields=["draft_sealed", "data"])


def use_link(link: OneTimeLink, now: datetime) -> None:
    """Mark the link as used and forget what was entered. The caller holds the lock."""
    link.used_at, link.draft_sealed = now, ""
    link.save(update_fields=["used_at", "draft_sealed"])
