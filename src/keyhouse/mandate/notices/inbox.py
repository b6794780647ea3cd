"""Notices as their person sees them on the site: the same words as in the mail, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from keyhouse.core import clock
from keyhouse.mandate import places
from keyhouse.mandate.declarations import TOLD_AS, name_of, told
from keyhouse.mandate.notices import queries, wording
from keyhouse.mandate.notices.models import (
    BOUNCED,
    FAILED,
    NO_MX,
    ON_SITE,
    QUEUED,
    SENT,
    SUPPRESSED,
    UNVERIFIED,
    Delivery,
    Wording,
)

MOST_SHOWN: Final = 20  # of one page
_STATES: Final = {
    QUEUED: "on its way",
    SENT: "mailed",
    BOUNCED: "came back",
    NO_MX: "not mailed: the domain of your address takes no mail",
    UNVERIFIED: "not mailed: no address of yours is verified",
    SUPPRESSED: "not mailed: mails to your address came back before",
    FAILED: "not mailed: no mail server took it",
    ON_SITE: "on this page alone",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A notice in somebody's inbox."""

    row: Delivery
    title: str
    paragraphs: tuple[str, ...]
    mandate: str

    @property
    def state(self) -> str:
        """Say what became of its mail."""
        return _STATES[self.row.state]

    @property
    def is_reached(self) -> bool:
        """Tell whether it arrived or still may."""
        return self.row.state in {QUEUED, SENT, ON_SITE}

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        row = self.row
        return {
            "kind": row.kind,
            "mandate": self.mandate,
            "version": row.version,
            "title": self.title,
            "text": "\n\n".join(self.paragraphs),
            "sha256": row.wording,
            "deadline_at": clock.format_if_any(row.deadline_at),
            "queued_at": clock.format_instant(row.queued_at),
            "state": row.state,
            "ended_at": clock.format_if_any(row.ended_at),
            "read_at": clock.format_if_any(row.read_at),
        }


def shown_to(user_id: int, before: int | None, now: datetime) -> list[Shown]:
    """Return the newest notices of a person, older than that row where one is named: one page, and one more if there is."""
    rows = queries.inbox_of(user_id)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return _filled(list(rows[: MOST_SHOWN + 1]), now)


def _filled(rows: Iterable[Delivery], now: datetime) -> list[Shown]:
    known = list(rows)
    texts = {one.digest: one for one in Wording.objects.filter(digest__in={row.wording for row in known})}
    there = places.named({row.mandate for row in known})
    return [_shown(row, texts.get(row.wording), there.get(row.mandate), now) for row in known]


def _shown(row: Delivery, text: Wording | None, there: places.Named | None, now: datetime) -> Shown:
    mandate = _mandate_of(row, there)
    if text is None:
        return Shown(row, row.kind, (), mandate)
    body = text.text.replace(f"[{wording.DATE.name}]", wording.told_date(row.deadline_at, now))
    if row.mandate.startswith(TOLD_AS):
        demand = None if there is None else there.demands.get(row.version)
        body = body.replace(f"[{wording.DEMAND.name}]", _GONE if demand is None else told(demand))
        body = body.replace(f"[{wording.ORGANIZATION.name}]", there.organization if there else _GONE)
    title, *paragraphs = body.strip().split("\n\n")
    return Shown(row, title, tuple(paragraphs), mandate)


_GONE: Final = "(gone by now)"


def _mandate_of(row: Delivery, there: places.Named | None) -> str:
    """Return what decisions call the mandate of a notice; of an organization that is gone, that it was one's."""
    if not row.mandate.startswith(TOLD_AS):
        return row.mandate
    return name_of(there.organization) if there is not None else "organization"
