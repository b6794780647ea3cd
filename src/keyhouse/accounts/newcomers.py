"""Making an account by a one-time link: account, second factor, recovery codes, and only then a row of anything.

What is entered waits sealed in the link's row, bound to the browser that began. The last step writes everything in one
transaction, so nothing half-made is ever seen, and of several who try one wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from django.db import transaction

from keyhouse.accounts import browsers, links, queries, rules
from keyhouse.accounts.errors import AddressTaken, LinkUnknown, StepMissing, UsernameTaken
from keyhouse.accounts.hashing import hash_password
from keyhouse.accounts.models import (
    Authenticator,
    OneTimeLink,
    RecoveryCodeSet,
    SecurityKey,
    Session,
    User,
    UserHandle,
)
from keyhouse.accounts.passwords.choosing import choose
from keyhouse.accounts.recovery.cases import finish as finish_recovery
from keyhouse.accounts.recovery.cases import require_ready
from keyhouse.accounts.second_factors.bound import factors_of
from keyhouse.accounts.second_factors.recovery_codes import rules as code_rules
from keyhouse.accounts.second_factors.recovery_codes.services import (
    HashedCodes,
    hash_codes,
    new_code_set,
    require_one_of,
)
from keyhouse.accounts.second_factors.totp import rules as totp_rules
from keyhouse.accounts.second_factors.totp.services import new_authenticator
from keyhouse.accounts.second_factors.webauthn import ceremonies
from keyhouse.accounts.second_factors.webauthn.errors import KeyKnown, KeyNotKept
from keyhouse.accounts.second_factors.webauthn.rules import NewKey, encode
from keyhouse.accounts.second_factors.webauthn.services import judge_new_key, new_key, require_unknown
from keyhouse.accounts.services import new_email, new_user
from keyhouse.accounts.sessions import actor_of, digest_of, start_session
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.services import record
from keyhouse.core.actions import Thing
from keyhouse.core.errors import AccountSuspended

Step = Literal["account", "authenticator", "recovery-codes"]
ACTION: Final = {
    links.SETUP: "setup.finish",
    links.INVITATION: "invitation.accept",
    links.SIGN_UP: "sign-up.finish",
    links.ENROLMENT: "enrolment.finish",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """What was entered so far. `totp_step` above zero says that the app has shown a right code."""

    username: str = ""
    address: str = ""
    password_hash: str = ""
    totp_secret: str = ""
    totp_step: int = 0
    codes: tuple[str, ...] = ()
    user_handle: str = ""
    key: dict[str, Any] | None = None  # a `NewKey`, where a security key was enrolled instead of an app
    without_password: bool = False  # the key is the only way in, so it has to be a passkey

    @property
    def next_step(self) -> Step:
        """Return the first step that is not done."""
        if not self.has_account:
            return "account"
        return "recovery-codes" if self.has_factor else "authenticator"

    @property
    def has_account(self) -> bool:
        """Whether it is settled who this is, and whether by a password."""
        return self.without_password or bool(self.password_hash)

    @property
    def has_factor(self) -> bool:
        """Whether a second factor was proven; where there is no password, one that signs in alone."""
        return bool(self.key) if self.without_password else bool(self.totp_step or self.key)

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
    require_ready(link, now)
    return link, _draft_of(link, door.browser)


def _draft_of(link: OneTimeLink, browser: str) -> Draft:
    draft = Draft.read(links.read_link_draft(link, browser))
    return replace(draft, username=link.username or draft.username, address=link.address or draft.address)


def settled_by(link: OneTimeLink) -> tuple[str, ...]:
    """Return what of user name and address the link has settled."""
    if link.username:
        return ("username", "email")
    return ("email",) if link.address else ()


def enter_account(door: Door, username: str, address: str, password: str | None, now: datetime) -> str:
    """Take user name, address and password (None: a passkey alone shall open the account).

    The first time this binds the link to the browser. An invitation brings its own name and address. Returns the value
    of the browser's cookie. Raises the refusals of links, names, addresses and passwords.
    """
    link = links.find_link(door.purpose, door.secret, now)
    links.require_browser(link, door.browser)
    username, address = _judge_identity(link, username, address)
    hashed = "" if password is None else hash_password(_judge_password(password, username, address, now))
    with transaction.atomic():
        link = links.lock_link(door.purpose, door.secret, now)
        browser = links.bind_browser(link, door.browser)
        draft = replace(_draft_of(link, browser), username=username, address=address)
        links.keep_link_draft(link, _with_way_in(draft, hashed).parts)
    return browser


def _judge_password(password: str, username: str, address: str, now: datetime) -> str:
    # whether all sources were asked is kept for nobody yet: they are asked again at the first sign-in
    return choose(password, username=username, addresses=[address] if address else [], now=now).password


def _with_way_in(draft: Draft, hashed: str) -> Draft:
    """Return the draft with its password, or without one; what can't open an account alone must be proven anew then."""
    draft = replace(
        draft,
        password_hash=hashed,
        without_password=not hashed,
        totp_secret=draft.totp_secret or totp_rules.encode_secret(totp_rules.new_secret()),
        user_handle=draft.user_handle or ceremonies.new_handle(),
    )
    if hashed or (draft.key and NewKey.read(draft.key).is_passkey):
        return draft
    return replace(draft, totp_step=0, key=None, codes=())


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
        if not draft.password_hash:  # an app opens nothing where there is no password
            raise StepMissing
        if draft.has_factor:
            return
        secret = totp_rules.decode_secret(draft.totp_secret)
        accepted = totp_rules.verify(secret, typed, now, 0)
        codes = tuple(code_rules.new_codes())
        links.keep_link_draft(link, replace(draft, totp_step=accepted.step, codes=codes).parts)


