"""Making an account by a one-time link: account, authenticator app, recovery codes, and only then a row of anything.

What is entered waits sealed in the link's row, bound to the browser that began. The last step writes everything in one
transaction, so nothing half-made is ever seen, and of several who try one wins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from django.db import transaction

from keyhouse.accounts import links, queries, rules
from keyhouse.accounts.errors import AddressTaken, LinkUnknown, StepMissing, UsernameTaken
from keyhouse.accounts.hashing import hash_password
from keyhouse.accounts.models import Authenticator, OneTimeLink, RecoveryCodeSet, Session, User
from keyhouse.accounts.second_factors.recovery_codes import rules as code_rules
from keyhouse.accounts.second_factors.recovery_codes.services import (
    HashedCodes,
    hash_codes,
    new_code_set,
    require_one_of,
)
from keyhouse.accounts.second_factors.totp import rules as totp_rules
from keyhouse.accounts.second_factors.totp.services import new_authenticator
from keyhouse.accounts.services import new_email, new_user
from keyhouse.accounts.sessions import actor_of, start_session
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.services import record
from keyhouse.core import configuration
from keyhouse.core.actions import Thing

Step = Literal["account", "authenticator", "recovery-codes"]
ACTION: Final = {
    links.SETUP: "setup.finish",
    links.INVITATION: "invitation.accept",
    links.ENROLMENT: "enrolment.finish",
}
PROVEN: Final = ("password", "totp")


@dataclass(frozen=True, slots=True)
class Draft:
    """What was entered so far. `totp_step` above zero says that the app has shown a right code."""

    username: str = ""
    address: str = ""
    password_hash: str = ""
    totp_secret: str = ""
    totp_step: int = 0
    codes: tuple[str, ...] = ()

    @property
    def next_step(self) -> Step:
        """Return the first step that is not done."""
        if not self.password_hash:
            return "account"
        return "recovery-codes" if self.totp_step else "authenticator"

    @classmethod
    def read(cls, parts: dict[str, Any]) -> Draft:
        """Read a draft as `parts` wrote it."""
        return cls(**{**parts, "codes": tuple(parts.get("codes", ()))})

    @property
    def parts(self) -> dict[str, Any]:
        """Return the draft as JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Door:
    """A one-time link as a browser holds it: purpose, secret, and the value of the browser's own cookie."""

    purpose: str
    secret: str
    browser: str = ""


def look(door: Door, now: datetime) -> tuple[OneTimeLink, Draft]:
    """Return the link and what was entered; raises the refusals of links."""
    link = links.find_link(door.purpose, door.secret, now)
    return link, _draft_of(link, door.browser)


def _draft_of(link: OneTimeLink, browser: str) -> Draft:
    draft = Draft.read(links.read_link_draft(link, browser))
    return replace(draft, username=link.username or draft.username, address=link.address or draft.address)


def enter_account(door: Door, username: str, address: str, password: str, now: datetime) -> str:
    """Take user name, address and password; the first time this binds the link to the browser.

    An invitation brings its own name and address. Returns the value of the browser's cookie. Raises the refusals of
    links, names, addresses and passwords.
    """
    link = links.find_link(door.purpose, door.secret, now)
    links.require_browser(link, door.browser)
    username, address = _judge_identity(link, username, address)
    least = configuration.current().password_length
    password = rules.check_password(
        password, username=username, addresses=[address] if address else [], least_length=least
    )
    hashed = hash_password(password)
    with transaction.atomic():
        link = links.lock_link(door.purpose, door.secret, now)
        browser = links.bind_browser(link, door.browser)
        draft = replace(_draft_of(link, browser), username=username, address=address, password_hash=hashed)
        secret = draft.totp_secret or totp_rules.encode_secret(totp_rules.new_secret())
        links.keep_link_draft(link, replace(draft, totp_secret=secret).parts)
    return browser


