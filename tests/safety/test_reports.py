from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from tests.mandate.visiting import Visit, code_of
from tests.projects.conftest import everything, give_role
from tests.safety.conftest import person

from keyhouse.accounts.errors import TooManyAttempts
from keyhouse.accounts.models import Attempt, User
from keyhouse.audit.models import Record
from keyhouse.core import belongings, clock
from keyhouse.core.actor import NOBODY, Actor, Strength, host
from keyhouse.core.errors import Refusal, RoleRequired, SignInRequired
from keyhouse.mail.models import Mail
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.models import Project
from keyhouse.safety.models import Report
from keyhouse.safety.quarantine.services import quarantine
from keyhouse.safety.reports import letters
from keyhouse.safety.reports.errors import ReportClosed, ReportMissing, ReportOpen, ReportRefused
from keyhouse.safety.reports.services import close_report, report_project
from keyhouse.safety.switches.services import freeze

pytestmark = pytest.mark.usefixtures("alpha")
SECRET = "It sends my keys away."


@pytest.fixture
def eve(db: None) -> Actor:
    """Somebody with a password alone, whom mandates would keep from much."""
    return person("eve", strength=Strength(frozenset({"password"}), clock.now()))


def browser(name: str, *methods: str) -> Visit:
    return Visit(User.objects.get(username=name), *methods)


def test_what_is_reported_is_answered_once_and_the_reporter_is_told(eve: Actor, mod: Actor) -> None:
    row = report_project("alpha", "malware", f" {SECRET} ", version="2.0", by=eve)
    assert (row.text, str(row), row.closed_at) == (SECRET, "alpha 2.0", None)
    assert {mail.kind for mail in Mail.objects.all()} == {"report-filed"}
    Mail.objects.all().delete()
    for _ in range(2):
        close_report(row.pk, "acted", "It is in quarantine.", by=mod)
    with pytest.raises(ReportClosed):
        close_report(row.pk, "dismissed", "", by=mod)
    assert [(mail.kind, mail.address) for mail in Mail.objects.all()] == [
        ("report-closed", "eve@example.org")
    ]
    assert [one.action for one in Record.objects.filter(action__startswith="report.").order_by("pk")] == [
        "report.file",
        "report.close",
    ]
    report_project("alpha", "malware", "Again.", by=eve)


def test_who_answers_is_told_of_the_first_open_report_about_a_project_and_not_what_was_written(
    eve: Actor, ada: Actor, mod: Actor
) -> None:
    first = report_project("alpha", "malware", SECRET, by=eve)
    told = Mail.objects.get()
    assert (told.kind, told.address) == ("report-filed", "mod@example.org")
    assert SECRET not in str(letters.filed(first))
    report_project("alpha", "other", "Once more.", by=ada)
    assert Mail.objects.count() == 1
    for row in (first, Report.objects.exclude(pk=first.pk).get()):
        close_report(row.pk, "dismissed", "", by=mod)
    Mail.objects.all().delete()
    report_project("alpha", "malware", "Anew.", by=eve)
    assert [mail.address for mail in Mail.objects.all()] == ["mod@example.org"]


def test_one_report_of_a_person_about_a_project_is_open(eve: Actor, mod: Actor) -> None:
    report_project("alpha", "malware", SECRET, by=eve)
    before, counted = everything(), Attempt.objects.count()
    with pytest.raises(ReportOpen):
        report_project("alpha", "name", SECRET, version="1.0", by=eve)
    assert (everything(), Attempt.objects.count()) == (before, counted)
    report_project("alpha", "name", SECRET, by=mod)


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ({"name": "beta"}, ProjectNotFound),
        ({"version": "9.9"}, ProjectNotFound),
        ({"kind": "boring"}, ReportRefused),
        ({"text": "  "}, ReportRefused),
        ({"text": "x" * 2001}, ReportRefused),
        ({"text": "a\x00b"}, ReportRefused),
        ({"by": NOBODY}, SignInRequired),
        ({"by": host()}, SignInRequired),
    ],
)
def test_what_makes_no_sense_is_refused(words: dict[str, Any], refusal: type[Refusal], eve: Actor) -> None:
    before = everything()
    facts: dict[str, Any] = {"name": "alpha", "kind": "other", "text": "x", "by": eve}
    with pytest.raises(refusal):
        report_project(**(facts | words))
    assert everything() == before
    assert (Attempt.objects.count(), Mail.objects.count()) == (0, 0)


def test_who_may_not_answer_changes_and_learns_nothing(eve: Actor, ada: Actor, mod: Actor) -> None:
    row = report_project("alpha", "malware", SECRET, by=eve)
    for actor in (eve, ada, person("aud", "auditor")):
        for pk in (row.pk, row.pk + 1):
            with pytest.raises(RoleRequired):
                close_report(pk, "dismissed", by=actor)
    with pytest.raises(ReportMissing):
        close_report(row.pk + 1, "dismissed", by=mod)
    for outcome, note in (("", ""), ("acted", "x" * 501), ("acted", "two\nlines")):
        with pytest.raises(ReportRefused):
            close_report(row.pk, outcome, note, by=mod)
    assert Report.objects.filter(closed_at=None, outcome="", note="").count() == 1
    assert not Mail.objects.exclude(kind="report-filed").exists()
    assert Record.objects.filter(action="report.close").count() == 0