def ask_for_key(door: Door, now: datetime) -> dict[str, Any]:
    """Begin the enrolment of a security key; returns the options for the browser. Raises StepMissing before the account step."""
    _, draft = look(door, now)
    if not draft.has_account:
        raise StepMissing
    holder = digest_of(door.browser)
    return ceremonies.ask_newcomer(
        draft.user_handle, draft.username, holder, now, needs_passkey=draft.without_password
    )


def enter_key(door: Door, response: Mapping[str, Any], now: datetime) -> None:
    """Take the browser's answer for a security key instead of an app. A second click changes nothing.

    Raises StepMissing, a KeyRefused, the refusals of links.
    """
    _, draft = look(door, now)
    asked = ceremonies.take(ceremonies.ENROL, digest_of(door.browser), response, now)
    site = ceremonies.site(needs_user_verified=draft.without_password)
    made = judge_new_key(asked, response, site, now)
    if draft.without_password and not made.is_passkey:
        raise KeyNotKept
    require_unknown(made)
    with transaction.atomic():
        link = links.lock_link(door.purpose, door.secret, now)
        draft = _draft_of(link, door.browser)
        if not draft.has_account or encode(made.user_handle) != draft.user_handle:
            raise StepMissing
        if draft.without_password and not made.is_passkey:  # chosen in another tab meanwhile
            raise KeyNotKept
        if draft.has_factor:
            return
        codes = tuple(code_rules.new_codes())
        links.keep_link_draft(link, replace(draft, key=made.as_dict(), codes=codes).parts)


def finish(door: Door, typed: str, visitor: Visitor, now: datetime) -> tuple[Session, str]:
    """Make the account, since one of the recovery codes was typed back; returns its session and the cookie's value.

    Raises StepMissing before the other steps, RecoveryCodeWrong, KeyKnown, UsernameTaken, AddressTaken, the refusals of links.
    """
    _, draft = look(door, now)
    if draft.next_step != "recovery-codes":
        raise StepMissing
    require_one_of(draft.codes, typed)
    hashed = hash_codes(draft.codes)
    try:
        return _finish(door, draft.codes, hashed, visitor, now)
    except KeyKnown:  # somebody enrolled that key meanwhile; the step must be open again
        _forget_key(door, now)
        raise


def _finish(
    door: Door, typed_back: tuple[str, ...], hashed: HashedCodes, visitor: Visitor, now: datetime
) -> tuple[Session, str]:
    with transaction.atomic():
        _lock_owner(door, now)
        link = links.lock_link(door.purpose, door.secret, now)
        draft = _draft_of(link, door.browser)
        if draft.codes != typed_back:
            raise StepMissing
        links.use_link(link, now)
        ended = factors_of(link.username)
        make = _renew_account if link.purpose == links.ENROLMENT else _make_account
        user = make(link, draft, hashed, now)
        session, cookie = _start(user, draft, visitor, now)
        browsers.remember(user.pk, visitor, browsers.How.LINK, now=now)
        _record(link, session, visitor, ended)
    return session, cookie


