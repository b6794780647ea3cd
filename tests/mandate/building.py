"""Mandates, people and what asks in their name, each as plain as can be; changes are given by name."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from keyhouse.core import actions, clock
from keyhouse.mandate.documents import Mandate, read_mandate
from keyhouse.mandate.facts import Asking, Authority, Exempted, Facts, Notice, Object, Person
from keyhouse.mandate.rules import Decision, Policy, decide

GATED = sorted(name for name, action in actions.CATALOGUE.items() if action.gated)
ANY_FACTOR = ["security-key", "passkey", "authenticator-app"]
OWNERS = {"role": ["project.owner"]}


def at(text: str) -> datetime:
    """Return an instant; a day alone means its first moment."""
    return clock.parse_instant(text if "T" in text else f"{text}T00:00:00Z")


LONG_AGO = at("2020-01-01")
ANNOUNCED, ENFORCED = at("2023-05-25"), at("2024-01-01")


def stage(state: str, instant: datetime | str, **more: Any) -> dict[str, Any]:
    """Return a stage as a document has it."""
    moment = at(instant) if isinstance(instant, str) else instant
    return {"state": state, "at": clock.format_instant(moment), **more}


def document(name: str = "everyone", **changes: Any) -> dict[str, Any]:
    """Return a mandate on owners: announced in May 2023, enforced for everything from 2024 on."""
    return {
        "name": name,
        "title": "A second factor",
        "reason": "A stolen password alone must not be able to publish.",
        "who": OWNERS,
        "methods": {"accept": ANY_FACTOR, "prefer": "security-key"},
        "notice": {"floor_days": 30, "unreached_cap_days": 60},
        "stages": [
            stage("announced", ANNOUNCED, warn=["all"]),
            stage("enforced", ENFORCED, deny=["all"]),
        ],
    } | changes


def mandate(name: str = "everyone", **changes: Any) -> Mandate:
    """Return such a mandate, read."""
    return read_mandate(document(name, **changes))


def policy(
    name: str = "everyone", *, version: int = 1, is_floor_exempt: bool = True, **changes: Any
) -> Policy:
    """Return it live; without notices and floors where nothing else is said."""
    return Policy(mandate(name, **changes), version, is_floor_exempt=is_floor_exempt)


def owner_of(*projects: str, since: datetime | None = LONG_AGO, **more: Any) -> tuple[Authority, ...]:
    """Return the authority of an owner."""
    return tuple(Authority("project", name, "owner", since, **more) for name in projects)


ALPHA = owner_of("alpha")


def facts(
    kind: str = "session",
    proved: Iterable[str] = ("password",),
    action: str = "project.manage",
    *,
    asked_at: datetime | None = datetime(2023, 1, 1, tzinfo=UTC),
    authority: tuple[Authority, ...] = ALPHA,
    project: str | Object | None = None,
    notices: Iterable[Notice] = (),
    exemptions: Iterable[Exempted] = (),
    user_verified: bool = False,
    device_bound: bool = False,
    **person: Any,
) -> Facts:
    """Return the facts of an old account that owns `alpha` and asks with a password alone."""
    told = {"id": "u1", "joined_at": LONG_AGO, "verified_email": True, **person}
    return Facts(
        person=Person(**told),
        asking=Asking(kind, frozenset(proved), user_verified, asked_at, None, device_bound),
        action=action,
        authority=authority,
        object=Object("project", project) if isinstance(project, str) else project,
        notices=tuple(notices),
        exemptions=tuple(exemptions),
    )


def told_on(day: str, name: str = "everyone", kind: str = "announcement") -> Notice:
    """Return a notice that was delivered on that day."""
    return Notice(name, kind, at(day))


def answer(given: Facts, policies: Iterable[Policy], moment: str | datetime) -> Decision:
    """Decide; a decision always says why, or that nothing stands in the way."""
    decision = decide(given, tuple(policies), at(moment) if isinstance(moment, str) else moment)
    assert (decision.verdict == "allow") is (decision.code == "") is (decision.fix is None)
    assert bool(decision.reason) is (decision.verdict != "allow")
    return decision


def short(given: Facts, policies: Iterable[Policy], moment: str | datetime) -> str:
    """Return verdict and code in one word: `allow`, `warn:credential-weak`, `deny:…`."""
    decision = answer(given, policies, moment)
    return f"{decision.verdict}:{decision.code}".removesuffix(":")
