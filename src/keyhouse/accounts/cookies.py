"""The cookies of this site: their names and how they are set (ASVS 3.3)."""

from __future__ import annotations

from typing import Final

from django.http.response import HttpResponseBase

from keyhouse.core import configuration
from keyhouse.core.instance import read_instance_id

SESSION: Final = ""
CSRF: Final = "form"  # of pages that need no session
NEWCOMER: Final = "newcomer"  # binds a one-time link to the browser that began with it
RETURN: Final = "return"  # binds a recovery case to the browser that began it by factors
CEREMONY: Final = "ceremony"  # the question for a passkey that this browser was asked
BROWSER: Final = "browser"  # a browser that its people signed in with before


def cookie_name(purpose: str = SESSION) -> str:
    """Return the name: `__Host-keyhouse` on https; on http it carries the instance's id.

    Cookies don't know ports: without the id two servers on one host would sign each other's people out.
    """
    parts = ["__Host-keyhouse"] if configuration.current().is_https else ["keyhouse", read_instance_id()]
    return "-".join([*parts, purpose] if purpose else parts)


def put_cookie(
    response: HttpResponseBase, value: str, purpose: str = SESSION, max_age: int | None = None
) -> None:
    """Set a cookie for this host only, out of reach of scripts; without `max_age` it ends with the browser."""
    response.set_cookie(
        cookie_name(purpose),
        value,
        max_age=max_age,
        path="/",
        secure=configuration.current().is_https,
        httponly=True,
        samesite="Lax",
    )


def drop_cookie(response: HttpResponseBase) -> None:
    """Take the cookie of a session away again."""
    put_cookie(response, "", max_age=0)
