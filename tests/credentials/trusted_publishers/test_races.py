"""One identity shown twice at once by two processes, and an exchange whose process is killed in the middle."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import connections
from tests.credentials.tokens.conftest import make_project, make_user
from tests.credentials.trusted_publishers.runs import identity, know_issuer, publisher_of

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core import configuration, keys
from keyhouse.credentials.trusted_publishers import minting
from keyhouse.credentials.trusted_publishers.errors import IdentitySpent
from keyhouse.credentials.trusted_publishers.models import MintedToken, Publisher, SpentIdentity

pytestmark = pytest.mark.django_db(transaction=True)
MINTED, SPENT = 0, 7  # how a process ends that was let in, and one that came second


@pytest.fixture
def ada(db: None) -> User:
    keys.ensure_ring(configuration.current().key_file)
    know_issuer()
    return make_user("ada")


def start(act: Callable[[], object]) -> int:
    """Do something in a process of its own, which has connections of its own to the database."""
    connections.close_all()
    close_pool = getattr(connections["default"], "close_pool", None)
    if close_pool:  # of PostgreSQL; its threads don't come along
        close_pool()
    pid = os.fork()
    if pid:
        return pid
    status = 99
    try:
        act()
        status = MINTED
    except IdentitySpent:
        status = SPENT
    finally:
        os._exit(status)


def end_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def after(gate: int, act: Callable[[], object]) -> Callable[[], object]:
    """Wait for the gate to close before acting, so that all begin at once."""

    def go() -> None:
        os.read(gate, 1)
        act()

    return go


@pytest.mark.parametrize("is_pending", [False, True])
def test_replayed_at_once_from_two_processes_one_is_let_in(ada: User, is_pending: bool) -> None:
    """Trap 5 of the public index, for projects that are there and for names to come."""
    publisher_of("new-one" if is_pending else make_project("alpha", ada), ada)
    token = identity()
    reading, writing = os.pipe()
    pids = [start(after(reading, lambda: minting.mint(token))) for _ in range(3)]
    os.write(writing, b"...")
    assert sorted(map(end_of, pids)) == [MINTED, SPENT, SPENT]
    os.close(reading)
    os.close(writing)
    assert (MintedToken.objects.count(), SpentIdentity.objects.count()) == (1, 1)
    assert Record.objects.filter(action="publisher.mint").count() == 1


@pytest.mark.parametrize(
    ("fault", "left"), [("exchange.spent", 0), ("exchange.rows-written", 0), ("exchange.committed", 1)]
)
def test_killed_in_the_middle_all_or_nothing_is_there(ada: User, fault: str, left: int) -> None:
    """Before the commit nothing was given, so the identity works again; after it, it is spent."""
    publisher_of(make_project("alpha", ada), ada)
    token = identity()

    def die() -> None:
        configuration.use(replace(configuration.current(), fault=fault))
        minting.mint(token)

    assert end_of(start(die)) == -signal.SIGKILL
    assert (MintedToken.objects.count(), SpentIdentity.objects.count()) == (left, left)
    assert Record.objects.filter(action="publisher.mint").count() == left
    assert Publisher.objects.filter(last_used_at__isnull=False).count() == left
    if left:
        with pytest.raises(IdentitySpent):
            minting.mint(token)
    else:
        minting.mint(token)
    assert MintedToken.objects.count() == 1
