from __future__ import annotations

import logging
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction
from tests.mail.conftest import LETTER, NOW, SECRET_LINK, Configure, files_in, post
from tests.mail.smtp_server import SmtpServer

from keyhouse.core import configuration, keys
from keyhouse.mail import delivery, queries, transports
from keyhouse.mail.delivery import deliver_due
from keyhouse.mail.letters import Letter
from keyhouse.mail.models import Bounce, Mail
from keyhouse.mail.rules import GIVE_UP_AFTER, WAITS
from keyhouse.mail.services import Bounced, clear_bounces, queue, record_bounces
from keyhouse.mail.transports import Parcel

pytestmark = pytest.mark.django_db


def read(mail: Mail) -> Mail:
    return Mail.objects.get(pk=mail.pk)


# ---- writing


@pytest.mark.django_db(transaction=True)
def test_a_mail_outside_of_a_transaction_is_a_defect() -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        queue(LETTER, to="ada@example.org", now=NOW)
    assert not Mail.objects.exists()


def test_a_refused_act_mails_nothing(tmp_path: Path) -> None:
    with transaction.atomic():
        queue(LETTER, to="ada@example.org", now=NOW)
        transaction.set_rollback(True)
    assert (deliver_due(NOW), Mail.objects.count(), files_in(tmp_path / "mail")) == (0, 0, [])


def test_the_same_key_is_written_once() -> None:
    post(key="reset 7")
    post(key="reset 7", to="eve@example.org")
    post(key="reset 8")
    post()
    post()
    assert Mail.objects.count() == 4
    assert list(Mail.objects.filter(key="reset 7").values_list("address", flat=True)) == ["ada@example.org"]


def test_what_a_mail_says_is_sealed_while_it_waits_and_wiped_when_it_left() -> None:
    mail = post()
    assert "s3cret" not in mail.content_sealed
    assert "K7QM" not in repr(vars(mail))
    assert deliver_due(NOW) == 1
    ended = read(mail)
    assert (ended.state, ended.content_sealed, ended.ended_at, ended.tries) == ("sent", "", NOW, 1)


# ---- files


def test_mails_become_private_files_in_the_order_of_queueing(tmp_path: Path) -> None:
    for number in range(12):
        post(f"p{number}@example.org")
    assert deliver_due(NOW) == 12
    folder = tmp_path / "mail"
    assert [message["To"] for message in files_in(folder)] == [f"p{n}@example.org" for n in range(12)]
    names = sorted(path.name for path in folder.iterdir())
    assert names[0].startswith("20240506T070809.000000Z-")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert [name for name in names if not name.endswith(".eml")] == []


def test_a_file_is_a_real_message_with_each_link_alone_on_its_line(tmp_path: Path) -> None:
    post()
    deliver_due(NOW)
    (message,) = files_in(tmp_path / "mail")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == NOW
    assert message["Message-ID"].startswith("<")
    assert message.get_content_type() == "multipart/alternative"
    text = message.get_body(("plain",))
    html = message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert SECRET_LINK in text.get_content().splitlines()
    assert f'href="{SECRET_LINK}"' in html.get_content()


def test_a_folder_that_takes_nothing_loses_nothing(configure: Configure, tmp_path: Path) -> None:
    mail = post()
    (tmp_path / "occupied").write_text("a file")
    configure(mail_dir=tmp_path / "occupied" / "mail")
    assert deliver_due(NOW) == 0
    assert read(mail).state == "waiting"
    assert "Not a directory" in read(mail).last_error
    configure(mail_dir=tmp_path / "mail")
    assert deliver_due(NOW + WAITS[0]) == 1


# ---- SMTP


def test_a_mail_server_gets_the_same_message(server: SmtpServer) -> None:
    mail = post("ada@example.org")
    assert deliver_due(NOW) == 1
    (got,) = server.received
    assert (got.sender, got.to) == ("index@keyhouse.test", "ada@example.org")
    assert got.message["Subject"] == "A new password"
    assert got.message["Message-ID"] == f"<{mail.token}@{configuration.current().host}>"
    assert read(mail).state == "sent"


def test_mails_of_one_pass_share_a_connection_and_security_goes_first(server: SmtpServer) -> None:
    for number in range(3):
        post(f"bulk{number}@example.org", lane="bulk")
    for number in range(3):
        post(f"sec{number}@example.org")
    assert deliver_due(NOW) == 6
    names = [got.to.partition("@")[0] for got in server.received]
    assert names == ["sec0", "sec1", "sec2", "bulk0", "bulk1", "bulk2"]
    assert server.connections == 1


