"""How pages tell a denial by the gate: to people with the one next step and back, to programs as a problem."""

from __future__ import annotations

from datetime import timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.accounts.conftest import SECRET, at_home
from tests.mandate.conftest import SetClock
from tests.mandate.stored import ANNOUNCED, ENFORCED, document, make_project, make_user, retire_default, store
from tests.mandate.visiting import PROBLEM, Visit, code_of
from tests.web.asgi_client import ask

from keyhouse.accounts.models import Authenticator, Session, User
from keyhouse.accounts.second_factors.totp import rules as totp
from keyhouse.accounts.second_factors.totp.services import enrol_authenticator
from keyhouse.core import clock, configuration
from keyhouse.core.actor import host
from keyhouse.mandate.models import Notice
from keyhouse.projects.models import Project
from keyhouse.web.control_plane import ControlPlane

pytestmark = pytest.mark.django_db

MANAGE = "/manage/project/alpha/"
ARCHIVE = MANAGE + "archive/"


@pytest.fixture(autouse=True)
def clocked(set_clock: SetClock) -> SetClock:
    set_clock(ANNOUNCED + timedelta(days=10))
    return set_clock


@pytest.fixture
def ada() -> User:
    user = make_user("ada")
    make_project("alpha", user)
    return user


@pytest.fixture
def campaign() -> None:
    retire_default()
    store(document())


def code_now(secret: bytes = SECRET, shift: int = 0) -> str:
    return totp.code_at(secret, totp.step_at(clock.now()) + shift)


def way_on(visit: Visit, label: str) -> str:
    """Return where the link with that text leads."""
    head = visit.page.partition(f">{label}<")[0]
    assert head != visit.page, visit.text
    return head.rpartition('href="')[2].partition('"')[0]


def test_the_page_names_the_mandate_and_the_one_next_step_with_the_way_back(ada: User) -> None:
    visit = Visit(ada, "password")
    answer = visit.get(MANAGE + "?page=2")
    assert (answer.status_code, code_of(answer)) == (403, "second-factor-required")
    assert "This needs a second factor." in visit.text
    assert "default, version 1, since this index began" in visit.text
    address = urlsplit(way_on(visit, "Set up a second factor"))
    assert address.path == "/account/second-factors/add/"
    assert parse_qs(address.query) == {"next": [MANAGE + "?page=2"]}
    assert 'href="/help/codes/second-factor-required/"' in visit.page


