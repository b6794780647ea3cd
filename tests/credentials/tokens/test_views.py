from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import HttpResponse
from django.test import Client
from tests.credentials.tokens.conftest import MakeToken, make_project, make_user, session_of
from tests.mandate.stored import document, retire_default, store

from keyhouse.accounts.cookies import cookie_name
from keyhouse.accounts.models import Email, User
from keyhouse.accounts.sessions import csrf_token_for, start_session
from keyhouse.audit.models import Record
from keyhouse.core import actions, clock
from keyhouse.core.actor import Strength, host
from keyhouse.credentials.tokens import services
from keyhouse.credentials.tokens.models import Token
from keyhouse.projects.models import Project

pytestmark = pytest.mark.django_db
LIST = "/account/tokens/"
NEW = "/account/tokens/new/"
TEXT = re.compile(r"keyhouse-[A-Za-z0-9_-]{40,}")


class Browser:
    """A browser that is signed in as somebody, with forms of its own session."""

    def __init__(self, user: User | None = None, *methods: str, **facts: Any) -> None:
        self.client = Client(enforce_csrf_checks=True, headers={"accept": "text/html"})
        self.csrf = ""
        if user is not None:
            session, value = start_session(user, methods or ("password", "totp"), **facts)
            self.client.cookies[cookie_name()] = value
            self.csrf = csrf_token_for(session)

    def get(self, path: str) -> HttpResponse:
        return self.client.get(path)  # type: ignore[return-value]  # the client's own subclass of it

    def post(self, path: str, **fields: Any) -> HttpResponse:
        return self.client.post(path, {"csrfmiddlewaretoken": self.csrf, **fields})  # type: ignore[return-value]  # the same

    def mint(self, **fields: Any) -> HttpResponse:
        terms = {"description": "ci", "project": "all", "reason": "several purposes", "actions": "upload"}
        return self.post(NEW, **({"expires_in_days": "30", "form_id": uuid.uuid4()} | terms | fields))


@pytest.fixture
def browser(ada: User, alpha: Project) -> Browser:
    return Browser(ada)


def body(response: HttpResponse) -> str:
    return response.content.decode()


def test_the_form_offers_ones_own_projects_and_narrow_values_first(browser: Browser, beta: Project) -> None:
    page = body(browser.get(NEW))
    assert "alpha" in page
    assert "beta" not in page
    assert re.search(r'<option value="" selected>', page)
    assert re.search(r'name="expires_in_days" value="90"', page)
    assert re.search(r'value="upload"[^>]* checked', page)
    assert not re.search(r'value="(yank|read)"[^>]* checked', page)
    assert re.search(r"Why for all projects\? <[^>]*>\(for such a token only\)<", page)


def test_a_link_can_pick_the_project(browser: Browser, alpha: Project, beta: Project) -> None:
    assert f'<option value="{alpha.pk}" selected>' in body(browser.get(f"{NEW}?project=alpha"))
    for name in ("beta", "no-such-project", "%00"):
        assert '<option value="" selected>' in body(browser.get(f"{NEW}?project={name}"))


def test_a_token_is_shown_once_with_lines_to_copy(browser: Browser, alpha: Project) -> None:
    response = browser.mint(project=str(alpha.pk), reason="")
    page = body(response)
    texts = set(TEXT.findall(page))
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert len(texts) == 1
    for line in ("twine upload", "uv publish", "TWINE_PASSWORD=", "UV_PUBLISH_TOKEN="):
        assert line in page
    text = texts.pop()
    for path in (LIST, NEW, f"{LIST}{Token.objects.get().pk}/revoke/"):
        assert text not in body(browser.get(path))
    assert "ci" in body(browser.get(LIST))