def test_reporting_is_limited_and_no_switch_stops_it(eve: Actor, mod: Actor) -> None:
    freeze("everything", "we look", None, by=host())
    for _ in range(10):
        close_report(report_project("alpha", "other", "x", by=eve).pk, "dismissed", by=mod)
    with pytest.raises(TooManyAttempts):
        report_project("alpha", "other", "x", by=eve)
    assert Report.objects.count() == 10


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_report_comes(eve: Actor) -> None:
    told: list[str] = []

    def act() -> None:
        try:
            report_project("alpha", "malware", SECRET, by=eve)
            told.append("")
        except Exception as error:  # noqa: BLE001 - told below
            told.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=act, name="reports") for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["", "ReportOpen", "ReportOpen", "ReportOpen"]
    assert Report.objects.count() == Record.objects.filter(action="report.file").count() == 1


def test_pages_report_show_and_answer(eve: Actor, mod: Actor) -> None:
    visit = browser("eve", "password")
    assert "/project/alpha/report/?version=1.0" in visit.get("/project/alpha/1.0/").content.decode()
    assert 'value="1.0"' in visit.get("/project/Alpha/report/?version=1.0").content.decode()
    assert visit.post("/project/alpha/report/", kind="malware", text="").status_code == 400
    assert (
        code_of(visit.post("/project/alpha/report/", kind="malware", text="x", version="9"))
        == "project-not-found"
    )
    visit.post("/project/alpha/report/", kind="malware", text="<b>bad</b>", version="1.0")
    assert (visit.answer.status_code, visit.answer["Location"]) == (303, "/account/reports/")
    assert code_of(visit.post("/project/alpha/report/", kind="malware", text="x")) == "report-open"
    assert "&lt;b&gt;bad" in visit.get("/account/reports/").content.decode()
    assert Visit().get("/project/alpha/report/").status_code == 302
    assert code_of(visit.get("/project/no-such/report/")) == "project-not-found"
    assert code_of(visit.get("/operator/reports/")) == "role-required"

    pk, visit = Report.objects.get().pk, browser("mod")
    assert "A report about a project is open." in visit.get("/operator/").content.decode()
    assert f"/operator/reports/{pk}/" in visit.get("/operator/reports/").content.decode()
    page = visit.get(f"/operator/reports/{pk}/").content.decode()
    assert "/operator/quarantine/place/?project=alpha&amp;version=1.0" in page
    assert "/operator/people/eve/" in page
    visit.post(f"/operator/reports/{pk}/close/", outcome="dismissed", note="We see nothing.")
    assert visit.answer.status_code == 303
    assert code_of(visit.get(f"/operator/reports/{pk + 1}/")) == "report-missing"
    assert "Nothing waits" in visit.get("/operator/reports/?before=x").content.decode()
    assert f"/operator/reports/{pk}/" in visit.get("/operator/reports/?state=closed").content.decode()
    assert "We see nothing." in browser("eve", "password").get("/account/reports/").content.decode()


def test_auditors_read_and_long_lists_are_cut(eve: Actor) -> None:
    person("aud", "auditor")
    Report.objects.bulk_create(
        Report(
            normalized_name=f"p{number}",
            kind="other",
            text="x",
            reporter_id=eve.user_id,
            reported_at=clock.now(),
        )
        for number in range(51)
    )
    visit, last = browser("aud"), Report.objects.order_by("pk")[1].pk
    assert f"before={last}" in visit.get("/operator/reports/").content.decode()
    assert ">p0<" in visit.get(f"/operator/reports/?before={last}").content.decode()
    assert "/close/" not in visit.get(f"/operator/reports/{last}/").content.decode()
    assert code_of(visit.get(f"/operator/reports/{last}/close/")) == "role-required"


def test_the_people_of_the_project_learn_nothing_of_it(eve: Actor, ada: Actor, mod: Actor) -> None:
    give_role("alpha", person("bob"), "maintainer")
    row = report_project("alpha", "malware", SECRET, by=eve)
    quarantine("alpha", "looked at", by=mod)
    close_report(row.pk, "acted", by=mod)
    assert {mail.address for mail in Mail.objects.filter(kind="report-closed")} == {"eve@example.org"}
    owner = browser("ada")
    for path in ("/account/history/", "/manage/project/alpha/", "/project/alpha/", "/account/reports/"):
        page = owner.get(path).content.decode()
        assert not [told for told in (">eve<", SECRET, "report.file") if told in page], path
    assert not Record.objects.filter(action__startswith="report.", about_kind="project").exists()


def test_it_outlives_the_account_without_the_name(eve: Actor) -> None:
    row = report_project("alpha", "malware", SECRET, by=eve)
    own = next(one for one in belongings.all_belongings() if one.feature == "safety")
    kept = next(one for one in own.kept if one.name == "reports")
    assert [told["text"] for told in kept.rows(eve.user_id or 0).values(*kept.fields)] == [SECRET]
    assert own.give_up is not None
    own.give_up(eve.user_id or 0, clock.now())
    row.refresh_from_db()
    assert (row.reporter_id, row.text) == (None, SECRET)
    Project.objects.all().delete()
    assert Report.objects.count() == 1
