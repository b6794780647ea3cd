"""From an identity to the publishers that it is: found by issuer and look-up, judged by every configured claim.

What differs is told to the people of a project in its log, never to whoever shows the identity. This writes by itself
(ids at first use, records, mails), so it is called outside of transactions that a refusal would take back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.db.models import Q

from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import record
from keyhouse.core.actions import Thing
from keyhouse.core.actor import job
from keyhouse.credentials.tokens.homes import find_home
from keyhouse.credentials.trusted_publishers import letters, providers, queries
from keyhouse.credentials.trusted_publishers.choosing import choose
from keyhouse.credentials.trusted_publishers.errors import INVALID_PUBLISHER, IdentityRefused
from keyhouse.credentials.trusted_publishers.models import Provider, Publisher
from keyhouse.credentials.trusted_publishers.providers.rules import Difference, shown
from keyhouse.projects.models import Project

if TYPE_CHECKING:
    from keyhouse.credentials.trusted_publishers.identity import Identity

REFUSE: Final = "publisher.refuse"
LEARN: Final = "publisher.learn"
JOB: Final = "publishers"
TOLD_EVERY: Final = timedelta(hours=1)  # records of what differs, for each publisher
MAILED_EVERY: Final = timedelta(days=7)  # mails that somebody else has its name
MOST_TOLD: Final = 20  # publishers told of one identity that none of them is
_CLOSED: Final = frozenset({Project.Status.ARCHIVED, Project.Status.QUARANTINED})


class PublisherUnmatched(IdentityRefused):
    """No publisher is what this identity claims; which value differs is for the project's people."""

    code = "publisher-unmatched"
    sentence = "No trusted publisher here matches this identity."
    fix = "Owners see on the publishing page of their project what was asked for and which value differs."
    reason_code = INVALID_PUBLISHER


@dataclass(frozen=True, slots=True)
class _Judged:
    """A candidate with where the identity differs from it."""

    publisher: Publisher
    differences: list[Difference]


def find_publishers(identity: Identity, now: datetime) -> list[Publisher]:
    """Return the publishers that this identity is, at most one for each project or name to come.

    Where one is bound to the very environment, it wins over the one without. Raises IdentityRefused.
    """
    issuer, claims = identity.issuer, identity.claims
    rules = providers.get(issuer.provider)
    rules.require(claims)
    # claims that the host wrote down by hand, beside what the issuer's own kind knows
    lookups = {*rules.lookups(claims), *providers.get(Provider.CUSTOM).lookups(claims)}
    found = queries.candidates(issuer.url, lookups, now)
    judged = [
        _Judged(one, judge(one, claims, issuer.required_claims) or _known_otherwise(one, claims))
        for one in found
    ]
    chosen = _choose([one.publisher for one in judged if not one.differences])
    chosen = [one for one in chosen if _learn(one, claims)]
    if not chosen:
        _tell_differences(judged, now)
        _tell_moved(identity, {one.pk for one in found}, now)
        raise PublisherUnmatched
    return chosen


def judge(publisher: Publisher, claims: Mapping[str, Any], required: Iterable[str] = ()) -> list[Difference]:
    """Return where an identity differs from a publisher; `required`: claims that its issuer wants fixed."""
    rules = providers.get(publisher.provider)
    unfixed = [name for name in required if name not in {*publisher.claims, "environment"}]
    if "environment" in required and not publisher.environment:
        unfixed.append("environment")
    found = rules.differences(publisher, claims)
    return found + [
        Difference(name, "nothing, and its issuer wants it fixed", shown(claims.get(name)))
        for name in unfixed
    ]


def _known_otherwise(publisher: Publisher, claims: Mapping[str, Any]) -> list[Difference]:
    """Return which ids of a first use the project knows otherwise: of the same name, by another of its publishers.

    A name that somebody else took is theirs also for publishers that were never used.
    """
    rules = providers.get(publisher.provider)
    new = {name: value for name, value in rules.immutable(claims).items() if name not in publisher.claims}
    if find_home(publisher) is None or not new:
        return []
    known: dict[str, str] = {}
    for one in queries.beside(publisher):
        if all(
            one.claims.get(name, told) == told for name, told in publisher.claims.items() if name in rules.ids
        ):
            known |= {name: one.claims[name] for name in new if rules.has_same_id(name, publisher, one)}
    return [
        Difference(name, f"{value} by another publisher of the project", shown(new[name]), is_immutable=True)
        for name, value in known.items()
        if value != new[name]
    ]


