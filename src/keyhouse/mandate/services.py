"""Writing the ledger of mandates: proposing, approving and withdrawing versions and exemptions.

A version that loosens nothing takes effect at once. One by which anything refused before would be allowed waits for
whom `approvals` says; where there is at most one operator it takes effect a day later, announced meanwhile (ASVS 2.3.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import transaction
from django.db.models import Q

from keyhouse.accounts.models import User
from keyhouse.accounts.oversight import approvals
from keyhouse.accounts.oversight.errors import ApprovalRefused, ProposalOver
from keyhouse.audit import services as audit
from keyhouse.core import actions, clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, job
from keyhouse.mandate import criticality, defaults, launching, previews
from keyhouse.mandate.documents import ENDING, Mandate, read_mandate
from keyhouse.mandate.errors import (
    ExemptionInvalid,
    MandateMissing,
    MandateRefused,
)
from keyhouse.mandate.models import Exemption, MandateVersion, Notice
from keyhouse.mandate.plans import Plan
from keyhouse.mandate.queries import ledger, live_policies, read_change
from keyhouse.mandate.rules import FLOOR, TAKEN_NAMES
from keyhouse.mandate.writing import end_pauses_over, lock_ledger, mark_change
from keyhouse.mandate.writing import new_version as _new_version
from keyhouse.mandate.writing import record_version as _record
from keyhouse.mandate.writing import require as _require
from keyhouse.mandate.writing import require_host as _require_host
from keyhouse.mandate.writing import require_second as _require_second
from keyhouse.mandate.writing import standing_of as _standing

LONGEST_EXEMPTION: Final = timedelta(days=90)
_LONGEST_TEXT: Final = 500


# ---- versions


class Planned(NamedTuple):
    """A plan with what it was made of: the mandate, the state of the ledger, and the instant."""

    mandate: Mandate
    change: int
    now: datetime
    plan: Plan


def plan_version(mandate: Mandate) -> Planned:
    """Plan a mandate, to propose it right after; writes nothing."""
    change, now = read_change(), clock.now()
    return Planned(mandate, change, now, previews.preview(mandate, now))


def propose_version(mandate: Mandate, *, by: Actor, planned: Planned | None = None) -> MandateVersion:
    """Write the next version of a mandate, or return the one that says the same and holds or waits already.

    It takes effect at once, waits for an operator's approval (`effective_at` is null), or, with at most one operator,
    takes effect a day later. A campaign, which is one with `[launch]`, becomes a draft and waits for its launch. `planned` spares planning it again; it counts for this very mandate only. Raises
    MandateRefused with every reason, ProposalOver where another change was faster, and what the gate says.
    """
    _require(by, "mandate.propose", mandate.name)
    if planned is None or planned.mandate is not mandate:
        planned = plan_version(mandate)
    _, change, now, plan = planned
    _refuse_ending(mandate, now)
    _refuse_by(plan)
    with transaction.atomic():
        _require(by, "mandate.propose", mandate.name)
        lock_ledger(change)
        if same := _find_same(mandate, now):
            return same
        end_pauses_over(mandate.name, now)
        row = _new_version(mandate, origin=MandateVersion.Origin.APPLIED, by=by, now=now)
        row.is_loosening, row.plan, row.is_draft = plan.is_loosening, plan.as_dict(), bool(mandate.launch)
        row.effective_at = None if row.is_draft else _effective_at(row, now)
        _keep(row, by, {"loosens": row.is_loosening, "is_draft": row.is_draft})
    criticality.renew_critical_projects(now)  # whom a new criterion covers must not wait for the daily round
    return row


def _refuse_ending(mandate: Mandate, now: datetime) -> None:
    """Refuse a file that rolls back or abandons: these are verbs, with approvals of their own; what holds can be said again."""
    holds = any(one.as_written.digest == mandate.digest for one in live_policies(now))
    if not holds and any(stage.state in ENDING for stage in mandate.stages):
        raise MandateRefused(
            "A file can't say that a mandate is rolled back or abandoned.",
            fix="`keyhouse mandate rollback NAME` and `keyhouse mandate abandon NAME` propose that.",
        )


def _effective_at(row: MandateVersion, now: datetime) -> datetime | None:
    return approvals.effective_unasked(_standing(row), now) if row.is_loosening else now


def _refuse_by(plan: Plan) -> None:
    if plan.refusals:
        raise MandateRefused(" ".join(str(one) for one in plan.refusals))


def _find_same(mandate: Mandate, now: datetime) -> MandateVersion | None:
    """Return the version with this very document that holds, or will, or waits; None where it says something new."""
    digest = mandate.digest
    in_shadow = [one.policy for one in ledger().shadows_on(now) if one.policy.name == mandate.name]
    if in_shadow and in_shadow[-1].mandate.digest == digest:
        return _stored(mandate.name, in_shadow[-1].version)
    live = next((one for one in live_policies(now) if one.name == mandate.name), None)
    if live is not None and live.as_written.digest == digest and not _has_coming(mandate.name, live.version):
        return _stored(mandate.name, live.version)
    rows = MandateVersion.objects.filter(name=mandate.name, digest=digest, withdrawn_at__isnull=True)
    return next(
        (row for row in rows.order_by("-version") if _is_newest_draft(row) or is_open(row, now)), None
    )


def _is_newest_draft(row: MandateVersion) -> bool:
    """Tell whether a launch would take this draft; one that a later file replaced isn't what the same file says now."""
    later = MandateVersion.objects.filter(name=row.name, version__gt=row.version, withdrawn_at=None)
    return row.is_draft and not later.exists()