def test_a_form_sent_twice_makes_one_token_and_shows_it(browser: Browser) -> None:
    form_id = uuid.uuid4()
    first, second = browser.mint(form_id=form_id), browser.mint(form_id=form_id)
    assert TEXT.findall(body(first)) == TEXT.findall(body(second))
    assert Token.objects.count() == 1
    Token.objects.update(minted_at=clock.now() - timedelta(minutes=5))
    late = browser.mint(form_id=form_id)
    assert late.status_code == 409
    assert not TEXT.search(body(late))


@pytest.mark.parametrize(
    "fields",
    [
        {"description": ""},
        {"description": "x" * 101},
        {"description": "a\x00b"},
        {"description": "a\tb"},
        {"project": ""},
        {"project": "nonsense"},
        {"project": "all", "reason": ""},
        {"project": "all", "reason": "because"},
        {"actions": []},
        {"actions": ["delete"]},
        {"expires_in_days": ""},
        {"expires_in_days": "0"},
        {"expires_in_days": "366"},
        {"expires_in_days": "never"},
        {"expires_in_days": "9" * 5000},
        {"form_id": "nonsense"},
    ],
)
def test_a_form_that_cannot_be_is_shown_again_and_makes_nothing(
    browser: Browser, fields: dict[str, Any]
) -> None:
    response = browser.mint(**fields)
    assert response.status_code == 400
    assert not TEXT.search(body(response))
    assert not Token.objects.exists()
    assert not Record.objects.filter(action="token.mint").exists()


def test_a_description_that_is_taken_is_told_at_the_field(browser: Browser) -> None:
    browser.mint()
    response = browser.mint()
    assert response.status_code == 400
    assert "already" in body(response)
    assert Token.objects.count() == 1