def _choose(matching: list[Publisher]) -> list[Publisher]:
    """Return for each project, and each name to come, the one publisher that is meant; none where several are."""
    groups: dict[int | str, list[Publisher]] = defaultdict(list)
    for one in matching:
        if one.is_pending:
            groups[one.pending_normalized_name].append(one)
        for project_id, reached in one.reach.items():
            if reached.status not in _CLOSED:
                groups[project_id].append(one)
    chosen: dict[int, Publisher] = {}
    for group in groups.values():
        if len({_waits_for(one) for one in group if one.is_pending}) > 1:
            continue  # else whoever names the environment of somebody else's job gets the project that it makes
        found = choose(group)
        if found is not None:
            chosen[found.pk] = found
    return [chosen[key] for key in sorted(chosen)]


def _waits_for(publisher: Publisher) -> tuple[str, int]:
    """Return who would own what a pending publisher makes."""
    if publisher.organization_id is not None:
        return "organization", publisher.organization_id
    return "person", publisher.configured_by_id


def _learn(publisher: Publisher, claims: Mapping[str, Any]) -> bool:
    """Store the ids of a first use; False where another first use was faster and somebody else's."""
    rules = providers.get(publisher.provider)
    ids, known_id = rules.immutable(claims), rules.known_id(claims)
    if ids.keys() <= publisher.claims.keys() and (publisher.known_id or not known_id):
        return True
    with transaction.atomic():
        row = Publisher.objects.select_for_update(no_key=True).filter(pk=publisher.pk).first()
        if row is None:
            return False
        if rules.differences(row, claims) or _known_otherwise(row, claims):
            return False
        new = {name: value for name, value in ids.items() if name not in row.claims}
        row.claims, row.known_id = row.claims | new, row.known_id or known_id
        row.save(update_fields=["claims", "known_id"])
        if new:
            record(LEARN, by=job(JOB), about=_about(row), details={"publisher": row.pk, **new})
    publisher.claims, publisher.known_id = row.claims, row.known_id
    return True


def _tell_differences(judged: list[_Judged], now: datetime) -> None:
    """Record for the people of each project in which value an identity differed from what they trust."""
    for one in judged[:MOST_TOLD]:
        if find_home(one.publisher) is None:
            continue
        differences = one.differences or [Difference("project", "", "")]
        _record_refusal(one.publisher, differences, now)
        if one.differences and all(each.is_immutable for each in one.differences):
            _warn(one.publisher, one.differences, now)


def _record_refusal(publisher: Publisher, differences: list[Difference], now: datetime) -> None:
    with transaction.atomic():
        if not _is_due(publisher, "refused_at", now, TOLD_EVERY):
            return
        lines = [f"{one.field}: {one.configured} is trusted, {one.claimed} came" for one in differences]
        if differences == [Difference("project", "", "")]:
            lines = ["two publishers are the same identity, or the project takes nothing now"]
        record(
            REFUSE,
            by=job(JOB),
            about=_about(publisher),
            details={"publisher": publisher.pk, "differs": lines},
            code=PublisherUnmatched.code,
        )


def _warn(publisher: Publisher, differences: list[Difference], now: datetime) -> None:
    """Mail the owners that somebody else has the name of what they trust, or that it has another one."""
    home = find_home(publisher)
    if home is None:
        return
    with transaction.atomic():
        if _is_due(publisher, "warned_at", now, MAILED_EVERY):
            tell_others(home.owner_ids(), letters.changed_hands(publisher, home, differences), now)


def _is_due(publisher: Publisher, column: str, now: datetime, every: timedelta) -> bool:
    """Take the turn to tell something, if nobody did lately; of two at once one gets it."""
    mine = Publisher.objects.filter(pk=publisher.pk)
    lately = Q(**{f"{column}__isnull": False}) & Q(**{f"{column}__gt": now - every})
    return bool(mine.exclude(lately).update(**{column: now}))


def _tell_moved(identity: Identity, seen: set[int], now: datetime) -> None:
    """Tell the owners where what they trust has another name or owner now: a renamed or transferred repository."""
    issuer = identity.issuer
    rules = providers.get(issuer.provider)
    known_id = rules.known_id(identity.claims)
    if not known_id:
        return
    for one in queries.known_elsewhere(issuer.url, issuer.provider, known_id)[:MOST_TOLD]:
        if find_home(one) is not None and one.pk not in seen:
            differences = rules.differences(one, identity.claims)
            _record_refusal(one, differences, now)
            _warn(one, differences, now)


def _about(publisher: Publisher) -> Thing:
    home = find_home(publisher)
    return Thing("publisher", publisher.pk, str(publisher)) if home is None else home.thing
