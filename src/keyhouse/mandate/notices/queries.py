"""Reading what people were told, whom no notice reached, and the public texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple

from django.db.models import Count, QuerySet

from keyhouse.accounts.models import Email
from keyhouse.core import clock
from keyhouse.mandate import people, queries
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.notices import rules, wording
from keyhouse.mandate.notices.models import (
    BOUNCED,
    FAILED,
    NO_MX,
    QUEUED,
    SENT,
    SUPPRESSED,
    UNREACHED,
    UNVERIFIED,
    Delivery,
    WeakUse,
    Wording,
)
from keyhouse.mandate.notices.reach import Reach, reach_of
from keyhouse.mandate.notices.rules import Standstill, Told, Use
from keyhouse.mandate.rules import Policy, covers, is_compliant
from keyhouse.projects.models import Project
from keyhouse.projects.rights import rights_in_several
from keyhouse.projects.rules import OWNER

_AT_ONCE: Final = 500
NOT_YET: Final = "not-yet"
NO_ADDRESS: Final = "no-address"
# why no notice reached somebody, in words
REASONS: Final[Mapping[str, str]] = {
    BOUNCED: "the mail came back",
    NO_MX: "their domain takes no mail",
    UNVERIFIED: "no address of theirs is verified",
    NO_ADDRESS: "they have no address",
    SUPPRESSED: "mails to their address came back before",
    FAILED: "the mail could not be sent",
    QUEUED: "a mail is on its way",
    SENT: "it was sent before this was announced",
    NOT_YET: "nothing was sent yet",
}


def mailing_policies(now: datetime) -> tuple[Policy, ...]:
    """Return the mandates that are live and announced and tell people by mail."""
    return tuple(
        one for one in queries.live_policies(now) if one.mandate.announced_at <= now and rules.mails(one)
    )


def pauses_of(policy: Policy) -> tuple[Standstill, ...]:
    """Return the pauses of a mandate's calendar that its version knows of, the last one without an end while it goes on."""
    return tuple(Standstill(*span) for span in getattr(policy, "pauses", ()))


def deliveries_of(
    user_ids: Sequence[int], mandates: Iterable[str]
) -> dict[int, dict[tuple[str, str, str], Delivery]]:
    """Return what these people were told of these mandates, by mandate, kind and occasion."""
    found: dict[int, dict[tuple[str, str, str], Delivery]] = defaultdict(dict)
    for row in Delivery.objects.filter(user_id__in=user_ids, mandate__in=list(mandates)):
        found[row.user_id][row.mandate, row.kind, row.about] = row
    return found


def told_by(row: Delivery, reach: Reach, now: datetime) -> Told:
    """Return a row as the rules take it. One that reached nobody is open again where an address takes mail by now."""
    is_open = row.state in UNREACHED and bool(reach.addresses) and _may_try_again(row, now)
    return Told(row.mandate, row.kind, row.about, row.scheduled_at, row.queued_at, is_open)


def _may_try_again(row: Delivery, now: datetime) -> bool:
    if row.state != FAILED:
        return True
    ended_at = row.ended_at or row.queued_at
    return row.tries < rules.MOST_TRIES and now - ended_at >= rules.RETRY_AFTER


@dataclass(frozen=True, slots=True)
class Unreached:
    """Somebody whom a mandate covers, who doesn't have what it asks for, and whom no notice reached yet.

    `why` is one of `REASONS`.
    """

    user_id: int
    name: str
    why: str


def unreached(policy: Policy, now: datetime) -> Iterator[Unreached]:
    """Yield whom no notice of this mandate reached, by id, with why; their deadline is held, up to the cap."""
    everybody = people.all_facts()
    while chunk := list(islice(everybody, _AT_ONCE)):
        waiting = [one for one in chunk if _is_unreached(policy, one, now)]
        why = reasons_of(policy.name, [id_of(one) for one in waiting])
        for one in waiting:
            yield Unreached(id_of(one), one.person.name, why[id_of(one)])


def reasons_of(mandate: str, user_ids: Sequence[int]) -> dict[int, str]:
    """Return for each of these people, whom no notice of a mandate reached, why that is: one of `REASONS`.

    What became of their last notice says it; before there is one, what is known of their addresses does.
    """
    told = deliveries_of(user_ids, [mandate])
    reach = reach_of([one for one in user_ids if one not in told])
    found = {one: _reason_of(told.get(one), reach.get(one)) for one in user_ids}
    without = {one for one, why in found.items() if why == UNVERIFIED}
    without -= set(Email.objects.filter(user_id__in=without).values_list("user_id", flat=True))
    return found | dict.fromkeys(without, NO_ADDRESS)


def _reason_of(rows: Mapping[Any, Delivery] | None, reach: Reach | None) -> str:
    if rows:
        return max(rows.values(), key=lambda row: row.pk).state
    return (reach.why_not if reach else "") or NOT_YET


