"""N2: several nodes at once, and a group that is cut off in the middle; everybody is told once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection
from tests.mandate.notices.telling import ANNOUNCED, DAY, announce, campaign, look, owner, store

from keyhouse.core import faults
from keyhouse.mail.models import Mail
from keyhouse.mandate.notices import services
from keyhouse.mandate.notices.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE = 40


def at_once(act: Callable[[], object], count: int = 4) -> list[BaseException]:
    failures: list[BaseException] = []
    ready = threading.Barrier(count)

    def run() -> None:
        ready.wait()
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_n2_four_nodes_at_once_tell_everybody_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "AT_ONCE", 7)
    for number in range(PEOPLE):
        owner(f"person{number}")
    announce(campaign(), campaign("second"))
    assert at_once(lambda: services.queue_due(ANNOUNCED)) == []
    assert Mail.objects.count() == PEOPLE
    assert Delivery.objects.count() == 2 * PEOPLE
    assert len(set(Mail.objects.values_list("address", flat=True))) == PEOPLE
    store(campaign("third"))  # nodes that see different mandates, and different times
    moments = iter([ANNOUNCED + 3 * DAY, ANNOUNCED + 4 * DAY, ANNOUNCED + 5 * DAY, ANNOUNCED + 3 * DAY])
    assert at_once(lambda: services.queue_due(next(moments))) == []
    assert Mail.objects.count() == 2 * PEOPLE


def test_n2_a_group_that_is_cut_off_was_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "AT_ONCE", 10)
    for number in range(PEOPLE):
        owner(f"person{number}")
    announce()
    reached: list[str] = []

    def die(point: str) -> None:
        reached.append(point)
        if len(reached) == 4:  # within the second group's transaction, after the first was told
            raise KeyboardInterrupt

    reached.append("")
    monkeypatch.setattr(faults, "reach", die)
    with pytest.raises(KeyboardInterrupt):
        services.queue_due(ANNOUNCED)
    assert reached == ["", "notice.rows-written", "notice.committed", "notice.rows-written"]
    assert (Mail.objects.count(), Delivery.objects.count()) == (10, 10)
    monkeypatch.setattr(faults, "reach", lambda point: None)
    assert look(ANNOUNCED) == PEOPLE - 10
    assert Mail.objects.count() == Delivery.objects.count() == PEOPLE
