"""Reading publishers and what was minted for them."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Q, QuerySet

from keyhouse.accounts.models import User
from keyhouse.audit import rows
from keyhouse.credentials.trusted_publishers.models import MintedToken, Publisher, Reached
from keyhouse.projects import sql
from keyhouse.projects.models import Project

MOST_NAMED: Final = 100


def find_minted(token_id: uuid.UUID) -> MintedToken | None:
    """Return a minted token, or None."""
    key = MintedToken._meta.pk.get_db_prep_value(token_id, connection)  # noqa: SLF001 - how Django names its model interface
    return rows.read(MintedToken, _MINTED, key)


_MINTED: Final = f"SELECT {rows.columns(MintedToken)} FROM publishers_mintedtoken WHERE id = %s"


def live_publishers(ids: Sequence[int], now: datetime) -> list[Publisher]:
    """Return those of these publishers that are there, each with its person and `email_is_verified`, in one query.

    Pending ones whose time is over are left out. In plain SQL, as it is asked twice at every upload: of the person, name
    and state are there; the rest is read when somebody asks for it.
    """
    if not ids:
        return []
    statement = _LIVE.format(sql.placeholders(ids))
    return with_reach(_joined(rows.read_all(Publisher, statement, _instant(now), *ids)))


def candidates(issuer_url: str, lookups: Collection[str], now: datetime) -> list[Publisher]:
    """Return the publishers of one issuer that may be meant, each with person and project, in one query.

    Pending ones whose time is over, or whose name belongs to a project by now, are left out. In plain SQL, as above; of
    the project, its names and status are there.
    """
    statement = _CANDIDATES.format(sql.placeholders(list(lookups)))
    return with_reach(_joined(rows.read_all(Publisher, statement, issuer_url, _instant(now), *lookups)))


_JOINED: Final = (
    f"SELECT {rows.columns(Publisher, 'publisher')}, person.username AS person_username, person.state AS person_state,"
    " project.name AS project_name, project.normalized_name AS project_normalized_name, project.status AS project_status,"
    " EXISTS (SELECT 1 FROM accounts_email email WHERE email.user_id = person.id AND email.is_primary"
    " AND email.verified_at IS NOT NULL) AS email_is_verified FROM publishers_publisher publisher"
    " JOIN accounts_user person ON person.id = publisher.configured_by_id"
    " LEFT JOIN projects_project project ON project.id = publisher.project_id"
)
# one of an organization rests while whoever answers for it is no owner there
_OWNED: Final = (
    "(publisher.organization_id IS NULL OR EXISTS (SELECT 1 FROM organizations_membership member"
    " WHERE member.organization_id = publisher.organization_id AND member.user_id = publisher.configured_by_id"
    " AND member.kind = 'owner'))"
)
_LIVE: Final = (
    _JOINED
    + f" WHERE {_OWNED} AND (publisher.expires_at IS NULL OR publisher.expires_at > %s) AND publisher.id IN ({{}})"
    " ORDER BY publisher.id"
)
_CANDIDATES: Final = (
    _JOINED + f" WHERE {_OWNED} AND publisher.issuer_url = %s AND (publisher.project_id IS NOT NULL"
    " OR (publisher.organization_id IS NOT NULL AND publisher.pending_normalized_name = '') OR (publisher.expires_at > %s"
    " AND NOT EXISTS (SELECT 1 FROM projects_project taken"
    " WHERE taken.normalized_name = publisher.pending_normalized_name)))"
    " AND publisher.lookup IN ({}) ORDER BY publisher.id"
)


def _joined(found: list[Publisher]) -> list[Publisher]:
    """Give each publisher its person and project as far as they were read beside it."""
    for one in found:
        told = vars(one)
        alias = one._state.db  # noqa: SLF001 - how Django names its model interface
        one.configured_by = User.from_db(
            alias,
            ("id", "username", "state"),
            (one.configured_by_id, told["person_username"], told["person_state"]),
        )
        if one.project_id is not None:
            names = (told["project_name"], told["project_normalized_name"], told["project_status"])
            one.project = Project.from_db(
                alias, ("id", "name", "normalized_name", "status"), (one.project_id, *names)
            )
    return found


def with_reach(found: list[Publisher]) -> list[Publisher]:
    """Give each publisher of an organization the projects that it speaks for now, in one query where there is any."""
    ids = [one.pk for one in found if one.is_of_organization]
    if not ids:
        return found
    reached: dict[int, dict[int, Reached]] = {key: {} for key in ids}
    for key, number, name, status in sql.select(_REACH.format(sql.placeholders(ids)), *ids):
        reached[key][number] = Reached(name, status)
    for one in found:
        if one.is_of_organization:
            vars(one)["reached"] = reached[one.pk]
    return found


_REACH: Final = (
    "SELECT publisher.id, project.id, project.normalized_name, project.status FROM publishers_publisher publisher"
    " JOIN projects_project project ON project.organization_id = publisher.organization_id"
    " WHERE publisher.id IN ({}) AND (publisher.is_for_all_projects OR EXISTS (SELECT 1 FROM publishers_publisher_projects"
    " chosen WHERE chosen.publisher_id = publisher.id AND chosen.project_id = project.id)) ORDER BY 1, 3"
)


def _instant(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


def beside(publisher: Publisher) -> QuerySet[Publisher]:
    """Return what else the project of a publisher, and its organization, trust of the same issuer, the newest last.

    Beside one of an organization stand those of its projects that were used: what an owner of one project alone typed
    and nothing ever came by stops nothing of the organization's.
    """
    if publisher.project_id is not None:
        together = Q(project_id=publisher.project_id)
        together |= Q(organization__projects=publisher.project_id, pending_normalized_name="")
    else:
        together = Q(organization_id=publisher.organization_id)
        together |= Q(project__organization_id=publisher.organization_id, last_used_at__isnull=False)
    found = Publisher.objects.filter(together, issuer_url=publisher.issuer_url)
    return found.filter(provider=publisher.provider).exclude(pk=publisher.pk).order_by("configured_at", "pk")


def known_elsewhere(issuer_url: str, provider: str, known_id: str) -> list[Publisher]:
    """Return the publishers that stand for a repository or project of this number, whatever it is called."""
    found = Publisher.objects.filter(issuer_url=issuer_url, provider=provider, known_id=known_id)
    return list(found.select_related("project", "organization").order_by("pk"))


def publishers_of(project_id: int) -> QuerySet[Publisher]:
    """Return what a project trusts, with who set it up, the oldest first."""
    return Publisher.objects.filter(project_id=project_id).select_related("configured_by").order_by("pk")


def of_organization(organization_id: int) -> QuerySet[Publisher]:
    """Return what an organization trusts to publish to its projects, with who set it up, the oldest first."""
    found = Publisher.objects.filter(organization_id=organization_id, pending_normalized_name="")
    return found.select_related("configured_by", "organization").order_by("pk")


def pending_of_organization(organization_id: int, now: datetime) -> QuerySet[Publisher]:
    """Return what an organization has for names to come, as far as its time isn't over."""
    found = Publisher.objects.filter(organization_id=organization_id, expires_at__gt=now)
    found = found.exclude(pending_normalized_name="")
    return found.select_related("configured_by", "organization").order_by("pk")


def pending_of(user_id: int, now: datetime) -> QuerySet[Publisher]:
    """Return what somebody set up for names to come, as far as its time isn't over."""
    own = Publisher.objects.filter(project__isnull=True, organization__isnull=True)
    return own.filter(configured_by_id=user_id, expires_at__gt=now).order_by("pk")


def names_of(publisher: Publisher) -> tuple[str, ...]:
    """Return the normalised names of what a publisher speaks for; of an organization with many, of none: of all."""
    if publisher.is_of_organization:
        reached = with_reach([publisher])[0].reach
        return tuple(one.normalized_name for one in reached.values()) if len(reached) <= MOST_NAMED else ()
    project = publisher.project
    return (publisher.pending_normalized_name if project is None else project.normalized_name,)


def all_live(now: datetime) -> QuerySet[Publisher]:
    """Return every publisher of a project or organization, and those that wait for one as far as their time isn't over."""
    standing = Q(project__isnull=False) | Q(organization__isnull=False, pending_normalized_name="")
    return Publisher.objects.filter(standing | Q(expires_at__gt=now))
