"""The alarm of an index whose clients all seem to come from one private address."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable

import pytest
from tests.accounts.conftest import Clock, Configure, make_person

from keyhouse.accounts import forgetting
from keyhouse.accounts.lone_address import SENTENCE, find_lone_address, is_private
from keyhouse.accounts.sessions import start_session
from keyhouse.core import clock
from keyhouse.web import readiness

pytestmark = pytest.mark.django_db


def come_from(addresses: Iterable[str]) -> None:
    for number, address in enumerate(addresses):
        start_session(make_person(f"person{number}", factors=0), ["password"], network=address)


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "172.18.0.2", "fd00::1"])
def test_five_people_from_one_private_address_are_an_alarm(address: str) -> None:
    come_from([address] * 5)
    assert find_lone_address(clock.now()) == address
    assert readiness.judge().impaired == (SENTENCE,)


@pytest.mark.parametrize(
    "addresses",
    [
        [],
        ["10.0.0.1"] * 4,
        ["203.0.113.9"] * 6,
        ["10.0.0.1"] * 5 + ["10.0.0.2"],
        ["10.0.0.2"] + ["10.0.0.1"] * 5,
        ["203.0.113.9"] + ["10.0.0.1"] * 5,
        ["nonsense"] * 5,
        [""] * 5,
    ],
)
def test_otherwise_there_is_none(addresses: list[str]) -> None:
    come_from(addresses)
    assert find_lone_address(clock.now()) == ""
    assert readiness.judge().impaired == ()


def test_one_person_who_signs_in_often_is_none() -> None:
    user = make_person(factors=0)
    for _ in range(9):
        start_session(user, ["password"], network="10.0.0.1")
    assert find_lone_address(clock.now()) == ""


def test_where_proxies_are_named_there_is_none(configure: Configure) -> None:
    come_from(["10.0.0.1"] * 5)
    configure(trusted_proxies=(ipaddress.ip_network("10.9.0.0/16"),))
    assert find_lone_address(clock.now()) == ""


def test_yesterday_is_over(time: Clock) -> None:
    come_from(["10.0.0.1"] * 5)
    time.go(days=1, seconds=1)
    assert find_lone_address(clock.now()) == ""


def test_the_log_says_it_and_names_the_address(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    come_from(["10.0.0.1"] * 5)
    monkeypatch.setattr(forgetting, "_last", None)
    with caplog.at_level(logging.WARNING, "keyhouse.accounts"):
        forgetting.forget_old_sometimes(clock.now())
        forgetting.forget_old_sometimes(clock.now())
    told = [record.getMessage() for record in caplog.records if SENTENCE in record.getMessage()]
    assert len(told) == 1
    assert "10.0.0.1" in told[0]


@pytest.mark.parametrize("address", ["8.8.8.8", "192.0.2.1", "172.32.0.1", "2001:db8::1", ""])
def test_public_addresses_are_not_private(address: str) -> None:
    assert not is_private(address)
