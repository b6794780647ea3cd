"""N1, N4, N5, A21: what the mails say, and that anybody can check them."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
from django.test import Client
from tests.mandate.notices.telling import (
    ANNOUNCED,
    DAY,
    ENFORCED,
    announce,
    arrive,
    campaign,
    enrol,
    go_through,
    letters,
    look,
    owner,
    pages,
    store,
    texts,
    told,
)

from keyhouse.core import clock
from keyhouse.mandate import foregone
from keyhouse.mandate.models import MandateVersion
from keyhouse.mandate.notices import queries, rules, wording
from keyhouse.mandate.notices.models import Delivery, Wording
from keyhouse.mandate.queries import live_policies
from keyhouse.projects.models import Project

pytestmark = pytest.mark.django_db
HASTE = re.compile(
    r"tomorrow|today|urgent|immediate|hurry!|act now|last chance|final|expire|suspend|deadline|within 24|warning|must\b",
    re.IGNORECASE,
)
LINK = re.compile(r"https?://|www\.|href=|\b[\w-]+\.(?:com|org|net|example|io|dev)\b", re.IGNORECASE)


def all_templates() -> list[wording.Template]:
    return wording.all_templates(live_policies(ANNOUNCED))


def test_n1_every_date_in_a_mail_is_in_utc() -> None:
    ada = owner("ada")
    announce()
    look(ANNOUNCED)
    [text] = texts(ada)
    assert f"Your date is {ENFORCED:%Y-%m-%d %H:%M} UTC" in text
    times = re.findall(r"\d\d:\d\d(?: \w+)?", text)
    assert times
    assert all(one.endswith(" UTC") for one in times)
    assert letters(ada)[0].subject.endswith(f"({ENFORCED:%Y-%m-%d} UTC)")


def test_n4_no_notice_of_any_kind_holds_a_link_or_haste() -> None:
    reason = "See https://evil.example/login, www.evil.example or evil.example/x; write to me@evil.example."
    announce(campaign(title="Sign in at evil.example", reason=reason))
    for one in all_templates():
        assert not LINK.search(one.text), one.text
        if one.kind != rules.WEAK:
            assert not HASTE.search(one.text.replace("There is no hurry", "")), one.text


def test_n4_a_mail_has_no_link_whatever_people_call_their_projects_and_ends_with_the_check_phrase() -> None:
    ada = owner("ada", "evil.example.com")
    Project.objects.filter(name="evil.example.com").update(normalized_name="evil-example-com")
    announce(campaign(reason="Look at https://example.org/why."))
    look(ANNOUNCED)
    [text], [page] = texts(ada), pages(ada)
    assert not LINK.search(text)
    assert "<a " not in page
    assert f"Your check phrase is “{ada.check_phrase}”" in text
    assert "type the address of this index yourself" in text
    assert "/mandate/notices/" in text


def test_n4_the_reminder_of_the_last_day_is_as_calm_as_the_first() -> None:
    ada = owner("ada")
    announce()
    go_through(ANNOUNCED, ANNOUNCED + DAY)
    look(ENFORCED - 28 * DAY)
    first = texts(ada)[-1]
    arrive(ENFORCED - 28 * DAY)
    look(ENFORCED - DAY)
    last = texts(ada)[-1]
    assert first == last
    assert "nothing changes for you before then" in last


def test_n5_whoever_complies_is_told_once_not_to_remove_theirs() -> None:
    ada = owner("ada")
    enrol(ada)
    announce()
    go_through(ANNOUNCED, ANNOUNCED + 40 * DAY, 4 * DAY)
    assert told(ada) == [("campaign", "compliant")]
    assert "Please do not remove yours" in next(
        one.text for one in all_templates() if one.kind == "compliant"
    )


def test_m5_a_completed_mandate_is_told_to_those_who_were_told_of_it_and_only_once_it_is_proven(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada, bob = owner("ada"), owner("bob")
    enrol(bob)
    announce()
    go_through(ANNOUNCED, ANNOUNCED)
    stages = [
        {"state": "announced", "at": ANNOUNCED},
        {"state": "enforced", "at": ENFORCED, "deny": ["all"]},
        {"state": "completed", "at": ENFORCED + 10 * DAY, "deny": ["all"]},
    ]
    store(campaign(stages=stages), version=2)
    go_through(ENFORCED + 10 * DAY, ENFORCED + 30 * DAY, 5 * DAY)
    assert told(ada) == [("campaign", "announcement"), ("campaign", "enforced")]
    assert told(bob) == [("campaign", "compliant")]
    owner("late")
    monkeypatch.setattr(foregone, "_witnesses", [lambda policy, now: policy.name == "campaign"])
    go_through(ENFORCED + 35 * DAY, ENFORCED + 50 * DAY, 5 * DAY)
    assert told(ada)[2:] == told(bob)[1:] == [("campaign", "completed")]
    assert Delivery.objects.count() == 5


def test_n2_a_date_put_in_front_of_the_one_they_know_is_told_at_once_and_once() -> None:
    ada = owner("ada")
    file = campaign()
    file["notice"] = {**file["notice"], "remind_days": []}
    announce(file)
    go_through(ANNOUNCED, ANNOUNCED)
    sooner = ENFORCED - 10 * DAY
    stages = [
        {"state": "announced", "at": ANNOUNCED},
        {"state": "early", "at": sooner, "deny": ["management"]},
        {"state": "enforced", "at": ENFORCED, "deny": ["all"]},
    ]
    store({**file, "stages": stages}, version=2)
    go_through(ANNOUNCED + DAY, sooner - 4 * DAY)
    assert told(ada) == [("campaign", "announcement"), ("campaign", "changed")]
    assert Delivery.objects.get(kind="changed").deadline_at == sooner
    store(file, version=3)
    go_through(sooner - 4 * DAY, sooner - 4 * DAY)
    store({**file, "stages": stages}, version=4)
    go_through(sooner - 3 * DAY, sooner - 2 * DAY)
    last = Delivery.objects.filter(kind="changed").order_by("pk")
    assert [one.scheduled_at for one in last] == [sooner, ENFORCED, sooner], "back and forth"


def test_a_trial_run_is_told_a_week_before() -> None:
    ada = owner("ada")
    stages = [
        {"state": "announced", "at": ANNOUNCED},
        {"state": "brownout", "at": ANNOUNCED + 30 * DAY, "deny": ["publishing"]},
        {"state": "reminding", "at": ANNOUNCED + 31 * DAY},
        {"state": "enforced", "at": ENFORCED, "deny": ["all"]},
    ]
    announce(campaign(stages=stages))
    look(ANNOUNCED)
    assert look(ANNOUNCED + 22 * DAY) == 0
    assert look(ANNOUNCED + 23 * DAY) == 1
    assert told(ada)[-1] == ("campaign", "brownout")
    text = texts(ada)[-1]
    begin, end = ANNOUNCED + 30 * DAY, ANNOUNCED + 31 * DAY
    assert f"from {begin:%Y-%m-%d %H:%M} UTC to {end:%Y-%m-%d %H:%M} UTC: refuses publishing" in text
    assert f"Your date is {ENFORCED:%Y-%m-%d %H:%M} UTC" in text


# ---- A21


def archived(**headers: str) -> Any:
    return Client().get("/mandate/notices.json", headers=headers).json()["notices"]


@pytest.fixture
def standing(wired: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: ANNOUNCED + DAY)


def test_a21_every_text_is_public_with_its_sha256_and_a_mail_is_made_of_it(standing: None) -> None:
    ada = owner("ada", "alpha")
    announce()
    before = {one["sha256"] for one in archived()}
    look(ANNOUNCED)
    [text] = texts(ada)
    [digest] = re.findall(r"[0-9a-f]{64}", text)
    assert digest in before  # also before anything was sent
    public = Client().get(f"/mandate/notices/{digest}.txt")
    assert public["Content-Type"] == "text/plain; charset=utf-8"
    assert hashlib.sha256(public.content).hexdigest() == digest
    filled = public.content.decode().replace("[your date]", f"{ENFORCED:%Y-%m-%d %H:%M} UTC").strip()
    for paragraph in filled.split("\n\n"):
        assert paragraph in text
    page = Client().get("/mandate/notices/", headers={"accept": "text/html"})
    assert digest in page.content.decode()
    assert len(page.content) < 100_000


def test_a21_the_public_texts_hold_nothing_of_any_person(standing: None) -> None:
    zelda = owner("zelda", "secret-project")
    announce(campaign(who={"any": [{"project": ["secret-project"]}, {"user": ["bob"]}]}))
    look(ANNOUNCED)
    told_to_all = Client().get("/mandate/notices.json").content.decode()
    for word in ("secret-project", "bob", "zelda", zelda.check_phrase):
        assert word not in told_to_all
    gaps = set(re.findall(r"\[(.+?)\]", " ".join(one["text"] for one in archived())))
    assert gaps == {
        "your name", "your date", "your projects and organizations", "the projects", "the notices themselves",
        "the organization", "what it asks for",
        "the notices in this mail, each with its SHA-256",
    }  # fmt: skip


def test_a21_what_was_sent_once_stays_public_and_a_draft_never_is(standing: None) -> None:
    owner("ada")
    announce()
    look(ANNOUNCED)
    old = {one.digest for one in Wording.objects.all()}
    store(campaign(reason="Said otherwise."), version=2, effective_at=ANNOUNCED)
    store(campaign("draft", reason="Not decided."), effective_at=None)
    found = {one["sha256"]: one for one in archived()}
    assert old < set(found)
    assert {one["mandate"] for one in found.values()} == {None, "campaign", "organizations"}
    assert MandateVersion.objects.filter(name="draft").exists()
    assert queries.find_archived("0" * 64) is None
    assert Client().get(f"/mandate/notices/{'0' * 64}.txt").status_code == 404
    assert Client().get("/mandate/notices/..%2f.txt").status_code == 404
