"""Headers, refusals as pages, and the doors."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from keyhouse.accounts.errors import TooManyAttempts
from keyhouse.accounts.models import Email, User
from keyhouse.core import actions, clock, configuration
from keyhouse.core.actions import Action, Thing
from keyhouse.core.actor import NOBODY, Actor, Strength
from keyhouse.core.errors import RoleRequired, SignInRequired
from keyhouse.web import errors
from keyhouse.web.middleware import Doors, Refusals, SecurityHeaders


class Open:
    """A gate and an authority that let everybody through."""

    def require(self, actor: Actor, action: Action, thing: Thing | None) -> None:
        pass


@pytest.fixture
def open_gate() -> Iterator[None]:
    before = actions._wiring
    actions._wiring = actions._Wiring(gate=Open(), authority=Open())
    yield
    actions._wiring = before


@actions.classified(GET="account.read", POST="password.change")
def own(request: HttpRequest) -> HttpResponse:
    return HttpResponse("own")


@actions.classified(GET="project.manage", POST="release.yank")
def managed(request: HttpRequest) -> HttpResponse:
    return HttpResponse("managed")


@actions.classified(GET="audit.read-all")
def operators(request: HttpRequest) -> HttpResponse:
    return HttpResponse("operators")


@actions.classified(GET="site.read")
def public(request: HttpRequest) -> HttpResponse:
    return HttpResponse("public")


def request_of(
    method: str = "GET", path: str = "/account/?a=b", actor: Actor = NOBODY, **headers: str
) -> Any:
    request = RequestFactory().generic(method, path, headers=headers)
    request.actor = actor  # type: ignore[attr-defined]  # as the session middleware does
    return request


def ada(*methods: str, minutes_ago: int = 0, is_operator: bool = False, user_id: int = 1) -> Actor:
    proved = Strength(frozenset(methods), clock.now() - timedelta(minutes=minutes_ago))
    return Actor(
        kind="session",
        user_id=user_id,
        name="ada",
        strength=proved,
        email_is_verified=True,
        is_operator=is_operator,
    )


def knock(view: Callable[..., HttpResponse], request: Any) -> Any:
    return Doors(lambda _: HttpResponse()).process_view(request, view, (), {})


def test_nobody_is_sent_to_sign_in_and_back() -> None:
    answer = knock(own, request_of())
    assert (answer.status_code, answer["Location"]) == (302, "/account/sign-in/?next=%2Faccount%2F%3Fa%3Db")
    assert knock(own, request_of("HEAD")).status_code == 302


def test_a_form_sent_by_nobody_is_refused() -> None:
    answer = knock(own, request_of("POST"))
    assert (answer.status_code, answer["X-Refusal"]) == (401, "sign-in-required")


def test_an_old_proof_is_asked_for_anew_and_leads_back_to_the_page() -> None:
    assert knock(own, request_of("POST", actor=ada("password", minutes_ago=14))) is None
    answer = knock(own, request_of("POST", actor=ada("password", minutes_ago=16)))
    assert (answer.status_code, answer["Location"]) == (302, "/account/step-up/?next=%2Faccount%2F")
    assert knock(own, request_of("GET", actor=ada("password", minutes_ago=16))) is None


@pytest.mark.django_db
def test_the_gate_is_asked_before_the_step_up() -> None:
    answer = knock(managed, request_of("POST", actor=ada("password", minutes_ago=16)))
    assert answer.status_code != 302


@pytest.mark.usefixtures("open_gate")
def test_operators_pages_are_for_operators() -> None:
    assert knock(operators, request_of(actor=ada("password", "totp"))).status_code == 403
    assert knock(operators, request_of(actor=ada("password", "totp", is_operator=True))) is None


@pytest.mark.usefixtures("open_gate")
@pytest.mark.parametrize(
    ("address", "is_let_in"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8:7::1", True),
        ("192.0.2.9", False),
        ("2001:db8:8::1", False),
        ("", False),
        ("unknown", False),
    ],
)
def test_operators_pages_open_from_their_networks_alone(
    monkeypatch: pytest.MonkeyPatch, address: str, is_let_in: bool
) -> None:
    networks = (ip_network("10.0.0.0/8"), ip_network("2001:db8:7::/48"))
    near = replace(configuration.current(), operator_networks=networks)
    monkeypatch.setattr(configuration, "current", lambda: near)
    operator = ada("password", "totp", is_operator=True)
    request = request_of(actor=operator)
    request.META["REMOTE_ADDR"] = address
    request.META["HTTP_X_FORWARDED_FOR"] = "10.1.2.3"  # what a client says of itself counts for nothing here
    answer = knock(operators, request)
    assert (answer is None) is is_let_in
    if answer is not None:
        assert (answer.status_code, answer["X-Refusal"]) == (403, "role-required")
    assert knock(own, request) is None, "pages of everybody open from everywhere"
    outsider = request_of(actor=ada("password", "totp"))
    assert knock(operators, outsider).status_code == 403


@pytest.mark.usefixtures("open_gate")
def test_a_missing_office_and_a_forged_form_are_written_down_with_who_and_where(
    caplog: pytest.LogCaptureFixture,
) -> None:
    request = request_of(path="/operator/audit/", actor=ada("password", "totp", user_id=7))
    assert knock(operators, request).status_code == 403
    assert (
        knock(operators, request_of(path="/operator/audit/")).status_code == 302
    )  # asking to sign in is none
    forged = request_of("POST", "/account/password/\u202e", actor=ada("password"), accept="text/plain")
    assert errors.csrf_failure(forged, "a reason of Django's").status_code == 403
    told = [one for one in caplog.records if one.name == "keyhouse.refusals"]
    assert [(vars(one)["code"], vars(one)["account"], vars(one)["client"]) for one in told] == [
        ("role-required", 7, "127.0.0.1"),
        ("form-refused", 1, "127.0.0.1"),
    ]
    assert told[0].getMessage() == "role-required: GET /operator/audit/ by session 7"


@pytest.mark.django_db
def test_pages_of_a_private_index_are_for_who_is_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert knock(public, request_of()) is None
    private = configuration.read({"KEYHOUSE_READS": "private", "KEYHOUSE_ENVIRONMENT": "test"})
    monkeypatch.setattr(configuration, "_current", private)
    assert knock(public, request_of())["Location"].startswith("/account/sign-in/")
    reader = User.objects.create(username="ada", joined_at=clock.now())
    Email.objects.create(
        user=reader, address="ada@example.org", is_primary=True, verified_at=clock.now(), added_at=clock.now()
    )
    assert knock(public, request_of(actor=ada("password", "totp", user_id=reader.pk))) is None
    for methods in (["password"], ["password", "recovery_code"]):
        weak = ada(*methods, user_id=reader.pk)
        assert knock(public, request_of(actor=weak))["X-Refusal"] == "second-factor-required"
    gone = ada("password", "totp", user_id=reader.pk + 1)
    assert knock(public, request_of(actor=gone))["X-Refusal"] == "account-frozen"


def test_a_view_without_a_class_is_closed() -> None:
    answer = knock(lambda request: HttpResponse("open"), request_of(actor=ada("password", "totp")))
    assert (answer.status_code, answer["X-Refusal"]) == (503, "gate-unavailable")


def test_a_method_that_is_not_named_is_refused_with_those_that_are() -> None:
    answer = knock(own, request_of("PUT"))
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, POST")


def refused(refusal: Exception, accept: str = "*/*") -> Any:
    return Refusals(lambda _: HttpResponse()).process_exception(request_of(Accept=accept), refusal)


def test_a_refusal_is_one_line_for_programs() -> None:
    answer = refused(RoleRequired())
    assert answer.status_code == 403
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    first = answer.content.decode().splitlines()[0]
    assert first.startswith("role-required: You don't have a role that allows this.")


@pytest.mark.django_db
def test_a_refusal_is_a_page_for_people() -> None:
    answer = refused(RoleRequired(), "text/html,*/*;q=0.8")
    page = answer.content.decode()
    assert (answer.status_code, answer["X-Refusal"]) == (403, "role-required")
    assert "/help/codes/role-required/" in page
    assert "Ask an owner of the project." in page


def test_a_limit_says_when_to_come_back() -> None:
    answer = refused(TooManyAttempts(retry_after=30))
    assert (answer.status_code, answer["Retry-After"]) == (429, "30")


def test_somebody_unknown_on_a_page_is_sent_to_sign_in() -> None:
    assert refused(SignInRequired()).status_code == 302


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("attempt to write a readonly database"),
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EROFS, "Read-only file system"),
    ],
)
def test_a_disk_that_refuses_is_said_to_be_the_reason(error: Exception) -> None:
    answer = refused(error)
    assert (answer.status_code, answer["X-Refusal"], answer["Retry-After"]) == (503, "unavailable", "30")
    assert b"disk is full or read-only" in answer.content


def test_a_defect_is_not_taken_for_a_refusal() -> None:
    middleware = Refusals(lambda _: HttpResponse())
    assert middleware.process_exception(request_of(), ValueError("x")) is None


def headers_of(request: Any, response: HttpResponse | None = None) -> Any:
    return SecurityHeaders(lambda _: response or HttpResponse())(request)


def test_every_page_carries_the_headers_that_bind_browsers() -> None:
    answer = headers_of(request_of(path="/"))
    policy = answer["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "*" not in policy
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert "Strict-Transport-Security" not in answer
    assert answer["Cache-Control"] == "no-cache"


def test_https_sites_stay_on_https(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = configuration.read({"KEYHOUSE_BASE_URL": "https://index.example.org"})
    monkeypatch.setattr(configuration, "_current", settings)
    assert headers_of(request_of(path="/"))["Strict-Transport-Security"] == "max-age=31536000"


def test_https_on_localhost_binds_no_other_port_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = configuration.read({"KEYHOUSE_BASE_URL": "https://localhost:8443"})
    monkeypatch.setattr(configuration, "_current", settings)
    assert "Strict-Transport-Security" not in headers_of(request_of(path="/"))


@pytest.mark.parametrize("path", ["/account/", "/setup/secret/", "/invitation/secret/"])
def test_no_cache_keeps_what_is_somebodys(path: str) -> None:
    assert headers_of(request_of(path=path))["Cache-Control"] == "no-store"
    assert headers_of(request_of(path="/", actor=ada("password")))["Cache-Control"] == "no-store"
    with_cookie = HttpResponse()
    with_cookie.set_cookie("a", "b")
    assert headers_of(request_of(path="/"), with_cookie)["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_an_unknown_address_is_a_page_with_all_headers(client: Client) -> None:
    answer = client.get("/no/such/page/", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "not-found" in answer.content.decode()
    assert answer["Content-Security-Policy"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n"),
        ("application/x-www-form-urlencoded", b"a=1&" * 300),
        ("application/x-www-form-urlencoded", b"%ff%fe=%80"),
        ("application/x-www-form-urlencoded; charset=utf-16", b"a=b"),
        ("application/x-www-form-urlencoded; charset=nonsense", b"a=b"),
        ("application/json", b"{"),
        ("", b""),
    ],
)
def test_a_form_that_cannot_be_read_is_refused_and_no_defect(
    client: Client, content_type: str, body: bytes
) -> None:
    client.raise_request_exception = False
    answer = client.generic("POST", "/account/sign-in/", body, content_type=content_type)
    assert 400 <= answer.status_code < 500


def test_a_defect_shows_the_page_that_needs_nothing(client: Client) -> None:
    answer = errors.broken(request_of())
    assert answer.status_code == 500
    assert b"server-error" in answer.content


def test_a_refusal_raised_outside_of_views_is_answered_as_one() -> None:
    try:
        raise TooManyAttempts  # noqa: TRY301 - this is what a middleware does
    except TooManyAttempts:
        answer = errors.broken(request_of())
    assert answer.status_code == 429
