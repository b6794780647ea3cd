"""Questions to authenticators: asked, and answered once (WebAuthn Level 3, 13.4.3).

A ceremony is bound to its purpose, to the session or browser that asked, and to the person where one is known. Its row
goes as the answer comes, whatever the answer is worth: nothing is answered twice.

The question for any passkey is asked of everybody who opens the sign-in page, so it leaves no row: what was asked stands,
signed, in a cookie of the browser, and a challenge is written down when it was answered well. So is the question for a key of a user name that anybody can type.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.core import signing
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.crypto import salted_hmac

from keyhouse.accounts import queries
from keyhouse.accounts.models import Ceremony, SecurityKey, User, UserHandle
from keyhouse.accounts.second_factors.webauthn import rules
from keyhouse.accounts.second_factors.webauthn.errors import KeyAnswerMalformed, KeyChallengeWrong, KeyUnknown
from keyhouse.accounts.second_factors.webauthn.rules import Site
from keyhouse.core import clock, configuration

ENROL: Final = "enrol"
SECOND_FACTOR: Final = "second-factor"
ANSWERED: Final = "answered"  # a challenge that was asked of nobody in particular, and was answered
STEP_UP: Final = "step-up"
LIFE: Final = timedelta(minutes=5)
MOST_OPEN: Final = 5  # questions of one session at a time: one for each of some tabs
_SALT: Final = "keyhouse.accounts.ceremony"
_LONGEST_COOKIE: Final = 1000
_CHALLENGE_BYTES: Final = 32
_HANDLE_BYTES: Final = 64
_NAMED: Final = "by name:"  # no RP ID begins so
_LEAST_NAMED: Final = 4  # ids in a question by name
_MOST_NAMED: Final = 20
_ID_SIZES: Final = (16, 20, 32, 48, 64)  # bytes, of widespread authenticators


@dataclass(frozen=True, slots=True)
class Asked:
    """A ceremony that an answer belongs to: its options, and whom it was for."""

    options: Mapping[str, Any]
    user_id: int | None


def site(*, needs_user_verified: bool = False) -> Site:
    """Return who asks: origin and RP ID as they are configured, never as a request says."""
    settings = configuration.current()
    return Site(settings.origin, settings.key_name, needs_user_verified)


def names(now: datetime) -> tuple[str, ...]:
    """Return the RP IDs that keys may prove somebody by now, the present one first."""
    return configuration.current().key_names(now)


def find_former_name(now: datetime) -> str:
    """Return a former RP ID whose keys still work and are there, or nothing."""
    former = names(now)[1:]
    found = SecurityKey.usable(*former).values_list("rp_id", flat=True).first() if former else None
    return found or ""


def ask_to_enrol(user: User, holder: str, now: datetime) -> dict[str, Any]:
    """Begin an enrolment; returns the options for the browser (JSON form of Level 3)."""
    known = SecurityKey.objects.filter(user=user, rp_id=site().rp_id)
    options = creation_options(handle_of(user), user.username, [_descriptor(key) for key in known])
    return _keep(ENROL, holder, user.pk, options, now)


def ask_newcomer(
    handle: str, username: str, holder: str, now: datetime, *, needs_passkey: bool = False
) -> dict[str, Any]:
    """Begin an enrolment for somebody who has no account yet; `needs_passkey`: it is to be their only way in."""
    options = creation_options(handle, username, [], needs_passkey=needs_passkey)
    return _keep(ENROL, holder, None, options, now)


def ask_for_proof(user: User, purpose: str, holder: str, now: datetime) -> dict[str, Any]:
    """Ask for a proof by one of the person's keys; returns the options for the browser. Raises KeyUnknown."""
    for name in names(
        now
    ):  # one question names one of them, so those of the present name are asked for first
        keys = [_descriptor(key) for key in SecurityKey.usable(name).filter(user=user)]
        if keys:
            return _keep(purpose, holder, user.pk, _request_options(keys, "preferred", name), now)
    # a browser would offer any passkey where none is named
    raise KeyUnknown("This account has no security key that works here.")


def ask_anybody(holder: str, now: datetime, name: str = "") -> tuple[dict[str, Any], str]:
    """Ask for a passkey of whoever is there: no name, no password, so the user must be verified.

    `name` is the RP ID where it is a former one.

    Returns the options for the browser and the text that its cookie keeps until it answers.
    """
    name = name or site().rp_id
    challenge, kept = _signed_challenge(holder, now, name)
    return _options_for_anybody(challenge, name), kept


