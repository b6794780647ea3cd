"""The issuers that are believed: four public ones unless they were removed, and those that operators added.

Their keys are kept in their rows, for all processes; what is asked of an issuer, and how often, is decided there too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.db.models import Q

from keyhouse.audit.services import Detail, record
from keyhouse.core import actions, clock, configuration
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.credentials.trusted_publishers import keys_client
from keyhouse.credentials.trusted_publishers.errors import (
    IssuerMissing,
    IssuerTaken,
    IssuerTermsInvalid,
    IssuerUnanswered,
    IssuerUrlInvalid,
    KeysMissing,
)
from keyhouse.credentials.trusted_publishers.models import Issuer, MintedToken, Provider

LONGEST_URL: Final = 300
LONGEST_LABEL: Final = 100
LONGEST_CLAIM: Final = 100
MOST_CLAIMS: Final = 10
FRESH: Final = timedelta(minutes=5)  # kept keys are taken without asking; one that was removed works so long
ASK_AGAIN: Final = timedelta(minutes=1)
_ANSWER_SECONDS: Final = 10  # somebody who asks has an answer by then: two requests, each bounded
_WAIT_SECONDS: Final = 5.0
_LOOK_AGAIN: Final = 0.05
_waiting: Final = threading.BoundedSemaphore(4)  # threads of this process that wait for another's answer

_log = logging.getLogger("keyhouse.publishers")


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """An issuer that is known without a row."""

    provider: Provider
    label: str


BUILT_IN: Final[Mapping[str, BuiltIn]] = {
    "https://token.actions.githubusercontent.com": BuiltIn(Provider.GITHUB, "GitHub"),
    "https://gitlab.com": BuiltIn(Provider.GITLAB, "GitLab"),
    "https://accounts.google.com": BuiltIn(Provider.GOOGLE, "Google"),
    "https://platform.activestate.com/api/v1/oauth/oidc": BuiltIn(Provider.ACTIVESTATE, "ActiveState"),
}
PROVIDER_NAMES: Final[Mapping[str, str]] = {
    Provider.GITHUB: "GitHub",
    Provider.GITLAB: "GitLab",
    Provider.GOOGLE: "Google",
    Provider.ACTIVESTATE: "ActiveState",
    Provider.CUSTOM: "claims of its own",
}
# Claims that every publisher of such an issuer must fix, for issuers that no file of `providers/` knows.
PRESETS: Final[Mapping[str, tuple[str, ...]]] = {
    "kubernetes": ("sub",),
    "jenkins": ("sub",),
    "forgejo": ("repository", "workflow"),
    "gitea": ("repository", "workflow"),
}
# They say something about the token, not about who asked for it.
_NO_IDENTITY: Final = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti", "azp", "nonce"})


def canonical(url: str) -> str:
    """Return the address of an issuer as it is kept; raises IssuerUrlInvalid."""
    text = url.strip()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise IssuerUrlInvalid from None
    is_plain = text.isascii() and text.isprintable() and not set(text) & set(" \\%\"'<>^`{|}")
    is_bare = not (parts.query or parts.fragment or "?" in text or "#" in text or "@" in parts.netloc)
    segments = parts.path.rstrip("/").split("/")[1:]
    is_straight = all(one and one not in {".", ".."} for one in segments)
    if parts.scheme != "https" or not host or not (is_plain and is_bare and is_straight) or port == 0:
        raise IssuerUrlInvalid
    place = f"[{host}]" if ":" in host else host.rstrip(".")
    found = f"https://{place}{f':{port}' if port not in {None, 443} else ''}" + "".join(
        f"/{one}" for one in segments
    )
    if len(found) > LONGEST_URL:
        raise IssuerUrlInvalid(f"The address of an issuer has at most {LONGEST_URL} characters.")
    return found


def find_issuer(url: object) -> Issuer | None:
    """Return an issuer on the list by what a token says (`iss`): exactly as it is kept, or with a slash at the end."""
    if not isinstance(url, str) or not _is_written_well(url):
        return None
    bare = url.removesuffix("/")
    row = Issuer.objects.filter(url=bare).first()
    if row is not None:
        return row if row.removed_at is None else None
    return _unkept(bare)


def all_issuers() -> list[Issuer]:
    """Return every issuer on the list: the public ones first, then those that were added, by address."""
    rows = {row.url: row for row in Issuer.objects.order_by("url")}
    public = [rows.pop(url, None) or _unkept(url) for url in BUILT_IN]
    return [one for one in (*public, *rows.values()) if one is not None and one.removed_at is None]


def silent_issuers(now: datetime) -> list[Issuer]:
    """Return those that were asked within a day and gave no answer; not those that may still give one."""
    asked = (now - timedelta(days=1), now - timedelta(seconds=_ANSWER_SECONDS))
    rows = Issuer.objects.filter(removed_at__isnull=True, asked_at__range=asked)
    return [row for row in rows.order_by("url") if row.is_silent]


def add_issuer(  # noqa: PLR0913 - one keyword for each thing that is kept of an issuer
    url: str,
    provider: str,
    *,
    label: str = "",
    required_claims: Sequence[str] = (),
    may_be_private: bool = False,
    by: Actor,
) -> Issuer:
    """Put an issuer on the list; a public one that was removed comes back.

    Raises IssuerUrlInvalid, IssuerTermsInvalid, IssuerTaken, and what gate and authority raise.
    """
    with transaction.atomic():
        actions.require(by, "issuer.add", Thing("issuer", None, url[:LONGEST_URL]))
        kept = canonical(url)
        claims = _check_terms(kept, provider, label, required_claims)
        row = Issuer.objects.select_for_update().filter(url=kept).first()
        if (row is not None and row.removed_at is None) or (row is None and kept in BUILT_IN):
            raise IssuerTaken
        row = row or Issuer(url=kept)
        row.provider, row.label, row.required_claims = provider, label.strip(), claims
        row.may_be_private, row.added_at, row.removed_at = may_be_private, clock.now(), None
        row.keys, row.keys_at, row.asked_at = {}, None, None
        _save_unless_taken(row)
        details: dict[str, Detail] = {
            "provider": provider,
            "required_claims": claims,
            "may_be_private": may_be_private,
        }
        record("issuer.add", by=by, about=thing_of(row), details=details)
    return row


def _save_unless_taken(row: Issuer) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:  # somebody else was faster
        raise IssuerTaken from None


def remove_issuer(url: str, *, by: Actor) -> None:
    """Take an issuer off the list: nothing is minted for it any more, and what was minted ends.

    Its publishers stay, and work again if it is added again. Raises IssuerMissing, and what gate and authority raise.
    """
    with transaction.atomic():
        actions.require(by, "issuer.remove", Thing("issuer", None, url[:LONGEST_URL]))
        kept, now = canonical(url), clock.now()
        _give_row(kept, now)
        row = Issuer.objects.select_for_update().filter(url=kept).first()
        if row is None or row.removed_at is not None:
            raise IssuerMissing
        row.removed_at, row.keys, row.keys_at = now, {}, None
        row.save()
        alive = MintedToken.objects.filter(issuer_url=kept, revoked_at__isnull=True, expires_at__gt=now)
        ended = alive.update(revoked_at=now, revoked_reason="issuer removed")
        record("issuer.remove", by=by, about=thing_of(row), details={"ended_tokens": ended})


@dataclass(frozen=True, slots=True)
class Trial:
    """What an issuer answered: where its keys are, how many, and those that can be used; or what is wrong."""

    trouble: str = ""
    keys_url: str = ""
    count: int = 0
    keys: tuple[tuple[str, str], ...] = ()  # name and kind of each


def try_issuer(issuer: Issuer, *, by: Actor) -> Trial:
    """Ask an issuer for its keys and tell what came; nothing is kept. Raises what gate and authority raise."""
    actions.require(by, "issuer.test", thing_of(issuer))
    try:
        found = keys_client.fetch_keys(issuer.url, may_be_private=issuer.may_be_private)
    except IssuerUnanswered as error:
        return Trial(error.sentence)
    keys = tuple((key.get("kid", ""), kind_of(key)) for key in found.key_set["keys"])
    return Trial("" if keys else keys_client.UNUSABLE, found.keys_url, found.count, keys)


def kind_of(key: Mapping[str, Any]) -> str:
    """Return what a key is, for people."""
    return "RSA" if key["kty"] == "RSA" else str(key.get("crv", ""))


def key_set_of(
    issuer: Issuer, kid: str | None, now: datetime, *, is_doubted: bool = False
) -> Mapping[str, Any]:
    """Return the keys of an issuer, asking it where a key is unknown, the kept ones are old, or they are doubted.

    It is asked at most once a minute. Where it gives no answer, the kept ones go on for a set time. Raises KeysMissing.
    Not inside a transaction.
    """
    if not is_doubted and _is_fresh(issuer, now) and _holds(issuer, kid):
        return _keys(issuer)
    if _claim_asking(issuer, now):
        _ask(issuer, now)
    elif not (_is_kept(issuer, now) and _holds(issuer, kid)) and _is_being_asked(issuer, now):
        _wait_for_answer(issuer)  # where the kept ones do, nobody waits
    row = Issuer.objects.get(url=issuer.url)
    if row.removed_at is None and _is_kept(row, now):
        return _keys(row)
    raise KeysMissing


def thing_of(issuer: Issuer) -> Thing:
    """Return the issuer as the audit log names it."""
    return Thing("issuer", issuer.pk, issuer.url)


def _is_written_well(url: str) -> bool:
    try:
        return canonical(url) == url.removesuffix("/")
    except IssuerUrlInvalid:
        return False


def _unkept(url: str) -> Issuer | None:
    known = BUILT_IN.get(url)
    if known is None:
        return None
    return Issuer(url=url, provider=known.provider, label=known.label, added_at=clock.now())


def _give_row(url: str, now: datetime) -> None:
    """Let a public issuer, which is known without a row, have one from now on."""
    known = BUILT_IN.get(url)
    if known is not None:
        facts = {"provider": known.provider, "label": known.label, "added_at": now}
        Issuer.objects.get_or_create(url=url, defaults=facts)


def _check_terms(url: str, provider: str, label: str, claims: Sequence[str]) -> list[str]:
    """Return the claims without doubles; raises IssuerTermsInvalid."""
    if provider not in Provider.values:
        raise IssuerTermsInvalid(f"The provider is one of {', '.join(Provider.values)}.")
    known = BUILT_IN.get(url)
    is_elsewhere = known is None and provider in {Provider.GOOGLE, Provider.ACTIVESTATE}
    if is_elsewhere or (known is not None and provider != known.provider):
        raise IssuerTermsInvalid(f"{url} is not an issuer of the provider {provider}.")
    if len(label) > LONGEST_LABEL or not label.isprintable():
        raise IssuerTermsInvalid(f"A label is one line of at most {LONGEST_LABEL} characters.")
    found = list(dict.fromkeys(claims))
    if provider != Provider.CUSTOM:
        if found:
            raise IssuerTermsInvalid("Only an issuer of the provider custom has claims of its own.")
        return []
    if not 0 < len(found) <= MOST_CLAIMS:
        raise IssuerTermsInvalid(
            f"An issuer of the provider custom needs the names of 1 to {MOST_CLAIMS} claims that tell who asks."
        )
    for name in found:
        if not 0 < len(name) <= LONGEST_CLAIM or not name.isprintable() or name in _NO_IDENTITY:
            raise IssuerTermsInvalid(f"No publisher can be known by the claim {name[:LONGEST_CLAIM]!r}.")
    return found


def _keys(issuer: Issuer) -> Mapping[str, Any]:
    return issuer.keys or {}


def _holds(issuer: Issuer, kid: str | None) -> bool:
    found = _keys(issuer).get("keys", [])
    return any(kid is None or one.get("kid", kid) == kid for one in found)


def _is_fresh(issuer: Issuer, now: datetime) -> bool:
    return issuer.keys_at is not None and timedelta(0) <= now - issuer.keys_at < FRESH


def _is_kept(issuer: Issuer, now: datetime) -> bool:
    """Tell whether the kept keys may go on where the issuer gives no answer."""
    outage = timedelta(hours=configuration.current().issuer_outage_hours)
    return issuer.keys_at is not None and now - issuer.keys_at <= outage


def _claim_asking(issuer: Issuer, now: datetime) -> bool:
    """Tell whether this process is the one to ask now: the row says who asked last, whichever process it was."""
    if issuer.asked_at is not None and timedelta(0) <= now - issuer.asked_at < ASK_AGAIN:
        return False
    with transaction.atomic(durable=True):
        _give_row(issuer.url, now)
        long_ago = Q(asked_at__isnull=True) | Q(asked_at__lte=now - ASK_AGAIN) | Q(asked_at__gt=now)
        rows = Issuer.objects.filter(long_ago, url=issuer.url, removed_at__isnull=True)
        return rows.update(asked_at=now) == 1


def _ask(issuer: Issuer, now: datetime) -> None:
    try:
        found = keys_client.fetch_keys(issuer.url, may_be_private=issuer.may_be_private)
    except IssuerUnanswered as error:
        _log.warning("the keys of an issuer can't be fetched: %s", error.sentence)
        return
    if not found.key_set["keys"]:
        _log.warning("the issuer %s publishes no key that can be used", issuer.url)
    rows = Issuer.objects.filter(url=issuer.url, removed_at__isnull=True)
    rows.update(keys=found.key_set, keys_at=now)


def _is_being_asked(issuer: Issuer, now: datetime) -> bool:
    """Tell whether another one may still get an answer."""
    row = Issuer.objects.filter(url=issuer.url).first()
    if row is None or row.asked_at is None or not row.is_silent:
        return False
    return abs(now - row.asked_at) <= timedelta(seconds=_ANSWER_SECONDS)


def _wait_for_answer(issuer: Issuer) -> None:
    """Wait a while for the answer that another thread or process asked for; few may, the others go on without."""
    if not _waiting.acquire(blocking=False):
        return
    try:
        until = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < until:
            if not Issuer.objects.get(url=issuer.url).is_silent:
                return
            time.sleep(_LOOK_AGAIN)
    finally:
        _waiting.release()
