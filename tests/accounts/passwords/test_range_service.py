from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.accounts.passwords.dumps import sha1
from tests.accounts.passwords.services import Service, make_certificate, serving

from keyhouse.accounts.passwords import range_service
from keyhouse.accounts.passwords.range_service import RangeService, RangeServiceError, read_range


@pytest.fixture
def service() -> Iterator[Service]:
    with serving(Service(["hunter2", "swordfish"])) as running:
        yield running


def test_it_says_what_it_knows_and_what_not(service: Service) -> None:
    asking = RangeService(service.url)
    assert asking.knows(sha1("hunter2"))
    assert asking.knows(sha1("swordfish"))
    assert not asking.knows(sha1("velvet-anchor-93-tundra"))


def test_it_learns_five_hex_digits_and_pads_its_answer(service: Service) -> None:
    RangeService(service.url).knows(sha1("hunter2"))
    [(path, headers)] = service.asked
    assert path == f"/range/{sha1('hunter2').hex().upper()[:5]}"
    assert headers["Add-Padding"] == "true"
    assert not any(sha1("hunter2").hex()[5:] in value.lower() for value in headers.values())


def test_padding_is_no_knowledge(service: Service) -> None:
    name = sha1("hunter2").hex()
    service.body = f"{name[5:]}:0\r\n".encode()
    assert not RangeService(service.url).knows(sha1("hunter2"))
    service.body = f"{name[5:]}:1\n{'0' * 35}:0\n".encode()
    assert RangeService(service.url).knows(sha1("hunter2"))


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"0:1",
        b"A" * 35,
        b"A" * 35 + b":x",
        b"G" * 35 + b":1",
        b"A" * 35 + b":-1",
        b"\xff\xfe",
        b"A" * 35 + b":",
    ],
)
def test_an_answer_that_is_no_range_is_none(body: bytes) -> None:
    with pytest.raises(RangeServiceError):
        read_range(body)


def test_an_empty_range_knows_nothing() -> None:
    assert read_range(b"") == set()


@pytest.mark.parametrize("status", [204, 404, 429, 500, 503])
def test_any_other_status_is_no_answer(service: Service, status: int) -> None:
    service.status = status
    with pytest.raises(RangeServiceError, match=str(status)):
        RangeService(service.url).knows(sha1("hunter2"))


def test_nobody_is_followed_elsewhere(service: Service) -> None:
    with serving(Service(["hunter2"])) as elsewhere:
        service.status, service.location = 302, f"{elsewhere.url}/F3BBB"
        with pytest.raises(RangeServiceError, match="302"):
            RangeService(service.url).knows(sha1("hunter2"))
        assert elsewhere.asked == []


def test_an_answer_without_end_is_cut_off(service: Service) -> None:
    service.body = b"A" * (range_service.LONGEST_ANSWER + 1)
    with pytest.raises(RangeServiceError, match="too long"):
        RangeService(service.url).knows(sha1("hunter2"))


def test_a_slow_answer_is_not_waited_for(service: Service) -> None:
    service.delay = 5
    began = time.monotonic()
    with pytest.raises(RangeServiceError):
        RangeService(service.url, seconds=0.2).knows(sha1("hunter2"))
    assert time.monotonic() - began < 4


def test_an_answer_in_drops_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        import threading  # noqa: PLC0415 - this test alone speaks so slowly

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                for byte in b"HTTP/1.1 200 OK\r\n" * 10:
                    try:
                        connection.sendall(bytes([byte]))
                    except OSError:
                        return
                    time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(RangeServiceError, match="within"):
            RangeService(f"http://127.0.0.1:{port}/range", seconds=0.3).knows(sha1("hunter2"))
        assert time.monotonic() - began < 4


def test_after_an_outage_it_is_left_alone_for_a_while(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = RangeService(service.url)
    service.status = 500
    for _ in range(3):
        with pytest.raises(RangeServiceError):
            asking.knows(sha1("hunter2"))
    assert len(service.asked) == 1
    service.status = 200
    monkeypatch.setattr(asking, "_rests_until", 0.0)
    assert asking.knows(sha1("hunter2"))


def test_nobody_there_is_an_outage() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(RangeServiceError):
        RangeService(f"http://127.0.0.1:{port}/range").knows(sha1("hunter2"))


def test_a_certificate_is_asked_for_and_an_extra_authority_is_believed(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with serving(Service(["hunter2"]), certificate) as service:
        with pytest.raises(RangeServiceError, match="CERTIFICATE_VERIFY_FAILED"):
            RangeService(service.url).knows(sha1("hunter2"))
        assert RangeService(service.url, certificate[0]).knows(sha1("hunter2"))


def test_an_authority_that_can_not_be_read_is_an_outage(tmp_path: Path) -> None:
    with pytest.raises(RangeServiceError):
        RangeService("https://127.0.0.1:9/range", tmp_path / "nothing.pem").knows(sha1("hunter2"))
