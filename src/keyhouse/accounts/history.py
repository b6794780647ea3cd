"""The audit log as people read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet

from keyhouse.accounts.devices import describe
from keyhouse.audit.models import Personal, Record
from keyhouse.core import actions

PAGE: Final = 40  # with browsers that have long names a page stays below 100 kB
_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class Line:
    """One record in words: `who` and `network` are empty where they were erased."""

    record: Record
    summary: str
    who: str
    network: str
    user_agent: str

    @property
    def device(self) -> str:
        """Return what the browser or program names itself, in few words; nothing where nothing is known."""
        return describe(self.user_agent) if self.user_agent else ""


@dataclass(frozen=True, slots=True)
class Page:
    """Some lines, newest first; `older` is what to ask for next, or None at the end."""

    lines: list[Line]
    older: int | None


def read_page(records: QuerySet[Record], before: str) -> Page:
    """Return the newest records, or those before the id that `before` names; anything else is the first page."""
    if before.isascii() and before.isdigit() and len(before) <= _DIGITS:
        records = records.filter(pk__lt=int(before))
    found = list(records[: PAGE + 1])
    shown = found[:PAGE]
    return Page([_line(one) for one in shown], shown[-1].pk if len(found) > PAGE else None)


def _line(record: Record) -> Line:
    action = actions.CATALOGUE.get(record.action)
    personal: Personal | None = getattr(record, "personal", None)
    return Line(
        record=record,
        summary=action.summary if action else record.action,
        who=(personal.name if personal else "") or record.actor_kind,
        network=personal.network if personal else "",
        user_agent=personal.user_agent if personal else "",
    )
