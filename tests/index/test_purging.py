"""What a CDN in front is told: every key of what changed, at least once, by nobody who waits for it."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from tests.cdn import Cdn
from tests.oidc_issuer import make_certificate, wait_until

from keyhouse.core import configuration, rounds
from keyhouse.core.configuration import ConfigurationError
from keyhouse.core.outgoing import OutgoingError
from keyhouse.index import purging
from keyhouse.index.purging import Purger
from keyhouse.projects.models import PurgeMark
from keyhouse.projects.pages import remove_pages

pytestmark = pytest.mark.by_turns

Open = Callable[..., Purger]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "_NOTICE_SECONDS", 0.0)


@pytest.fixture
def cdn() -> Iterator[Cdn]:
    with Cdn() as found:
        yield found


@pytest.fixture
def open_purger(transactional_db: None, cdn: Cdn) -> Iterator[Open]:
    opened: list[Purger] = []

    def start(**settings: Any) -> Purger:
        wanted = {"purge_url": cdn.url, **settings}
        opened.append(Purger(dataclasses.replace(configuration.current(), **wanted)))
        return opened[-1]

    yield start
    for one in opened:
        one.stop()


@pytest.mark.database
def test_it_is_told_of_each_change_and_once_more_a_minute_later(
    open_purger: Open, index: Any, cdn: Cdn, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.publish("before")
    purger = open_purger()
    assert purger.tell_due() == 0  # of what nobody could have kept, it needn't be told
    alpha = index.publish("alpha").project
    index.publish("Beta_1")
    assert purger.tell_due() == 1
    assert cdn.told == [["listing", "project/alpha", "project/beta-1"]]
    assert purger.tell_due() == 0
    for status in ("quarantined", "active", "archived"):
        index.change(alpha, status=status, status_reason="so")
        assert purger.tell_due() == 1
        assert cdn.told[-1] == ["listing", "project/alpha"]
    with transaction.atomic():
        remove_pages(alpha, ["1.0"])
    assert purger.tell_due() == 1
    assert cdn.told[-1] == ["listing", "project/alpha"]

    before, passed = len(cdn.told), [0.0]
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + passed[0])
    for passed[0] in (61.0, 122.0):
        purger.tell_due()
    assert {key for keys in cdn.told[before:] for key in keys} == {
        "listing",
        "project/alpha",
        "project/beta-1",
    }
    mark = PurgeMark.objects.get()
    assert mark.told == mark.again
    passed[0] = 300.0
    assert purger.tell_due() == 0


@pytest.mark.database
def test_what_it_refuses_is_told_again_and_what_was_taken_is_not(
    open_purger: Open, index: Any, cdn: Cdn
) -> None:
    purger = open_purger()
    purger.tell_due()
    index.publish("alpha")
    for cdn.status in (500, 401, 302, 404):
        with pytest.raises(OutgoingError, match=f"it answers {cdn.status}"):
            purger.tell_due()
    assert set(map(tuple, cdn.told)) == {("listing", "project/alpha")}
    cdn.status = 204
    index.publish("beta")
    before = len(cdn.told)
    assert open_purger().tell_due() == 1  # another process, which knows of no attempt
    assert cdn.told[before:] == [["listing", "project/alpha", "project/beta"]]
    assert purger.tell_due() == 0


def test_nobody_is_there_or_it_is_slow(
    open_purger: Open, index: Any, cdn: Cdn, monkeypatch: pytest.MonkeyPatch
) -> None:
    purger = open_purger(purge_url="http://127.0.0.1:9/")
    purger.tell_due()
    index.publish("alpha")
    with pytest.raises(OutgoingError, match="ConnectionRefusedError"):
        purger.tell_due()
    monkeypatch.setattr(purging, "_SECONDS", 0.2)
    cdn.seconds, began = 1.0, time.monotonic()
    with pytest.raises(OutgoingError, match=r"no answer within|timed out"):
        open_purger().tell_due()
    assert time.monotonic() - began < 0.9
    cdn.seconds = 0.0
    assert open_purger().tell_due() == 1


def test_many_changes_are_told_in_requests_of_a_bounded_size(
    open_purger: Open, index: Any, cdn: Cdn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "MOST_KEYS", 3)
    purger = open_purger()
    purger.tell_due()
    names = [f"p{number}" for number in range(7)]
    for name in names:
        index.publish(name)
    assert purger.tell_due() == 4
    assert all(len(keys) <= 3 for keys in cdn.told)
    assert [key for keys in cdn.told for key in keys if key != "listing"] == [
        f"project/{one}" for one in names
    ]


def test_of_many_requests_those_that_were_taken_are_not_made_again(
    open_purger: Open, index: Any, cdn: Cdn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "MOST_KEYS", 3)
    purger = open_purger()
    purger.tell_due()
    for number in range(6):
        index.publish(f"p{number}")
    real, posted = purger._post, []

    def refuse_the_second(keys: list[str]) -> None:
        posted.append(keys)
        if len(posted) == 2:
            raise OutgoingError("it answers 429")
        real(keys)

    monkeypatch.setattr(purger, "_post", refuse_the_second)
    with pytest.raises(OutgoingError, match="429"):
        purger.tell_due()
    monkeypatch.undo()
    monkeypatch.setattr(purging, "MOST_KEYS", 3)
    monkeypatch.setattr(purging, "_NOTICE_SECONDS", 0.0)
    purger.tell_due()
    told = [key for keys in cdn.told for key in keys if key != "listing"]
    assert told == [f"project/p{number}" for number in range(6)]


def test_changes_of_one_serial_stay_together(
    open_purger: Open, index: Any, cdn: Cdn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keyhouse.projects.models import IndexPage, Serial  # noqa: PLC0415 - beside the one who needs them

    monkeypatch.setattr(purging, "MOST_KEYS", 3)
    purger = open_purger()
    purger.tell_due()
    for number in range(6):
        index.publish(f"p{number}")
    IndexPage.objects.filter(kind="simple").update(serial=Serial.objects.get().value)
    purger.tell_due()
    assert cdn.all_keys() == {"listing", *(f"project/p{number}" for number in range(6))}
    assert PurgeMark.objects.get().told == Serial.objects.get().value


def test_only_one_process_tells_at_a_time(open_purger: Open, index: Any, cdn: Cdn) -> None:
    purger = open_purger()
    purger.tell_due()
    index.publish("alpha")
    with open_purger()._database.alone("purger") as is_mine:
        assert is_mine
        assert purger.tell_due() is None
    assert cdn.told == []
    assert purger.tell_due() == 1


def test_without_an_address_nothing_is_kept_or_told(open_purger: Open, index: Any, cdn: Cdn) -> None:
    purger = open_purger(purge_url="")
    index.publish("alpha")
    purger.start()
    assert purger.tell_due() == 0
    assert purger._thread is None
    assert not PurgeMark.objects.exists()


def test_what_changed_while_it_was_off_is_told_when_it_is_on_again(
    open_purger: Open, index: Any, cdn: Cdn
) -> None:
    open_purger().tell_due()
    off = open_purger(purge_url="")
    index.publish("alpha")
    assert off.tell_due() == 0
    assert open_purger().tell_due() == 1
    assert "project/alpha" in cdn.all_keys()


# ---- in the background


def test_a_thread_tells_tries_again_and_says_how_it_goes(
    open_purger: Open, index: Any, cdn: Cdn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(purging, "pause_after", lambda failures: 0.02)
    cdn.status = 503
    purger = open_purger()
    with caplog.at_level(logging.WARNING, "keyhouse.index"):
        purger.start()
        began = time.monotonic()
        index.publish("alpha")
        assert time.monotonic() - began < 5  # whoever changes something waits for nobody
        cdn.wait_for("project/alpha")
        wait_until(lambda: "503" in _last_error())
        wait_until(lambda: len(cdn.told) > 3)
        cdn.status = 200
        wait_until(lambda: not _last_error())
        purger.stop()
    assert caplog.text.count("can't be told what to forget") == 1  # not at every attempt
    assert PurgeMark.objects.get().told > 0


def test_who_finds_another_at_it_says_nothing_of_how_it_goes(
    open_purger: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []
    told: list[object] = []

    def pause(failures: int) -> float:
        attempts.append(failures)
        return 0.02

    monkeypatch.setattr(purging, "pause_after", pause)
    monkeypatch.setattr(rounds, "tell", lambda *what: told.append(what))
    with open_purger()._database.alone("purger"):
        purger = open_purger()
        purger.start()
        wait_until(lambda: len(attempts) > 3)
        purger.stop()
    assert told == []


def _last_error() -> str:
    return next((one.error for one in rounds.last_rounds() if one.name == purging.NAME), "none yet")


def test_attempts_grow_rarer_and_never_stop() -> None:
    pauses = [purging.pause_after(failures) for failures in range(2000)]
    assert pauses[:5] == [0.5, 1, 2, 4, 8]
    assert pauses[1:] == sorted(pauses[1:])
    assert max(pauses) == purging.LONGEST_PAUSE


# ---- what goes with it, and where


def test_the_secret_is_read_each_time(open_purger: Open, index: Any, cdn: Cdn, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("Fastly-Key: one two\n")
    purger = open_purger(purge_header_file=secret)
    purger.tell_due()
    index.publish("alpha")
    purger.tell_due()
    secret.write_text("Authorization:Bearer three")
    index.publish("beta")
    purger.tell_due()
    assert [cdn.headers[0]["Fastly-Key"], cdn.headers[1]["Authorization"]] == ["one two", "Bearer three"]
    assert "Fastly-Key" not in cdn.headers[1]
    assert {one["Content-Type"] for one in cdn.headers} == {"application/json"}
    assert set(cdn.paths) == {"/purge?zone=1"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "Name:",
        "Na me: x",
        "A: b\nB: c",
        "A: b\r\nHost: c",
        "Host: x",
        "content-length: 3",
        "A: é",
        ": x",
    ],
)
def test_a_file_that_holds_no_header_stops_the_telling_and_not_the_index(
    open_purger: Open, index: Any, cdn: Cdn, tmp_path: Path, text: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(text)
    purger = open_purger(purge_header_file=secret)
    purger.tell_due()
    index.publish("alpha")
    with pytest.raises(OutgoingError, match="KEYHOUSE_PURGE_HEADER_FILE") as refusal:
        purger.tell_due()
    assert str(refusal.value).endswith("holds no line `Name: value`")  # whatever it does hold
    with pytest.raises(OutgoingError, match="can't be read"):
        purging.read_header(tmp_path / "missing")
    assert cdn.told == []


@pytest.mark.parametrize(
    "url",
    [
        "http://purge.example/",
        "http://192.0.2.1/",
        "ftp://localhost/",
        "https://",
        "https://name:word@purge.example/",
        "https://purge.example/#x",
        "https://purge.example/a b",
        "https://purge.example/\r\nX: y",
        "https://pürge.example/",
        "https://purge.example:0/",
        "//purge.example",
    ],
)
def test_other_addresses_are_refused_at_the_start(url: str) -> None:
    with pytest.raises(ConfigurationError, match="KEYHOUSE_PURGE_URL"):
        configuration.read({"KEYHOUSE_PURGE_URL": url})


def test_a_private_index_has_nothing_to_purge() -> None:
    wanted = {"KEYHOUSE_PURGE_URL": "https://purge.example/", "KEYHOUSE_READS": "private"}
    with pytest.raises(ConfigurationError, match="KEYHOUSE_READS=public"):
        configuration.read(wanted)


def test_plain_http_ends_at_this_machine(
    monkeypatch: pytest.MonkeyPatch, cdn: Cdn, open_purger: Open
) -> None:
    def elsewhere(host: str, port: int, **more: Any) -> list[Any]:
        return [(2, 1, 6, "", ("192.0.2.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", elsewhere)
    with pytest.raises(OutgoingError, match="not an address of this machine"):
        open_purger(purge_url="http://localhost/")._post(["listing"])


def test_by_tls_the_certificate_must_be_right(open_purger: Open, index: Any, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "localhost")
    with Cdn(certificate) as secure:
        trusting = open_purger(purge_url=secure.url, ca_file=certificate[0])
        trusting.tell_due()
        index.publish("alpha")
        with pytest.raises(OutgoingError, match="CERTIFICATE_VERIFY_FAILED"):
            open_purger(purge_url=secure.url).tell_due()
        assert secure.told == []
        trusting.tell_due()
        assert secure.told == [["listing", "project/alpha"]]


# ---- the keys on answers


def test_answers_carry_keys_where_somebody_is_told_of_them(
    open_client: Callable[..., Any], index: Any
) -> None:
    file = index.publish()
    client = open_client(purge_url="https://purge.example/")
    for path, key in (
        ("/simple/", "listing"),
        ("/stats.json", "listing"),
        ("/simple/alpha/", "project/alpha"),
        ("/simple/Alpha/", "project/alpha"),
        ("/pypi/alpha/json", "project/alpha"),
        ("/pypi/alpha/1.0/json", "project/alpha"),
        ("/rss/project/alpha/releases.xml", "project/alpha"),
        (f"/files/{file.path}", "project/alpha"),
        (f"/files/{file.path}.metadata", "project/alpha"),
    ):
        assert client.ask(path).headers["surrogate-key"] == key, path
    part = client.ask(f"/files/{file.path}", {"Range": "bytes=0-1"})
    assert (part.status, part.headers["surrogate-key"]) == (206, "project/alpha")
    assert client.ask("/simple/alpha/").headers["cache-control"] == "no-cache"


def test_a_redirect_to_another_index_is_forgotten_with_the_name_that_came(
    open_client: Callable[..., Any], open_purger: Open, index: Any, cdn: Cdn
) -> None:
    purger = open_purger()
    purger.tell_due()
    client = open_client(purge_url=cdn.url, page_max_age=600, upstream="https://other.example/simple")
    sent = client.ask("/simple/newcomer/")
    assert (sent.status, sent.headers["surrogate-key"]) == (302, "project/newcomer")
    index.publish("newcomer")
    purger.tell_due()
    assert "project/newcomer" in cdn.all_keys()


def test_the_adapter_of_the_docs_does_what_they_say(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "operate" / "cdn.md").read_text()
    code = text.partition("```python\n")[2].partition("```")[0]
    script, port = tmp_path / "adapter.py", _free_port()
    script.write_text(code)
    (tmp_path / "secret").write_text("Authorization: Bearer x")
    url = f"http://127.0.0.1:{port}/"
    keys = [f"project/p{number}" for number in range(40)]
    settings = dataclasses.replace(
        configuration.current(), purge_url=url, purge_header_file=tmp_path / "secret"
    )
    purger = Purger(settings)
    with Cdn(member="tags") as other:
        environment = {**os.environ, "CDN": other.url, "PORT": str(port)}
        adapter = subprocess.Popen([sys.executable, str(script)], env=environment, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: _listens(port))
            purger._post(keys)
            assert other.told == [keys[:30], keys[30:]]
            assert {one["Authorization"] for one in other.headers} == {"Bearer x"}
            other.status = 429
            with pytest.raises(OutgoingError, match="it answers 502"):
                purger._post(keys)
        finally:
            adapter.terminate()
            adapter.wait(10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
