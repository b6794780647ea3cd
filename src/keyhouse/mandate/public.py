"""What everybody may know of mandates: what is asked of whom, since when. No names of people or projects, no counts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keyhouse.core import clock
from keyhouse.mandate import queries, words
from keyhouse.mandate.brownouts import Ended
from keyhouse.mandate.defaults import BEGINNING
from keyhouse.mandate.documents import METHODS, Mandate, Stage
from keyhouse.mandate.rules import Policy


@dataclass(frozen=True, slots=True)
class PublicStage:
    """One stage in words; `who` is empty where it is about everybody whom the mandate is about."""

    stage: Stage
    is_begun: bool

    @property
    def state(self) -> str:
        """Name its state."""
        return words.state(self.stage)

    @property
    def effect(self) -> str:
        """Say what it does."""
        return words.effect(self.stage)

    @property
    def who(self) -> str:
        """Say whom it narrows to."""
        return words.who(self.stage.who) if self.stage.who else ""

    @property
    def is_from_the_beginning(self) -> bool:
        """Whether it has held for as long as this index exists."""
        return self.stage.at <= BEGINNING

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        stage = self.stage
        who = {"text": self.who, "data": words.public_data(stage.who)} if stage.who else None
        return {
            "state": stage.state,
            "at": clock.format_instant(stage.at),
            "who": who,
            "warn": list(stage.written.get("warn", ())),
            "deny": list(stage.written.get("deny", ())),
        }


@dataclass(frozen=True, slots=True)
class PublicMandate:
    """A version of a mandate as everybody may see it; `effective_at` where it is announced and not yet live."""

    policy: Policy
    now: datetime
    effective_at: datetime | None = None

    @property
    def mandate(self) -> Mandate:
        """Return the mandate itself."""
        return self.policy.mandate

    @property
    def who(self) -> str:
        """Say who it is about."""
        return words.who(self.mandate.who)

    @property
    def accepts(self) -> str:
        """Say what it accepts."""
        return words.accepted(self.mandate)

    @property
    def is_from_the_beginning(self) -> bool:
        """Whether it has held for as long as this index exists."""
        return self.mandate.announced_at <= BEGINNING

    @property
    def stages(self) -> list[PublicStage]:
        """Return its stages in their order."""
        return [PublicStage(stage, stage.at <= self.now) for stage in self.mandate.stages]

    @property
    def snoozes(self) -> dict[str, int]:
        """Return how often its deadlines were put off, and by how many people."""
        return queries.count_snoozes(self.mandate.name)

    @property
    def ended_brownouts(self) -> list[Ended]:
        """Return its brownouts that ended before their time."""
        return queries.ended_brownouts(self.mandate.name)

    @property
    def paused_since(self) -> datetime | None:
        """Return since when its calendar stands still, or None."""
        return self.policy.pauses[-1][0] if self.policy.is_paused else None

    @property
    def held(self) -> list[PublicStage]:
        """Return the stages that a pause holds; when they begin is known when it is over."""
        since = self.paused_since
        if since is None:
            return []
        return [PublicStage(stage, False) for stage in self.policy.as_written.stages if stage.at > since]

    @property
    def digest(self) -> str:
        """Return SHA-256 of what is told of it, as canonical JSON, hex.

        Not of the whole document: by that, whoever guesses a withheld name could see whether the guess is right.
        """
        text = json.dumps(self._told(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        told = {**self._told(), "digest": self.digest}
        if self.paused_since is not None:
            told["paused_since"] = clock.format_instant(self.paused_since)
            told["held"] = [one.stage.state for one in self.held]
        if self.mandate.snoozing.times:
            told["snoozes"] = self.snoozes
        if self.ended_brownouts:
            told["ended_brownouts"] = [
                {"began_at": clock.format_instant(one.stage_at), "ended_at": clock.format_instant(one.at)}
                for one in self.ended_brownouts
            ]
        if self.effective_at is not None:
            told["effective_at"] = clock.format_instant(self.effective_at)
            told["can_be_withdrawn"] = True
        return told

    def _told(self) -> dict[str, Any]:
        mandate = self.mandate
        return {
            "name": mandate.name,
            "version": self.policy.version,
            "title": mandate.title,
            "reason": mandate.reason,
            "link": mandate.link or None,
            "satisfies": list(mandate.satisfies),
            "announced_at": clock.format_instant(mandate.announced_at),
            "since_the_beginning": self.is_from_the_beginning,
            "who": {"text": self.who, "data": words.public_data(mandate.who)},
            "accept": sorted(mandate.accept, key=METHODS.index),
            "prefer": mandate.prefer,
            "notice": mandate.as_dict()["notice"],
            "credentials": mandate.as_dict()["credentials"],
            "stages": [stage.as_dict() for stage in self.stages],
        }


def live_mandates(now: datetime) -> list[PublicMandate]:
    """Return what is live, by name."""
    return [PublicMandate(policy, now) for policy in queries.live_policies(now)]


def coming_mandates(now: datetime) -> list[PublicMandate]:
    """Return the versions that are announced and take effect later, the next one first; until then they can be withdrawn."""
    return [
        PublicMandate(policy, now, at)
        for at, policy in sorted(queries.ledger().coming(now), key=lambda one: (one[0], one[1].label))
    ]
