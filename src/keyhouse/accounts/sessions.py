"""Sessions: kept on the server by the digest of their cookie, with what was proven in them and when (ASVS 7.2, 7.3).

The cookie's value is random and changes at every proof. A session that waits for the second factor belongs to nobody
yet. Sessions end when idle, after a day in any case, and with the account.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import DatabaseError, transaction
from django.db.models import CharField, Exists, OuterRef, Q, QuerySet
from django.http import parse_cookie
from django.utils.crypto import get_random_string

from keyhouse.accounts import holds
from keyhouse.accounts.cookies import cookie_name
from keyhouse.accounts.errors import SignInExpired
from keyhouse.accounts.models import Email, Hold, SecurityKey, Session, User
from keyhouse.audit.compiled import Asked, Compiled
from keyhouse.core import clock, configuration
from keyhouse.core.actor import PHISHING_RESISTANT_METHODS, SECOND_FACTOR_METHODS, Actor, Strength

WAITING_LIFE: Final = timedelta(minutes=15)  # between the password and the second factor
TOUCH_AT_LEAST_EVERY: Final = timedelta(minutes=1)
TOUCHES_A_LIFE: Final = 10
PUBLIC_ID_BYTES: Final = 16
COOKIE_BYTES: Final = 32
CSRF_LENGTH: Final = 32  # what Django's middleware takes
LONGEST_COOKIE: Final = 200
CLOSED_STATES: Final = frozenset({User.State.FROZEN, User.State.SUSPENDED, User.State.DELETED})

_log = logging.getLogger("keyhouse.accounts")


def start_session(  # noqa: PLR0913 - what was proven, when, where
    user: User,
    methods: Iterable[str],
    *,
    at: datetime | None = None,
    is_complete: bool = True,
    user_verified: bool = False,
    device_bound: bool = False,
    network: str = "",
    user_agent: str = "",
) -> tuple[Session, str]:
    """Start a session and return it with its cookie's value, which is known to nobody else.

    Writes no audit record: whoever proves somebody writes one.
    """
    value = secrets.token_urlsafe(COOKIE_BYTES)
    now = at or clock.now()
    session = Session.objects.create(
        digest=digest_of(value),
        public_id=secrets.token_urlsafe(PUBLIC_ID_BYTES),
        user=user,
        is_complete=is_complete,
        methods=sorted(methods),
        proved_at=now,
        user_verified=user_verified,
        device_bound=device_bound,
        key_proved_at=None if PHISHING_RESISTANT_METHODS.isdisjoint(methods) else now,
        csrf_secret=_new_csrf_secret(),
        created_at=now,
        last_seen_at=now,
        network=network[:64],
        user_agent=user_agent[:300],
    )
    _end_hold_of_reset(user, methods, now)
    return session, value


def prove(  # noqa: PLR0913 - what one proof says
    session: Session,
    methods: Iterable[str],
    *,
    now: datetime,
    is_complete: bool = True,
    user_verified: bool = False,
    device_bound: bool = False,
) -> str:
    """Add a proof to a session and return its new cookie's value; the old one is dead from here on.

    `is_complete` is false where a confirmation is still to come.

    Raises SignInExpired when the session ended or was proven by a parallel request meanwhile.
    """
    value = secrets.token_urlsafe(COOKIE_BYTES)
    # forms in other tabs of somebody who is signed in go on working; before that they are somebody else's
    csrf = session.csrf_secret if session.is_complete else _new_csrf_secret()
    changes = {
        "digest": digest_of(value),
        "csrf_secret": csrf,
        "proved_at": now,
        "is_complete": is_complete,
        "confirm_until": None,
        **_kept(session, methods, now, {"user_verified": user_verified, "device_bound": device_bound}),
    }
    _replace(session, changes, now)
    if is_complete:
        _end_hold_of_reset(session.user, methods, now)
    return value


def _replace(session: Session, changes: Mapping[str, Any], now: datetime) -> None:
    """Write these changes to a session that is still what was read; raises SignInExpired where it isn't."""
    mine = Session.objects.filter(pk=session.pk, digest=session.digest)
    if not mine.update(last_seen_at=now, **changes):
        raise SignInExpired
    for name, changed in changes.items():
        setattr(session, name, changed)


