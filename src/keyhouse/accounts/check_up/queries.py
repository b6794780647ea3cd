"""Reading about check-ups: what is open for somebody, and whom to ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from keyhouse.accounts.check_up import rules
from keyhouse.accounts.check_up.rules import Method
from keyhouse.accounts.models import Authenticator, CheckUp, SecurityKey, User
from keyhouse.core import clock, configuration

APP: Final = "authenticator app"
KEY: Final = "security key or passkey"


def methods_of(user_ids: Iterable[int]) -> dict[int, list[Method]]:
    """Return the second factors of these people, the oldest first."""
    found: dict[int, list[Method]] = defaultdict(list)
    ids, name = list(user_ids), configuration.current().key_name
    for app in Authenticator.objects.filter(user_id__in=ids):
        is_usable = app.disabled_at is None
        found[app.user_id].append(
            Method(f"app:{app.pk}", APP, app.name, app.created_at, app.last_used_at, is_usable)
        )
    for key in SecurityKey.objects.filter(user_id__in=ids):
        is_usable = key.cloned_at is None and key.rp_id == name
        found[key.user_id].append(
            Method(f"key:{key.pk}", KEY, key.name, key.created_at, key.last_used_at, is_usable)
        )
    return {user_id: sorted(some, key=lambda one: (one.added_at, one.key)) for user_id, some in found.items()}


def reported_in(row: CheckUp) -> dict[str, datetime]:
    """Return what was reported, with when."""
    return {key: clock.parse_instant(at) for key, at in row.reported.items()}


@dataclass(frozen=True, slots=True)
class Standing:
    """A person's open check-up, with what they hold."""

    row: CheckUp
    methods: list[Method]
    now: datetime

    @property
    def outstanding(self) -> list[Method]:
        """Return what they can't use and still hold."""
        return rules.outstanding(self.methods, reported_in(self.row))

    @property
    def is_answered(self) -> bool:
        """Tell whether nothing is left to be done; the next round closes it."""
        return bool(rules.outcome(self.methods, self.row.asked_at, reported_in(self.row), self.now))

    @property
    def is_put_off(self) -> bool:
        """Tell whether it waits for a later day."""
        return self.row.later_until is not None and self.now < self.row.later_until

    @property
    def may_put_off(self) -> bool:
        """Tell whether it may be put off now."""
        is_free = not self.is_put_off and not self.row.reported
        return is_free and rules.may_put_off(self.row.later_count, self.row.asked_at, self.now)

    @property
    def is_asked(self) -> bool:
        """Tell whether pages ask now."""
        return not self.is_put_off and not self.is_answered


def find_standing(user_id: int, now: datetime) -> Standing | None:
    """Return somebody's open check-up, or None."""
    row = open_of(user_id).order_by("-pk").first()
    return None if row is None else Standing(row, methods_of([user_id]).get(user_id, []), now)


def open_of(user_id: int) -> QuerySet[CheckUp]:
    """Return somebody's open check-ups."""
    return CheckUp.objects.filter(user_id=user_id, ended_at=None)


def asked_now(now: datetime) -> dict[int, datetime]:
    """Return whose check-up is open and neither put off nor begun to be answered, with when they had enrolled."""
    rows = CheckUp.objects.filter(Q(later_until=None) | Q(later_until__lte=now), ended_at=None, reported={})
    return dict(rows.exclude(_answering()).values_list("user_id", "enrolled_at"))


def _answering() -> Q:
    """Match rows in whose time a factor was added or used."""
    mine = {"user": OuterRef("user")}
    since = Q(created_at__gte=OuterRef("asked_at")) | Q(last_used_at__gte=OuterRef("asked_at"))
    return Q(Exists(Authenticator.objects.filter(since, **mine))) | Q(
        Exists(SecurityKey.objects.filter(since, **mine))
    )


def to_close(now: datetime, most: int) -> list[CheckUp]:
    """Return open check-ups that may be over: their factors were used since, or nobody answered for long."""
    is_old = Q(asked_at__lte=now - rules.OPEN_FOR)
    return list(CheckUp.objects.filter(is_old | _answering(), ended_at=None).order_by("pk")[:most])


def to_ask(now: datetime, most: int) -> list[tuple[int, datetime]]:
    """Return whose oldest factor was added so long ago, and who was not asked since, with when that was."""
    found: dict[int, datetime] = {}
    for model in (Authenticator, SecurityKey):
        for user_id, at in _due_by(model, now)[:most]:
            found[user_id] = min(at, found.get(user_id, at))
    return sorted(found.items())[:most]


def _due_by(model: type[Authenticator | SecurityKey], now: datetime) -> QuerySet[Any, tuple[int, datetime]]:
    mine = {"user": OuterRef("user")}
    older = {**mine, "created_at__lt": OuterRef("created_at")}
    asked = CheckUp.objects.filter(**mine, asked_at__gte=OuterRef("created_at"))
    span = {"created_at__gt": now - rules.AFTER - rules.OPEN_FOR, "created_at__lte": now - rules.AFTER}
    rows = model._default_manager.filter(**span, user__kind="person", user__state=User.State.ACTIVE)  # noqa: SLF001 - documented name
    fresh = rows.exclude(Exists(asked)).exclude(Exists(Authenticator.objects.filter(**older)))
    oldest = fresh.exclude(Exists(SecurityKey.objects.filter(**older)))
    return oldest.order_by("created_at", "pk").values_list("user_id", "created_at")


def counts() -> dict[str, int]:
    """Return how many were ever asked, and what came of it; `broken`: who found that something of theirs no longer works."""
    rows = CheckUp.objects.order_by().values_list("outcome").annotate(Count("pk"))
    found: dict[str, int] = dict(rows)
    asked = sum(found.values()) - found.get(CheckUp.Outcome.USED, 0)
    names = {"": "open", **{one.value: one.value for one in CheckUp.Outcome}}
    return {
        "asked": asked,
        "broken": CheckUp.objects.exclude(reported={}).count(),
        **{name: found.get(key, 0) for key, name in names.items()},
        "put_off": CheckUp.objects.filter(later_count__gt=0).count(),
    }
