"""Mail servers that refuse, are slow, or die in the middle: nobody is mailed twice, and no deadline comes sooner than told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.mail.smtp_server import Behaviour, SmtpServer, running
from tests.mandate.notices.telling import ANNOUNCED, DAY, announce, look, owner
from tests.mandate.notices.test_following import LATE, deadline_of

from keyhouse.core import configuration
from keyhouse.mail.delivery import deliver_due
from keyhouse.mandate.notices.models import Delivery

pytestmark = pytest.mark.django_db
CAP = ANNOUNCED + 91 * DAY
TROUBLE = {
    "refuses for now": Behaviour(replies={"RCPT": lambda _: "451 4.7.1 greylisted, come back"}),
    "refuses everything": Behaviour(replies={"MAIL": lambda _: "421 too busy"}),
    "dies at the recipient": Behaviour(hangs_up_at="RCPT"),
    "dies at the content": Behaviour(hangs_up_at="DATA"),
    "is slow": Behaviour(seconds=0.3),
}


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    before = configuration.current()
    with running() as made:
        configuration.use(replace(before, mail_url=f"smtp://127.0.0.1:{made.port}?from=index@keyhouse.test"))
        yield made
    configuration.use(before)


@pytest.mark.parametrize("trouble", TROUBLE)
def test_n2_n3_whatever_a_mail_server_does_each_is_told_once_and_has_the_time_that_was_promised(
    server: SmtpServer, trouble: str
) -> None:
    people = [owner(name) for name in ("ada", "bob", "eve")]
    announce(LATE)
    look(ANNOUNCED)
    server.behaviour = TROUBLE[trouble]
    deliver_due(ANNOUNCED)
    look(ANNOUNCED)
    first = Counter(got.to for got in server.received)
    for user in people:  # who got nothing has all the time there is
        assert (deadline_of(user, ANNOUNCED) == CAP) is (f"{user.username}@example.org" not in first)
    server.behaviour = Behaviour()
    now = ANNOUNCED
    while now < ANNOUNCED + 2 * DAY:
        now += timedelta(hours=4)
        deliver_due(now)
        look(now)
    assert Counter(got.to for got in server.received) == {f"{one.username}@example.org": 1 for one in people}
    for user in people:
        told = Delivery.objects.get(user=user)
        assert told.state == "sent"
        assert told.deadline_at is not None
        assert deadline_of(user, now) >= told.deadline_at
        assert _written(server, user.username) <= deadline_of(user, now)


def _written(server: SmtpServer, name: str) -> datetime:
    """Return the day that the mail itself names as the person's own, or the announcement where it names none."""
    (text,) = [got.message.get_body(("plain",)) for got in server.received if got.to.startswith(name)]
    assert text is not None
    said = text.get_content()
    days = [ANNOUNCED + number * DAY for number in range(120)]
    return max((day for day in days if f"{day:%Y-%m-%d}" in said), default=ANNOUNCED)