def test_somebody_elses_project_is_refused_like_an_unknown_one(browser: Browser, beta: Project) -> None:
    pages = [body(browser.mint(project=str(id_), form_id="")) for id_ in (beta.pk, 10**9)]
    masked = [re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", page) for page in pages]
    assert "Pick one of your projects." in pages[0]
    assert masked[0] == masked[1]
    assert not Token.objects.exists()


def refused_to_mint(browser: Browser, code: str) -> None:
    for response in (browser.get(NEW), browser.mint()):
        assert response.status_code == 403
        assert code in body(response)
    assert not Token.objects.exists()


def test_a_session_without_a_second_factor_mints_nothing(ada: User, alpha: Project) -> None:
    refused_to_mint(Browser(ada, "password"), "second-factor-required")
    refused_to_mint(Browser(ada, "password", "recovery_code"), "second-factor-required")


def test_an_unverified_address_mints_nothing(ada: User) -> None:
    Email.objects.update(verified_at=None)
    refused_to_mint(Browser(ada), "email-unverified")


def test_an_account_on_hold_mints_nothing(ada: User) -> None:
    User.objects.update(state="held")
    refused_to_mint(Browser(ada), "account-held")


def test_an_old_proof_is_asked_for_again(ada: User, alpha: Project) -> None:
    browser = Browser(ada, at=clock.now() - timedelta(minutes=16))
    page, sent = browser.get(NEW), browser.mint()
    assert page.status_code == sent.status_code == 302
    assert page["Location"] == "/account/step-up/?next=%2Faccount%2Ftokens%2Fnew%2F"
    assert sent["Location"].startswith("/account/step-up/?next=%2Faccount%2Ftokens%2Fnew%2F%3F")
    assert not Token.objects.exists()


def test_what_was_typed_survives_the_proof_that_is_asked_for(ada: User, alpha: Project) -> None:
    late = Browser(ada, at=clock.now() - timedelta(minutes=16))
    sent = late.mint(
        description="job of a & b",
        project=str(alpha.pk),
        actions=["upload", "read"],
        expires_in_days="7",
        version="1.4",
        networks="192.0.2.0/24",
    )
    way_back = parse_qs(urlsplit(sent["Location"]).query)["next"][0]
    assert "form_id" not in way_back
    assert "csrf" not in way_back
    page = body(Browser(ada).get(way_back))
    assert 'value="job of a &amp; b"' in page
    assert re.search(rf'<option value="{alpha.pk}" selected', page)
    assert page.count("checked") == 2
    assert all(f'value="{typed}"' in page for typed in ("7", "1.4", "192.0.2.0/24"))


def test_a_form_filled_by_a_link_is_still_only_a_form(browser: Browser) -> None:
    page = body(
        browser.get(f"{NEW}?expires_in_days=x&actions=everything&project=%00&description=%3Cb%3E&form_id=1")
    )
    assert "&lt;b&gt;" in page
    assert "checked" not in page
    assert 'name="form_id" value="1"' not in page
    assert not Token.objects.exists()


def test_nobody_sees_or_makes_tokens(db: None) -> None:
    nobody = Browser()
    for path in (LIST, NEW):
        assert nobody.get(path)["Location"].startswith("/account/sign-in/")
    assert nobody.mint().status_code in {401, 403}
    assert not Token.objects.exists()


@pytest.mark.parametrize("csrf", ["", "x" * 32])
def test_a_form_of_another_site_does_nothing(browser: Browser, mint: MakeToken, csrf: str) -> None:
    token, _ = mint()
    browser.csrf = csrf
    assert browser.mint().status_code == 403
    assert browser.post(f"{LIST}{token.pk}/revoke/").status_code == 403
    assert Token.objects.get().revoked_at is None


def test_ones_own_tokens_are_listed_and_nobody_elses(browser: Browser, mint: MakeToken) -> None:
    token, _ = mint(description="release <job>")
    services.record_use(token.pk, at=clock.now(), network="203.0.113.9", client="uv/0.13 <x>")
    eve = make_user("eve")
    eves, _ = mint(
        description="eve's", user=eve, by=session_of(eve), project_ids=None, reason="several purposes"
    )
    page = body(browser.get(LIST))
    assert "release &lt;job&gt;" in page
    assert "203.0.113.9" in page
    assert "uv/0.13 &lt;x&gt;" in page
    assert str(eves.pk) not in page


def test_a_token_is_revoked_by_a_form_after_a_question(browser: Browser, mint: MakeToken) -> None:
    token, _ = mint()
    path = f"{LIST}{token.pk}/revoke/"
    assert "Revoke it" in body(browser.get(path))
    assert Token.objects.get().revoked_at is None
    for _ in range(2):
        assert browser.post(path)["Location"] == LIST
    assert Token.objects.get().revoked_at is not None
    assert Record.objects.filter(action="token.revoke").count() == 1
    page = body(browser.get(LIST))
    assert path not in page
    assert "revoked" in page
    assert "was revoked" in body(browser.get(path))


def test_revoking_needs_no_fresh_proof_and_no_second_factor(ada: User, mint: MakeToken) -> None:
    token, _ = mint()
    weak = Browser(ada, "password", at=clock.now() - timedelta(minutes=40))
    assert weak.post(f"{LIST}{token.pk}/revoke/").status_code == 302
    assert Token.objects.get().revoked_at is not None


@pytest.mark.parametrize("ask", [Browser.get, Browser.post])
def test_somebody_elses_token_looks_like_no_token(mint: MakeToken, ask: Callable[..., HttpResponse]) -> None:
    token, _ = mint()
    eve = Browser(make_user("eve", is_operator=True))
    pages = []
    for token_id in (token.pk, uuid.uuid4()):
        response = ask(eve, f"{LIST}{token_id}/revoke/")
        assert response.status_code == 404
        pages.append(re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", body(response)))
    assert pages[0] == pages[1]
    assert Token.objects.get().revoked_at is None


def test_other_methods_are_refused(browser: Browser, mint: MakeToken) -> None:
    token, _ = mint()
    headers = {"X-CSRFToken": browser.csrf}
    for method in ("put", "patch", "delete"):
        for path in (LIST, NEW, f"{LIST}{token.pk}/revoke/"):
            assert getattr(browser.client, method)(path, headers=headers).status_code == 405
    assert browser.post(LIST).status_code == 405


def test_a_person_without_projects_can_make_a_token_for_the_first_one(db: None) -> None:
    browser = Browser(make_user("newcomer"))
    assert browser.mint().status_code == 200
    assert Token.objects.get().is_for_all_projects


def test_a_token_of_a_deleted_project_stays_listed(browser: Browser, ada: User, mint: MakeToken) -> None:
    gone = make_project("gone", ada)
    mint(project_ids=[gone.pk])
    gone.delete()
    assert "projects that were deleted" in body(browser.get(LIST))


# ---- what mandates make of tokens ----


def begin_campaign(**changes: Any) -> datetime:
    """Announce a campaign yesterday, and return when it refuses."""
    retire_default()
    announced, enforced = clock.now() - timedelta(days=1), clock.now() + timedelta(days=20)
    stages = [
        {"state": "announced", "at": announced, "warn": ["all"]},
        {"state": "enforced", "at": enforced, "deny": ["all"]},
    ]
    store(document(stages=stages, **changes))
    return enforced


def test_a_weak_session_is_told_what_becomes_of_the_token_it_makes(ada: User, alpha: Project) -> None:
    enforced = begin_campaign()
    weak, strong = Browser(ada, "password"), Browser(ada)
    assert "proven too little" not in body(strong.get(NEW))
    page = body(weak.get(NEW))
    assert "A token made now is made without a second factor and ends on" in " ".join(page.split())
    assert f"{enforced:%Y-%m-%d %H:%M} UTC" in page
    assert "campaign@1" in page
    made = body(weak.mint(description="weak", project=str(alpha.pk), reason="", expires_in_days="90"))
    assert (
        f'{enforced:%Y-%m-%d %H:%M} UTC</time> <span class="soft">(in 19 days)</span>, before its term'
        in made
    )
    assert "before its term" not in body(strong.mint(description="strong"))
    # the form tells it again where something was wrong with it
    again = weak.mint(description="", project=str(alpha.pk))
    assert again.status_code == 400
    assert "ends on" in body(again)


def test_the_list_tells_how_each_token_was_made_and_why_it_ends(ada: User, mint: MakeToken) -> None:
    weak = session_of(ada, "password")
    begin_campaign(methods={"accept": ["security-key"]})
    mint(description="by app", expires_in_days=90)
    mint(description="by password", by=weak, expires_in_days=90)
    mint(description="short", by=weak, expires_in_days=5)
    mint(description="by key", by=session_of(ada, "password", "webauthn"), expires_in_days=90)
    page = body(Browser(ada).get(LIST))
    rows = {
        name: " ".join(re.sub(r"<[^>]+>", " ", row).split())
        for row in page.split("<tr>")
        for name in ("by app", "by password", "short", "by key")
        if f">{name}</strong>" in row
    }
    assert (
        "with password and authenticator app too weak a factor under the mandate campaign@1" in rows["by app"]
    )
    assert "with password without a second factor" in rows["by password"]
    assert "by campaign@1: A second factor for maintainers" in rows["by password"]
    assert "by campaign@1" not in rows["short"]
    assert "with password and security key under the mandate" in rows["by key"]
    assert "by campaign@1" not in rows["by key"]
    assert "refused" not in page


def test_a_token_that_a_mandate_refuses_by_now_is_marked(ada: User, mint: MakeToken) -> None:
    mint(strength=Strength(frozenset({"password"}), clock.now()), by=host())
    page = " ".join(re.sub(r"<[^>]+>", " ", body(Browser(ada).get(LIST))).split())
    assert re.search(r"refused since 2000-01-01 00:00 UTC \(\d+ years ago\) by default@1", page)


def test_a_gate_without_foresight_shows_tokens_all_the_same(browser: Browser, mint: MakeToken) -> None:
    class Plain:
        def require(self, *asked: object) -> None:
            return None

    token, _ = mint()
    actions.wire(gate=Plain())
    assert token.description in body(browser.get(LIST))
    assert browser.get(NEW).status_code == 200