def _has_coming(name: str, version: int) -> bool:
    """Tell whether a later version is bound to take effect; one that waits for approval may never do so."""
    later = MandateVersion.objects.filter(name=name, version__gt=version, withdrawn_at__isnull=True)
    return later.filter(effective_at__isnull=False).exists()


def _stored(name: str, version: int) -> MandateVersion:
    """Return a version's row; the default, which also holds unwritten, is written where it is missing."""
    row = MandateVersion.objects.filter(name=name, version=version).first()
    if row is None and (name, version) == (defaults.NAME, 1):
        store_default()
        row = MandateVersion.objects.filter(name=name, version=version).first()
    if row is None:
        raise MandateMissing
    return row


def is_open(row: MandateVersion, now: datetime) -> bool:
    """Tell whether a version is still on its way: waiting for approval, or for its instant, and not overtaken.

    A draft isn't on its way before it is launched.
    """
    if (
        row.is_draft
        or row.withdrawn_at is not None
        or (row.effective_at is not None and row.effective_at <= now)
    ):
        return False
    later = MandateVersion.objects.filter(name=row.name, version__gt=row.version, withdrawn_at__isnull=True)
    return not later.filter(effective_at__isnull=False).exists()


def approve_version(name: str, version: int, *, by: Actor) -> MandateVersion:
    """Approve a waiting version: another operator than its proposer, by a session that was proven just now.

    It is planned anew. It takes effect with the last approval that it takes, or a day later where too few operators are
    there. Raises ApprovalRefused, StepUpRequired, MandateMissing, ProposalOver, MandateRefused.
    """
    _require_second(by, "mandate.approve", f"{name}@{version}")
    change, now = read_change(), clock.now()
    row = _get_version(name, version)
    _effective_if_open(row, by, now)
    mandate = read_mandate(row.document)
    with previews.once():  # of everybody who is here, so not while the ledger is locked
        plan = previews.preview(mandate, now)
        _refuse_by(plan)
        launching.refuse_unless_ready(mandate, now)
    with transaction.atomic():
        _require_second(by, "mandate.approve", str(row))
        lock_ledger(change)
        row = _get_version(name, version)
        row.effective_at = _effective_if_open(row, by, now)
        row.plan, row.approved_at, row.approved_by = plan.as_dict(), now, _with(row.approved_by, by)
        row.save(update_fields=["plan", "approved_at", "approved_by", "effective_at"])
        if row.effective_at is not None:
            mark_change()
        _record("mandate.approve", row, by, {"proposed_by": row.proposed_by, "approved_by": row.approved_by})
    return row


def _effective_if_open(row: MandateVersion, by: Actor, now: datetime) -> datetime | None:
    """Return when this approval makes a version take effect, if it does; raises ProposalOver, ApprovalRefused."""
    if row.effective_at is not None or not is_open(row, now):
        raise ProposalOver
    return approvals.effective_approved(_standing(row), by.name, now)


def _with(approved_by: Sequence[str], by: Actor) -> list[str]:
    return [*(name for name in approved_by if name != by.name), by.name]


def withdraw_version(name: str, version: int, *, by: Actor) -> MandateVersion:
    """Take back a version that is not yet in effect; raises MandateMissing, ProposalOver."""
    _require(by, "mandate.withdraw", f"{name}@{version}")
    now = clock.now()
    with transaction.atomic():
        _require(by, "mandate.withdraw", f"{name}@{version}")
        lock_ledger()
        row = _get_version(name, version)
        if row.withdrawn_at is not None or (row.effective_at is not None and row.effective_at <= now):
            raise ProposalOver
        end_version(row, by, now)
    return row


