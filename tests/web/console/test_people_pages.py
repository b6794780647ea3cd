"""Each office on each page about people, by each method; and what the pages say."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.accounts.conftest import Clock, give_project, make_person, refused, signed_in
from tests.mandate.stored import document, store
from tests.web.console.conftest import InOffice

from keyhouse.accounts.models import Authenticator, Hold, Suspension, User
from keyhouse.accounts.oversight.suspending import suspend_user
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import OFFICES, host
from keyhouse.web.console import people as listing

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
READ = ("/operator/", "/operator/people/", "/operator/people/ada/")
ACTS = ("suspend", "reinstate", "off-board", "end-sessions")


@pytest.mark.parametrize("office", [*OFFICES, "nobody"])
def test_every_office_reads_and_operators_alone_act(ada: User, in_office: InOffice, office: str) -> None:
    before = Record.objects.count()
    browser = in_office(office)
    before = Record.objects.count()
    expected = 403 if office == "nobody" else 200
    assert [browser.get(path).status_code for path in READ] == [expected] * 3
    for act in ACTS:
        path = f"/operator/people/ada/{act}/"
        assert browser.get(path).status_code == (200 if office == "operator" else 403), act
        if office == "operator":
            continue
        browser.get("/account/")
        answer = browser.post(path, {"reason": "because"})
        assert (answer.status_code, refused(answer)) == (403, "role-required")
    assert not Suspension.objects.exists()
    assert Record.objects.count() == before
    if office not in {"operator", "nobody"}:
        assert "/suspend/" not in browser.get("/operator/people/ada/").content.decode()


@pytest.mark.parametrize(("office", "shown"), [("operator", True), ("auditor", True), ("moderator", False)])
def test_moderators_learn_no_address(ada: User, in_office: InOffice, office: str, *, shown: bool) -> None:
    browser = in_office(office)
    page = browser.get("/operator/people/ada/").content.decode()
    assert ("ada@example.org" in page, "verified" in page) == (shown, True)
    found = browser.get("/operator/people/?q=ada@example").content.decode()
    assert ('href="/operator/people/ada/"' in found) == shown


def test_an_old_proof_opens_no_act(ada: User, time: Clock) -> None:
    root = make_person("root", is_operator=True)
    _, browser = signed_in(root)
    browser.get("/operator/people/ada/suspend/")
    time.go(minutes=16)
    assert browser.get("/operator/people/ada/suspend/").status_code == 302
    browser.get("/account/")
    answer = browser.post("/operator/people/ada/suspend/", {"reason": "because"})
    assert "/account/step-up/" in answer.get("Location", "") or refused(answer) == "step-up-required"
    assert not Suspension.objects.exists()


def test_a_reason_is_asked_for_and_the_act_is_recorded_once(ada: User, in_office: InOffice) -> None:
    give_project(ada)
    browser = in_office("operator")
    answer = browser.post("/operator/people/ada/suspend/", {"reason": " "})
    assert answer.status_code == 400
    assert not Suspension.objects.exists()
    answer = browser.post("/operator/people/ada/suspend/", {"reason": "laptop stolen"})
    assert (answer.status_code, answer["Location"]) == (303, "/operator/people/ada/")
    page = browser.get("/operator/people/ada/").content.decode()
    assert "laptop stolen" in page
    assert "alpha" in page
    assert "To be handed over" in page
    record = Record.objects.get(action="person.suspend")
    assert (record.account_id, record.outcome, record.details["reason"]) == (ada.pk, "done", "laptop stolen")


@pytest.mark.parametrize("path", ["ghost", "a%00b", "%2e%2e", "x" * 300])
def test_an_unknown_name_is_missing(in_office: InOffice, path: str) -> None:
    browser = in_office("operator")
    for act in ("", *(f"{act}/" for act in ACTS)):
        assert browser.get(f"/operator/people/{path}/{act}").status_code == 404


def names(**asked: str) -> list[str]:
    return [row.user.username for row in listing.list_people(asked, "", clock.now()).rows]


def test_the_list_is_narrowed_by_what_people_are(ada: User) -> None:
    make_person("root", is_operator=True)
    make_person("bare", factors=0)
    held = make_person("held")
    now = clock.now()
    Hold.objects.create(user=held, reason="recovery", placed_at=now, until=now.replace(year=2030))
    User.objects.filter(pk=held.pk).update(held_until=now.replace(year=2030))
    User.objects.filter(pk=make_person("gone").pk).update(state="deleted")
    suspend_user(make_person("shut"), "why", by=host(), now=now)
    assert names() == ["ada", "bare", "held", "root", "shut"]
    assert names(state="active") == ["ada", "bare", "root"]
    assert names(state="held") == ["held"]
    assert names(state="suspended") == ["shut"]
    assert names(state="deleted") == ["gone"]
    assert names(office="operator") == ["root"]
    assert names(factor="none") == ["bare"]
    assert names(factor="app", q="R") == ["root"]
    assert names(q="ADA@example.org") == ["ada"]
    assert names(q="a_a") == names(q="%") == names(q="'") == []


def test_a_page_of_people_asks_as_much_for_one_as_for_many(
    db: None, in_office: InOffice, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: object
) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)
    browser = in_office("operator")
    for name in ("a1", "b2", "c3"):
        make_person(name, factors=0)
    page = browser.get("/operator/people/").content.decode()
    assert "after=b2" in page
    assert "/operator/people/c3/" not in page
    rest = browser.get("/operator/people/?after=b2").content.decode()
    assert "/operator/people/c3/" in rest
    assert "after=" not in rest
    for odd in ("after=%00", "after=" + "z" * 999, "state=nonsense", "q=%00"):
        assert browser.get(f"/operator/people/?{odd}").status_code == 200


@pytest.mark.parametrize("office", OFFICES)
def test_m3_whoever_reads_mandates_sees_how_a_person_stands(
    ada: User, in_office: InOffice, time: Clock, office: str
) -> None:
    now = clock.now()
    store(
        document(
            stages=[
                {"state": "announced", "at": now - 40 * DAY, "warn": ["all"]},
                {"state": "enforced", "at": now + 60 * DAY, "deny": ["all"]},
            ]
        )
    )
    page = "/operator/people/ada/"
    browser = in_office(office)

    def shown() -> str:
        return " ".join(browser.get(page).content.decode().partition("Mandates</dt>")[2][:300].split())

    if office == "moderator":
        assert shown() == ""
        return
    assert "none covers them" in shown()
    give_project(ada)
    assert '<span class="name break">campaign</span> <span class="badge ok">complies</span>' in shown()
    Authenticator.objects.filter(user=ada).delete()
    assert "covered, not told yet" in shown()
    time.go(days=200)
    browser = signed_in(User.objects.get(username=f"the-{office}"))[1]
    assert "is refused something" in shown()
