"""What is to come, for readers of feeds and for calendars: the stages of public mandates. Nothing about people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from keyhouse.core import clock, configuration
from keyhouse.mandate import words
from keyhouse.mandate.defaults import BEGINNING
from keyhouse.mandate.documents import Stage
from keyhouse.mandate.notices.calendars import Event, calendar_text
from keyhouse.mandate.notices.rules import known_date
from keyhouse.mandate.public import PublicMandate, PublicStage, coming_mandates, live_mandates
from keyhouse.mandate.queries import ledger

JSON_FEED: Final = "https://jsonfeed.org/version/1.1"
TITLE: Final = "What this index asks of whom, and when"


@dataclass(frozen=True, slots=True)
class Entry:
    """One stage of a public mandate. `number`: the how manieth of its state."""

    one: PublicMandate
    stage: PublicStage
    number: int
    sequence: int
    changed_at: datetime

    @property
    def key(self) -> str:
        """Name it, the same also in later versions."""
        return f"{self.one.mandate.name}.{self.stage.stage.state}.{self.number}"

    @property
    def title(self) -> str:
        """Say in a line what begins."""
        return f"{self.stage.state}: {self.one.mandate.title}"

    @property
    def text(self) -> str:
        """Say what it does, to whom, and why."""
        narrowed = f" This stage: {self.stage.who}." if self.stage.who else ""
        mandate = self.one.mandate
        return (
            f"{words.moment(self.at)}: {self.stage.effect}.{narrowed}\nWho: {self.one.who}.\n"
            f"Asks for: {self.one.accepts}.\nWhy: {mandate.reason}\n"
            f"Mandate {mandate.name}, version {self.one.policy.version}."
        )

    @property
    def at(self) -> datetime:
        """Return when it begins."""
        return self.stage.stage.at


def entries(now: datetime) -> list[Entry]:
    """Return the stages of what is live, and of what comes beside it, by their instants; not what always held."""
    live = live_mandates(now)
    names = {one.mandate.name for one in live}
    coming = [one for one in coming_mandates(now) if one.mandate.name not in names]
    newest = {one.mandate.name: one for one in reversed(coming)}  # the next one of each name
    found = [entry for one in (*live, *newest.values()) for entry in _entries_of(one, now)]
    return sorted(found, key=lambda entry: (entry.at, entry.key))


def _entries_of(one: PublicMandate, now: datetime) -> Iterator[Entry]:
    sequence, changed_at = _history(one, now)
    counted: Counter[str] = Counter()
    for stage in one.stages:
        counted[stage.stage.state] += 1
        if stage.stage.at > BEGINNING and known_date(stage.stage.at) is not None:
            yield Entry(one, stage, counted[stage.stage.state], sequence, changed_at)


def _history(one: PublicMandate, now: datetime) -> tuple[int, datetime]:
    """Return how many versions of a mandate came before this one, and since when it stands so."""
    at = [
        effective_at
        for effective_at, policy in ledger().versions
        if policy.name == one.mandate.name and (effective_at <= now or one.effective_at == effective_at)
    ]
    return max(len(at) - 1, 0), max(at, default=BEGINNING)


def json_feed(found: Iterable[Entry]) -> str:
    """Return the feed (JSON Feed 1.1)."""
    base = configuration.current().base_url.rstrip("/")
    told = {
        "version": JSON_FEED,
        "title": TITLE,
        "home_page_url": f"{base}/mandate/",
        "feed_url": f"{base}/mandate/feed.json",
        "language": "en",
        "items": [_item(entry, base) for entry in found],
    }
    return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


def _item(entry: Entry, base: str) -> dict[str, Any]:
    stage: Stage = entry.stage.stage
    return {
        "id": f"{base}/mandate/#{entry.key}",
        "url": f"{base}/mandate/",
        "title": entry.title,
        "content_text": entry.text,
        "date_published": clock.format_instant(entry.changed_at),
        "_keyhouse": {
            "mandate": entry.one.mandate.name,
            "version": entry.one.policy.version,
            "state": stage.state,
            "at": clock.format_instant(stage.at),
            "sequence": entry.sequence,
        },
    }


def calendar(found: Iterable[Entry]) -> str:
    """Return the same as a calendar (RFC 5545)."""
    settings = configuration.current()
    base = settings.base_url.rstrip("/")
    return calendar_text(TITLE, (_event(entry, base, settings.host) for entry in found))


def _event(entry: Entry, base: str, host: str) -> Event:
    return Event(
        uid=f"{entry.key}@{host}",
        sequence=entry.sequence,
        at=entry.at,
        changed_at=entry.changed_at,
        summary=entry.title,
        description=entry.text,
        url=f"{base}/mandate/",
    )
