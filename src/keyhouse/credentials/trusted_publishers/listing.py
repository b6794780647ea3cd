"""Publishers as people read them: who answers for each and how strongly, whether it rests, what it did last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Q, QuerySet

from keyhouse.accounts import strength
from keyhouse.accounts.models import User
from keyhouse.audit.queries import records
from keyhouse.core.foresight import Credential, Outlook, find_foresight
from keyhouse.credentials.tokens.ledger import PROOFS
from keyhouse.credentials.trusted_publishers import issuers, providers
from keyhouse.credentials.trusted_publishers.models import Issuer, Publisher
from keyhouse.credentials.trusted_publishers.places import find_place, repository_in
from keyhouse.projects import rights
from keyhouse.projects.models import Project
from keyhouse.projects.rules import OWNER

SHOWN: Final = 100
_ABLE: Final = frozenset({User.State.ACTIVE, User.State.HELD, User.State.PASSWORD_DISABLED})
_LOOKED_AT: Final = 50  # records of a project
_SHORT: Final = 12  # digits of a commit that are read
_HAS_RIGHT: Final = rights.of_row("project", "configured_by")


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that was kept of a use; `address` leads to the issuer's own host, or is nothing."""

    label: str
    text: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A publisher and what becomes of it. `rests`: why nothing is taken from it until another owner confirms it."""

    publisher: Publisher
    issuer: str
    label: str
    rests: str
    outlook: Outlook
    is_believed: bool

    @property
    def made_with(self) -> str:
        """Return in words what the session had proven that set it up or confirmed it."""
        methods = self.publisher.configured_methods
        return " and ".join(name for proof, name in PROOFS.items() if proof in methods)

    @property
    def needs_confirmation(self) -> bool:
        """Whether an owner has to stand behind it anew: now, or before a mandate asks for more."""
        return bool(self.rests) or self.outlook.is_weak

    @property
    def is_over(self) -> bool:
        """Whether nothing can be published by it now."""
        return bool(self.rests) or not self.is_believed

    @property
    def was_turned_away(self) -> bool:
        """Whether what came last differed from it."""
        refused, used = self.publisher.refused_at, self.publisher.last_used_at
        return refused is not None and (used is None or refused > used)

    @property
    def last(self) -> tuple[Fact, ...]:
        """Return what is known of its last use: run, branch or tag, commit."""
        return facts_of_use(self.publisher)


def lines_of(publishers: Iterable[Publisher]) -> list[Line]:
    """Return a line for each publisher, in their order; they come with who configured them, and their project."""
    found = list(publishers)
    believed = {one.url: one for one in issuers.all_issuers()}
    with_role, outlooks = _with_role(found), _outlooks(found)
    return [
        Line(
            one,
            _issuer_in_words(one, believed),
            providers.get(one.provider).label(one),
            "" if one.is_pending else _why_it_rests(one, has_role=one.pk in with_role),
            outlooks[one.pk],
            one.issuer_url in believed,
        )
        for one in found
    ]


def issuer_label(issuer: Issuer) -> str:
    """Return what pages call an issuer."""
    host = issuer.url.removeprefix("https://")
    return f"{issuer.label} ({host})" if issuer.label and issuer.label != host else host


def _issuer_in_words(publisher: Publisher, believed: Mapping[str, Issuer]) -> str:
    issuer = believed.get(publisher.issuer_url)
    return issuer_label(issuer) if issuer else publisher.issuer_url.removeprefix("https://")


def _with_role(publishers: Sequence[Publisher]) -> set[int]:
    """Return which of these have somebody with a right in the project behind them, in one query."""
    asked = Publisher.objects.filter(_HAS_RIGHT, pk__in=[one.pk for one in publishers])
    return set(asked.values_list("pk", flat=True))


def _why_it_rests(publisher: Publisher, *, has_role: bool) -> str:
    person = publisher.configured_by
    if not has_role:
        return f"{person.username}, who answers for it, has no role in the project any more."
    if person.state not in _ABLE:
        return (
            f"The account of {person.username}, who answers for it, is {person.get_state_display().lower()}."
        )
    if person.state == User.State.PASSWORD_DISABLED and not strength.has_second_factor(person.pk):
        return f"{person.username}, who answers for it, has to set a new password first."
    return ""


def _outlooks(publishers: Sequence[Publisher]) -> dict[int, Outlook]:
    """Tell what becomes of each by the mandates, as of a token that was made when it was confirmed last."""
    by_person: dict[int, list[Publisher]] = defaultdict(list)
    for one in publishers:
        by_person[one.configured_by_id].append(one)
    foresight, found = find_foresight(), {one.pk: Outlook() for one in publishers}
    for user_id, own in by_person.items():
        if foresight is not None:
            told = foresight.outlooks(user_id, [_credential_of(one) for one in own])
            found |= {one.pk: outlook for one, outlook in zip(own, told, strict=True)}
    return found


def _credential_of(publisher: Publisher) -> Credential:
    project = publisher.project
    if project is None:
        return Credential(
            publisher.strength, ("project.create",), (publisher.pending_normalized_name,), "publisher"
        )
    return Credential(publisher.strength, ("release.upload",), (project.normalized_name,), "publisher")


def facts_of_use(publisher: Publisher) -> tuple[Fact, ...]:
    """Return run, branch or tag, commit and environment of the last use, with addresses on the issuer's own host."""
    claims: Mapping[str, Any] = publisher.last_used_claims
    place = find_place(publisher.provider, publisher.issuer_url)
    name = repository_in(claims)
    run, commit = str(claims.get("run", "")), str(claims.get("sha", ""))
    facts = (
        Fact("Run", run, place.run(name, run) if place else ""),
        Fact("Branch or tag", str(claims.get("ref", ""))),
        Fact("Commit", commit[:_SHORT], place.commit(name, commit) if place else ""),
        Fact("Environment", str(claims.get("environment", ""))),
    )
    return tuple(one for one in facts if one.text)


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """An identity that came for a publisher and differed from it: when, and in which values."""

    at: datetime
    differs: tuple[str, ...]


