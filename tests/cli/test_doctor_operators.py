"""`keyhouse doctor` on operators who are locked out of their pages by the networks that are set."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from keyhouse.accounts.models import User
from keyhouse.accounts.services import create_user
from keyhouse.accounts.sessions import start_session
from keyhouse.cli.doctor_inside import check_operator_networks
from keyhouse.core import configuration
from keyhouse.core.actor import host

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