def end_version(row: MandateVersion, by: Actor, now: datetime) -> None:
    """Write that a version is taken back; in the transaction of the caller, who holds the ledger."""
    row.withdrawn_at, row.withdrawn_by = now, by.name
    row.save(update_fields=["withdrawn_at", "withdrawn_by"])
    mark_change()
    _record("mandate.withdraw", row, by, {"proposed_by": row.proposed_by})


def seed_version(mandate: Mandate, *, approved_by: Sequence[str], by: Actor) -> MandateVersion:
    """Write a version of a history that somebody builds, in effect since the beginning; for the host only.

    Nothing is planned, and no notice is waited for. Where nothing but the untouched default holds, the seeded history
    takes its place. Raises RoleRequired, MandateRefused.
    """
    _require_host(by, "mandate.propose")
    now = clock.now()
    with transaction.atomic():
        lock_ledger()
        _refuse_taken_name(mandate)
        if mandate.name != defaults.NAME:
            _take_default_out(by, now)
        row = _new_version(mandate, origin=MandateVersion.Origin.SEEDED, by=by, now=now)
        row.approved_by, row.approved_at, row.effective_at = list(approved_by), now, defaults.BEGINNING
        _keep(row, by, {"seeded": True})
        criticality.renew_critical_projects(now)
    return row


def _refuse_taken_name(mandate: Mandate) -> None:
    if mandate.name in TAKEN_NAMES:
        raise MandateRefused(f"No mandate can be called {mandate.name}.")
    is_there = MandateVersion.objects.filter(name=mandate.name)
    if is_there.exclude(origin=MandateVersion.Origin.DEFAULT).exists():
        raise MandateRefused(f"The mandate {mandate.name} exists already.")


def _take_default_out(by: Actor, now: datetime) -> None:
    """Retire the default by a version of it, where it is what a new index starts with and nothing else holds."""
    live = live_policies(now)
    if [(one.name, one.version) for one in live] != [(defaults.NAME, 1)]:
        return
    _stored(defaults.NAME, 1)
    retired = {"state": "retired", "at": defaults.BEGINNING}
    row = _new_version(
        read_mandate(defaults.DOCUMENT | {"stages": [retired]}),
        origin=MandateVersion.Origin.SEEDED,
        by=by,
        now=now,
    )
    row.effective_at = defaults.BEGINNING
    row.save(force_insert=True)


def store_default() -> None:
    """Write version 1 of the default where the ledger has none; twice, or in parallel, it is written once."""
    by, now = job("mandate"), clock.now()
    actions.require(by, "host.command")
    defaults_there = MandateVersion.objects.filter(name=defaults.NAME)
    if defaults_there.exists():
        return
    with transaction.atomic():
        lock_ledger()
        if defaults_there.exists():  # somebody else was faster
            return
        origin = MandateVersion.Origin.DEFAULT
        row = _new_version(read_mandate(defaults.DOCUMENT), origin=origin, by=by, now=now)
        row.effective_at = defaults.BEGINNING
        _keep(row, by, {"default": True})


def _keep(row: MandateVersion, by: Actor, details: dict[str, audit.Detail]) -> None:
    row.save(force_insert=True)
    mark_change()
    _record("mandate.propose", row, by, details)


def _get_version(name: str, version: int) -> MandateVersion:
    row = MandateVersion.objects.filter(name=name, version=version).first()
    if row is None:
        raise MandateMissing(f"There is no version {version} of a mandate {name}.")
    return row


# ---- exemptions


class _Terms(NamedTuple):
    """What makes an exemption accountable (E1)."""

    until: datetime
    reason: str
    evidence: str
    control: str


def propose_exemption(  # noqa: PLR0913 - what makes an exemption accountable, one keyword each
    user: User,
    mandate_name: str,
    *,
    until: datetime,
    reason: str,
    evidence: str,
    control: str,
    by: Actor,
) -> Exemption:
    """Propose to exempt one person from the live version of one mandate, for at most 90 days.

    It waits for whom `approvals` says; where at most one operator is there, or none besides the proposer and the person,
    it takes effect a day later. The same proposal again is the same one. Raises ExemptionInvalid, MandateMissing,
    ApprovalRefused.
    """
    _require(by, "exemption.propose", mandate_name)
    now = clock.now()
    terms = _Terms(until, reason.strip(), evidence.strip(), control.strip())
    _judge_terms(terms, now)
    _refuse_own_gain(by, user.pk)
    judge_exempted(user)
    with transaction.atomic():
        _require(by, "exemption.propose", mandate_name)
        lock_ledger()
        version = _live_version(mandate_name, now)
        if same := _find_same_exemption(user, version, terms):
            return same
        row = Exemption(user=user, version=version, proposed_at=now, proposed_by=by.name, **terms._asdict())
        row.effective_at = approvals.effective_unasked(_exemption_standing(row), now)
        _keep_exemption(row, by)
    return row