def test_after_setting_the_factor_up_one_is_back_where_one_was(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(joined_at=clock.now())  # silent for long, they would have to wait
    visit = Visit(ada, "password")
    at_home(Session.objects.get())
    visit.get(MANAGE)
    add = way_on(visit, "Set up a second factor")
    visit.get(add)
    typed = visit.page.partition("data-copy>")[2].partition("<")[0].replace(" ", "")
    fields = {"code": code_now(totp.decode_secret(typed)), "name": "", "next": MANAGE}
    answer = visit.post("/account/second-factors/add/", **fields)
    codes = urlsplit(answer["Location"])
    assert (answer.status_code, codes.path) == (303, "/account/recovery-codes/")
    assert parse_qs(codes.query) == {"next": [MANAGE]}
    visit.get(answer["Location"])
    assert way_on(visit, "Not now") == MANAGE
    assert visit.get(MANAGE).status_code == 200


@pytest.mark.parametrize(
    "way", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:x"]
)
def test_a_way_back_never_leads_off_this_site(ada: User, way: str) -> None:
    visit = Visit(ada, "password")
    visit.get(f"/account/second-factors/add/?next={way}")
    assert 'name="next" value="/account/"' in visit.page
    visit.get(f"/account/second-factors/?next={way}")
    assert "evil" not in visit.page


def test_the_list_of_factors_keeps_the_way_back(ada: User) -> None:
    visit = Visit(ada, "password")
    visit.get(f"/account/second-factors/?next={MANAGE}")
    assert 'href="/account/second-factors/add/?next=%2Fmanage%2Fproject%2Falpha%2F"' in visit.page


def test_who_has_a_factor_and_has_not_proven_it_is_led_to_prove_it(ada: User) -> None:
    enrol_authenticator(ada, SECRET, by=host(), name="app")
    visit = Visit(ada, "password", "recovery_code")
    visit.get(MANAGE)
    step_up = way_on(visit, "Prove your second factor")
    assert step_up == "/account/step-up/?next=%2Fmanage%2Fproject%2Falpha%2F"
    visit.get(step_up)
    answer = visit.post("/account/step-up/", code=code_now(), next=MANAGE)
    assert (answer.status_code, answer["Location"]) == (303, MANAGE)
    assert visit.get(MANAGE).status_code == 200


def test_a_form_that_was_gated_is_not_sent_again_but_shown(ada: User) -> None:
    visit = Visit(ada, "password")
    answer = visit.post(ARCHIVE, reason="finished")
    assert code_of(answer) == "second-factor-required"
    address = way_on(visit, "Set up a second factor")
    assert parse_qs(urlsplit(address).query) == {"next": [ARCHIVE]}
    assert "finished" not in address
    assert Project.objects.get().status == "active"


def test_an_old_proof_leads_to_proving_it_and_back_to_the_form(ada: User, clocked: SetClock) -> None:
    Authenticator.objects.create(user=ada, name="phone", secret_sealed="x", created_at=clock.now())
    visit = Visit(ada)
    clocked(clock.now() + timedelta(minutes=16))
    for answer in (visit.get(ARCHIVE), visit.post(ARCHIVE, reason="finished")):
        assert (answer.status_code, code_of(answer)) == (302, "step-up-required")
        assert answer["Location"] == "/account/step-up/?next=%2Fmanage%2Fproject%2Falpha%2Farchive%2F"
    assert Project.objects.get().status == "active"


def test_a_recovery_code_that_no_proof_can_outdo_ends_in_a_page_and_in_no_circle(ada: User) -> None:
    Authenticator.objects.create(
        user=ada, name="phone", secret_sealed="x", created_at=clock.now(), disabled_at=clock.now()
    )
    visit = Visit(ada, "password", "recovery_code")
    answer = visit.post("/account/password/", current_password="x", password="y")
    assert (answer.status_code, code_of(answer)) == (403, "step-up-required")
    assert way_on(visit, "Second factors").startswith("/account/second-factors/?next=")


@pytest.mark.parametrize(
    "accept", ["application/json", PROBLEM, "application/problem+json, application/json;q=0.9"]
)
def test_programs_get_a_problem(ada: User, accept: str) -> None:
    visit = Visit(ada, "password", accept=accept)
    answer = visit.get(MANAGE)
    assert (answer.status_code, answer["Content-Type"], code_of(answer)) == (
        403,
        PROBLEM,
        "second-factor-required",
    )
    base = configuration.current().base_url
    assert visit.data == {
        "type": f"{base}/help/codes/second-factor-required/",
        "title": "This needs a second factor.",
        "status": 403,
        "detail": "This needs a second factor. Mandate default refuses that since 2000-01-01T00:00:00Z.",
        "code": "second-factor-required",
        "mandate": "default",
        "version": 1,
        "since": "2000-01-01T00:00:00Z",
        "until": None,
        "fix": {"text": "Set one up on your account page.", "path": "/account/second-factors/"},
    }


def test_programs_are_sent_nowhere_to_sign_in_or_to_prove_something(ada: User, clocked: SetClock) -> None:
    nobody = Visit(accept="application/json").get(MANAGE)
    assert (nobody.status_code, code_of(nobody), nobody["Content-Type"]) == (401, "sign-in-required", PROBLEM)
    Authenticator.objects.create(user=ada, name="phone", secret_sealed="x", created_at=clock.now())
    visit = Visit(ada, accept="application/json")
    clocked(clock.now() + timedelta(minutes=16))
    stale = visit.post(ARCHIVE, reason="finished")
    assert (stale.status_code, code_of(stale), stale["Content-Type"]) == (403, "step-up-required", PROBLEM)


def test_a_refusal_without_a_mandate_is_a_problem_as_well(ada: User) -> None:
    answer = Visit(ada, accept="application/json").get("/nowhere/at/all/")
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["mandate"]) == (404, "not-found", None)


