"""The other pages of the console: each office on each page by each method, and what the pages do."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from tests.accounts.conftest import Browser, Clock, Configure, give_project, make_person, refused, signed_in
from tests.oidc_issuer import make_certificate
from tests.web.console.conftest import InOffice

from keyhouse.accounts.models import Announcement, Proposal, Session, User
from keyhouse.accounts.oversight.announcing import publish_announcement
from keyhouse.accounts.oversight.errors import AnnouncementMalformed
from keyhouse.accounts.oversight.offices import propose_office
from keyhouse.accounts.oversight.suspending import suspend_user
from keyhouse.audit.models import Record, WorkRound
from keyhouse.audit.works import keep_rounds
from keyhouse.cli import serve
from keyhouse.core import clock, configuration, rounds
from keyhouse.core.actor import OFFICES, host
from keyhouse.core.configuration import SETTINGS
from keyhouse.core.outgoing import OutgoingError
from keyhouse.credentials.trusted_publishers.models import Issuer
from keyhouse.index.keeper import Keeper as IndexKeeper
from keyhouse.index.purging import Purger
from keyhouse.projects.models import Project
from keyhouse.safety.switches import services as switches
from keyhouse.web.console import attention, projects, works
from keyhouse.web.readiness import Readiness

pytestmark = pytest.mark.django_db
ALL, READERS = frozenset(OFFICES), frozenset({"operator", "auditor"})
PAGES = {
    "/operator/projects/": ALL,
    "/operator/projects/alpha/": ALL,
    "/operator/proposals/": READERS,
    "/operator/settings/": READERS,
    "/operator/jobs/": READERS,
    "/operator/audit/": READERS,
    "/operator/audit/export/": READERS,
    "/operator/announcements/": ALL,
}
ONLY_OPERATOR = {
    "/operator/people/ada/grant-office/": {"office": "auditor", "reason": "why"},
    "/operator/people/ada/revoke-office/": {"office": "auditor", "reason": "why"},
    "/operator/projects/alpha/limits/": {"file_limit": "5"},
    "/operator/projects/alpha/new-owner/": {"username": "ada", "reason": "why"},
    "/operator/jobs/audit-sealer/run/": {},
    "/operator/announcements/new/": {"text": "x", "severity": "info", "ends_at": "2030-01-01T00:00"},
    "/operator/proposals/{proposal}/approve/": {},
    "/operator/proposals/{proposal}/withdraw/": {"reason": "why"},
    "/operator/announcements/{announcement}/end/": {},
}


@pytest.mark.parametrize("office", [*OFFICES, "nobody"])
def test_each_office_on_each_page_by_each_method(ada: User, in_office: InOffice, office: str) -> None:
    give_project(ada)
    make_person("root", is_operator=True)
    keys = {
        "proposal": propose_office(make_person("eve"), "auditor", "why", by=host(), now=clock.now()).pk,
        "announcement": _announce("Maintenance tonight").pk,
    }
    browser = in_office(office)
    for path, offices in PAGES.items():
        assert browser.get(path).status_code == (200 if office in offices else 403), path
    before = Record.objects.count(), Proposal.objects.count(), Announcement.objects.count()
    for path, fields in ONLY_OPERATOR.items():
        there = path.format(**keys)
        assert browser.get(there).status_code == (200 if office == "operator" else 403), path
        if office != "operator":
            browser.get("/account/")
            answer = browser.post(there, fields)
            assert (answer.status_code, refused(answer)) == (403, "role-required"), path
    assert (Record.objects.count(), Proposal.objects.count(), Announcement.objects.count()) == before


@pytest.mark.parametrize(
    "path",
    [
        "/operator/projects/ghost/",
        "/operator/projects/%00/limits/",
        "/operator/projects/ghost/new-owner/",
        "/operator/proposals/999999/approve/",
        "/operator/proposals/999999/withdraw/",
        "/operator/announcements/999999/end/",
        "/operator/jobs/mail-bulk/run/",
        "/operator/jobs/ghost/run/",
        "/operator/proposals/99999999999999999999/approve/",
    ],
)
def test_what_is_not_there_is_missing(in_office: InOffice, path: str) -> None:
    assert in_office("operator").get(path).status_code == 404


# ---- projects


def _projects(*sizes: int) -> None:
    for number, size in enumerate(sizes):
        name = f"p{number}"
        Project.objects.create(
            name=name, normalized_name=name, folded_name=name, created_at=clock.now(), size=size
        )


def _pages(**asked: str) -> list[str]:
    found, after = [], ""
    for _ in range(9):
        listed = projects.list_projects(asked, after)
        found += [row.project.normalized_name for row in listed.rows]
        after = listed.after
        if not after:
            return found
    raise AssertionError("it doesn't end")


def test_projects_come_by_name_or_size_page_by_page(
    ada: User, monkeypatch: pytest.MonkeyPatch, in_office: InOffice
) -> None:
    monkeypatch.setattr(projects, "PAGE", 2)
    _projects(5, 9, 5, 1, 9)
    give_project(ada)
    assert _pages() == ["alpha", "p0", "p1", "p2", "p3", "p4"]
    assert _pages(order="size") == ["p1", "p4", "p0", "p2", "p3", "alpha"]
    assert _pages(q="P1") == ["p1"]
    assert _pages(q="%") == []
    assert "alpha" not in _pages(only="ownerless")
    browser = in_office("operator")
    for odd in ("after=%00", "order=size&after=x:y", f"order=size&after={'9' * 30}:x", "only=x", "q=%00"):
        assert browser.get(f"/operator/projects/?{odd}").status_code == 200


def test_limits_are_set_in_the_page(ada: User, in_office: InOffice) -> None:
    give_project(ada)
    browser = in_office("operator")
    for wrong in ("0", "-1", "x", "9" * 30):
        assert browser.post("/operator/projects/alpha/limits/", {"file_limit": wrong}).status_code == 400
    answer = browser.post("/operator/projects/alpha/limits/", {"file_limit": "7", "project_limit": ""})
    assert answer.status_code == 303
    assert Project.objects.get().file_limit == 7_000_000
    assert "7.0 MB" in browser.get("/operator/projects/alpha/").content.decode()


def test_a_new_owner_is_proposed_in_the_page_where_nobody_is_there(ada: User, in_office: InOffice) -> None:
    give_project(ada)
    browser = in_office("operator")
    make_person("heir")
    fields = {"username": "heir", "reason": "left"}
    assert refused(browser.post("/operator/projects/alpha/new-owner/", fields)) == "project-owned"
    suspend_user(ada, "left", by=host(), now=clock.now())
    assert "Nobody looks after" in browser.get("/operator/projects/alpha/").content.decode()
    browser.get("/operator/projects/alpha/new-owner/")
    assert browser.post("/operator/projects/alpha/new-owner/", fields).status_code == 303
    assert "heir becomes an owner of alpha" in browser.get("/operator/proposals/").content.decode()


# ---- audit


def _export(browser: Browser, **fields: str) -> bytes:
    browser.get("/operator/audit/export/")
    answer = browser.post("/operator/audit/export/", fields)
    assert answer.status_code == 200, refused(answer)
    return b"".join(answer.streaming_content)


def test_the_log_is_taken_away_and_that_is_in_the_log(ada: User, in_office: InOffice) -> None:
    suspend_user(ada, "=cmd()", by=host(), now=clock.now())
    browser = in_office("auditor")
    lines = _export(browser, format="jsonl", action="person.suspend").splitlines()
    assert [json.loads(line)["details"]["reason"] for line in lines] == ["=cmd()"]
    rows = list(csv.DictReader(io.StringIO(_export(browser, format="csv").decode())))
    assert len(rows) == Record.objects.count() - 1  # its own record comes after
    taken = Record.objects.filter(action="audit.export").order_by("id")
    assert [one.details.get("format") for one in taken] == ["jsonl", "csv"]
    assert taken[0].details["action"] == "person.suspend"
    browser.get("/operator/audit/export/")
    assert browser.post("/operator/audit/export/", {"format": "exe"}).status_code == 400
    assert taken.count() == 2


def test_a_spreadsheet_carries_nothing_out(ada: User) -> None:
    from keyhouse.audit.exporting import as_csv  # noqa: PLC0415 - beside its one use

    suspend_user(ada, "why", by=host(), now=clock.now())
    row = Record.objects.select_related("personal").get(action="person.suspend")
    row.about_name = "=HYPERLINK(1)"
    cells = list(csv.reader(io.StringIO("".join(as_csv([row])))))
    assert "'=HYPERLINK(1)" in cells[1]


def test_the_log_is_narrowed_by_outcome_and_code(ada: User, in_office: InOffice) -> None:
    Browser().sign_in("ada", "wrong")
    browser = in_office("auditor")
    page = browser.get("/operator/audit/?outcome=refused").content.decode()
    assert "refused:" in page
    assert "Nothing here." in browser.get("/operator/audit/?code=nothing").content.decode()
    assert browser.get("/operator/audit/?outcome=odd").status_code == 200


# ---- the machine


def test_settings_are_shown_with_their_source_and_no_secret(
    in_office: InOffice, configure: Configure
) -> None:
    configure(metrics_token="very-secret-token", mail_url="smtp://me:hidden-word@mail.example.org")
    page = in_office("auditor").get("/operator/settings/").content.decode()
    assert all(setting.name in page for setting in SETTINGS)
    assert "very-secret-token" not in page
    assert "hidden-word" not in page
    assert '105 MB<br><span class="small soft name">104857600</span>' in page, "and as it is written there"


def test_works_say_how_they_are_doing(in_office: InOffice, time: Clock) -> None:
    rounds.tell("account-keeper")
    rounds.tell("audit-sealer", RuntimeError("disk full"))
    assert keep_rounds() >= 2
    assert keep_rounds() == 0
    assert works.troubled_works(clock.now()) == ["audit-sealer"]
    page = in_office("auditor").get("/operator/jobs/").content.decode()
    assert "disk full" in page
    rounds.tell("audit-sealer")
    time.go(minutes=10)
    rounds.tell("audit-sealer")
    keep_rounds()
    assert WorkRound.objects.get(name="audit-sealer").last_error.endswith("disk full")
    assert works.troubled_works(clock.now()) == ["account-keeper"]


def test_every_work_of_a_server_is_shown() -> None:
    companions = serve._companions(configuration.current())
    names = {one.name for one in companions if isinstance(one, rounds.Rounds)}
    for one in companions:
        if isinstance(one, IndexKeeper | Purger):
            one.stop()  # it has a connection of its own
    assert names | {"index-keeper", "cdn-purge", "mail-security", "mail-bulk"} == {
        kind.name for kind in works.KINDS
    }


def test_a_cdn_that_is_not_told_is_shown_where_there_is_one(
    in_office: InOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds.tell("cdn-purge", OutgoingError("it answers 401"))
    keep_rounds()
    auditor = in_office("auditor")
    assert "cdn-purge" not in auditor.get("/operator/jobs/").content.decode()
    assert works.troubled_works(clock.now()) == []
    settings = dataclasses.replace(configuration.current(), purge_url="https://purge.example/")
    monkeypatch.setattr(configuration, "current", lambda: settings)
    assert works.troubled_works(clock.now()) == ["cdn-purge"]
    page = auditor.get("/operator/jobs/").content.decode()
    assert "it answers 401" in page
    assert (
        "/operator/jobs/cdn-purge/run/" not in in_office("operator").get("/operator/jobs/").content.decode()
    )


def test_a_work_is_begun_by_hand_and_recorded(in_office: InOffice) -> None:
    browser = in_office("operator")
    page = browser.get("/operator/jobs/").content.decode()
    assert [name for name in ("audit-sealer", "mail-bulk") if f"/operator/jobs/{name}/run/" in page] == [
        "audit-sealer"
    ]
    assert "/run/" not in in_office("auditor").get("/operator/jobs/").content.decode()
    assert Record.objects.filter(position=None).exists()
    answer = browser.post("/operator/jobs/audit-sealer/run/")
    assert answer.status_code == 303
    assert not Record.objects.filter(position=None).exists()
    assert Record.objects.filter(action="job.run", about_name="audit-sealer").count() == 1


# ---- announcements


def _announce(text: str, **more: float) -> Announcement:
    now = clock.now()
    begins_at = now + timedelta(hours=more.pop("after", 0))
    return publish_announcement(
        text, "warn", begins_at=begins_at, ends_at=begins_at + timedelta(hours=1), by=host(), now=now
    )


def test_an_announcement_stands_on_every_page_from_its_beginning_to_its_end(ada: User, time: Clock) -> None:
    _announce("<b>Down</b> tonight", after=1)
    _, browser = signed_in(ada)
    pages = ("/", "/account/", "/help/codes/")
    assert not any("Down" in browser.get(path).content.decode() for path in pages)
    time.go(minutes=61)
    _, browser = signed_in(ada)
    for path in pages:
        assert "&lt;b&gt;Down&lt;/b&gt; tonight" in browser.get(path).content.decode()
    anonymous = Browser().get("/help/codes/")
    assert "Down" in anonymous.content.decode()
    assert anonymous["Cache-Control"] in {"no-cache", "no-store"}
    time.go(hours=1)
    _, browser = signed_in(ada)
    assert not any("Down" in browser.get(path).content.decode() for path in pages)


def test_an_announcement_is_made_and_ended_in_the_pages(in_office: InOffice) -> None:
    browser = in_office("operator")
    fields = {"text": "Down tonight", "severity": "warn", "begins_at": "", "ends_at": "2024-05-07T00:00"}
    for wrong in ({"ends_at": "2024-05-01T00:00"}, {"ends_at": "2030-01-01T00:00"}, {"text": " "}):
        assert browser.post("/operator/announcements/new/", {**fields, **wrong}).status_code == 400
    for _ in range(2):
        assert browser.post("/operator/announcements/new/", fields).status_code == 303
    row = Announcement.objects.get()
    told = browser.get("/operator/announcements/").content.decode()
    assert '<span class="badge warn">something will not work</span> Down tonight' in told
    for _ in range(2):
        browser.get(f"/operator/announcements/{row.pk}/end/")
        assert browser.post(f"/operator/announcements/{row.pk}/end/").status_code == 303
    acts = Record.objects.filter(action__startswith="announcement.").values_list("action", flat=True)
    assert sorted(acts) == ["announcement.end", "announcement.publish"]
    assert browser.post("/operator/announcements/new/", fields).status_code == 303
    assert Announcement.objects.count() == 2, "what was ended can be announced once more"


@pytest.mark.parametrize("text", ["", "two\x00words", "x" * 301])
def test_an_announcement_is_a_line_of_plain_text(db: None, text: str) -> None:
    with pytest.raises(AnnouncementMalformed):
        _announce(text)
    assert not Announcement.objects.exists()


# ---- the overview


def test_the_overview_says_what_needs_attention(ada: User, in_office: InOffice) -> None:
    give_project(ada)
    browser = in_office("operator")
    assert "private address" not in browser.get("/operator/").content.decode()
    suspend_user(ada, "left", by=host(), now=clock.now())
    User.objects.filter(pk=make_person("cold").pk).update(state="frozen")
    make_person("other", is_operator=True)
    propose_office(make_person("eve"), "auditor", "why", by=host(), now=clock.now())
    for number in range(5):
        signed_in(make_person(f"n{number}"))
    Session.objects.update(network="10.0.0.1")
    asked_at = clock.now() - timedelta(hours=1)
    Issuer.objects.create(url="https://ci.example", provider="gitlab", added_at=asked_at, asked_at=asked_at)
    told = attention.needs_attention(Readiness(("no rows",), ()), clock.now())
    sentences = " ".join(one.sentence for one in told)
    for words in (
        "no rows",
        "private address",
        "10.0.0.1",
        "frozen",
        "no owner",
        "about an office",
        "no answer",
    ):
        assert words in sentences
    assert [one.severity for one in told] == sorted(one.severity for one in told)
    page = browser.get("/operator/").content.decode()
    assert "10.0.0.1" in page
    assert "/operator/proposals/" in page
    assert "/operator/proposals/" not in in_office("moderator").get("/operator/").content.decode()
    assert len(page) < 100_000


def test_the_overview_says_what_a_switch_has_stopped_and_how_badly(in_office: InOffice) -> None:
    def told() -> list[tuple[str, str]]:
        found = attention.needs_attention(Readiness((), ()), clock.now())
        return [(one.severity, one.sentence) for one in found if one.address == "/operator/switches/"]

    assert told() == []
    switches.freeze("uploads", "wave", clock.now() + timedelta(hours=4, minutes=1), by=host())
    assert told() == [("warn", "Stopped by a switch: uploads (for 4 hours more).")]
    switches.freeze("uploads", "wave", None, by=host())
    assert told() == [("danger", "Stopped by a switch: uploads (without an end).")]
    for office in ("operator", "moderator"):
        page = in_office(office).get("/operator/").content.decode()
        assert "Nothing. Come back tomorrow." not in page
        assert 'href="/operator/switches/">Look' in page
    switches.thaw("uploads", by=host())
    assert told() == []
    switches.freeze("everything", "a break-in", clock.now() + timedelta(minutes=30, seconds=5), by=host())
    assert told() == [("danger", "Stopped by a switch: everything (for 30 minutes more).")]


def test_the_overview_says_how_jobs_are_doing(in_office: InOffice) -> None:
    now = clock.now()
    rounds = (("audit-sealer", 0, ""), ("token-keeper", 3, "ValueError: odd"), ("account-keeper", 60, ""))
    for name, age, error in rounds:
        ended = now - timedelta(minutes=age)
        WorkRound.objects.create(
            name=name, ended_at=ended, error=error, failed_at=ended if error else None, last_error=error
        )
    browser = in_office("operator")
    card = browser.get("/operator/").content.decode().partition("<h2>Jobs</h2>")[2].partition("</section>")[0]
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(?:<span[^>]*>)?([\w-]+)", card))
    assert facts == {
        "Going well": "1",
        "Failing": "1",
        "Late": "1",
        "Not seen yet": str(len(works.all_works(now)) - 3),
        "Longest since a round": "account-keeper",
    }
    assert "1 hour ago" in card


def test_the_overview_says_when_the_certificate_ends_and_warns_three_weeks_before(
    in_office: InOffice, time: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warns() -> bool:
        told = attention.needs_attention(Readiness((), ()), clock.now())
        return any("certificate" in one.sentence for one in told)

    browser = in_office("operator")
    assert "not served from here" in browser.get("/operator/").content.decode()
    file, _ = make_certificate(tmp_path)
    monkeypatch.setenv(configuration.SERVED_CERTIFICATE, str(file))
    end = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
    assert f'datetime="{clock.format_instant(end)}"' in browser.get("/operator/").content.decode()
    time.go(seconds=(end - clock.now()).total_seconds() - 22 * 86400)
    assert not warns()
    time.go(seconds=2 * 86400)
    assert warns()
    file.write_bytes(b"no certificate")
    assert not warns()
