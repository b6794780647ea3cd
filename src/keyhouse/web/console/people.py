"""Reading people for the console: a list that is cut by name, and everything about one person but secrets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Lower

from keyhouse.accounts import holds, queries
from keyhouse.accounts.models import (
    Authenticator,
    Email,
    Hold,
    RecoveryCase,
    RecoveryCode,
    SecurityKey,
    Session,
    Suspension,
    User,
)
from keyhouse.accounts.oversight import addresses
from keyhouse.accounts.recovery.queries import find_open
from keyhouse.accounts.sessions import sessions_of
from keyhouse.core import standing
from keyhouse.core.actor import Actor, named_offices
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.queries import tokens_of
from keyhouse.mandate import queries as mandates
from keyhouse.mandate.subjects import SubjectState, subject_state
from keyhouse.projects.models import Role
from keyhouse.projects.queries import roles_of_person

PAGE: Final = 50
ROLES_SHOWN: Final = 100
FACTORS: Final = ("security key", "passkey", "app", "code")
# how somebody stands towards a mandate that covers them, in words, and how loud that is
STANDING: Final[Mapping[SubjectState, tuple[str, str]]] = {
    "covered_unnotified": ("covered, not told yet", "warn"),
    "notified": ("told", ""),
    "compliant": ("complies", "ok"),
    "grace": ("has days of their own", "warn"),
    "snoozed": ("put it off", "warn"),
    "exempt": ("exempt", ""),
    "gated": ("is refused something", "danger"),
    "recovering": ("on hold", "warn"),
    "dormant": ("not seen for a year", ""),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One person in the list; `factors` says of each kind how many, where there are any."""

    user: User
    state: str
    offices: tuple[str, ...]
    factors: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of people by name, and the name after which the next one begins; empty at the end."""

    rows: list[Row]
    after: str


def may_see_addresses(by: Actor) -> bool:
    """Tell whether e-mail addresses are shown: what moderators act on are projects and files, so they need none."""
    return by.is_operator or by.is_auditor


def list_people(asked: Mapping[str, Any], after: str, now: datetime, *, by_address: bool = True) -> Listed:
    """Return the people who fit, in the order of names: as many as a page holds, whatever the size of the index."""
    found = _narrowed(asked, now, by_address=by_address).annotate(folded=Lower("username"))
    if after and "\x00" not in after:
        found = found.filter(folded__gt=after.lower())
    people = list(found.order_by("folded")[: PAGE + 1])
    shown = people[:PAGE]
    return Listed(rows_of(shown, now), shown[-1].username.lower() if len(people) > PAGE else "")


def _narrowed(asked: Mapping[str, Any], now: datetime, *, by_address: bool) -> QuerySet[User]:
    people = User.objects.all()
    if text := asked.get("q"):
        mine = Email.objects.filter(user=OuterRef("pk"), address__icontains=text)
        is_address = by_address and "@" in text
        people = people.filter(Exists(mine) if is_address else Q(username__icontains=text))
    if office := asked.get("office"):
        people = people.filter(**{f"is_{office}": True})
    if state := asked.get("state"):
        people = people.filter(_in_state(state, now))
    else:
        people = people.exclude(state=User.State.DELETED)
    return _with_factor(people, asked.get("factor") or "")


def _in_state(state: str, now: datetime) -> Q:
    """Say what makes a state in the sense of `holds.effective_state`."""
    is_held = Q(held_until__gt=now)
    can_be_held = Q(state__in=(User.State.ACTIVE, User.State.PASSWORD_DISABLED))
    if state == User.State.HELD:
        return Q(state=User.State.HELD) | (can_be_held & is_held)
    return Q(state=state) & ~(can_be_held & is_held)


def _with_factor(people: QuerySet[User], factor: str) -> QuerySet[User]:
    has_key = Exists(SecurityKey.objects.filter(user=OuterRef("pk"), cloned_at=None))
    has_app = Exists(Authenticator.objects.filter(user=OuterRef("pk"), disabled_at=None))
    asked = {"key": has_key, "app": has_app, "none": ~has_key & ~has_app}.get(factor)
    return people if asked is None else people.filter(asked)


def rows_of(people: Sequence[User], now: datetime) -> list[Row]:
    """Return people as the list shows them, with three questions for all of them."""
    held = factors_of([user.pk for user in people])
    return [
        Row(
            user,
            holds.effective_state(user, now),
            offices_of(user),
            tuple((kind, held[user.pk, kind]) for kind in FACTORS if held[user.pk, kind]),
        )
        for user in people
    ]


def offices_of(user: User) -> tuple[str, ...]:
    """Return the names of the offices that a person holds."""
    return named_offices((user.is_operator, user.is_moderator, user.is_auditor))


def factors_of(user_ids: Sequence[int]) -> Counter[tuple[int, str]]:
    """Count what works, by person and kind."""
    keys = SecurityKey.objects.filter(user_id__in=user_ids, cloned_at=None)
    apps = Authenticator.objects.filter(user_id__in=user_ids, disabled_at=None)
    codes = RecoveryCode.objects.filter(code_set__user_id__in=user_ids, used_at=None)
    found: Counter[tuple[int, str]] = Counter()
    for user_id, is_synced in keys.values_list("user_id", "backup_eligible"):
        found[user_id, "passkey" if is_synced else "security key"] += 1
    found.update((user_id, "app") for user_id in apps.values_list("user_id", flat=True))
    found.update((user_id, "code") for user_id in codes.values_list("code_set__user_id", flat=True))
    return found


@dataclass(frozen=True, slots=True)
class Seen:
    """One person as the console shows them."""

    row: Row
    emails: list[Email]
    apps: list[Authenticator]
    keys: list[SecurityKey]
    codes_left: int
    sessions: list[Session]
    tokens: list[Token]
    roles: list[Role]
    sole_owned: tuple[str, ...]
    sole_organizations: tuple[str, ...]
    holds: list[Hold]
    case: RecoveryCase | None
    suspensions: list[Suspension]
    unreached: list[Email]  # addresses that operators may answer for

    @property
    def suspension(self) -> Suspension | None:
        """Return the suspension that holds now, or None."""
        return next((one for one in self.suspensions if one.ended_at is None), None)


def see_person(user: User, now: datetime) -> Seen:
    """Return what there is to know about a person."""
    row, stands = rows_of([user], now)[0], standing.of(user.pk)
    return Seen(
        row=row,
        emails=queries.emails_of(user),
        apps=queries.authenticators_of(user),
        keys=queries.keys_of(user),
        codes_left=dict(row.factors).get("code", 0),
        sessions=sessions_of(user, now),
        tokens=tokens_of(user.pk, now),
        roles=list(roles_of_person(user.pk)[:ROLES_SHOWN]),
        sole_owned=stands.sole_owned,
        sole_organizations=stands.sole_organizations,
        holds=list(holds.live_holds(user.pk, now).order_by("-until", "pk")),
        case=find_open(user.pk, now),
        suspensions=list(Suspension.objects.filter(user=user).order_by("-pk")[:PAGE]),
        unreached=addresses.unreached(user, now),
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """How somebody stands towards one live mandate that covers them (M3)."""

    mandate: str
    words: str
    kind: str  # of the badge


def standings_of(user: User, now: datetime) -> list[Standing]:
    """Return how a person stands towards each mandate of the index that covers them, by name."""
    facts = mandates.facts_of_person(user.pk, told=())
    states = {
        policy.name: subject_state(facts, policy, now, last_seen_at=user.last_seen_at)
        for policy in mandates.live_policies(now)
    }
    return [Standing(name, *STANDING[state]) for name, state in states.items() if state != "out_of_scope"]
