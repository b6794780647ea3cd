"""Every page of the catalogue, who may open it in `everything`, and how to ask and to undo what it did."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

from django.db import transaction
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, get_resolver
from tests.web.everything import HALF, NOBODY, WAITING, Everything

FORM: Final = "application/x-www-form-urlencoded"
# Who may open what begins so; whoever else there is, the longest beginning says.
WHO: Final = {
    "/": "ada",
    "/account/sign-in/": NOBODY,
    "/account/sign-up/": NOBODY,
    "/account/recover/": NOBODY,
    "/account/password/forgotten/": NOBODY,
    "/account/deleted/": NOBODY,
    "/account/second-factor/": HALF,
    "/account/new-browser/": WAITING,
    "/account/second-factors/proof/": "una",
    "/account/delete/keep/": "liv",
    "/account/delete/": "zoe",
    "/account/invitations/<": "mod",
    "/account/invitations/organization/": "zoe",
    "/account/mandate/exits/exemption/": "lou",
    "/account/mandate/exits/key/": "lou",
    "/account/mandate/exits/take-back/": "lou",
    "/account/mandate/snooze/": "lou",
    "/confirm-sign-in/": WAITING,
    "/enrolment-proof/": "una",
    "/enrolment/": "enrolment",
    "/invitation/": "invitation",
    "/sign-up/": "sign-up",
    "/recovery/": "recovery",
    "/password-reset/": NOBODY,
    "/keep-account/": NOBODY,
    "/setup/": NOBODY,
    "/manage/organizations/applications/": "eve",
    "/manage/organizations/apply/": "eve",
    "/operator/": "root",
    "/operator/mandates/<str:name>/confirm-pause/": "tom",
    "/operator/proposals/<number:proposal_id>/approve/": "tom",
    "/mandate/proposals/": "tom",
    "/mandate/exemptions/": "tom",
}

Pairs = list[tuple[str, bytes]]


@dataclass(frozen=True)
class Door:
    """A method of a page, with the fields that its form has."""

    method: str
    route: str
    action: str
    fields: tuple[str, ...]

    @property
    def who(self) -> str:
        """Return whom it opens for."""
        return WHO[max((start for start in WHO if self.route.startswith(start)), key=len)]

    def __str__(self) -> str:
        """Return what is asked."""
        return f"{self.method} {self.route}"


@cache
def all_doors() -> tuple[Door, ...]:
    """Return each method of every page."""
    return tuple(sorted(_walk(get_resolver().url_patterns), key=str))


def _walk(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[Door]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route)
            continue
        for method, action in getattr(pattern.callback, "actions", {}).items():
            yield Door(method, route, action, tuple(getattr(pattern.callback, "fields", ())))


@dataclass(frozen=True)
class Answer:
    """What came back; `defect` is where it broke, `first` what the first of several was told."""

    status: int
    code: str
    headers: dict[str, str]
    body: bytes
    defect: str = ""
    first: tuple[int, str] = (0, "")

    @property
    def told(self) -> tuple[int, str]:
        """Return the status with the code of a refusal."""
        return self.status, self.code


def ask(
    index: Everything,
    who: str,
    method: str,
    path: str,
    *,
    query: str = "",
    body: bytes = b"",
    kind: str = FORM,
    times: int = 1,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Ask as somebody, as often as said, and undo what was done; `path` and `query` are percent-encoded.

    Returns the last answer, or the first that is a defect.
    """
    with undone():
        first = None
        for _ in range(times):
            answer = come(index, who, method, path, query=query, body=body, kind=kind, headers=headers)
            first = first or answer
            if answer.defect:
                break
    return replace(answer, first=first.told) if first else answer


@contextmanager
def undone() -> Iterator[None]:
    """Undo in the end what is done in the database meanwhile."""
    whole = transaction.atomic()
    whole._from_testcase = True  # type: ignore[attr-defined]  # acts may ask for the outermost transaction
    with whole:
        yield
        transaction.set_rollback(True)


def come(
    index: Everything,
    who: str,
    method: str,
    path: str,
    *,
    query: str = "",
    body: bytes = b"",
    kind: str = FORM,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Ask once, as `ask` does; what was done stays."""
    client = index.client(who)
    client.raise_request_exception = False
    return _read(
        client.generic(
            method,
            "/",
            body,
            content_type=kind if method == "POST" else "",
            headers={"accept": "text/html", **(headers or {})},
            PATH_INFO=unquote_to_bytes(path).decode("latin-1"),
            QUERY_STRING=query,
        )
    )


def _read(response: HttpResponseBase) -> Answer:
    body = b"".join(response)
    code, defect = response.headers.get("X-Refusal", ""), ""
    if response.status_code >= 500:
        told: Any = getattr(response, "exc_info", None)
        last = traceback.extract_tb(told[2])[-1] if told else None
        defect = f"{told[1]!r} at {last}" if told else f"{response.status_code} {code}"
    return Answer(response.status_code, code, dict(response.headers), body, defect)


def encoded(pairs: Pairs) -> str:
    """Return fields as a form or an address has them."""
    return "&".join(f"{quote(name)}={quote_from_bytes(value)}" for name, value in pairs)
