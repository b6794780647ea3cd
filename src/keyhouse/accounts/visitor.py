"""Who stands at the door before anybody is proven: from which network, with which browser."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from keyhouse.accounts.cookies import BROWSER, cookie_name, put_cookie
from keyhouse.accounts.limits import KNOWN_BROWSER, typed_subject
from keyhouse.core.actor import Actor

SALT: Final = "keyhouse.accounts.browser"
MOST: Final = 5  # people who share a browser
LIFE: Final = timedelta(days=365)
LONGEST_COOKIE: Final = 1000


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser: client address, user agent, and whose browser it is known to be (user id → random id)."""

    network: str = ""
    user_agent: str = ""
    browsers: Mapping[str, str] = field(default_factory=dict)

    @property
    def actor(self) -> Actor:
        """Return the actor for the audit log: nobody, from this network."""
        return Actor(kind="nobody", network=self.network, user_agent=self.user_agent)

    def subject(self, user_id: int | None, typed: str = "") -> str:
        """Name the bucket that an attempt on an account is counted in.

        A browser in which its person signed in before has a bucket of its own, so that strangers who guess lock
        nobody out. For the rest what was *typed* is the bucket, so that a limit doesn't tell which address belongs to
        which name.
        """
        known = self.browsers.get(str(user_id)) if user_id is not None else None
        if known:
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
        browsers: Any = signing.loads(value, salt=SALT, max_age=LIFE)
    except signing.BadSignature:
        return {}
    return browsers if isinstance(browsers, dict) else {}


def remember_browser(response: HttpResponseBase, visitor: Visitor, user_id: int) -> None:
    """Note in the browser that this person signed in with it; that never replaces a factor."""
    known = visitor.browsers.get(str(user_id)) or secrets.token_urlsafe(12)
    others = [(name, value) for name, value in visitor.browsers.items() if name != str(user_id)]
    browsers = dict([*others, (str(user_id), known)][-MOST:])
    put_cookie(response, signing.dumps(browsers, salt=SALT), BROWSER, int(LIFE.total_seconds()))