def _signed_challenge(holder: str, now: datetime, about: str) -> tuple[str, str]:
    """Return a new challenge, and the text for the browser's cookie that says what it was made for."""
    challenge = rules.encode(secrets.token_bytes(_CHALLENGE_BYTES))
    return challenge, signing.dumps([challenge, holder, clock.format_instant(now), about], salt=_SALT)


def find_asked(holder: str, kept: str, response: Mapping[str, Any], now: datetime) -> Asked:
    """Return what this browser was asked by the text in its cookie; writes nothing. Raises KeyChallengeWrong."""
    challenge, name = _read_challenge(holder, kept, response, now)
    if name.startswith(_NAMED):
        raise KeyChallengeWrong  # it was asked of the keys of one account
    return Asked(_options_for_anybody(challenge, name), None)


def _read_challenge(holder: str, kept: str, response: Mapping[str, Any], now: datetime) -> tuple[str, str]:
    """Return the challenge that a cookie holds and what it was made for, where the answer is to it and in time."""
    claimed = _challenge_in(response)
    try:
        challenge, asked_of, at, about = signing.loads(kept[:_LONGEST_COOKIE], salt=_SALT)
        begun_at = clock.parse_instant(at)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise KeyChallengeWrong from error
    is_ours = secrets.compare_digest(asked_of, holder) and secrets.compare_digest(challenge, claimed)
    if not is_ours or not timedelta(0) <= now - begun_at < LIFE:
        raise KeyChallengeWrong
    return str(challenge), str(about)


def mark_answered(asked: Asked, now: datetime) -> None:
    """Write down that a passkey answered, in the caller's transaction; of two answers one wins (KeyChallengeWrong)."""
    challenge = asked.options["challenge"]
    row = Ceremony(pk=challenge, purpose=ANSWERED, holder="", options={}, begun_at=now)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        raise KeyChallengeWrong from error


def _options_for_anybody(challenge: str, name: str) -> dict[str, Any]:
    return {"challenge": challenge, **_request_options([], "required", name)}


# ---- asked by a user name that anybody can type


def ask_by_name(username: str, holder: str, now: datetime) -> tuple[dict[str, Any], str]:
    """Ask for a key of whoever has this user name; the answer is of one form whether anybody has it, or any key.

    Ids that are made up fill the list, the same ones for a name each time (WebAuthn Level 3, 14.6.2). A key that syncs and
    knows who holds it isn't asked for: it opens the account alone. Returns the options for the browser and the text that
    its cookie keeps until it answers.
    """
    username = username.strip()
    challenge, kept = _signed_challenge(holder, now, _named(username))
    return _options_by_name(challenge, username), kept


def find_asked_by_name(
    username: str, holder: str, kept: str, response: Mapping[str, Any], now: datetime
) -> Asked:
    """Return what this browser was asked about this very name; writes nothing. Raises KeyChallengeWrong."""
    username = username.strip()
    challenge, about = _read_challenge(holder, kept, response, now)
    if about != _named(username):
        raise KeyChallengeWrong
    user = queries.find_user(username)
    return Asked(_options_by_name(challenge, username), user.pk if user else 0)


def _named(username: str) -> str:
    """Say about whom a challenge is; whatever was typed may be a password, so only its digest is kept."""
    return _NAMED + _digest(username).hex()


def _digest(username: str, number: int = 0) -> bytes:
    """Return 32 bytes that only this index can tell, the same ones for a name in any case."""
    text = f"{number}:{queries.folded(username)}"  # exactly as names are found: else two ways to write one differ
    return salted_hmac(_SALT, text, algorithm="sha256").digest()


def _options_by_name(challenge: str, username: str) -> dict[str, Any]:
    user = queries.find_user(username)
    alone = Q(backup_eligible=True, user_verified=True)
    keys = SecurityKey.usable(site().rp_id).filter(user_id=user.pk if user else 0).exclude(alone)
    ids = list(keys.values_list("credential_id", flat=True)[:_MOST_NAMED])
    made_up = [_made_up_id(username, number) for number in range(1, _LEAST_NAMED + 1)]
    ids += made_up[: max(0, _LEAST_NAMED - len(ids))]
    # in the order of the ids, and without their transports, which would tell them apart
    allow = [{"type": "public-key", "id": one} for one in sorted(ids)]
    return {"challenge": challenge, **_request_options(allow, "preferred", site().rp_id)}


