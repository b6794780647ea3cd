"""Who stands at the door before anybody is proven: from which network, with which browser."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from keyhouse.accounts import browsers
from keyhouse.accounts.cookies import BROWSER, cookie_name, put_cookie
from keyhouse.accounts.limits import KNOWN_BROWSER, typed_subject
from keyhouse.accounts.sessions import digest_of
from keyhouse.core.actor import Actor

SALT: Final = "keyhouse.accounts.browser"
MOST: Final = 5  # people who share a browser
ID_BYTES: Final = 12
LONGEST_COOKIE: Final = 1000


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser: client address, user agent, and whose browser it says it is (user id → random id).

    `fresh_id` is the id that it gets for somebody who has none in it yet, or one that is forgotten.
    """

    network: str = ""
    user_agent: str = ""
    browsers: Mapping[str, str] = field(default_factory=dict)
    fresh_id: str = field(default_factory=lambda: secrets.token_urlsafe(ID_BYTES), repr=False)

    @property
    def actor(self) -> Actor:
        """Return the actor for the audit log: nobody, from this network."""
        return Actor(kind="nobody", network=self.network, user_agent=self.user_agent)

    def ids_for(self, user_id: int) -> list[str]:
        """Return the ids that may name this browser for a person: that of its cookie, and the one it gets now."""
        kept = self.browsers.get(str(user_id))
        return [kept, self.fresh_id] if isinstance(kept, str) else [self.fresh_id]

    def subject(self, user_id: int | None, typed: str = "") -> str:
        """Name the bucket that an attempt on an account is counted in.

        A browser in which its person signed in before has a bucket of its own, so that strangers who guess lock
        nobody out. For the rest what was *typed* is the bucket, so that a limit doesn't tell which address belongs to
        which name.
        """
        known = self.browsers.get(str(user_id)) if user_id is not None else None
        if known and user_id is not None and browsers.has_bucket(user_id, known):
            return f"{KNOWN_BROWSER}{user_id}:{known}"
        return typed_subject(typed) if typed else f"account:{user_id}"


def visitor_of(request: HttpRequest) -> Visitor:
    """Read the visitor from a request; a forged or garbled cookie is no cookie."""
    return Visitor(
        network=str(request.META.get("REMOTE_ADDR", "")),
        user_agent=request.headers.get("User-Agent", "")[:300],
        browsers=_read_browsers(request.COOKIES.get(cookie_name(BROWSER), "")),
    )


def _read_browsers(value: str) -> Mapping[str, str]:
    if not value or len(value) > LONGEST_COOKIE:
        return {}
    try:
        kept: Any = signing.loads(value, salt=SALT, max_age=browsers.LIFE)
    except signing.BadSignature:
        return {}
    return kept if isinstance(kept, dict) else {}


def remember_browser(response: HttpResponseBase, visitor: Visitor, user_id: int) -> None:
    """Give the browser its id for a person whom it has become known for; that never replaces a factor."""
    row = browsers.find(user_id, visitor)
    if row is None:
        return
    known = next(one for one in visitor.ids_for(user_id) if digest_of(one) == row.digest)
    others = [(name, value) for name, value in visitor.browsers.items() if name != str(user_id)]
    kept = dict([*others, (str(user_id), known)][-MOST:])
    put_cookie(response, signing.dumps(kept, salt=SALT), BROWSER, int(browsers.LIFE.total_seconds()))
