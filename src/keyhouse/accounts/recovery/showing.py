"""A recovery case as whoever runs the index sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from keyhouse.accounts.models import RecoveryCase, RecoveryWord, User
from keyhouse.accounts.recovery import queries, words
from keyhouse.accounts.recovery.letters import BASIS_WORDS
from keyhouse.accounts.recovery.queries import Operators
from keyhouse.accounts.recovery.rules import Stage, Support
from keyhouse.core import standing
from keyhouse.core.actor import Actor


@dataclass(frozen=True, slots=True)
class ShownCase:
    """A case as operators see it: what speaks for it, who may act, and what who looks can do."""

    case: RecoveryCase
    support: Support
    stage: Stage
    words: list[RecoveryWord]
    age: timedelta
    vouchers: list[str]
    operators: list[str]
    is_mine: bool
    may_approve: bool
    may_withdraw: bool
    may_hand_over: bool

    @property
    def rests_on(self) -> str:
        """Say what a complete case rests on."""
        return BASIS_WORDS.get(self.case.basis, "")


def shown_case(case: RecoveryCase, by: Actor, now: datetime) -> ShownCase:
    """Return how a case stands, and what who looks can do in it; the host can approve none."""
    return shown_cases([case], by, now)[0]


def shown_cases(cases: Iterable[RecoveryCase], by: Actor, now: datetime) -> list[ShownCase]:
    """Return the same for several: each asks anew what hangs on its person, so for those of one page."""
    operators = queries.operators_now(now)
    return [_shown(case, operators, by, now) for case in cases]


def _shown(case: RecoveryCase, operators: Operators, by: Actor, now: datetime) -> ShownCase:
    said, stands = queries.words_of(case), standing.of(case.user_id)
    support = queries.support_by(case, said, stands, operators)
    stage = queries.stage_of(case, support, now)
    is_mine, spoke = case.user_id == by.user_id, {word.by_id: word.kind for word in said}
    is_open = stage != "over"
    counting = queries.counting_co_owners(case, stands)
    waiting = User.objects.filter(pk__in=counting.difference(spoke)).order_by("username")
    return ShownCase(
        case=case,
        support=support,
        stage=stage,
        words=said,
        age=(case.closed_at or now) - case.opened_at,
        vouchers=list(waiting.values_list("username", flat=True)),
        operators=[one.username for one in operators.able if one.pk not in {*spoke, case.user_id}],
        is_mine=is_mine,
        may_approve=is_open and by.user_id is not None and not is_mine and by.user_id not in spoke,
        may_withdraw=is_open and spoke.get(by.user_id or 0) == RecoveryWord.Kind.APPROVAL,
        may_hand_over=stage == "ready"
        and not is_mine
        and "operator" in case.basis
        and words.is_handed_over(case),
    )