def _made_up_id(username: str, number: int) -> str:
    """Return an id as long as those of some key or other."""
    size, *_ = _digest(username, -number)
    random = hashlib.shake_256(_digest(username, number)).digest(max(_ID_SIZES))
    return rules.encode(random[: _ID_SIZES[size % len(_ID_SIZES)]])


def take(purpose: str, holder: str, response: Mapping[str, Any], now: datetime) -> Asked:
    """Take the ceremony that an answer belongs to, so that it is answered once; raises KeyChallengeWrong.

    In a transaction of its own: a refused answer has used the challenge up as well.
    """
    challenge = _challenge_in(response)
    with transaction.atomic():
        # what was answered stays written down: taken away, it could be answered once more
        asked = Ceremony.objects.select_for_update().exclude(purpose=ANSWERED)
        found = asked.filter(pk=challenge).first()
        if found is None or not Ceremony.objects.filter(pk=challenge).delete()[0]:
            raise KeyChallengeWrong
    is_ours = secrets.compare_digest(found.holder, holder) and found.purpose == purpose
    if not is_ours or not timedelta(0) <= now - found.begun_at < LIFE:
        raise KeyChallengeWrong
    return Asked(found.options, found.user_id)


def prune_ceremonies(now: datetime) -> int:
    """Forget what was never answered; returns how many."""
    return Ceremony.objects.filter(begun_at__lte=now - LIFE).delete()[0]


def handle_of(user: User) -> str:
    """Return a person's user handle, making it the first time."""
    kept, _ = UserHandle.objects.get_or_create(user=user, defaults={"handle": new_handle()})
    return kept.handle


def new_handle() -> str:
    """Return a new random user handle."""
    return rules.encode(secrets.token_bytes(_HANDLE_BYTES))


def creation_options(
    handle: str, username: str, exclude: Sequence[Mapping[str, Any]], *, needs_passkey: bool = False
) -> dict[str, Any]:
    """Return what a browser needs to make a credential."""
    wanted = "required" if needs_passkey else "preferred"
    return {
        "rp": {"id": site().rp_id, "name": "Keyhouse"},
        "user": {"id": handle, "name": username, "displayName": username},
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in rules.OFFERED],
        "timeout": _milliseconds(),
        "excludeCredentials": list(exclude),
        "authenticatorSelection": {
            "residentKey": wanted,
            "requireResidentKey": needs_passkey,
            "userVerification": wanted,
        },
        "attestation": "direct" if configuration.current().key_models else "none",
        "extensions": {"credProps": True},
    }


def _request_options(allow: Sequence[Mapping[str, Any]], verification: str, name: str) -> dict[str, Any]:
    return {
        "rpId": name,
        "allowCredentials": list(allow),
        "userVerification": verification,
        "timeout": _milliseconds(),
    }


def _milliseconds() -> int:
    return int(LIFE.total_seconds() * 1000)


def _descriptor(key: SecurityKey) -> dict[str, Any]:
    return {"type": "public-key", "id": key.credential_id, "transports": key.transports}


def _keep(
    purpose: str, holder: str, user_id: int | None, options: dict[str, Any], now: datetime
) -> dict[str, Any]:
    challenge = rules.encode(secrets.token_bytes(_CHALLENGE_BYTES))
    options = {"challenge": challenge, **options}
    older = Ceremony.objects.filter(holder=holder, purpose=purpose).order_by("-begun_at")
    Ceremony.objects.filter(pk__in=list(older.values_list("pk", flat=True)[MOST_OPEN - 1 :])).delete()
    Ceremony.objects.create(
        challenge=challenge, purpose=purpose, holder=holder, user_id=user_id, options=options, begun_at=now
    )
    return options


def _challenge_in(response: Mapping[str, Any]) -> str:
    """Read which challenge an answer claims to belong to; what it proves is judged later."""
    inner = response.get("response")
    raw = rules.decode(inner.get("clientDataJSON") if isinstance(inner, Mapping) else None)
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise KeyAnswerMalformed from error
    challenge = told.get("challenge") if isinstance(told, Mapping) else None
    if not isinstance(challenge, str) or len(rules.decode(challenge)) != _CHALLENGE_BYTES:
        raise KeyChallengeWrong
    return challenge