def _end_hold_of_reset(user: User, methods: Iterable[str], now: datetime) -> None:
    """End what the reset of a password put on hold: a second factor is proven, or was just set up by its first proof."""
    if SECOND_FACTOR_METHODS.isdisjoint(methods):
        return
    if holds.live_holds(user.pk, now).filter(reason=Hold.Reason.PASSWORD_RESET).exists():
        with transaction.atomic():
            holds.end_holds(user, Hold.Reason.PASSWORD_RESET, by="factor", now=now)


def complete(session: Session, now: datetime) -> str:
    """Complete a session whose proofs were confirmed, in the caller's transaction; returns its new cookie's value.

    What was proven, and when, stays as it is; the caller clears `data`. Raises SignInExpired when it ended or was completed meanwhile.
    """
    value, csrf = secrets.token_urlsafe(COOKIE_BYTES), _new_csrf_secret()
    changed = Session.objects.filter(pk=session.pk, digest=session.digest, is_complete=False).update(
        digest=digest_of(value),
        csrf_secret=csrf,
        last_seen_at=now,
        is_complete=True,
        confirm_until=None,
    )
    if not changed:
        raise SignInExpired
    _end_hold_of_reset(session.user, session.methods, now)
    session.digest, session.csrf_secret, session.is_complete = digest_of(value), csrf, True
    session.confirm_until = None
    return value


def _kept(
    session: Session, methods: Iterable[str], now: datetime, marks: Mapping[str, bool]
) -> dict[str, Any]:
    """Return what a session has proven after one more proof.

    A recovery code says that the factors are gone: what they proved before counts no longer, so that an old session and
    a stolen code are no more than that code.
    """
    new, old = set(methods), set(session.methods)
    if "recovery_code" in new:
        old -= SECOND_FACTOR_METHODS
        return {"methods": sorted(old | new), "key_proved_at": None, **dict.fromkeys(marks, False)}
    has_key = not PHISHING_RESISTANT_METHODS.isdisjoint(new)
    return {
        "methods": sorted(old | new),
        "key_proved_at": now if has_key else session.key_proved_at,
        **{name: mark or getattr(session, name) for name, mark in marks.items()},
    }


def lock_session(session: Session) -> Session:
    """Take the lock of a session's row in the caller's transaction; raises SignInExpired where it ended."""
    found = Session.objects.select_for_update().filter(pk=session.pk, digest=session.digest).first()
    if found is None:
        raise SignInExpired
    return found


def find_session(value: str, now: datetime) -> Session | None:
    """Return the living session of a cookie's value, with its user, or None."""
    if not value or len(value) > LONGEST_COOKIE:
        return None
    found = _BY_DIGEST.rows(digest_of(value), shape=_key_names())
    session = found[0] if found else None
    if session is None or not is_alive(session, now) or session.user.state in CLOSED_STATES:
        return None
    return session


def is_alive(session: Session, now: datetime) -> bool:
    """Whether neither the idle nor the absolute life of a session is over."""
    settings = configuration.current()
    idle, whole = timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours)
    if not session.is_complete and session.confirm_until is not None:
        return now < min(session.confirm_until, session.created_at + whole)
    if not session.is_complete and now - session.created_at >= WAITING_LIFE:
        return False
    return now - session.last_seen_at < idle and now - session.created_at < whole


def touch(session: Session, now: datetime) -> None:
    """Note that the session was used, at most once a minute; a database that can't be written stops no reading."""
    idle = timedelta(minutes=configuration.current().session_idle_minutes)
    if now - session.last_seen_at < min(TOUCH_AT_LEAST_EVERY, idle / TOUCHES_A_LIFE):
        return
    try:
        with transaction.atomic():
            Session.objects.filter(pk=session.pk, last_seen_at__lt=now).update(last_seen_at=now)
    except DatabaseError:
        _log.warning("the last use of a session could not be noted", exc_info=True)
    session.last_seen_at = now


def actor_of(session: Session, *, network: str = "", user_agent: str = "") -> Actor:
    """Return who acts by a complete session."""
    user = session.user
    return Actor(
        kind="session",
        user_id=user.pk,
        name=user.username,
        credential=session.public_id,
        strength=Strength(
            frozenset(session.methods),
            session.proved_at,
            session.user_verified,
            session.device_bound,
            session.key_proved_at,
        ),
        network=network,
        user_agent=user_agent[:300],
        is_operator=user.is_operator,
        is_moderator=user.is_moderator,
        is_auditor=user.is_auditor,
        email_is_verified=_email_is_verified(session),
        state=holds.effective_state(user, clock.now()),
        needs_key=_has_usable_key(session),
    )


