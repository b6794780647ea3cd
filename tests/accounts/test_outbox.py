"""What operators do to the outbox on pages and commands, and the door for reports of bounces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from django.db import transaction
from django.test import Client
from tests.accounts.conftest import START, Browser, Clock, Configure, make_person, refused, signed_in
from tests.mail.smtp_server import running

from keyhouse.accounts.models import User
from keyhouse.accounts.outbox import clear_bounces, retry_mails
from keyhouse.audit.models import Record
from keyhouse.cli import mail as cli
from keyhouse.core.actor import Actor, host
from keyhouse.core.errors import Refusal
from keyhouse.mail import queries
from keyhouse.mail.delivery import deliver_due
from keyhouse.mail.letters import Letter, Link, Text
from keyhouse.mail.models import Bounce, Mail
from keyhouse.mail.services import Bounced, queue, record_bounces
from keyhouse.web import health

pytestmark = pytest.mark.django_db

TOKEN = "report-t0ken-report-t0ken"
REPORT = {"address": "ada@example.org", "kind": "permanent", "at": "2024-05-06T07:00:00Z"}
LETTER = Letter("notice", "Subject", (Text("secret text"), Link("Go", "https://keyhouse.test/x/s3cret/")))


def post(to: str = "bob@example.org", **told: Any) -> Mail:
    with transaction.atomic():
        queue(LETTER, to=to, now=START, **told)
    return Mail.objects.order_by("-id")[0]


@pytest.fixture
def operator(db: None) -> Browser:
    return signed_in(make_person("olga", is_operator=True))[1]


@pytest.fixture
def unreachable(configure: Configure) -> None:
    configure(mail_url="smtp://127.0.0.1:1")


# ---- the page


def test_the_page_of_an_empty_outbox_says_so(operator: Browser) -> None:
    page = operator.get("/operator/mail/")
    assert page.status_code == 200
    assert "Every mail that was due has left." in operator.text
    assert "No mail has come back." in operator.text
    assert "Mail is off." in operator.text
    assert "stuck" not in operator.text


def test_the_page_tells_what_waits_what_failed_and_why_and_never_what_it_said(
    operator: Browser, unreachable: None, time: Clock
) -> None:
    record_bounces([Bounced("gone@example.org", "permanent", START)], source="smtp")
    post("gone@example.org")
    post()
    post("eve@example.org", expires_at=START)
    deliver_due(START)
    operator.get("/operator/mail/")
    assert "Mail is off." not in operator.text
    for told in (
        "bob@example.org",
        "Connection refused",
        "It came too late.",
        "suppressed",
        "no such mailbox",
    ):
        assert told in operator.text
    for hidden in ("s3cret", "secret text", "Subject"):
        assert hidden not in operator.text
    assert "stuck" not in operator.text
    time.go(minutes=15)
    operator.get("/operator/mail/")
    assert "Mail is stuck." in operator.text


def test_the_page_is_where_operators_find_the_audit_log_and_for_them_only(
    ada: User, operator: Browser
) -> None:
    operator.get("/operator/audit/")
    assert 'href="/operator/mail/"' in operator.text
    _, browser = signed_in(ada)
    assert 'href="/operator/mail/"' not in (browser.get("/account/") and browser.text)
    for path in ("/operator/mail/", "/operator/mail/retry/", "/operator/mail/clear/1/"):
        assert refused(browser.get(path)) == "role-required"
        assert Browser().get(path).status_code == 302


def test_an_operator_lets_all_be_tried_now(operator: Browser, unreachable: None) -> None:
    mail = post()
    deliver_due(START)
    assert Mail.objects.get().due_at > START
    operator.get("/operator/mail/retry/")
    assert operator.post("/operator/mail/retry/").status_code == 303
    assert Mail.objects.get(pk=mail.pk).due_at == START
    record = Record.objects.get(action="mail.retry")
    assert record.details == {"mails": 1}


def test_retrying_needs_a_fresh_proof(operator: Browser, unreachable: None, time: Clock) -> None:
    post()
    deliver_due(START)
    due = Mail.objects.get().due_at
    operator.get("/operator/mail/retry/")
    time.go(minutes=16)
    assert refused(operator.post("/operator/mail/retry/")) == "step-up-required"
    assert Mail.objects.get().due_at == due


def test_an_operator_clears_a_bounce(operator: Browser) -> None:
    record_bounces([Bounced("bob@example.org", "permanent", START)], source="smtp")
    bounce = Bounce.objects.get()
    path = f"/operator/mail/clear/{bounce.pk}/"
    operator.get("/operator/mail/")
    assert f'href="{path}"' in operator.text
    operator.get(path)
    assert "bob@example.org" in operator.text
    assert operator.post(path).status_code == 303
    assert queries.is_deliverable("bob@example.org")
    assert refused(operator.get(path)) == "bounce-missing"
    assert refused(operator.get("/operator/mail/clear/999999999/")) == "bounce-missing"
    record = Record.objects.get(action="mail.clear-bounce")
    assert "bob" not in json.dumps([record.details, record.about_name])


@pytest.mark.parametrize("act", [lambda by: retry_mails(by=by), lambda by: clear_bounces("a@x.org", by=by)])
def test_the_services_ask_by_themselves(act: Any, ada: User) -> None:
    record_bounces([Bounced("a@x.org", "permanent", START)], source="smtp")
    with pytest.raises(Refusal):
        act(Actor(kind="session", user_id=ada.pk))
    assert not Record.objects.filter(action__startswith="mail.").exists()
    assert not queries.is_deliverable("a@x.org")


# ---- reports of bounces


def report(body: Any, token: str | None = TOKEN, **more: Any) -> Any:
    text = body if isinstance(body, bytes | str) else json.dumps(body)
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    client = Client(enforce_csrf_checks=True)
    return client.post("/_/mail/bounces", text, content_type="application/json", headers=headers, **more)


@pytest.fixture
def opened(configure: Configure) -> None:
    configure(mail_bounce_token=TOKEN)


def test_without_a_token_set_there_is_no_such_door() -> None:
    assert report([REPORT]).status_code == 404
    assert report([REPORT], "").status_code == 404
    assert not Bounce.objects.exists()


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", TOKEN[:-1], "\u00e9"])
def test_a_wrong_token_is_refused_before_anything_is_read(opened: None, token: str | None) -> None:
    answer = report(b"{", token)
    assert answer.status_code == 403
    assert answer.json()["code"] == "credential-invalid"


def test_a_report_is_kept_once(opened: None) -> None:
    for _ in range(2):
        answer = report([REPORT, {**REPORT, "address": "Ada@Example.ORG "}])
        assert (answer.status_code, answer.content) == (204, b"")
    assert Bounce.objects.count() == 1
    assert not queries.is_deliverable("ada@example.org")
    assert Record.objects.get(action="mail.report-bounces").details == {"bounces": 1}


def test_the_answer_tells_nobody_who_has_an_account(opened: None, ada: User) -> None:
    del ada  # ada@example.org is hers
    known = report([REPORT])
    unknown = report([{**REPORT, "address": "nobody@example.org"}])
    assert known.status_code == unknown.status_code
    assert known.content == unknown.content
    assert dict(known.headers) == dict(unknown.headers)


def test_an_address_that_grows_when_folded_is_kept_on_every_database(opened: None) -> None:
    assert report([{**REPORT, "address": "ß" * 318 + "@x"}]).status_code == 204
    assert not queries.is_deliverable("ß" * 318 + "@x")


def test_only_what_is_permanent_stops_security_mails(opened: None) -> None:
    report([{**REPORT, "kind": "temporary"}, {**REPORT, "kind": "complaint", "address": "bob@example.org"}])
    assert queries.is_deliverable("ada@example.org")
    assert queries.is_deliverable("bob@example.org")
    assert queries.may_get("bob@example.org", "security")
    assert not queries.may_get("bob@example.org", "bulk")


def test_a_cleared_bounce_stays_cleared_until_a_later_one(opened: None) -> None:
    report([REPORT])
    clear_bounces("ada@example.org", by=host())
    report([REPORT])
    assert queries.is_deliverable("ada@example.org")
    report([{**REPORT, "at": "2024-05-06T07:00:01Z"}])
    assert not queries.is_deliverable("ada@example.org")


WRONG: list[dict[str, object]] = [
    {"kind": "dead"}, {"kind": None}, {"kind": []}, {"address": "x"}, {"address": "a@x\nb"}, {"address": "a" * 400 + "@x"},
    {"address": "a@x\u0000"}, {"address": "a@\ud800"}, {"address": 1}, {"at": "yesterday"}, {"at": "2024-05-06T07:00:00"},
    {"at": "0001-01-01T00:00:00+14:00"}, {"at": 1}, {"more": "x"},
]  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"{}", b"null", b"[1]", b"[[]]", b'[{"address": "a@x.org"}]', b"[" * 100_000,
     json.dumps([REPORT] * 1001).encode(),
     *(json.dumps([{**REPORT, **wrong}]).encode() for wrong in WRONG)],
)  # fmt: skip
def test_a_report_that_is_wrong_anywhere_is_not_kept_at_all(opened: None, body: bytes) -> None:
    answer = report(body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "bounces-malformed"
    assert not Bounce.objects.exists()


def test_the_door_takes_nothing_but_reports(opened: None) -> None:
    assert Client().get("/_/mail/bounces", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 405


# ---- the command line


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli.command, words)
    assert done.exception is None or isinstance(done.exception, SystemExit | Refusal), done.exception
    return done.exit_code, done.output


def test_a_test_mail_becomes_a_file_where_mail_is_off(configure: Configure, tmp_path: Path) -> None:
    configure(mail_dir=tmp_path / "mail")
    code, told = run("test", "ada@example.org")
    assert code == 0
    assert "Mail is off" in told
    [file] = (tmp_path / "mail").iterdir()
    assert str(file) in told
    assert not Mail.objects.exists()


def test_a_test_mail_arrives(configure: Configure) -> None:
    with running() as server:
        configure(mail_url=f"smtp://127.0.0.1:{server.port}?from=index@keyhouse.test")
        code, told = run("test", "ada@example.org")
        assert (code, server.received[0].to) == (0, "ada@example.org")
        assert "index@keyhouse.test" in told


@pytest.mark.parametrize(
    ("verb", "reply", "advice"),
    [
        ("EHLO", "421 too busy", "host and port"),
        ("MAIL", "550 5.7.1 not yours", "?from="),
        ("RCPT", "550 5.1.1 unknown", "no such mailbox"),
        ("RCPT", "554 5.7.1 relay denied", "user, password"),
        ("RCPT", "450 4.2.0 greylisted", "tried again"),
        ("CONTENT", "554 spam", "SPF"),
    ],
)
def test_a_test_mail_that_fails_says_what_to_do(
    configure: Configure, verb: str, reply: str, advice: str
) -> None:
    with running() as server:
        server.behaviour.replies |= {verb: lambda _: reply, "HELO": lambda _: "500 no"}
        configure(mail_url=f"smtp://127.0.0.1:{server.port}")
        code, told = run("test", "ada@example.org")
    assert code == 1
    assert advice in told
    assert not Bounce.objects.exists()


def test_a_test_mail_to_a_server_that_is_not_there_or_to_no_address(unreachable: None) -> None:
    assert run("test", "ada@example.org") == (1, run("test", "ada@example.org")[1])
    assert "Connection refused" in run("test", "ada@example.org")[1]
    assert "No mail can be sent to nobody" in run("test", "nobody")[1]


def test_mails_are_listed_without_what_they_said(unreachable: None) -> None:
    post()
    post("eve@example.org", lane="bulk")
    deliver_due(START)
    Mail.objects.filter(lane="bulk").update(due_at=START)
    _, lines = run("list", "--json")
    told = [json.loads(line) for line in lines.splitlines()]
    assert [one["address"] for one in told] == ["eve@example.org", "bob@example.org"]
    assert "s3cret" not in lines
    assert "sealed" not in lines
    assert [json.loads(line)["state"] for line in run("list", "--waiting", "--json")[1].splitlines()] == [
        "waiting", "waiting",
    ]  # fmt: skip
    assert "Connection refused" in run("list")[1]
    assert run("list", "--failed") == (0, "")
    assert run("list", "--failed", "--waiting")[0] == 2


def test_the_host_retries_and_clears(unreachable: None) -> None:
    post()
    deliver_due(START)
    assert "1 mails are tried now" in run("retry")[1]
    assert Mail.objects.get().due_at == START
    record_bounces([Bounced("bob@example.org", "permanent", START)], source="report")
    assert "mails go there again" in run("clear", "BOB@example.org")[1]
    assert "Nothing had come back" in run("clear", "bob@example.org")[1]
    assert set(Record.objects.values_list("action", "actor_kind")) == {
        ("mail.retry", "host"), ("mail.clear-bounce", "host"),
    }  # fmt: skip


# ---- measurements


def test_measurements_tell_what_waits_and_since_when(unreachable: None, time: Clock) -> None:
    post()
    post(lane="bulk")
    post("late@example.org", expires_at=START)
    deliver_due(START)
    time.go(seconds=90)
    text = health._measure().decode()
    assert 'keyhouse_mail_waiting{lane="security"} 1.0' in text
    assert 'keyhouse_mail_waiting{lane="bulk"} 1.0' in text
    assert "keyhouse_mail_oldest_security_seconds 90.0" in text
    assert "keyhouse_mail_failed 1.0" in text
