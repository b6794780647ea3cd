from __future__ import annotations

import pytest
from tests.accounts.conftest import Configure, refused, signed_in

from keyhouse.accounts.models import User
from keyhouse.accounts.sessions import csrf_token_for

pytestmark = pytest.mark.django_db

SESSIONS = "/account/sessions/"


@pytest.mark.parametrize(
    ("headers", "is_taken"),
    [
        ({}, True),
        ({"referer": "https://index.example/account/"}, True),
        ({"origin": "https://index.example"}, True),
        ({"referer": "https://evil.example/"}, False),
        ({"referer": "https://index.example.evil.example/"}, False),
        ({"referer": "http://index.example/"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "http://index.example"}, False),
        ({"origin": "null"}, False),
    ],
)
def test_on_https_a_form_comes_from_the_base_url(
    ada: User, configure: Configure, headers: dict[str, str], is_taken: bool
) -> None:
    configure(base_url="https://index.example")
    session, browser = signed_in(ada)
    page = browser.client.post(
        SESSIONS, {"csrfmiddlewaretoken": csrf_token_for(session)}, headers=headers, secure=True
    )
    assert (page.status_code == 303) is is_taken
    assert refused(page) == ("" if is_taken else "form-refused")


@pytest.mark.parametrize("host", ["evil.example", "localhost:8400@evil.example", "[::1", "a b", "\x00"])
def test_a_forged_host_makes_no_origin_ours(ada: User, host: str) -> None:
    session, browser = signed_in(ada)
    page = browser.client.post(
        SESSIONS,
        {"csrfmiddlewaretoken": csrf_token_for(session)},
        headers={"origin": "http://other.example"},
        SERVER_NAME=host,
        HTTP_HOST=host,
    )
    assert refused(page) == "form-refused"


def test_a_mark_in_a_header_does_as_well(ada: User) -> None:
    session, browser = signed_in(ada)
    page = browser.client.post(SESSIONS, headers={"x-csrftoken": csrf_token_for(session)})
    assert page.status_code == 303


def test_a_mark_in_the_address_does_not(ada: User) -> None:
    session, browser = signed_in(ada)
    page = browser.client.post(f"{SESSIONS}?csrfmiddlewaretoken={csrf_token_for(session)}")
    assert refused(page) == "form-refused"


def test_somebody_signed_in_gets_no_second_mark_by_cookie(ada: User) -> None:
    _, browser = signed_in(ada)
    page = browser.get("/account/")
    assert not page.cookies
