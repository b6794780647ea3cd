"""Publishers as people read them: who answers for each and how strongly, whether it rests, what it did last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from keyhouse.accounts import strength
from keyhouse.accounts.models import User
from keyhouse.audit.compiled import Compiled, asked_number
from keyhouse.audit.queries import records
from keyhouse.audit.statements import run_by_one_plan
from keyhouse.core.foresight import Credential, Outlook, find_foresight
from keyhouse.credentials.tokens.homes import Home, find_home
from keyhouse.credentials.tokens.ledger import PROOFS
from keyhouse.credentials.trusted_publishers import issuers, providers, queries
from keyhouse.credentials.trusted_publishers.models import Issuer, Publisher, Reached
from keyhouse.credentials.trusted_publishers.places import find_place, repository_in
from keyhouse.organizations.models import Membership
from keyhouse.projects import rights
from keyhouse.projects.models import Project
from keyhouse.projects.rules import OWNER

FEW: Final = 5  # that the account page names
_BESIDE: Final = ("configured_by", "project", "organization")
_ABLE: Final = frozenset({User.State.ACTIVE, User.State.HELD, User.State.PASSWORD_DISABLED})
_LOOKED_AT: Final = 50  # records of a project
_SHORT: Final = 12  # digits of a commit that are read
_OWNS: Final = Membership.objects.filter(
    user=OuterRef("configured_by"), organization=OuterRef("organization"), kind=OWNER
)
_HAS_RIGHT: Final = rights.of_row("project", "configured_by") | Q(Exists(_OWNS))


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
    home: Home | None = None  # None: it waits for a project of its person's
    reached: tuple[Reached, ...] = ()  # of an organization's: for which of its projects it speaks now

    @property
    def place(self) -> str:
        """Return the address of its own page."""
        begins = f"{self.home.path}publishing/" if self.home else "/account/publishers/"
        return f"{begins}{self.publisher.pk}/"

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
    found = queries.with_reach(list(publishers))
    if not found:
        return []
    believed = {one.url: one for one in issuers.all_issuers()}
    with_role, outlooks = _with_role(found), _outlooks(found)
    return [
        Line(
            one,
            _issuer_in_words(one, believed),
            providers.get(one.provider).label(one),
            _why_it_rests(one, has_role=one.pk in with_role) if find_home(one) else "",
            outlooks[one.pk],
            one.issuer_url in believed,
            find_home(one),
            tuple(one.reach.values()) if one.is_of_organization else (),
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
        of = "does not own the organization" if publisher.organization_id else "has no role in the project"
        return f"{person.username}, who answers for it, {of} any more."
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
            told = foresight.outlooks(user_id, [credential_of(one) for one in own])
            found |= {one.pk: outlook for one, outlook in zip(own, told, strict=True)}
    return found


def credential_of(publisher: Publisher) -> Credential:
    """Return a publisher as the gate foresees it."""
    act = "project.create" if publisher.is_pending else "release.upload"
    return Credential(publisher.strength, (act,), queries.names_of(publisher), "publisher")


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
    home = find_home(publisher)
    if home is None or publisher.refused_at is None:
        return None
    told = records(action="publisher.refuse", about_kind=home.thing.kind, about_name=home.thing.name)
    for one in told[:_LOOKED_AT]:
        if one.details.get("publisher") == publisher.pk:
            return TurnedAway(one.at, tuple(map(str, one.details.get("differs", ()))))
    return None


# ---- which


def resting_for(user_id: int) -> QuerySet[Publisher]:
    """Return the publishers that rest in projects which somebody owns, and which they could confirm."""
    owned = Project.objects.filter(rights.of_person(user_id, OWNER))
    rests = ~_HAS_RIGHT | ~Q(configured_by__state__in=_ABLE)
    theirs = Membership.objects.filter(user_id=user_id, kind=OWNER).values("organization_id")
    in_projects = Publisher.objects.filter(project__in=owned).values("pk")
    in_organizations = Publisher.objects.filter(organization_id__in=theirs).values("pk")
    # one list of numbers: where "or" joins both, PostgreSQL looks at every publisher
    found = Publisher.objects.filter(rests, pk__in=in_projects.union(in_organizations, all=True))
    return found.select_related(*_BESIDE).order_by("project__normalized_name", "pk")


def answered_for(user_id: int) -> QuerySet[Publisher]:
    """Return the publishers of projects and organizations that somebody answers for."""
    theirs = Q(project__isnull=False) | Q(organization__isnull=False)
    found = Publisher.objects.filter(theirs, configured_by_id=user_id)
    return found.select_related(*_BESIDE).order_by("project__normalized_name", "pk")


def waiting_for(user_id: int, now: datetime) -> QuerySet[Publisher]:
    """Return what somebody set up for names to come, as far as its time isn't over."""
    return queries.pending_of(user_id, now).select_related(*_BESIDE)


def projects_without(user_id: int) -> QuerySet[Project]:
    """Return the projects that somebody owns and that trust no publisher so far, those in use first by name."""
    owned = Project.objects.filter(rights.of_person(user_id, OWNER), publishers__isnull=True)
    closed = (Project.Status.ARCHIVED, Project.Status.QUARANTINED)
    return owned.exclude(status__in=closed).order_by("normalized_name")


def few_projects_without(user_id: int) -> list[Project]:
    """Return the first of them, as the account page names them."""
    return _FEW_WITHOUT.rows(user_id)


_FEW_WITHOUT: Final = Compiled(lambda: projects_without(asked_number(0))[:FEW], run=run_by_one_plan)


def owned_among(lines: Iterable[Line], user_id: int) -> set[str]:
    """Return where the pages begin of those projects and organizations of these publishers that somebody owns."""
    homes = {line.home for line in lines if line.home is not None}
    wanted = {one.key for one in homes if not one.is_organization}
    projects = Project.objects.filter(rights.of_person(user_id, OWNER), pk__in=wanted)
    organizations = Membership.objects.filter(user_id=user_id, kind=OWNER)
    owned = {
        False: set(projects.values_list("pk", flat=True)),
        True: set(organizations.values_list("organization_id", flat=True)),
    }
    return {one.path for one in homes if one.key in owned[one.is_organization]}
