"""Writing: a deadline put off, a brownout that ends before its time, what became of people who were refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from keyhouse.accounts.models import User
from keyhouse.accounts.recovery.queries import all_operators
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.accounts.second_factors.totp.models import Authenticator
from keyhouse.accounts.second_factors.webauthn.models import SecurityKey
from keyhouse.audit.services import Detail, record
from keyhouse.core import actions, clock, configuration, faults
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, job
from keyhouse.mandate import queries
from keyhouse.mandate.asked import standing_of
from keyhouse.mandate.brownouts import running
from keyhouse.mandate.documents import Mandate, Stage
from keyhouse.mandate.errors import MandateMissing
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.rules import Policy, covers, is_compliant
from keyhouse.mandate.shadow import emails
from keyhouse.mandate.shadow.errors import SnoozeRefused
from keyhouse.mandate.shadow.models import (
    BrownoutEnd,
    FirstRefusal,
    Minute,
    Snooze,
    StaleTold,
    Verdict,
    Weighed,
)
from keyhouse.mandate.shadow.queries import spent, spent_by_people, stale
from keyhouse.mandate.shadow.rules import minute_of, used_up
from keyhouse.mandate.shadowing import Shadowed
from keyhouse.mandate.snoozing import Offer
from keyhouse.mandate.writing import lock_ledger, mark_change

SNOOZE: Final = "mandate.snooze"
END_BROWNOUT: Final = "mandate.end-brownout"
GO_STALE: Final = "mandate.go-stale"
LOOKED_AT_ONCE: Final = 100
LOOK_EVERY: Final = timedelta(hours=1)
KEPT: Final = timedelta(days=180)  # verdicts
KEPT_MINUTES: Final = timedelta(days=2)
KEPT_REFUSALS: Final = timedelta(days=3 * 365)
PRUNED_AT_ONCE: Final = 2000


# ---- snoozes


def snooze(mandate_name: str, *, by: Actor) -> Snooze:
    """Put one's own deadline under a live mandate off, by so many days and so often as it allows.

    Raises MandateMissing, SnoozeRefused.
    """
    now = clock.now()
    actions.require(by, SNOOZE, Thing("mandate", None, mandate_name))
    if by.user_id is None:
        raise SnoozeRefused
    with transaction.atomic():
        # one at a time, so that each number is taken once
        User.objects.select_for_update().get(pk=by.user_id)
        policy, offer = find_offer(mandate_name, by, now)
        if offer is None:
            raise SnoozeRefused
        row = Snooze.objects.create(
            user_id=by.user_id,
            mandate=policy.name,
            version=policy.version,
            announced_at=policy.mandate.announced_at,
            number=offer.number,
            made_at=now,
            until_at=offer.until,
        )
        faults.reach("snooze.written")
        about, until = Thing("mandate", None, policy.label), clock.format_instant(offer.until)
        told: dict[str, Detail] = {"until": until, "number": offer.number}
        record(SNOOZE, by=by, about=about, account_id=by.user_id, details=told)
    return row


def find_offer(mandate_name: str, by: Actor, now: datetime) -> tuple[Policy, Offer | None]:
    """Return a live mandate, and what of it whoever is signed in may put off now; raises MandateMissing."""
    basis = queries.basis_of(by, None, now, is_whole=True)
    policy = next((one for one in basis.live if one.name == mandate_name), None)
    if policy is None or now < policy.mandate.announced_at:
        raise MandateMissing
    asked = standing_of(basis.facts(""), [policy], now).asked
    return policy, next((one.snooze for one in asked if one.policy is policy), None)


def find_own_offer(mandate_name: str, by: Actor, now: datetime) -> Offer | None:
    """Return the same, or None where that mandate asks for nothing now."""
    try:
        return find_offer(mandate_name, by, now)[1]
    except MandateMissing:
        return None


# ---- brownouts


def end_brownouts(now: datetime) -> int:
    """End the brownouts whose error budget is used up; returns how many."""
    return sum(_end_if_used_up(policy, now) for policy in queries.live_policies(now))


def _end_if_used_up(policy: Policy, now: datetime) -> int:
    stage = running(policy, now)
    if stage is None or stage.error_budget is None:
        return 0
    if not used_up(stage.error_budget, spent(policy.name, stage.at, now)):
        return 0
    why = used_up(stage.error_budget, spent_by_people(policy.name, stage.at, now))
    return int(bool(why) and end_brownout(policy, stage, why, now=now))


def end_brownout(policy: Policy, stage: Stage, why: str, *, now: datetime) -> bool:
    """End a brownout that is on: from now on nothing is refused by it, in every process; tell operators once.

    Tells whether that is new. It never begins again by itself, whatever version of the mandate says its instant.
    """
    by = job("mandate-brownouts")
    with transaction.atomic():
        lock_ledger()
        row, is_new = BrownoutEnd.objects.get_or_create(
            mandate=policy.name,
            stage_at=stage.at,
            defaults={"version": policy.version, "ended_at": now, "why": why},
        )
        if not is_new:
            return False
        mark_change()
        faults.reach("brownout.ended")
        details = {"began_at": clock.format_instant(stage.at), "why": row.why}
        record(END_BROWNOUT, by=by, about=Thing("mandate", None, policy.label), details=details)
        letter = emails.brownout_ended(policy, stage.at, now, why)
        tell_others(all_operators().values_list("pk", flat=True), letter, now)
    return True


# ---- shadows


def tell_of_stale(now: datetime) -> int:
    """Tell operators of shadows that ended with nothing after them, once each; returns of how many."""
    known = set(StaleTold.objects.values_list("mandate", "version"))
    return sum(
        _tell_of_stale(one, now) for one in stale(now) if (one.policy.name, one.policy.version) not in known
    )


def _tell_of_stale(shadow: Shadowed, now: datetime) -> int:
    policy, by = shadow.policy, job("mandate-shadows")
    with transaction.atomic():
        lock_ledger()
        _, is_new = StaleTold.objects.get_or_create(
            mandate=policy.name, version=policy.version, defaults={"told_at": now}
        )
        if is_new:
            details = {"ended_at": clock.format_instant(shadow.ends)}
            record(GO_STALE, by=by, about=Thing("mandate", None, policy.label), details=details)
            letter = emails.shadow_stale(policy, shadow.ends)
            tell_others(all_operators().values_list("pk", flat=True), letter, now)
    return int(is_new)


# ---- what became of people who were refused


def follow_refusals(now: datetime) -> int:
    """Look at so many people who were refused and haven't complied yet, the longest not looked at first; returns how many.

    When they complied is told by the day of their factor, so it doesn't matter when it is looked at.
    """
    live = {one.name: one for one in queries.live_policies(now)}
    rows = FirstRefusal.objects.filter(
        mandate__in=live, complied_at=None, left_at=None, was_compliant=False
    ).exclude(looked_at__gt=now - LOOK_EVERY)
    for row in list(rows.order_by("looked_at", "pk")[:LOOKED_AT_ONCE]):
        _follow(row, live[row.mandate], now)
    return 0  # looking changes nothing that somebody else waits for


def _follow(row: FirstRefusal, policy: Policy, now: datetime) -> None:
    facts = queries.facts_of_person(row.user_id)
    row.looked_at = now
    if is_compliant(policy.mandate, facts.person):
        row.complied_at = _first_factor(row, policy.mandate) or now
    elif _has_left(policy, facts):
        row.left_at = now
    row.save(update_fields=["looked_at", "complied_at", "left_at"])


def _has_left(policy: Policy, facts: Facts) -> bool:
    return facts.person.state == "deleted" or not covers(policy, facts)


def _first_factor(row: FirstRefusal, mandate: Mandate) -> datetime | None:
    """Return when the person first got a factor that the mandate accepts, after they were refused."""
    since: list[datetime] = []
    if "authenticator-app" in mandate.accept:
        apps = Authenticator.objects.filter(user_id=row.user_id, created_at__gte=row.first_at)
        since += apps.values_list("created_at", flat=True)
    if mandate.accept - {"authenticator-app"}:
        keys = SecurityKey.usable(configuration.current().key_name)
        since += keys.filter(user_id=row.user_id, created_at__gte=row.first_at).values_list(
            "created_at", flat=True
        )
    return min(since, default=None)


# ---- forgetting


def prune(now: datetime) -> int:
    """Forget counts and refusals of long ago, a bounded number a call; returns how many rows."""
    day = (now - KEPT).date()
    old = (
        Verdict.objects.filter(day_on__lt=day),
        Weighed.objects.filter(day_on__lt=day),
        Minute.objects.filter(minute__lt=minute_of(now - KEPT_MINUTES)),
        FirstRefusal.objects.filter(first_at__lt=now - KEPT_REFUSALS),
    )
    pruned = 0
    for rows in old:
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[:PRUNED_AT_ONCE])
        if keys:
            pruned += rows.filter(pk__in=keys).delete()[0]
    return pruned