def _judge_identity(link: OneTimeLink, username: str, address: str) -> tuple[str, str]:
    """Return name and address as they will be; an account that is there keeps its own."""
    if link.purpose == links.ENROLMENT:
        return link.username, link.address
    username = rules.check_username(link.username or username.strip())
    address = rules.check_address(link.address or address)
    _require_free(username, address)
    return username, address


def _require_free(username: str, address: str) -> None:
    if queries.find_user(username):
        raise UsernameTaken
    if queries.find_verified_email(address):
        raise AddressTaken


def enter_code(door: Door, typed: str, now: datetime) -> None:
    """Take the first code of the authenticator app; from then on it counts as used. A second click changes nothing.

    Raises StepMissing before the account step, CodeWrong, ClockOff, the refusals of links.
    """
    with transaction.atomic():
        link = links.lock_link(door.purpose, door.secret, now)
        draft = _draft_of(link, door.browser)
        if not draft.password_hash:
            raise StepMissing
        if draft.totp_step:
            return
        secret = totp_rules.decode_secret(draft.totp_secret)
        accepted = totp_rules.verify(secret, typed, now, 0)
        codes = tuple(code_rules.new_codes())
        links.keep_link_draft(link, replace(draft, totp_step=accepted.step, codes=codes).parts)


def finish(door: Door, typed: str, visitor: Visitor, now: datetime) -> tuple[Session, str]:
    """Make the account, since one of the recovery codes was typed back; returns its session and the cookie's value.

    Raises StepMissing before the other steps, RecoveryCodeWrong, UsernameTaken, AddressTaken, the refusals of links.
    """
    _, draft = look(door, now)
    if draft.next_step != "recovery-codes":
        raise StepMissing
    require_one_of(draft.codes, typed)
    hashed = hash_codes(draft.codes)
    with transaction.atomic():
        link = links.lock_link(door.purpose, door.secret, now)
        asked, draft = draft, _draft_of(link, door.browser)
        if draft.codes != asked.codes:
            raise StepMissing
        links.use_link(link, now)
        make = _renew_account if link.purpose == links.ENROLMENT else _make_account
        user = make(link, draft, hashed, now)
        session, cookie = start_session(
            user, PROVEN, at=now, network=visitor.network, user_agent=visitor.user_agent
        )
        _record(link, session, visitor)
    return session, cookie


def _make_account(link: OneTimeLink, draft: Draft, hashed: HashedCodes, now: datetime) -> User:
    user = new_user(
        draft.username,
        draft.password_hash,
        is_operator=link.purpose == links.SETUP,
        joined_at=now,
    )
    User.objects.filter(pk=user.pk).update(last_seen_at=now)
    # both links were handed over by somebody who has the host or runs the index: that is what vouches for the address
    new_email(user, draft.address, verified_by="host", at=now)
    secret = totp_rules.decode_secret(draft.totp_secret)
    new_authenticator(user, secret, last_step=draft.totp_step, at=now)
    new_code_set(user, hashed, at=now)
    return user


def _renew_account(link: OneTimeLink, draft: Draft, hashed: HashedCodes, now: datetime) -> User:
    """Give an account that is there a new password, app and codes; what it had before is void. Raises LinkUnknown."""
    user = User.objects.select_for_update().filter(username=link.username).first()
    if user is None or user.state == User.State.DELETED:
        raise LinkUnknown
    User.objects.filter(pk=user.pk).update(
        password=draft.password_hash, password_changed_at=now, last_seen_at=now
    )
    Session.objects.filter(user=user).delete()
    Authenticator.objects.filter(user=user).delete()
    RecoveryCodeSet.objects.filter(user=user).delete()
    secret = totp_rules.decode_secret(draft.totp_secret)
    new_authenticator(user, secret, last_step=draft.totp_step, at=now)
    new_code_set(user, hashed, at=now)
    return user


def _record(link: OneTimeLink, session: Session, visitor: Visitor) -> None:
    record(
        ACTION[link.purpose],
        by=actor_of(session, network=visitor.network, user_agent=visitor.user_agent),
        about=Thing("account", session.user_id, session.user.username),
        account_id=session.user_id,
    )
