"""Mandates in the console: who sees them, what they say, without a name of anybody."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from tests.accounts.conftest import Clock
from tests.mandate.stored import OWNERS, document, make_project, make_user, store
from tests.web.console.conftest import InOffice

from keyhouse.accounts.models import Authenticator, Email, User
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import OFFICES
from keyhouse.mail.models import Bounce
from keyhouse.mandate.exits.models import Request
from keyhouse.mandate.metrics.daily import renew_adoption
from keyhouse.mandate.metrics.models import AdoptionDay
from keyhouse.mandate.models import MandateVersion, Notice, Pause
from keyhouse.web import health

pytestmark = pytest.mark.django_db
PAGES = (
    "/operator/mandates/",
    "/operator/mandates.json",
    "/operator/mandates/campaign/",
    "/operator/mandates/campaign.json",
    "/operator/mandates/campaign/people/",
    "/operator/mandates/campaign/people.json",
)
DAY = timedelta(days=1)


def campaign(state: str = "announced") -> None:
    now = clock.now()
    stages: list[dict[str, Any]] = [
        {"state": "announced", "at": now - 40 * DAY, "warn": ["all"], "deny": ["second-factor.remove-last"]},
        {"state": "early", "at": now + 5 * DAY, "who": OWNERS, "deny": ["management"]},
        {"state": "enforced", "at": now + 50 * DAY, "deny": ["all"]},
    ]
    shift = {"announced": 0, "early": 10, "enforced": 120}[state] * DAY
    store(document(stages=[{**one, "at": one["at"] - shift} for one in stages]))


def with_app(user: User) -> User:
    Authenticator.objects.create(user=user, name="app", secret_sealed="x", created_at=clock.now())
    return user


@pytest.mark.parametrize("office", [*OFFICES, "nobody"])
def test_operators_and_auditors_read_and_nobody_else(ada: User, in_office: InOffice, office: str) -> None:
    campaign()
    browser = in_office(office)
    before = Record.objects.count()
    expected = 200 if office in {"operator", "auditor"} else 403
    assert [browser.get(path).status_code for path in PAGES] == [expected] * len(PAGES)
    assert Record.objects.count() == before


def test_before_anything_was_counted_the_pages_say_so(in_office: InOffice) -> None:
    campaign()
    browser = in_office("operator")
    page = browser.get("/operator/mandates/campaign/").content.decode()
    assert "Nothing was counted for this mandate yet" in page
    assert "not counted yet" in browser.get("/operator/mandates/").content.decode()
    assert browser.get("/operator/mandates/campaign.json").json()["days"] == []


@pytest.mark.parametrize(
    ("state", "word", "refused"), [("announced", "Announced", 0), ("enforced", "In force", 1)]
)
def test_the_page_tells_state_share_and_denominator(
    in_office: InOffice, state: str, word: str, refused: int
) -> None:
    campaign(state)
    make_project("alpha", with_app(make_user("bea")), make_user("cleo"))
    browser = in_office("operator")
    renew_adoption(clock.now())
    page = browser.get("/operator/mandates/campaign/").content.decode()
    assert word in page
    assert "<b>50.0 %</b>: 1 of 2 people whom the mandate covers" in page
    counts = AdoptionDay.objects.get(mandate="campaign").counts
    assert counts["people"]["covered"]["refused"] == refused
    assert "bea" not in page
    assert "cleo" not in page
    listed = browser.get("/operator/mandates.json").json()["mandates"]
    found = next(one for one in listed if one["mandate"] == "campaign")
    assert found["share"] == {"part": 1, "whole": 2, "percent": 50.0}
    assert found["state"] == state


def test_denominators_are_switched_by_links(in_office: InOffice) -> None:
    campaign()
    make_project("alpha", with_app(make_user("bea")), make_user("cleo"))
    browser = in_office("operator")
    renew_adoption(clock.now())
    page = browser.get("/operator/mandates/campaign/?of=projects-all&days=30").content.decode()
    assert '<text class="plot-text" x="-56" y="16">% of projects with an owner</text>' in page
    assert '<a href="?of=projects-all&amp;days=30#adoption" aria-current="page">' in page
    strange = browser.get("/operator/mandates/campaign/?of=%00<&days=-1").content.decode()
    assert '<a href="?of=covered&amp;days=90#adoption" aria-current="page">' in strange


def test_missed_days_are_told_and_not_made_up(in_office: InOffice, time: Clock) -> None:
    campaign()
    renew_adoption(clock.now())
    time.go(days=3)
    renew_adoption(clock.now())
    browser = in_office("operator")
    days = browser.get("/operator/mandates/campaign.json").json()["days"]
    assert [one["missed"] for one in days] == [False, True, True, False]
    assert "2 days missed" in browser.get("/operator/mandates/campaign/").content.decode()


@pytest.mark.parametrize("name", ["ghost", "%00", "x" * 500])
def test_what_is_not_there_is_missing(in_office: InOffice, name: str) -> None:
    browser = in_office("operator")
    assert browser.get(f"/operator/mandates/{name}/").status_code == 404
    assert browser.get(f"/operator/mandates/{name}.json").status_code == 404


def test_people_are_listed_by_what_the_mandate_does_to_them(in_office: InOffice) -> None:
    campaign("enforced")
    ada, bea = make_user("ada"), make_user("bea")
    make_project("alpha", ada, bea, with_app(make_user("cleo")))
    announced = clock.now() - 100 * DAY
    Notice.objects.create(user=ada, mandate="campaign", kind="shown", delivered_at=announced)
    browser = in_office("operator")

    def shown(which: str) -> set[str]:
        page = browser.get(f"/operator/mandates/campaign/people/?which={which}").content.decode()
        return {name for name in ("ada", "bea", "cleo") if f'href="/operator/people/{name}/"' in page}

    assert shown("refused") == {"ada", "bea"}
    assert shown("unreached") == {"bea"}
    assert shown("coming") == set()
    assert shown("weak") == set()
    assert shown("nonsense%00") == {"ada", "bea"}


def test_people_are_listed_page_by_page(in_office: InOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyhouse.mandate.metrics.finding.MOST_SHOWN", 2)
    campaign("enforced")
    make_project("alpha", *(make_user(f"p{number}") for number in range(5)))
    browser, path, names = in_office("operator"), "/operator/mandates/campaign/people/?which=refused", []
    for _ in range(9):
        page = browser.get(path).content.decode()
        names += re.findall(r'href="/operator/people/(p\d)/"', page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        if following is None:
            break
        path = f"/operator/mandates/campaign/people/{html.unescape(following[1])}"
    assert names == [f"p{number}" for number in range(5)]


def test_a_page_of_people_looks_through_so_many_at_most(
    in_office: InOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyhouse.mandate.metrics.finding._AT_ONCE", 2)
    monkeypatch.setattr("keyhouse.mandate.metrics.finding.MOST_READ", 4)
    campaign("enforced")
    for number in range(6):
        make_user(f"p{number}")
    browser = in_office("operator")
    page = browser.get("/operator/mandates/campaign/people/").content.decode()
    assert "Nobody among the 4 accounts that were looked at" in page
    assert 'rel="next"' in page


@pytest.mark.parametrize("after", ["-1", "x", "9" * 30, "%00", "٣"])
def test_a_strange_place_in_a_list_is_its_beginning(in_office: InOffice, after: str) -> None:
    campaign()
    path = f"/operator/mandates/campaign/people/?after={after}"
    assert in_office("operator").get(path).status_code == 200


def test_prometheus_has_part_and_whole_of_each_share(ada: User) -> None:
    campaign()
    make_project("alpha", with_app(make_user("bea")), make_user("cleo"))
    renew_adoption(clock.now())
    told = health._measure().decode()
    assert 'keyhouse_mandate_part{denominator="covered",mandate="campaign"} 1.0' in told
    assert 'keyhouse_mandate_whole{denominator="covered",mandate="campaign"} 2.0' in told
    assert 'keyhouse_mandate_whole{denominator="accounts",mandate=""} 3.0' in told
    assert 'keyhouse_mandate_people{mandate="campaign",standing="refused"} 0.0' in told
    assert 'keyhouse_mandate_refusals_today{mandate="campaign"} 0.0' in told
    assert "bea" not in told


ACTS = {"pause": "reason", "resume": "", "launch": "", "rollback": "reason", "abandon": "reason"}


@pytest.mark.parametrize("office", ["auditor", "moderator", "nobody"])
def test_only_operators_act(ada: User, in_office: InOffice, office: str) -> None:
    campaign()
    browser = in_office(office)
    before = Record.objects.count()
    for act in (*ACTS, "confirm-pause"):
        path = f"/operator/mandates/campaign/{act}/"
        assert browser.get(path).status_code == 403, act
        browser.get("/account/")
        assert browser.post(path, {"reason": "because"}).status_code == 403, act
    if office == "auditor":
        assert "Pause now" not in browser.get("/operator/mandates/campaign/").content.decode()
    assert (Pause.objects.count(), Record.objects.count()) == (0, before)


def test_one_click_pauses_and_another_resumes(in_office: InOffice) -> None:
    campaign()
    browser = in_office("operator")
    page = browser.get("/operator/mandates/campaign/").content.decode()
    assert "Pause now" in page
    answer = browser.post("/operator/mandates/campaign/pause/", {"reason": "By one click in the console."})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/operator/mandates/campaign/")
    page = browser.get("/operator/mandates/campaign/").content.decode()
    assert "Paused" in page
    assert "unless it is confirmed" in page
    assert browser.get("/operator/mandates/campaign.json").json()["state"] == "paused"
    twice = browser.post("/operator/mandates/campaign/pause/", {"reason": "again"})
    assert (twice.status_code, "/help/codes/paused-already/" in twice.content.decode()) == (400, True)
    assert browser.post("/operator/mandates/campaign/resume/", {"reason": ""}).status_code == 303
    assert browser.get("/operator/mandates/campaign.json").json()["state"] == "announced"
    assert Pause.objects.count() == 1


def test_only_what_is_live_can_be_paused_from_the_list(in_office: InOffice) -> None:
    campaign()
    now = clock.now()
    stages = [
        {"state": "shadow", "at": now - DAY, "deny": ["all"]},
        {"state": "announced", "at": now + 30 * DAY, "warn": ["all"]},
    ]
    store(document(name="in-its-shadow", stages=stages))
    browser = in_office("operator")
    page = browser.get("/operator/mandates/").content.decode()
    assert "/operator/mandates/in-its-shadow/" in page
    assert re.findall(r'action="/operator/mandates/([a-z-]+)/pause/"', page) == ["campaign"]
    refused = browser.post("/operator/mandates/in-its-shadow/pause/", {"reason": "because"})
    assert refused.status_code in {400, 404}
    assert not Pause.objects.exists()


def test_pausing_asks_why_and_for_a_fresh_proof(in_office: InOffice, time: Clock) -> None:
    campaign()
    browser = in_office("operator")
    browser.get("/operator/mandates/campaign/pause/")
    assert browser.post("/operator/mandates/campaign/pause/", {"reason": ""}).status_code == 400
    time.go(minutes=16)
    browser.get("/account/")
    answer = browser.post("/operator/mandates/campaign/pause/", {"reason": "because"})
    assert answer.status_code != 303 or "/step-up/" in answer.headers["Location"]
    assert not Pause.objects.exists()


def test_the_page_of_a_launch_tells_what_is_missing(in_office: InOffice) -> None:
    store(document(name="coming", launch={}), effective_at=None, is_draft=True)
    browser = in_office("operator")
    page = browser.get("/operator/mandates/coming/launch/").content.decode()
    assert 'href="/operator/mandates/coming/guards/"' in page
    answer = browser.post("/operator/mandates/coming/launch/", {"reason": ""})
    told = answer.content.decode()
    assert (answer.status_code, "/help/codes/launch-refused/" in told) == (400, True)
    assert not MandateVersion.objects.filter(name="coming", effective_at__isnull=False).exists()
    page = browser.get("/operator/mandates/coming/").content.decode()
    assert (">Launch</a>" in page, ">Roll back</a>" in page, "Pause now" in page) == (True, False, False)


def test_a_launch_is_of_the_draft_that_was_shown(in_office: InOffice) -> None:
    store(document(name="coming", launch={"requires": []}), effective_at=None, is_draft=True)
    browser = in_office("operator")
    page = browser.get("/operator/mandates/coming/launch/").content.decode()
    assert 'name="version" value="1"' in page
    store(
        document(name="coming", title="Slipped in", launch={"requires": []}),
        version=2,
        effective_at=None,
        is_draft=True,
    )
    answer = browser.post("/operator/mandates/coming/launch/", {"reason": "", "version": "1"})
    assert (answer.status_code, "since you looked" in answer.content.decode()) == (400, True)
    assert MandateVersion.objects.filter(name="coming", is_draft=True).count() == 2


@pytest.mark.parametrize("act", ["rollback", "abandon"])
def test_what_loosens_is_proposed_and_waits(in_office: InOffice, act: str) -> None:
    campaign("enforced")
    make_user("second", is_operator=True)
    browser = in_office("operator")
    browser.get(f"/operator/mandates/campaign/{act}/")
    answer = browser.post(f"/operator/mandates/campaign/{act}/", {"reason": "because"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/mandate/proposals/")
    assert "campaign@2" in browser.get("/mandate/proposals/").content.decode()


def test_whom_no_notice_reached_is_counted_and_listed_by_why(in_office: InOffice) -> None:
    campaign()
    names = ("bea", "cleo", "dora", "elf")
    bea, cleo, *others = (make_user(name) for name in names)
    make_project("alpha", bea, cleo, *others, with_app(make_user("fay")))
    Email.objects.filter(user=bea).update(verified_at=None)
    Email.objects.filter(user=cleo).delete()
    Bounce.objects.create(address="dora@example.org", kind="permanent", at=clock.now(), source="smtp")
    browser = in_office("operator")
    renew_adoption(clock.now())
    expected = {"unverified": "bea", "no-address": "cleo", "suppressed": "dora", "not-yet": "elf"}
    listed = browser.get("/operator/mandates/campaign.json").json()["days"][-1]["counts"]["unreached"]
    assert listed == dict.fromkeys(expected, 1)
    page = browser.get("/operator/mandates/campaign/").content.decode()
    path = "/operator/mandates/campaign/people"
    for why, name in expected.items():
        assert f'href="people/?which=unreached&amp;why={why}"' in page
        shown = browser.get(f"{path}/?which=unreached&why={why}").content.decode()
        assert {one for one in names if f'href="/operator/people/{one}/"' in shown} == {name}
        told = browser.get(f"{path}.json?which=unreached&why={why}").json()
        assert [(one["username"], one["why_not_told"]) for one in told["people"]] == [(name, why)]
    assert len(browser.get(f"{path}.json?which=unreached&why=nonsense").json()["people"]) == 4
    measured = health._measure().decode()
    assert 'keyhouse_mandate_unreached{mandate="campaign",reason="no-address"} 1.0' in measured
    assert 'keyhouse_mandate_unreached{mandate="campaign",reason="bounced"} 0.0' in measured


def test_behind_each_figure_is_the_list_of_those_whom_it_lacks(in_office: InOffice) -> None:
    campaign()
    make_project("alpha", with_app(make_user("bea")), make_user("cleo"))
    browser = in_office("operator")
    renew_adoption(clock.now())
    path = "/operator/mandates/campaign/"
    expected = {
        "covered": ("lacking", {"cleo"}),
        "phishing-resistant": ("no-key", {"bea", "cleo"}),
        "two-factors": ("one-factor", {"bea", "cleo"}),
        "tokens": ("weak", set()),
    }
    for key, (which, names) in expected.items():
        assert f'<a href="people/?which={which}">' in browser.get(f"{path}?of={key}").content.decode(), key
        told = browser.get(f"{path}people.json?which={which}").json()["people"]
        assert {one["username"] for one in told} == names, key
    assert "/operator/mandates/stranded/" in browser.get(f"{path}?of=projects-all").content.decode()
    assert browser.get(f"{path}people.json?which=exempt").json()["people"] == []


def test_each_step_is_told_with_who_and_why(in_office: InOffice) -> None:
    campaign()
    browser = in_office("operator")
    browser.get("/operator/mandates/campaign/pause/")
    browser.post("/operator/mandates/campaign/pause/", {"reason": "The desk is full & tired."})
    page = browser.get("/operator/mandates/campaign/").content.decode()
    assert "The desk is full &amp; tired." in page
    assert '<td data-label="Who" class="break">the-operator</td>' in page
    steps = browser.get("/operator/mandates/campaign.json").json()["steps"]
    paused = next(one for one in steps if one["state"] == "paused")
    assert (paused["by"], paused["why"]) == ("the-operator", "The desk is full & tired.")


def test_the_overview_leads_to_what_people_ask_for_and_to_projects_left_alone(in_office: InOffice) -> None:
    campaign("enforced")
    cleo = make_user("cleo")
    make_project("alpha", cleo)
    Request.objects.create(
        user=cleo, kind="key", reason="because", asked_at=clock.now() - 3 * DAY, days=0, mandate=""
    )
    browser = in_office("operator")
    renew_adoption(clock.now())
    page = browser.get("/operator/").content.decode()
    assert "Somebody asks for an exemption or a key, the first for 3 days." in page
    assert "1 covered project has no owner who complies with “campaign”." in page
    assert 'href="/operator/mandates/requests/"' in page
    assert 'href="/operator/mandates/stranded/"' in page
