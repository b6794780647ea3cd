"""`keyhouse doctor` inside the index: operators who are locked out of their pages, clocks that are wrong, mail servers."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from tests.mail.smtp_server import make_certificate, running

from keyhouse.accounts.models import User
from keyhouse.accounts.services import create_user
from keyhouse.accounts.sessions import start_session
from keyhouse.audit.models import Record, WorkRound
from keyhouse.audit.services import record
from keyhouse.cli import doctor_inside
from keyhouse.cli.doctor_inside import (
    check_cdn,
    check_clock,
    check_compiling,
    check_mail,
    check_operator_networks,
)
from keyhouse.cli.doctor_outside import check_name
from keyhouse.core import clock, configuration, keys
from keyhouse.core.actor import host
from keyhouse.projects.models import PurgeMark, Serial

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(db: None) -> User:
    return create_user("root", by=host(), password="velvet-anchor-93-tundra", is_operator=True)


def grades(*networks: str, proxies: tuple[str, ...] = ()) -> list[str]:
    settings = replace(
        configuration.current(),
        operator_networks=tuple(map(ip_network, networks)),
        trusted_proxies=tuple(map(ip_network, proxies)),
    )
    return [one.grade for one in check_operator_networks(settings)]


def test_it_says_whether_operators_come_from_where_their_pages_open(root: User) -> None:
    assert grades() == []
    assert grades("10.0.0.0/8") == ["ok"]  # nobody has come yet
    start_session(root, ["password", "totp"], network="192.0.2.9")
    assert grades("10.0.0.0/8") == ["problem"]
    start_session(root, ["password", "totp"], network="10.1.2.3")
    assert grades("10.0.0.0/8") == ["hint"]
    assert grades("10.0.0.0/8", "192.0.2.0/24") == ["ok"]
    assert grades() == []


def test_others_count_for_nothing(root: User) -> None:
    ada = create_user("ada", by=host(), password="velvet-anchor-93-tundra")
    start_session(ada, ["password", "totp"], network="192.0.2.9")
    assert grades("10.0.0.0/8") == ["ok"]


@pytest.mark.usefixtures("root")
def test_a_wide_network_of_trusted_proxies_can_forge_where_operators_come_from() -> None:
    assert grades("10.0.0.0/8", proxies=("192.0.2.7/32", "2001:db8::/124")) == ["ok"]
    assert grades("10.0.0.0/8", proxies=("172.16.0.0/12",)) == ["hint", "ok"]
    assert grades(proxies=("172.16.0.0/12",)) == []


# ---- the clock


def test_it_says_how_to_keep_postgresql_from_compiling_what_takes_milliseconds() -> None:
    if connection.vendor != "postgresql":
        assert list(check_compiling(configuration.current())) == []
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_jit_available()")
        can_compile = cursor.fetchone()[0]
        found = {}
        for state in ("on", "off"):
            cursor.execute(f"SET LOCAL jit = {state}")
            found[state] = list(check_compiling(configuration.current()))
    assert found["off"] == []
    assert [one.grade for one in found["on"]] == (["hint"] if can_compile else [])
    assert all("ALTER DATABASE" in (one.fix or "") for one in found["on"])


def test_a_clock_that_stands_by_a_file_is_told(tmp_path: Path) -> None:
    told = list(check_clock(replace(configuration.current(), clock_file=tmp_path / "clock")))
    assert [one.grade for one in told] == ["hint"]
    assert str(tmp_path / "clock") in told[0].sentence


def clock_told(newest: timedelta | None) -> list[str]:
    """Judge the clock beside a record that was written so long after now."""
    if newest is not None:
        with transaction.atomic():
            record("host.command", by=host(), details={"command": "test"})
        Record.objects.update(at=datetime.now(UTC) + newest)
    return [one.grade for one in check_clock(replace(configuration.current(), clock_file=None))]


def test_a_clock_that_stands_behind_what_was_written_is_a_problem() -> None:
    assert clock_told(None) == ["ok"]
    assert clock_told(timedelta(hours=-1)) == ["ok"]
    assert clock_told(timedelta(minutes=5)) == ["problem"]


def test_a_clock_that_was_never_set_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_inside, "_FIRST", datetime.now(UTC) + timedelta(days=1))
    assert clock_told(None) == ["problem"]


# ---- mail


def mail_told(url: str, **settings: Any) -> tuple[str, str, str]:
    """Judge a mail server; returns grade, sentence and fix."""
    keys.ensure_ring(configuration.current().key_file)
    (told,) = check_mail(replace(configuration.current(), mail_url=url, **settings))
    return told.grade, told.sentence, told.fix


def test_a_mail_server_is_greeted_and_sent_nothing() -> None:
    with running() as server:
        server.behaviour.password = "right"
        url = f"smtp://index:right@127.0.0.1:{server.port}"
        grade, sentence, _ = mail_told(url)
        assert (grade, "takes user and password" in sentence) == ("ok", True)
        assert [line.split()[0].upper() for line in server.lines] == ["EHLO", "AUTH", "QUIT"]
        assert server.received == []


def test_a_wrong_password_at_the_mail_server_is_found_and_not_shown() -> None:
    with running() as server:
        server.behaviour.password = "right"
        grade, sentence, fix = mail_told(f"smtp://index:secret-93@127.0.0.1:{server.port}")
    assert (grade, "535" in sentence, "user and password" in fix) == ("problem", True, True)
    assert "secret-93" not in sentence + fix


def test_a_mail_server_that_is_not_private_or_not_believed_is_found(tmp_path: Path) -> None:
    with running() as server:
        grade, sentence, _ = mail_told(f"smtp://127.0.0.1:{server.port}?starttls=required")
        assert (grade, "offers no STARTTLS" in sentence) == ("problem", True)
        assert mail_told(f"smtps://127.0.0.1:{server.port}")[0] == "problem"
    context, authority = make_certificate(tmp_path)
    with running(context) as server:
        url = f"smtp://localhost:{server.port}?starttls=required"
        grade, sentence, fix = mail_told(url)
        assert (grade, "privately" in sentence, "certificate" in fix) == ("problem", True, True)
        assert mail_told(url, ca_file=authority)[0] == "ok"


def test_what_answers_otherwise_than_a_mail_server_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            with listener.accept()[0] as other:
                other.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        grade, _, fix = mail_told(f"smtp://127.0.0.1:{port}")
        thread.join()
    assert (grade, "host and port" in fix) == ("problem", True)
    assert mail_told(f"smtp://127.0.0.1:{port}")[0] == "problem", "nobody listens"


# ---- the name


@pytest.mark.parametrize(
    ("base_url", "grade"),
    [
        ("http://index.example.org", "problem"),
        ("http://192.0.2.7:8400", "problem"),
        ("http://localhost:8400", "hint"),
        ("https://index.example.org", "ok"),
        ("https://10.0.0.1", "problem"),
        ("https://[2001:db8::1]:8443", "problem"),
        ("http://127.0.0.1:8400", "problem"),
    ],
)
def test_a_name_where_browsers_allow_no_security_keys_is_a_problem(base_url: str, grade: str) -> None:
    found = list(check_name(replace(configuration.current(), base_url=base_url)))
    assert [one.grade for one in found] == [grade]
    assert all(one.fix for one in found if grade != "ok")


# ---- a CDN in front


def _told_of_cdn(**wanted: object) -> tuple[str, str]:
    settings = replace(configuration.current(), purge_url="https://purge.example/", **wanted)  # type: ignore[arg-type]  # as the caller names them
    (found,) = check_cdn(settings)
    assert found.grade == "ok" or found.fix
    return found.grade, found.sentence


@pytest.mark.django_db(transaction=True)
def test_it_says_whether_a_cdn_knows_what_to_forget(tmp_path: Path) -> None:
    assert list(check_cdn(configuration.current())) == []
    assert _told_of_cdn()[0] == "ok"
    Serial.objects.create(pk=1, value=7)
    PurgeMark.objects.create(pk=1, told=4, again=4)
    assert _told_of_cdn() == ("hint", "3 changes wait to be told.")
    WorkRound.objects.create(name="cdn-purge", ended_at=clock.now(), error="OutgoingError: it answers 401")
    grade, sentence = _told_of_cdn()
    assert (grade, sentence.startswith("3 changes could not be told")) == ("problem", True)
    assert sentence.endswith("it answers 401")
    grade, sentence = _told_of_cdn(purge_header_file=tmp_path / "missing")
    assert (grade, "KEYHOUSE_PURGE_HEADER_FILE can't be read" in sentence) == ("problem", True)
