"""Running a campaign: launch it, stop its calendar and let it go on, roll it back, give it up.

Each verb is done once: twice, out of order or in parallel it is refused with a stable code, and nothing is written.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from keyhouse.accounts.models import User
from keyhouse.accounts.oversight import approvals
from keyhouse.accounts.oversight.errors import ApprovalRefused, ProposalOver
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit import services as audit
from keyhouse.core import actions, clock, faults
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, host, job
from keyhouse.mandate import launching, previews, queries, services, writing
from keyhouse.mandate.campaigns import letters
from keyhouse.mandate.documents import ENDING, MOST_STAGES, Launch, Mandate, Stage, read_mandate
from keyhouse.mandate.errors import (
    LaunchedAlready,
    MandateMissing,
    MandateRefused,
    NothingToEnd,
    NothingToPause,
    NotPaused,
    PauseConfirmed,
    PausedAlready,
    PausesUsedUp,
    WordMissing,
)
from keyhouse.mandate.models import MandateVersion, Pause
from keyhouse.mandate.pauses import COUNTED_FOR, HELD, LONGEST, is_ending
from keyhouse.mandate.rules import FLOOR, Policy
from keyhouse.mandate.simulation.queries import fresh_for

_LONGEST: Final = 500
_MOST_BEGUN: Final = MOST_STAGES - 2  # so that a document takes two more
_TICK: Final = timedelta(seconds=1)
_USUAL: Final = Launch()


# ---- launching


def launch(name: str, *, why: str = "", version: int | None = None, by: Actor) -> MandateVersion:
    """Launch the newest draft of a mandate: from here on it waits for the second person, or, with one operator, for a day.

    `version` is the draft that somebody looked at: where a newer one was applied since, nothing is launched. Raises LaunchRefused with all that is missing, MandateRefused where the plan says no, MandateMissing, LaunchedAlready,
    ProposalOver where another change was faster, and what the gate says.
    """
    writing.require(by, "mandate.launch", name)
    word = _word(why, is_needed=False)
    draft = _draft(name, version)
    mandate = read_mandate(draft.document)
    with previews.once():
        launching.refuse_unless_ready(mandate, clock.now())
        planned = services.plan_version(mandate)
    if planned.plan.refusals:
        raise MandateRefused(" ".join(str(one) for one in planned.plan.refusals))
    with transaction.atomic():
        writing.require(by, "mandate.launch", name)
        writing.lock_ledger(planned.change)
        _close_overdue(name, planned.now)
        row = MandateVersion.objects.get(pk=draft.pk)
        if not row.is_draft or row.withdrawn_at is not None:
            raise LaunchedAlready
        row.why = word
        _write_launch(row, planned, by)
    return row


def _write_launch(row: MandateVersion, planned: services.Planned, by: Actor) -> None:
    plan, now = planned.plan, planned.now
    row.is_draft, row.is_loosening, row.plan = False, plan.is_loosening, plan.as_dict()
    row.proposed_at, row.proposed_by = now, by.name
    row.simulation = _simulation_of(planned.mandate, now)
    row.effective_at = approvals.effective_unasked(writing.standing_of(row), now)
    row.save()
    writing.mark_change()
    writing.record_version("mandate.launch", row, by, {"why": row.why, "simulation": row.simulation or None})
    faults.reach("campaign.rows-written")


def _simulation_of(mandate: Mandate, now: datetime) -> str:
    found = fresh_for(mandate.digest, now)
    return "" if found is None else str(found.pk)


def _draft(name: str, version: int | None) -> MandateVersion:
    rows = MandateVersion.objects.filter(name=name, withdrawn_at=None)
    newest = rows.order_by("-version").first()
    if newest is None:
        raise MandateMissing(f"There is no draft of a mandate {name}.", fix="Apply its file first.")
    if not newest.is_draft:
        raise LaunchedAlready
    if version not in {None, newest.version}:
        raise ProposalOver(
            f"Version {newest.version} was applied since you looked at version {version}.",
            fix="Look at what is new, then launch that.",
        )
    return newest


# ---- pausing


def pause(name: str, *, reason: str, by: Actor) -> Pause:
    """Stop the calendar of a live mandate: what has begun holds on, and nothing more begins.

    It ends by itself after 30 days, less those that their earlier pauses of it took, unless a second operator confirms
    it. Raises PausedAlready, PausesUsedUp, NothingToPause, MandateMissing, WordMissing, and what the gate says.
    """
    writing.require(by, "mandate.pause", name)
    word = _word(reason)
    with transaction.atomic():
        writing.require(by, "mandate.pause", name)
        return _pause(name, word, by, "")


def pause_by_signal(name: str, *, reason: str, signal: str, by: Actor) -> Pause:
    """Do the same because a figure is too high (L3), as a job of the index, and mail operators; raises as `pause` does."""
    with transaction.atomic():
        actions.require(by, "host.command")
        row = _pause(name, reason, by, signal)
        operators = User.objects.filter(username__in=approvals.active_operators())
        tell_others(operators.values_list("pk", flat=True), letters.paused_by_signal(row), row.begun_at)
    return row


def close_overdue_pause(name: str) -> bool:
    """Mark a pause as ended whose days are over, by a job; tells whether there was one. It holds no more either way."""
    by = job("mandate-signals")
    with transaction.atomic():
        actions.require(by, "host.command")
        writing.lock_ledger()
        before = Pause.objects.filter(mandate=name, ended_at=None).count()
        row = _close_overdue(name, clock.now())
        if row is None or not before or row.ended_at is None:
            return False
        writing.mark_change()
        _record("mandate.resume", row, by, {"why": row.ended_why})
    return True


def _pause(name: str, reason: str, by: Actor, signal: str) -> Pause:
    writing.lock_ledger()
    now = clock.now()
    last = _close_overdue(name, now)
    if last is not None and last.ended_at is None:
        raise PausedAlready
    policy = _live(name, now)
    if not _has_more(policy, now):
        raise NothingToPause
    # a clock that went back must not let two pauses overlap
    begun_at = now if last is None or last.ended_at is None else max(now, last.ended_at)
    row = Pause.objects.create(
        mandate=name,
        begun_at=begun_at,
        begun_by=by.name,
        reason=reason,
        signal=signal,
        ends_by=begun_at + _time_left(name, by, begun_at),
    )
    writing.mark_change()
    _record("mandate.pause", row, by, {"version": policy.version, "reason": reason, "signal": signal or None})
    return row


def _time_left(name: str, by: Actor, now: datetime) -> timedelta:
    """Return how long whoever pauses may do so unconfirmed; raises PausesUsedUp.

    What one of them began counts together: one pause after the other would put the mandate off for ever, and that takes two.
    """
    mine = Pause.objects.filter(mandate=name, begun_by__iexact=by.name, confirmed_at=None)
    spans = mine.filter(ended_at__gt=now - COUNTED_FOR).values_list("begun_at", "ended_at")
    left = LONGEST - sum((ended - begun for begun, ended in spans if ended is not None), timedelta())
    if left <= timedelta():
        raise PausesUsedUp
    return left


def _has_more(policy: Policy, now: datetime) -> bool:
    """Tell whether anything of a mandate lies ahead: a stage, or the deadline of somebody who has grace.

    Where projects may become critical, there is always one to come.
    """
    if is_ending(policy.mandate):
        return False
    mandate, ends_at = policy.mandate, policy.mandate.credentials.at
    last = mandate.stages[-1].at
    if not policy.is_floor_exempt:
        last += mandate.unreached_cap + mandate.snoozing.times * timedelta(days=mandate.snoozing.days)
    return bool(mandate.criteria) or now < last or (ends_at is not None and now < ends_at)


def _close_overdue(name: str, now: datetime) -> Pause | None:
    """Return the last pause of a mandate; one whose days are over, or whose mandate is, is marked as ended."""
    last = Pause.objects.filter(mandate=name).order_by("-begun_at", "-pk").first()
    if last is not None and last.ended_at is None:
        writing.end_where_over(last, now)
    return last


def _live(name: str, now: datetime) -> Policy:
    if name == FLOOR:
        raise NothingToPause("Nothing stops what operators are always asked for.")
    found = next((one for one in queries.live_policies(now) if one.name == name), None)
    if found is None:
        raise MandateMissing(f"No mandate {name} is live.")
    return found


def resume(name: str, *, why: str = "", by: Actor) -> Pause:
    """Let the calendar of a paused mandate go on: all that was to come is later by the length of the pause.

    Raises NotPaused, MandateMissing, and what the gate says.
    """
    writing.require(by, "mandate.resume", name)
    word = _word(why, is_needed=False)
    with transaction.atomic():
        writing.require(by, "mandate.resume", name)
        writing.lock_ledger()
        now = clock.now()
        row = _open_pause(name, now)
        writing.end_pause(row, max(now, row.begun_at), by.name, word)
        writing.mark_change()
        _record("mandate.resume", row, by, {"why": word})
    return row


def _open_pause(name: str, now: datetime) -> Pause:
    row = Pause.objects.filter(mandate=name, ended_at=None).first()
    if row is None or not row.is_open(now):
        raise NotPaused if queries.is_known(name) else MandateMissing
    return row


def confirm_pause(name: str, *, why: str = "", by: Actor) -> Pause:
    """Let a pause go on until somebody ends it: another operator than began it, in person.

    What a figure or the host began takes two of them, as nobody is known to stand behind it. Raises ApprovalRefused,
    NotPaused, PauseConfirmed.
    """
    writing.require_second(by, "mandate.pause", name)
    word = _word(why, is_needed=False)
    with transaction.atomic():
        writing.require_second(by, "mandate.pause", name)
        writing.lock_ledger()
        now = clock.now()
        row = _open_pause(name, now)
        if row.confirmed_at is not None:
            raise PauseConfirmed
        _confirm(row, by, now)
        row.save(update_fields=["confirmed_at", "confirmed_by"])
        writing.mark_change()
        is_whole = row.confirmed_at is not None
        _record("mandate.pause", row, by, {"confirms": True, "why": word, "needs_another": not is_whole})
    return row


def _confirm(row: Pause, by: Actor, now: datetime) -> None:
    if row.begun_by.lower() == by.name.lower():
        raise ApprovalRefused("Whoever began a pause can't confirm it; another operator has to.")
    first = row.confirmed_by if row.confirmed_by in approvals.active_operators() else ""
    if first.lower() == by.name.lower():
        raise ApprovalRefused("You confirmed it already; another operator has to as well.")
    if not first and (row.signal or row.begun_by == host().name):
        row.confirmed_by = by.name
        return
    row.confirmed_at = max(now, row.begun_at)
    row.confirmed_by = f"{first}, {by.name}" if first else by.name


def _record(action: str, row: Pause, by: Actor, details: dict[str, audit.Detail]) -> None:
    told: dict[str, audit.Detail] = {
        "begun_at": clock.format_instant(row.begun_at),
        "begun_by": row.begun_by,
        "ends_at": clock.format_if_any(row.ends_at),
    }
    audit.record(action, by=by, about=Thing("mandate", row.pk, row.mandate), details=told | details)
    faults.reach("campaign.rows-written")


# ---- ending


def rollback(name: str, *, why: str, by: Actor) -> MandateVersion:
    """Propose to refuse nothing of a mandate any more but to shed the last factor, and after some days not even that.

    It loosens, so it takes the approvals that loosening takes; its days count from when it takes effect. Raises
    NothingToEnd, MandateMissing, MandateRefused, WordMissing, ProposalOver.
    """
    return _propose_end(name, "mandate.rollback", why, by)


def abandon(name: str, *, why: str, by: Actor) -> MandateVersion:
    """Propose to give a mandate up: it asks for nothing any more; approvals and errors are those of `rollback`."""
    return _propose_end(name, "mandate.abandon", why, by)


def _propose_end(name: str, action: str, why: str, by: Actor) -> MandateVersion:
    writing.require(by, action, name)
    word = _word(why)
    if name == "default":
        services.store_default()
    change, now = queries.read_change(), clock.now()
    policy = _to_end(name, now)
    mandate = _rolled_back(policy, now) if action == "mandate.rollback" else _abandoned(policy, now)
    plan = previews.preview(mandate, now)
    if plan.refusals:
        raise MandateRefused(" ".join(str(one) for one in plan.refusals))
    with transaction.atomic():
        writing.require(by, action, name)
        writing.lock_ledger(change)
        _refuse_while_ending(name, now)
        row = writing.new_version(mandate, origin=MandateVersion.Origin.APPLIED, by=by, now=now)
        row.is_loosening, row.plan, row.why = True, plan.as_dict(), word
        row.effective_at = approvals.effective_unasked(writing.standing_of(row), now)
        row.save(force_insert=True)
        writing.mark_change()
        writing.record_version(action, row, by, {"why": word})
        faults.reach("campaign.rows-written")
    return row


def _to_end(name: str, now: datetime) -> Policy:
    if name == FLOOR:
        raise NothingToEnd("Nothing ends what operators are always asked for.")
    found = next((one for one in queries.live_policies(now) if one.name == name), None)
    if found is None:
        raise MandateMissing(f"No mandate {name} is live.")
    return found


def _refuse_while_ending(name: str, now: datetime) -> None:
    """Refuse a second proposal of the kind; the first is withdrawn before another is made."""
    rows = MandateVersion.objects.filter(name=name, withdrawn_at=None).order_by("-version")
    if any(services.is_open(row, now) and is_ending(read_mandate(row.document)) for row in rows):
        raise NothingToEnd("That it ends waits for approval already.", fix="Approve or withdraw that first.")


def _rolled_back(policy: Policy, now: datetime) -> Mandate:
    if is_ending(policy.mandate):
        raise NothingToEnd("This mandate is rolled back already.")
    begun = _begun(policy, now)
    if not begun:
        raise NothingToEnd("Nothing of this mandate has begun.", fix="Abandon it, or withdraw it.")
    at = max(now, begun[-1].at + _TICK)
    keep = (policy.as_written.launch or _USUAL).keep_factors
    kept = Stage("rolled_back", at, written={"deny": ["second-factor.remove-last"]})
    last = Stage("abandoned", at + max(keep, _TICK))
    return _read_again(replace(policy.as_written, shadows=(), stages=(*begun, kept, last)))


def _abandoned(policy: Policy, now: datetime) -> Mandate:
    begun = [stage for stage in _begun(policy, now) if stage.state != ENDING[-1]]
    at = max(now, begun[-1].at + _TICK) if begun else now
    return _read_again(replace(policy.as_written, shadows=(), stages=(*begun, Stage("abandoned", at))))


def _begun(policy: Policy, now: datetime) -> list[Stage]:
    """Return what has begun; of very many stages the first, which announces, and the last ones."""
    found = [stage for stage in policy.mandate.stages if stage.at <= now and stage.at < HELD]
    return found if len(found) <= _MOST_BEGUN else [found[0], *found[1 - _MOST_BEGUN :]]


def _read_again(mandate: Mandate) -> Mandate:
    """Read it as if it had been written down, so that nothing is kept that a file couldn't say."""
    return read_mandate(mandate.as_dict())


def _word(text: str, *, is_needed: bool = True) -> str:
    word = text.strip()
    if (is_needed and not word) or len(word) > _LONGEST or not word.isprintable():
        raise WordMissing
    return word
