"""What the index mails while the calendar goes by: queued and delivered for real, and read back from the mail folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Final
from unittest import mock

from keyhouse.accounts.check_up import services as check_ups
from keyhouse.accounts.check_up.models import CheckUp
from keyhouse.mail.delivery import deliver_due
from keyhouse.mail.models import Bounce
from keyhouse.mandate.notices import following
from keyhouse.mandate.notices import services as notices
from keyhouse.mandate.notices.models import Delivery

NOTICE: Final = "mandate-notice"
_HEADERS: Final = BytesHeaderParser()
_MINUTE: Final = len("20240119T1000")  # as names of files begin


@dataclass(slots=True)
class Mailed:
    """What lay in the folder after a day: notices of mandates by what was told, to how many addresses, and other mails."""

    notices: int = 0
    people: int = 0
    most_each: int = 0  # notices of mandates to one address at once
    by_kind: dict[str, int] = field(default_factory=dict)  # people told, by kind, however they are told
    unreached: dict[str, int] = field(
        default_factory=dict
    )  # of them those whom no mail could be sent to, by why
    others: dict[str, int] = field(default_factory=dict)  # mails about other things, by kind
    check_ups: int = 0


class Post:
    """Queues what is due, delivers it, and counts files against people."""

    def __init__(self, folder: Path) -> None:
        """Take the folder in which an index without a mail server leaves its mails."""
        self._folder = folder
        self._known: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def send(self, now: datetime) -> Mailed:
        """Do what the keepers do about mails, and read what has come into the folder since."""
        check_ups.ask_due(now)
        check_ups.close_due(now)
        following.follow(now)
        with mock.patch.object(notices, "REST", 0):  # all of a day is told on that day, however many they are
            notices.queue_due(now)
        deliver_due(now)
        following.follow(now)
        mailed = self._counted(now)
        mailed.check_ups = CheckUp.objects.filter(asked_at=now).count()  # a server may have been faster
        return mailed

    def _counted(self, now: datetime) -> Mailed:
        """Count what was queued at this instant; what a server queued after the last look is counted for twice at once alone."""
        mails = list(self._new())
        each = Counter((queued, address) for queued, kind, address in mails if kind == NOTICE)
        stamp = f"{now:%Y%m%dT%H%M}"
        to = [address for queued, address in each.elements() if queued == stamp]
        rows = Delivery.objects.filter(queued_at=now)
        gone = [row.state for row in rows if row.state not in {"sent", "queued", "on-site"}]
        return Mailed(
            len(to),
            len(set(to)),
            max(each.values(), default=0),
            dict(Counter(row.kind for row in rows)),
            dict(Counter(gone)),
            dict(Counter(kind for _, kind, _ in mails if kind != NOTICE)),
        )

    def _new(self) -> Iterator[tuple[str, str, str]]:
        """Yield for each new file the minute at which it was queued, its kind, and to whom it is."""
        for path in sorted(self._folder.glob("*.eml")):
            if path.name not in self._known:
                self._known.add(path.name)
                with path.open(
                    "rb"
                ) as file:  # thousands of them, and only two of their headers are looked at
                    headers = _HEADERS.parse(file)
                yield path.name[:_MINUTE], str(headers["X-Keyhouse-Kind"]), str(headers["To"])


def let_bounce(address: str, at: datetime) -> None:
    """Let mails to an address come back, so that no notice reaches its owner."""
    Bounce.objects.create(address=address, kind="permanent", at=at, source="report")