def find_actor_by_cookie(
    cookie_header: str, now: datetime, *, network: str = "", user_agent: str = ""
) -> Actor | None:
    """Return who a `Cookie` header belongs to, or None; for doors that have no Django request."""
    session = find_session(parse_cookie(cookie_header).get(cookie_name(), ""), now)
    if session is None or not session.is_complete:
        return None
    touch(session, now)
    return actor_of(session, network=network, user_agent=user_agent)


def csrf_token_for(session: Session) -> str:
    """Return what forms of this session carry as `csrfmiddlewaretoken` (unmasked; pages mask it anew each time)."""
    return session.csrf_secret


def sessions_of(user: User, now: datetime) -> list[Session]:
    """Return the living, complete sessions of a person, the last used one first."""
    found = Session.objects.filter(user=user, is_complete=True).order_by("-last_seen_at", "-pk")
    return [session for session in found if is_alive(session, now)]


def end_sessions(user_id: int) -> int:
    """End all sessions of an account; returns how many."""
    return Session.objects.filter(user_id=user_id).delete()[0]


def end_other_sessions(by: Actor, user_id: int) -> int:
    """End all sessions of an account but the one that acts; returns how many."""
    return Session.objects.filter(user_id=user_id).exclude(public_id=by.credential).delete()[0]


def forget_second_factor(by: Actor) -> None:
    """Let the session that acts count as one of a password: the factor it proved is the account's no longer."""
    session = Session.objects.filter(public_id=by.credential).first()
    if session is not None and session.user_id == by.user_id:
        session.methods = sorted(set(session.methods) - SECOND_FACTOR_METHODS)
        session.user_verified = session.device_bound = False
        session.key_proved_at = None
        session.save(update_fields=["methods", "user_verified", "device_bound", "key_proved_at"])


def forget_key(by: Actor) -> None:
    """Let the session that acts count as one without a key: the account has none any more."""
    session = Session.objects.filter(public_id=by.credential).first()
    if session is not None and session.user_id == by.user_id:
        session.methods = sorted(set(session.methods) - PHISHING_RESISTANT_METHODS)
        session.user_verified = session.device_bound = False
        session.key_proved_at = None
        session.save(update_fields=["methods", "user_verified", "device_bound", "key_proved_at"])


def end_sessions_by_key(user_id: int) -> int:
    """End the sessions of an account that a key has proven; returns how many."""
    rows = Session.objects.filter(user_id=user_id)
    ended = [row.pk for row in rows if not PHISHING_RESISTANT_METHODS.isdisjoint(row.methods)]
    return Session.objects.filter(pk__in=ended).delete()[0]


def prune_sessions(now: datetime) -> int:
    """Forget sessions that can't live any more; returns how many."""
    settings = configuration.current()
    idle, whole = timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours)
    waits = Q(is_complete=False, confirm_until__gt=now)
    ended = Q(created_at__lte=now - whole) | (Q(last_seen_at__lte=now - idle) & ~waits)
    return Session.objects.filter(ended).delete()[0]


def digest_of(value: str) -> str:
    """Return what a cookie's value is kept by (SHA-256, hex); 256 random bits need no slow hash."""
    return hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()


def _new_csrf_secret() -> str:
    return get_random_string(CSRF_LENGTH)


def _by_digest(*key_names: str) -> QuerySet[Session]:
    verified = Email.objects.filter(user=OuterRef("user"), is_primary=True, verified_at__isnull=False)
    keys = SecurityKey.usable(*key_names).filter(user=OuterRef("user"))
    digest = Asked(0, CharField())
    return (
        Session.objects.select_related("user")
        .annotate(email_is_verified=Exists(verified), has_usable_key=Exists(keys))
        .filter(digest=digest)
    )


_BY_DIGEST: Final = Compiled(_by_digest)  # every request of somebody who is signed in asks it


def _email_is_verified(session: Session) -> bool:
    known = getattr(session, "email_is_verified", None)
    if known is not None:
        return bool(known)
    return Email.objects.filter(user_id=session.user_id, is_primary=True, verified_at__isnull=False).exists()


def _key_names() -> tuple[str, ...]:
    return configuration.current().key_names(clock.now())


def _has_usable_key(session: Session) -> bool:
    known = getattr(session, "has_usable_key", None)
    if known is not None:
        return bool(known)
    usable = SecurityKey.usable(*_key_names())
    return usable.filter(user_id=session.user_id).exists()