def test_a_browser_that_takes_anything_gets_a_page_and_a_script_one_line(ada: User) -> None:
    page = Visit(ada, "password", accept="text/html,application/json;q=0.9,*/*;q=0.8").get(MANAGE)
    assert page["Content-Type"].startswith("text/html")
    line = Visit(ada, "password", accept="*/*").get(MANAGE)
    assert line.content.decode().startswith("second-factor-required: This needs a second factor.")
    assert line.content.count(b"\n") == 1


def test_what_is_refused_before_django_is_a_problem_for_programs_too() -> None:
    async def never(scope: object, receive: object, send: object) -> None:
        raise AssertionError

    plane = ControlPlane(never, configuration.current())
    for path, accept, kind in (
        ("/mandate/check?action=%00", "*/*", PROBLEM),
        ("/mandate.json?a=%00", "*/*", PROBLEM),
        ("/account/?a=%00", "application/json", PROBLEM),
        ("/account/?a=%00", "text/html", "text/plain; charset=utf-8"),
    ):
        answer = ask(plane, "GET", path, headers={"accept": accept})
        assert (answer.status, answer.headers["content-type"]) == (400, kind)
        assert b"request-malformed" in answer.body


# ---- while it only warns


@pytest.mark.usefixtures("campaign")
def test_a_page_that_only_warns_works_and_says_until_when_with_the_fix_and_the_way_back(ada: User) -> None:
    Notice.objects.create(user=ada, mandate="campaign", kind="announcement", delivered_at=ANNOUNCED)
    visit = Visit(ada, "password")
    answer = visit.get(MANAGE)
    assert answer.status_code == 200
    assert "Without it this still works until 2024-09-02 00:00 UTC." in visit.text
    assert "This needs a second factor." in visit.text
    assert "will refuse" not in visit.text
    assert 'href="/account/second-factors/?next=%2Fmanage%2Fproject%2Falpha%2F"' in visit.page
    assert parsedate_to_datetime(answer["Sunset"]) == ENFORCED
    assert answer["Deprecation"] == "true"
    assert (
        f'<{configuration.current().base_url}/help/codes/second-factor-required/>; rel="help"'
        in answer["Link"]
    )


@pytest.mark.usefixtures("campaign")
def test_a_banner_that_was_shown_counts_as_told_and_one_that_was_not_does_not(ada: User) -> None:
    Visit(ada, "password", accept="application/json").get("/nowhere/")
    Visit(ada, "password").get("/search/")
    assert not Notice.objects.exists()
    Visit(ada, "password").get(MANAGE)
    notice = Notice.objects.get()
    assert (notice.user, notice.mandate, notice.kind) == (ada, "campaign", "shown")


def test_a_denial_that_was_shown_counts_as_told(ada: User) -> None:
    Visit(ada, "password", accept="application/json").get(MANAGE)
    assert not Notice.objects.exists()
    Visit(ada, "password").get(MANAGE)
    assert Notice.objects.get().mandate == "default"


@pytest.mark.usefixtures("campaign")
def test_who_complies_sees_neither_banner_nor_headers(ada: User) -> None:
    Authenticator.objects.create(user=ada, name="phone", secret_sealed="x", created_at=clock.now())
    visit = Visit(ada)
    answer = visit.get(MANAGE)
    assert "still works" not in visit.text
    assert not {"Sunset", "Deprecation", "Link"} & set(answer.headers)
    assert not Notice.objects.exists()


def test_the_operators_floor_is_no_mandate_to_be_told_of(ada: User) -> None:
    retire_default()
    ops = make_user("ops", is_operator=True)
    visit = Visit(ops, "password")
    assert code_of(visit.get("/operator/audit/")) == "second-factor-required"
    assert "Operators always need one." in visit.text
    assert "By the mandate" not in visit.text
    assert not Notice.objects.exists()