def test_a_temporary_refusal_is_tried_again_with_growing_waits(server: SmtpServer) -> None:
    server.behaviour.replies["RCPT"] = lambda _: "451 4.7.1 greylisted, come back"
    mail, now = post(), NOW
    for wait in WAITS[:4]:
        assert deliver_due(now) == 0
        assert (read(mail).due_at, read(mail).state) == (now + wait, "waiting")
        assert deliver_due(now + wait - timedelta(seconds=1)) == 0
        now += wait
    assert "greylisted" in read(mail).last_error
    server.behaviour.replies.clear()
    assert deliver_due(now) == 1
    assert read(mail).tries == 5
    assert queries.is_deliverable("ada@example.org")


def test_a_mail_is_given_up_at_last_and_says_why(server: SmtpServer) -> None:
    server.behaviour.replies["RCPT"] = lambda _: "451 never mind"
    mail = post()
    assert deliver_due(NOW + GIVE_UP_AFTER) == 0
    ended = read(mail)
    assert (ended.state, ended.content_sealed, ended.last_error) == ("failed", "", "451 never mind")


def test_what_is_of_no_use_any_more_is_not_sent(server: SmtpServer) -> None:
    mail = post(expires_at=NOW + timedelta(minutes=15))
    assert deliver_due(NOW + timedelta(minutes=15)) == 0
    assert (read(mail).state, read(mail).content_sealed, server.received) == ("failed", "", [])


@pytest.mark.parametrize(
    "reply", ["550 no such user", "550 5.1.1 unknown mailbox", "550 5.2.1 mailbox disabled", "553 bad name"]
)
def test_a_dead_mailbox_is_a_bounce_and_gets_no_more_mails(server: SmtpServer, reply: str) -> None:
    server.behaviour.replies["RCPT"] = lambda to: reply if "ada" in to.lower() else None
    mail = post("Ada@Example.org")
    other = post("bob@example.org")
    assert deliver_due(NOW) == 1
    assert (read(mail).state, read(other).state) == ("failed", "sent")
    assert not queries.is_deliverable("ada@example.ORG")
    server.behaviour.replies.clear()
    suppressed, proving = post("ada@example.org"), post("ada@example.org", even_if_bounced=True)
    assert deliver_due(NOW) == 1
    assert (read(suppressed).state, read(suppressed).content_sealed) == ("suppressed", "")
    assert read(proving).state == "sent"
    assert clear_bounces("ada@example.org", NOW) == 1
    assert queries.is_deliverable("ada@example.org")


@pytest.mark.parametrize(
    "reply",
    [
        "554 5.7.1 Relay access denied",
        "550 relay not permitted",
        "550 5.7.1 blocked",
        "530 authenticate first",
    ],
)
def test_a_relay_that_is_set_up_wrongly_marks_no_address(server: SmtpServer, reply: str) -> None:
    server.behaviour.replies["RCPT"] = lambda _: reply
    mail = post()
    assert deliver_due(NOW) == 0
    assert (read(mail).state, Bounce.objects.count()) == ("waiting", 0)


def test_a_message_that_is_refused_for_what_it_is_fails_without_a_bounce(server: SmtpServer) -> None:
    server.behaviour.replies["CONTENT"] = lambda _: "554 5.6.0 looks odd"
    mail, other = post(), post("bob@example.org")
    assert deliver_due(NOW) == 0
    assert {read(mail).state, read(other).state} == {"failed"}
    assert queries.is_deliverable("ada@example.org")


