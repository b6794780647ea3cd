"""What organizations ask of these people, as notices take it; they go into the same mail and the same inbox."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from keyhouse.mandate import places
from keyhouse.mandate.asked import acting_there
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.notices import queries
from keyhouse.mandate.notices.rules import There
from keyhouse.mandate.rules import deadline, for_this_act


def asked_of(chunk: Sequence[Facts], now: datetime) -> dict[int, list[There]]:
    """Return for each of these people what organizations ask of them; who has no role in such a one is left out."""
    by_id = {queries.id_of(one): one for one in chunk}
    found = places.places_among(list(by_id))
    return {key: list(_of(by_id[key], mine, now)) for key, mine in found.items()}


def _of(facts: Facts, mine: Sequence[places.There], now: datetime) -> Iterator[There]:
    for place, things in mine:
        for policy in place.asking(now):
            # about each thing there: whoever gained that after it was declared has no days
            cases = [There(for_this_act(policy, about), about) for about in acting_there(facts, things)]
            yield min(cases, key=lambda case: _date_of(case, now))


def _date_of(case: There, now: datetime) -> datetime:
    """Return from when on it is refused to them, if they are told now."""
    policy, facts = case
    told = facts.once_told([policy.notice_name], now)
    return deadline(policy, told, policy.mandate.stages[-1].at, now)
