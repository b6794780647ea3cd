"""What the ledgers hold about one person: exemptions, and API tokens that are weaker than a mandate asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.queries import tokens_of
from keyhouse.mandate import queries
from keyhouse.mandate.facts import Asking
from keyhouse.mandate.models import Exemption
from keyhouse.mandate.rules import Decision, decide

_USES: Final = ("release.upload", "token.use")


@dataclass(frozen=True, slots=True)
class OwnExemption:
    """An exemption of one's own; `since` is None while it waits for approval."""

    mandate: str
    version: int
    since: datetime | None
    until: datetime
    reason: str
    control: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "mandate": self.mandate,
            "version": self.version,
            "since": None if self.since is None else clock.format_instant(self.since),
            "until": clock.format_instant(self.until),
            "reason": self.reason,
            "control": self.control,
        }


@dataclass(frozen=True, slots=True)
class WeakToken:
    """A token that is refused, or will be: by what, since or from when on."""

    token: Token
    decision: Decision

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"description": self.token.description, "decision": self.decision.as_dict()}


def exemptions_of(actor: Actor, now: datetime) -> list[OwnExemption]:
    """Return the person's exemptions that hold or wait, the first to end first."""
    if actor.user_id is None:
        return []
    rows = Exemption.objects.filter(user_id=actor.user_id, withdrawn_at__isnull=True, until__gt=now)
    return [
        OwnExemption(
            row.version.name, row.version.version, row.effective_at, row.until, row.reason, row.control
        )
        for row in rows.select_related("version").order_by("until", "pk")
    ]


def weak_tokens_of(actor: Actor, now: datetime) -> list[WeakToken]:
    """Return the person's working tokens that a mandate refuses or will refuse, newest first."""
    if actor.user_id is None:
        return []
    facts, policies = queries.gather(actor, "", None, now)
    found = []
    for token in tokens_of(actor.user_id, now):
        strength = token.strength
        asking = Asking("token", strength.methods, strength.user_verified, strength.at)
        decisions = [decide(replace(facts, action=use, asking=asking), policies, now) for use in _USES]
        worst = next((one for one in decisions if one.verdict == "deny"), decisions[0])
        if worst.mandate is not None:
            found.append(WeakToken(token, worst))
    return found