def _judge_terms(terms: _Terms, now: datetime) -> None:
    for name, text in terms._asdict().items():
        if name != "until" and not (text and len(text) <= _LONGEST_TEXT and text.isprintable()):
            raise ExemptionInvalid(f"An exemption needs a {name} of at most {_LONGEST_TEXT} characters.")
    if not now < terms.until <= now + LONGEST_EXEMPTION:
        raise ExemptionInvalid(f"An exemption ends within {LONGEST_EXEMPTION.days} days from now.")


def judge_exempted(user: User) -> None:
    """Raise ExemptionInvalid for whom nobody exempts: accounts of services (E3), and accounts that are gone."""
    if user.kind != "person":
        raise ExemptionInvalid(
            "An account of a service can't be exempted.",
            fix="Let a trusted publisher publish, or a robot token of the project.",
        )
    if user.state == User.State.DELETED:
        raise ExemptionInvalid("This account was deleted.")


def _refuse_own_gain(by: Actor, user_id: int) -> None:
    if by.user_id is not None and by.user_id == user_id:
        raise ApprovalRefused("Nobody has a part in their own exemption.")


def require_live(mandate_name: str, now: datetime) -> None:
    """Raise MandateMissing where no such mandate is live, ExemptionInvalid for the operators' floor."""
    _live_version(mandate_name, now)


def _live_version(mandate_name: str, now: datetime) -> MandateVersion:
    if mandate_name == FLOOR:
        raise ExemptionInvalid("Nobody is exempt from what operators are always asked for.")
    live = next((one for one in live_policies(now) if one.name == mandate_name), None)
    if live is None:
        raise MandateMissing(f"No mandate {mandate_name} is live.")
    return _stored(live.name, live.version)


def _find_same_exemption(user: User, version: MandateVersion, terms: _Terms) -> Exemption | None:
    rows = Exemption.objects.filter(user=user, version=version, withdrawn_at__isnull=True)
    return rows.filter(**terms._asdict()).first()


def _exemption_standing(row: Exemption) -> approvals.Standing:
    return approvals.standing(row.proposed_by, row.approved_by, subject=row.user.username)


def approve_exemption(exemption_id: int, *, by: Actor) -> Exemption:
    """Approve an exemption: another operator than its proposer, and not the person, proven just now.

    It takes effect like a version. Raises ApprovalRefused, StepUpRequired, MandateMissing, ProposalOver.
    """
    _require_second(by, "exemption.approve", str(exemption_id))
    now = clock.now()
    with transaction.atomic():
        _require_second(by, "exemption.approve", str(exemption_id))
        lock_ledger()
        row = _get_exemption(exemption_id)
        _refuse_own_gain(by, row.user_id)
        is_live = any((one.name, one.version) == _named(row.version) for one in live_policies(now))
        if row.effective_at is not None or row.withdrawn_at is not None or row.until <= now or not is_live:
            raise ProposalOver
        row.effective_at = approvals.effective_approved(_exemption_standing(row), by.name, now)
        row.approved_at, row.approved_by = now, _with(row.approved_by, by)
        row.save(update_fields=["approved_at", "approved_by", "effective_at"])
        _record_exemption("exemption.approve", row, by)
        _follow(row, by, now)
    return row


def _named(version: MandateVersion) -> tuple[str, int]:
    return version.name, version.version


def let_go_of(user_id: int, *, is_final: bool, now: datetime) -> int:
    """End what a closed account proposed and nobody holds to yet, and the exemptions of somebody who has left.

    It may not have been them who proposed it, and it must not come to hold by itself. Returns how many; in the transaction that
    closes the account, which records it.
    """
    lock_ledger()
    name = User.objects.values_list("username", flat=True).get(pk=user_id)
    proposed = Q(proposed_by=name) & (Q(effective_at=None) | Q(effective_at__gt=now))
    own = Q(user_id=user_id, until__gt=now) if is_final else Q(pk=None)
    told = {"withdrawn_at": now, "withdrawn_by": f"the suspension of {name}"}
    count = MandateVersion.objects.filter(proposed, withdrawn_at=None).update(**told)
    count += Exemption.objects.filter(proposed | own, withdrawn_at=None).update(**told)
    if count:
        mark_change()
    return count