def test_neither_ledger_nor_log_repeats_what_a_server_quotes(
    server: SmtpServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.behaviour.replies["CONTENT"] = lambda text: f"554 refused: {SECRET_LINK} and K7QM-2R9D\x1b[2J"
    mail = post()
    with caplog.at_level(logging.DEBUG):
        deliver_due(NOW)
    for told in (read(mail).last_error, caplog.text):
        assert "s3cret" not in told
        assert "K7QM" not in told
        assert "\x1b" not in told
    assert "554 refused" in read(mail).last_error


@pytest.mark.parametrize("verb", ["EHLO", "MAIL", "RCPT", "DATA"])
def test_a_server_that_dies_in_the_middle_loses_nothing(server: SmtpServer, verb: str) -> None:
    server.behaviour.hangs_up_at = verb
    mail, other = post(), post("bob@example.org")
    assert deliver_due(NOW) == 0
    assert (read(mail).state, read(mail).tries, read(other).tries) == ("waiting", 1, 0)
    server.behaviour.hangs_up_at = ""
    assert deliver_due(NOW + WAITS[0]) == 2
    assert sorted(got.to for got in server.received) == ["ada@example.org", "bob@example.org"]


def test_a_mail_whose_receipt_got_lost_comes_again_under_the_same_name(server: SmtpServer) -> None:
    server.behaviour.hangs_up_after_taking = True
    post()
    assert deliver_due(NOW) == 0
    server.behaviour.hangs_up_after_taking = False
    assert deliver_due(NOW + WAITS[0]) == 1
    first, second = server.received
    assert first.content == second.content


def test_a_server_that_closes_between_two_mails_is_asked_anew(server: SmtpServer) -> None:
    server.behaviour.replies["NOOP"] = lambda _: "421 enough for one connection"
    post()
    post("bob@example.org")
    assert deliver_due(NOW) == 2
    assert server.connections == 2


def test_a_server_that_is_away_costs_one_try_of_one_mail_and_is_waited_for(
    server: SmtpServer, configure: Configure
) -> None:
    address = configuration.current().mail_url
    configure(mail_url="smtp://127.0.0.1:1")
    mails = [post(f"p{number}@example.org") for number in range(3)]
    assert deliver_due(NOW) == 0
    assert [read(mail).tries for mail in mails] == [1, 0, 0]
    assert "refused" in read(mails[0]).last_error
    configure(mail_url=address)
    assert deliver_due(NOW + WAITS[0]) == 3


def test_a_silent_server_is_given_up_after_a_while(
    server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "SECONDS", 0.3)
    server.behaviour.seconds = 2
    mail = post()
    assert deliver_due(NOW) == 0
    assert read(mail).state == "waiting"
    assert "timed out" in read(mail).last_error


# ---- what can't be sent


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        "a@b\r\nBcc: eve@example.org",
        "a b@example.org",
        "@",
        "ü@example.org",
        "a@" + "x" * 70 + ".org",
    ],
)
def test_an_address_that_is_none_fails_alone(server: SmtpServer, address: str) -> None:
    mail, other = post(address), post("bob@example.org")
    assert deliver_due(NOW) == 1
    assert (read(mail).state, read(mail).content_sealed, read(other).state) == ("failed", "", "sent")
    assert [got.to for got in server.received] == ["bob@example.org"]


def test_an_international_domain_is_written_as_the_wire_has_it(server: SmtpServer) -> None:
    post("ada@bücher.example")
    assert deliver_due(NOW) == 1
    assert server.received[0].to == "ada@xn--bcher-kva.example"
    record_bounces([Bounced("ADA@xn--bcher-kva.example", "permanent", NOW)], source="report")
    assert not queries.is_deliverable("ada@bücher.example")


def test_a_mail_whose_key_is_lost_fails_and_stops_nobody(server: SmtpServer) -> None:
    mail, other = post(), post("bob@example.org")
    foreign = keys.KeyRing((keys._new_key(),)).seal("mail", b"{}")
    Mail.objects.filter(pk=mail.pk).update(content_sealed=foreign)
    assert deliver_due(NOW) == 1
    assert (read(mail).state, read(other).state) == ("failed", "sent")
    assert "key" in read(mail).last_error


def test_a_link_can_not_be_turned_to_another_address_in_the_database(server: SmtpServer) -> None:
    mail = post()
    Mail.objects.filter(pk=mail.pk).update(address="eve@example.org")
    assert deliver_due(NOW) == 0
    assert (read(mail).state, server.received) == ("failed", [])


def test_a_mail_that_a_defect_hinders_stands_in_nobodys_way(
    server: SmtpServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = delivery._parcel

    def fail_for_ada(mail: Mail, letter: Letter) -> Parcel:
        if mail.address == "ada@example.org":
            raise LookupError(SECRET_LINK)
        return whole(mail, letter)

    monkeypatch.setattr(delivery, "_parcel", fail_for_ada)
    mail, other = post(), post("bob@example.org")
    assert deliver_due(NOW) == 1
    assert (read(mail).state, read(other).state) == ("failed", "sent")
    assert "LookupError" in read(mail).last_error
    assert "s3cret" not in read(mail).last_error + caplog.text


def test_without_the_key_file_mails_wait(configure: Configure, tmp_path: Path) -> None:
    mail = post()
    before = configuration.current().key_file
    configure(key_file=tmp_path / "missing.json")
    with pytest.raises(keys.KeyFileError):
        deliver_due(NOW)
    configure(key_file=before)
    assert read(mail).state == "waiting"
    assert deliver_due(NOW) == 1


# ---- what is asked


def test_mail_is_off_without_a_server_and_stuck_when_security_waits(configure: Configure) -> None:
    assert not queries.is_off(), "somebody named a folder, and looks into it"
    configure(mail_dir=None)
    assert queries.is_off()
    configure(mail_url="smtp://127.0.0.1:1")
    assert not queries.is_off()
    post(lane="bulk")
    assert not queries.is_stuck(NOW + timedelta(hours=1))
    post(expires_at=NOW + timedelta(hours=1))
    assert not queries.is_stuck(NOW + timedelta(minutes=14))
    assert queries.is_stuck(NOW + timedelta(minutes=15))
    assert not queries.is_stuck(NOW + timedelta(hours=1))