def _lock_owner(door: Door, now: datetime) -> None:
    """Take the lock of an account that is there before that of its link, as everybody does who ends links."""
    username = links.find_link(door.purpose, door.secret, now).username
    if door.purpose == links.ENROLMENT:
        User.objects.select_for_update().filter(username=username).first()


def _start(user: User, draft: Draft, visitor: Visitor, now: datetime) -> tuple[Session, str]:
    key = NewKey.read(draft.key) if draft.key else None
    return start_session(
        user,
        ("passkey",) if draft.without_password else ("password", "webauthn" if key else "totp"),
        at=now,
        user_verified=bool(key and key.user_verified),
        device_bound=bool(key and not key.backup_eligible),
        network=visitor.network,
        user_agent=visitor.user_agent,
    )


def _forget_key(door: Door, now: datetime) -> None:
    with transaction.atomic():
        link = links.lock_link(door.purpose, door.secret, now)
        draft = _draft_of(link, door.browser)
        links.keep_link_draft(link, replace(draft, key=None, codes=()).parts)


def _make_account(link: OneTimeLink, draft: Draft, hashed: HashedCodes, now: datetime) -> User:
    user = new_user(
        draft.username,
        draft.password_hash or hash_password(None),
        is_operator=link.purpose == links.SETUP,
        joined_at=now,
    )
    User.objects.filter(pk=user.pk).update(last_seen_at=now)
    # a link for signing up was mailed to the address; the others were handed over by somebody who has the host or runs
    # the index, and that is what vouches for the address
    verified_by = "link" if link.purpose == links.SIGN_UP else "host"
    new_email(user, draft.address, verified_by=verified_by, at=now)
    _give_factor(user, draft, now)
    new_code_set(user, hashed, at=now)
    return user


def _give_factor(user: User, draft: Draft, now: datetime) -> None:
    """Enrol what was proven on the way: a security key, or an app."""
    if draft.key is None:
        secret = totp_rules.decode_secret(draft.totp_secret)
        new_authenticator(user, secret, last_step=draft.totp_step, at=now)
        return
    UserHandle.objects.update_or_create(user=user, defaults={"handle": draft.user_handle})
    new_key(user, NewKey.read(draft.key), at=now)


def _renew_account(link: OneTimeLink, draft: Draft, hashed: HashedCodes, now: datetime) -> User:
    """Give an account that is there a new password, app and codes; what it had before is void. Raises LinkUnknown."""
    user = User.objects.select_for_update().filter(username=link.username).first()
    if user is None or user.state == User.State.DELETED:
        raise LinkUnknown
    if user.state == User.State.SUSPENDED:
        raise AccountSuspended
    case = require_ready(link, now)  # before anything changes that it rests on
    User.objects.filter(pk=user.pk).update(
        password=draft.password_hash or hash_password(None),
        password_changed_at=now,
        password_checked_at=None,
        last_seen_at=now,
    )
    User.objects.filter(pk=user.pk, state=User.State.PASSWORD_DISABLED).update(state=User.State.ACTIVE)
    Session.objects.filter(user=user).delete()
    browsers.forget(user.pk, now)  # the former ones were known to somebody whose factors are gone
    Authenticator.objects.filter(user=user).delete()
    SecurityKey.objects.filter(user=user).delete()
    RecoveryCodeSet.objects.filter(user=user).delete()
    _give_factor(user, draft, now)
    new_code_set(user, hashed, at=now)
    finish_recovery(user, case, now)
    return user


def _record(link: OneTimeLink, session: Session, visitor: Visitor, ended: list[str]) -> None:
    record(
        ACTION[link.purpose],
        by=actor_of(session, network=visitor.network, user_agent=visitor.user_agent),
        about=Thing("account", session.user_id, session.user.username),
        account_id=session.user_id,
        details={"bound": factors_of(session.user.username)} | ({"ended": ended} if ended else {}),
    )