def withdraw_exemption(exemption_id: int, *, by: Actor) -> Exemption:
    """End an exemption, or a proposal of one, now; raises MandateMissing, ProposalOver."""
    _require(by, "mandate.withdraw", str(exemption_id))
    now = clock.now()
    with transaction.atomic():
        _require(by, "mandate.withdraw", str(exemption_id))
        lock_ledger()
        row = _get_exemption(exemption_id)
        if row.withdrawn_at is not None or row.until <= now:
            raise ProposalOver
        end_exemption(row, by, now)
    return row


def end_exemption(row: Exemption, by: Actor, now: datetime) -> None:
    """Write that an exemption ends, or won't begin; in the transaction of the caller, who holds the ledger."""
    row.withdrawn_at, row.withdrawn_by = now, by.name
    row.save(update_fields=["withdrawn_at", "withdrawn_by"])
    _record_exemption("mandate.withdraw", row, by)
    _follow(row, by, now)


Follower = Callable[[Exemption, Actor, datetime], None]
_followers: list[Follower] = []


def wire_followers(*followers: Follower) -> None:
    """Let these know of each exemption that is approved or withdrawn, in the same transaction; none takes them out."""
    _followers[:] = followers


def _follow(row: Exemption, by: Actor, now: datetime) -> None:
    for follower in _followers:
        follower(row, by, now)


def drop_proposal(row: Exemption, by: Actor, now: datetime) -> None:
    """Withdraw a proposed exemption that doesn't hold yet, as whom it is for asks for it no more; in the caller's transaction."""
    lock_ledger()
    waiting = Exemption.objects.filter(Q(effective_at=None) | Q(effective_at__gt=now), pk=row.pk)
    waiting.filter(withdrawn_at=None).update(withdrawn_at=now, withdrawn_by=by.name)


def seed_exemption(  # noqa: PLR0913 - one keyword for each thing the ledger holds
    user: User, mandate_name: str, *, until: datetime, reason: str, approved_by: str, by: Actor
) -> Exemption:
    """Write an exemption of a history that somebody builds, in effect since the beginning; for the host only.

    Raises RoleRequired, ExemptionInvalid, MandateMissing.
    """
    _require_host(by, "exemption.propose")
    judge_exempted(user)
    if approved_by.lower() == user.username.lower():
        raise ExemptionInvalid("Somebody else approves an exemption.")
    now = clock.now()
    with transaction.atomic():
        lock_ledger()
        row = Exemption(
            user=user,
            version=_live_version(mandate_name, now),
            reason=reason,
            until=until,
            proposed_at=now,
            proposed_by=by.name,
            approved_at=now,
            approved_by=[approved_by],
            effective_at=defaults.BEGINNING,
        )
        _keep_exemption(row, by)
    return row


def _keep_exemption(row: Exemption, by: Actor) -> None:
    row.save(force_insert=True)
    _record_exemption("exemption.propose", row, by)


def _record_exemption(action: str, row: Exemption, by: Actor) -> None:
    details: dict[str, Any] = {
        "mandate": str(row.version),
        "until": clock.format_instant(row.until),
        "reason": row.reason,
        "proposed_by": row.proposed_by,
        "approved_by": ", ".join(row.approved_by),
        "effective_at": clock.format_if_any(row.effective_at),
    }
    thing = Thing("exemption", row.pk, row.user.username)
    audit.record(action, by=by, about=thing, account_id=row.user_id, details=details)


def _get_exemption(exemption_id: int) -> Exemption:
    row = Exemption.objects.select_related("version", "user").filter(pk=exemption_id).first()
    if row is None:
        raise MandateMissing("There is no such exemption.", fix="`keyhouse mandate exemptions` lists them.")
    return row


# ---- notices


def note_shown(user_id: int, mandate_names: Iterable[str], kind: str, *, now: datetime) -> bool:
    """Write down that a notice of these mandates stood in a page that this person was shown; tell whether that is new.

    A mandate that was announced anew since the last time is told anew. Like a token's last use it is not audited.
    """
    names = set(mandate_names)
    known = Notice.objects.filter(user_id=user_id, kind=kind, mandate__in=names)
    told = dict(known.values_list("mandate", "delivered_at"))
    rows = [
        Notice(user_id=user_id, mandate=name, kind=kind, delivered_at=now)
        for name in sorted(names - told.keys())
    ]
    if rows:
        Notice.objects.bulk_create(rows, ignore_conflicts=True)
    is_new = bool(rows)
    for policy in live_policies(now) if told else ():
        announced_at = policy.mandate.announced_at
        if policy.name in told and told[policy.name] < announced_at <= now:
            known.filter(mandate=policy.name, delivered_at__lt=announced_at).update(delivered_at=now)
            is_new = True
    return is_new
