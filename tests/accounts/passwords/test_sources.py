from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from tests.accounts.conftest import PASSWORD
from tests.accounts.passwords.dumps import bring_in, dump, sha1
from tests.accounts.passwords.services import Service

from keyhouse.accounts.passwords import sources
from keyhouse.accounts.passwords.compromised_file import FILE_NAME, HEADER_BYTES
from keyhouse.accounts.passwords.errors import CompromisedFileDamaged, PasswordCompromised


@pytest.mark.usefixtures("data")
def test_without_file_and_service_the_built_in_lists_are_asked() -> None:
    assert sources.look_up("password123").known_by == (sources.BUILT_IN,)
    assert sources.look_up("PassWord123").is_known
    unknown = sources.look_up(PASSWORD)
    assert (unknown.is_known, unknown.is_whole) == (False, True)


def test_the_file_is_asked_as_soon_as_it_is_there_and_again_when_it_is_replaced(data: Path) -> None:
    assert not sources.look_up(PASSWORD).is_known
    bring_in(data, dump(["something else"]))
    assert not sources.look_up(PASSWORD).is_known
    bring_in(data, dump([PASSWORD]))
    assert sources.look_up(PASSWORD).known_by == (sources.FILE,)
    (data / FILE_NAME).unlink()
    assert not sources.look_up(PASSWORD).is_known


def test_a_password_is_one_however_the_keyboard_wrote_it(data: Path) -> None:
    bring_in(data, dump(["caf\u00e9 noir et br\u00fbl\u00e9"]))
    assert sources.look_up("cafe\u0301 noir et bru\u0302le\u0301").is_known


def test_the_service_is_asked_about_what_nothing_nearer_knows(data: Path, service: Service) -> None:
    service.known = [PASSWORD]
    assert sources.look_up(PASSWORD).known_by == (sources.RANGE_SERVICE,)
    assert len(service.asked) == 1
    bring_in(data, dump([PASSWORD]))
    assert sources.look_up(PASSWORD).known_by == (sources.FILE,)
    assert sources.look_up("password123").known_by == (sources.BUILT_IN,)
    assert len(service.asked) == 1


@pytest.mark.usefixtures("data")
def test_an_outage_is_noted_and_stops_nobody(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.status = 503
    with caplog.at_level(logging.WARNING):
        verdict = sources.require_uncompromised(PASSWORD)
    assert (verdict.is_known, verdict.is_whole) == (False, False)
    assert [source for source, _ in verdict.unanswered] == [sources.RANGE_SERVICE]
    assert "503" in caplog.text
    assert PASSWORD not in caplog.text
    assert sha1(PASSWORD).hex() not in caplog.text.lower()


def test_a_damaged_file_is_loud_once_and_stops_nobody(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    bring_in(data, dump([PASSWORD]))
    body = bytearray((data / FILE_NAME).read_bytes())
    body[HEADER_BYTES + 3] ^= 1
    (data / FILE_NAME).write_bytes(body)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            verdict = sources.look_up(PASSWORD)
            assert (verdict.is_known, verdict.is_whole) == (False, False)
    assert len(caplog.records) == 1
    with pytest.raises(CompromisedFileDamaged):
        sources.find_file()
    bring_in(data, dump([PASSWORD]))
    assert sources.look_up(PASSWORD).is_known


@pytest.mark.parametrize("body", [b"", b"no such file", bytes(5000)])
def test_a_file_that_is_something_else_is_loud_and_stops_nobody(
    data: Path, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (data / FILE_NAME).write_bytes(body)
    assert sources.look_up(PASSWORD).unanswered[0][0] == sources.FILE
    assert sources.look_up("password123").is_known
    assert FILE_NAME in caplog.text


def test_something_that_can_not_be_read_stops_nobody(data: Path) -> None:
    (data / FILE_NAME).mkdir()
    assert not sources.look_up(PASSWORD).is_whole
    (data / FILE_NAME).rmdir()
    os.symlink(data / FILE_NAME, data / FILE_NAME)  # noqa: PTH211 - a link to itself
    assert not sources.look_up(PASSWORD).is_whole


def test_a_known_password_is_refused_without_being_told(data: Path) -> None:
    bring_in(data, dump([PASSWORD]))
    with pytest.raises(PasswordCompromised) as refused:
        sources.require_uncompromised(PASSWORD)
    assert PASSWORD not in refused.value.line
