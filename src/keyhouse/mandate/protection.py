"""Which projects are protected: everybody with authority over them holds what the mandates in force ask for there.

Worked out once a day. Only the positive is kept, and only where a mandate in force covers somebody there, so that nobody
reads a list of targets off it; whoever shows it asks for the day before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from django.db import IntegrityError, transaction

from keyhouse.mandate import people, queries
from keyhouse.mandate.documents import IN_FORCE
from keyhouse.mandate.facts import Authority, Facts
from keyhouse.mandate.models import CriterionRun, ProtectedProject
from keyhouse.mandate.rules import Policy, covers, covers_through, is_compliant
from keyhouse.projects.models import Project

RUN: Final = "protected-projects"  # under which the last run is noted, beside those of criteria
_AT_ONCE: Final = 500
_DAY: Final = timedelta(days=1)


def protected_on(normalized_name: str, day: date) -> bool:
    """Tell whether a project that is there now was protected on that day; not another one of its name."""
    row = ProtectedProject.objects.filter(
        normalized_name=normalized_name, first_on__lte=day, last_on__gte=day
    )
    begun = Project.objects.filter(normalized_name=normalized_name, created_at__date__lt=day)
    return row.exists() and begun.exists()


def renew_protection(now: datetime) -> int:
    """Work out today's protected projects where that wasn't done today; returns whether it was, as 0 or 1."""
    last_at = CriterionRun.objects.filter(criterion=RUN).values_list("run_at", flat=True).first()
    if last_at is not None and now.date() <= last_at.date():
        return 0
    names = protected_projects(people.all_facts(), in_force(queries.live_policies(now), now))
    try:
        with transaction.atomic():
            if not _claim(last_at, now):
                return 0
            _store(names, now.date())
    except IntegrityError:  # the first run ever, by two at once
        return 0
    return 1


def in_force(policies: Iterable[Policy], now: datetime) -> list[Policy]:
    """Return the mandates that are enforced for everybody whom they cover, not only announced or for a part."""
    return [one for one in policies if _last_state(one, now) in IN_FORCE]


def _last_state(policy: Policy, now: datetime) -> str:
    general = [stage.state for stage in policy.mandate.stages if stage.at <= now and stage.who is None]
    return general[-1] if general else ""


def protected_projects(everybody: Iterable[Facts], policies: Sequence[Policy]) -> set[str]:
    """Return the names that a mandate covers and whose people all hold what is asked.

    That is what every mandate asks that covers the project through any of them, also of those whom it doesn't cover: one
    owner without a second factor is a way in, whoever else has one. And what each is asked for other reasons.
    """
    asked: dict[str, set[int]] = defaultdict(set)
    lacked: dict[str, set[int]] = defaultdict(set)
    unmet: set[str] = set()
    for facts in everybody:
        entries = _entries_by_project(facts)
        lacking = {at for at, one in enumerate(policies) if not is_compliant(one.mandate, facts.person)}
        if any(covers(policies[at], facts) for at in lacking):
            unmet |= entries.keys()
        for name, own in entries.items():
            lacked[name] |= lacking
            asked[name] |= {
                at for at, one in enumerate(policies) if covers_through(one, facts.person, tuple(own))
            }
    return {name for name, ats in asked.items() if ats and ats.isdisjoint(lacked[name])} - unmet


def _entries_by_project(facts: Facts) -> dict[str, list[Authority]]:
    found: dict[str, list[Authority]] = defaultdict(list)
    for one in facts.authority:
        if one.kind == "project":
            found[one.name].append(one)
    return found


def _claim(last_at: datetime | None, now: datetime) -> bool:
    if last_at is None:
        CriterionRun.objects.create(criterion=RUN, run_at=now)
        return True
    return bool(CriterionRun.objects.filter(criterion=RUN, run_at=last_at).update(run_at=now))


def _store(names: set[str], today: date) -> None:
    """Lengthen the spans that reach to yesterday, and begin new ones."""
    yesterday = today - _DAY
    for part in _parts(sorted(names)):
        rows = ProtectedProject.objects.filter(normalized_name__in=part)
        known = set(rows.values_list("normalized_name", flat=True))
        rows.filter(last_on__lt=yesterday).update(first_on=today)
        rows.update(last_on=today)
        ProtectedProject.objects.bulk_create(
            ProtectedProject(normalized_name=name, first_on=today, last_on=today)
            for name in part
            if name not in known
        )


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _AT_ONCE):
        yield names[start : start + _AT_ONCE]