def _is_unreached(policy: Policy, facts: Facts, now: datetime) -> bool:
    since = policy.mandate.announced_at
    if now < since or any(since <= at <= now for at in facts.told_at.get(policy.name, ())):
        return False
    return covers(policy, facts) and not is_compliant(policy.mandate, facts.person)


def id_of(facts: Facts) -> int:
    """Return the number of somebody's account."""
    return int(facts.person.id.removeprefix("u"))


class Share(NamedTuple):
    """So many of so many."""

    some: int
    of: int

    @property
    def percent(self) -> float:
        """Return it in percent; of nothing it is nothing."""
        return 100.0 * self.some / self.of if self.of else 0.0


def bounced_of(since: datetime, now: datetime) -> Share:
    """Return how many of the notices that came to an end in that time came back, or found no server."""
    ended = Delivery.objects.filter(ended_at__gte=since, ended_at__lte=now, state__in=(SENT, *UNREACHED))
    counts = dict(ended.values_list("state").annotate(count=Count("pk")).order_by())
    lost = sum(counts.get(state, 0) for state in (BOUNCED, NO_MX, SUPPRESSED, FAILED))
    return Share(lost, lost + counts.get(SENT, 0))


def inbox_of(user_id: int) -> QuerySet[Delivery]:
    """Return all notices to a person, the newest first."""
    return Delivery.objects.filter(user_id=user_id).order_by("-queued_at", "-pk")


def count_unread(user_id: int) -> int:
    """Return how many notices a person hasn't seen on the site."""
    return unread_of(user_id).count()


def unread_of(user_id: int) -> QuerySet[Delivery]:
    """Return the notices that a person hasn't seen on the site."""
    return Delivery.objects.filter(user_id=user_id, read_at=None)


# ---- weak credentials in use


def weak_uses(mandates: Iterable[str], now: datetime) -> dict[int, list[Use]]:
    """Return for whom weak credentials published lately: for whoever made them, and for each owner of the project."""
    since = now - rules.WEAK_EVERY
    rows = list(
        WeakUse.objects.filter(mandate__in=list(mandates), at__gt=since).values_list(
            "user_id", "mandate", "project", "at"
        )
    )
    owners = _owners_by_name({project for _, _, project, _ in rows})
    found: dict[int, list[Use]] = defaultdict(list)
    for user_id, mandate, project, at in rows:
        for one in {user_id, *owners.get(project, ())}:
            found[one].append(Use(mandate, project, at))
    return found


def _owners_by_name(names: Iterable[str]) -> dict[str, set[int]]:
    known = Project.objects.filter(normalized_name__in=list(names)).values_list("pk", "normalized_name")
    by_id, found = dict(known), defaultdict[str, set[int]](set)
    for right in rights_in_several(by_id):
        if right.kind == OWNER:
            found[by_id[right.project_id]].add(right.user_id)
    return found


# ---- public texts


@dataclass(frozen=True, slots=True)
class Archived:
    """A notice's exact text. `first_at`: since when it is sent; None where it wasn't sent yet."""

    digest: str
    mandate: str
    version: int
    kind: str
    title: str
    text: str
    first_at: datetime | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "kind": self.kind,
            "mandate": self.mandate or None,
            "version": self.version or None,
            "title": self.title,
            "text": self.text,
            "sha256": self.digest,
            "first_sent_at": clock.format_if_any(self.first_at),
        }


def archive() -> list[Archived]:
    """Return every notice that was sent, and those that the public versions may send, by mandate, version and kind.

    What is still in its shadow is no one's business yet.
    """
    at = clock.now()
    found = {row.digest: _archived(row) for row in Wording.objects.all()}
    known = queries.ledger()
    begun = [one for effective_at, one in known.versions if effective_at <= at]
    coming = [one for _, one in known.coming(at)]
    policies = [one for one in (*begun, *coming) if _is_public(one, at)]
    for template in wording.all_templates(policies):
        if template.digest not in found:
            found[template.digest] = _unsent(template)
    return sorted(
        found.values(), key=lambda one: (one.mandate, -one.version, _place_of(one.kind), one.digest)
    )


def find_archived(digest: str) -> Archived | None:
    """Return the notice with this SHA-256, or None."""
    return next((one for one in archive() if one.digest == digest), None)


def _is_public(policy: Policy, now: datetime) -> bool:
    return rules.mails(policy) and not policy.mandate.is_unannounced(now)


def _place_of(kind: str) -> int:
    return rules.KINDS.index(kind) if kind in rules.KINDS else -1


def _archived(row: Wording) -> Archived:
    return Archived(row.digest, row.mandate, row.version, row.kind, row.title, row.text, row.first_at)


def _unsent(template: wording.Template) -> Archived:
    return Archived(
        template.digest,
        template.mandate,
        template.version,
        template.kind,
        template.title,
        template.text,
        None,
    )