def find_turned_away(publisher: Publisher) -> TurnedAway | None:
    """Return what was turned away last of what a publisher was meant by, out of the log of its project; or None."""
    project = publisher.project
    if project is None or publisher.refused_at is None:
        return None
    told = records(action="publisher.refuse", about_kind="project", about_name=project.normalized_name)
    for one in told[:_LOOKED_AT]:
        if one.details.get("publisher") == publisher.pk:
            return TurnedAway(one.at, tuple(map(str, one.details.get("differs", ()))))
    return None


# ---- which


def resting_for(user_id: int) -> QuerySet[Publisher]:
    """Return the publishers that rest in projects which somebody owns, and which they could confirm."""
    owned = Project.objects.filter(rights.of_person(user_id, OWNER))
    rests = ~_HAS_RIGHT | ~Q(configured_by__state__in=_ABLE)
    found = Publisher.objects.filter(rests, project__in=owned)
    return found.select_related("configured_by", "project").order_by("project__normalized_name", "pk")


def answered_for(user_id: int) -> QuerySet[Publisher]:
    """Return the publishers of projects that somebody answers for."""
    found = Publisher.objects.filter(configured_by_id=user_id, project__isnull=False)
    return found.select_related("configured_by", "project").order_by("project__normalized_name", "pk")


def waiting_for(user_id: int, now: datetime) -> QuerySet[Publisher]:
    """Return what somebody set up for names to come, as far as its time isn't over."""
    found = Publisher.objects.filter(project__isnull=True, configured_by_id=user_id, expires_at__gt=now)
    return found.select_related("configured_by", "project").order_by("pk")


def projects_without(user_id: int) -> QuerySet[Project]:
    """Return the projects that somebody owns and that trust no publisher so far, those in use first by name."""
    owned = Project.objects.filter(rights.of_person(user_id, OWNER), publishers__isnull=True)
    closed = (Project.Status.ARCHIVED, Project.Status.QUARANTINED)
    return owned.exclude(status__in=closed).order_by("normalized_name")


def owned_among(publishers: Iterable[Publisher], user_id: int) -> set[int]:
    """Return the ids of those projects of these publishers that somebody owns, and may decide about."""
    wanted = {one.project_id for one in publishers if one.project_id is not None}
    owned = Project.objects.filter(rights.of_person(user_id, OWNER), pk__in=wanted)
    return set(owned.values_list("pk", flat=True))
