"""Setting publishers up, confirming, narrowing and ending them, and letting a project take files from them only.

Whoever sets one up, or confirms it, lends it their right: it is never stronger than they are now. Owners are locked
before the project, as with every change of a project's people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from keyhouse.accounts.models import User
from keyhouse.accounts.recovery.telling import tell_others, tell_person
from keyhouse.audit import services as audit
from keyhouse.core import actions, clock, creators, naming
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, Strength, job
from keyhouse.core.errors import EmailUnverified, SecondFactorRequired, SignInRequired
from keyhouse.core.foresight import find_foresight
from keyhouse.credentials.tokens import homes
from keyhouse.credentials.tokens.homes import Home
from keyhouse.credentials.tokens.services import MOVED
from keyhouse.credentials.trusted_publishers import issuers, letters, providers, queries
from keyhouse.credentials.trusted_publishers.errors import IssuerMissing
from keyhouse.credentials.trusted_publishers.models import Issuer, Provider, Publisher
from keyhouse.credentials.trusted_publishers.providers.rules import Configured
from keyhouse.credentials.trusted_publishers.publisher_errors import (
    EnvironmentUnseen,
    PublisherExists,
    PublisherInvalid,
    PublisherMissing,
    PublishersTooMany,
)
from keyhouse.distfiles.names import judge_new_name, normalise
from keyhouse.mail.letters import Letter
from keyhouse.organizations.changing import organization_to_change
from keyhouse.organizations.models import Organization
from keyhouse.projects import queries as projects
from keyhouse.projects.changing import thing_of as thing_of_project
from keyhouse.projects.collaborators import locking
from keyhouse.projects.errors import NameRefused
from keyhouse.projects.models import Project

RECOVERED = "set up shortly before the account was recovered"
ADD: Final = "publisher.add"
REMOVE: Final = "publisher.remove"
CONFIRM: Final = "publisher.confirm"
CONSTRAIN: Final = "publisher.constrain"
ADD_PENDING: Final = "publisher.add-pending"
REMOVE_PENDING: Final = "publisher.remove-pending"
REQUIRE: Final = "project.require-publishers"
ALLOW: Final = "project.allow-tokens"
MOST_OF_PROJECT: Final = 50
MOST_PENDING: Final = 3  # of one person
PENDING_FOR: Final = timedelta(days=30)
REMINDED_AFTER: Final = timedelta(days=25)
_LONGEST_MANDATES: Final = 100


@dataclass(frozen=True, slots=True)
class Told:
    """What only the host may say: who set a publisher up, by which strength, and when."""

    user: User
    strength: Strength
    at: datetime


def add_publisher(  # noqa: PLR0913 - what a publisher is
    project_name: str,
    provider: str,
    issuer_url: str,
    fields: Mapping[str, Any],
    *,
    by: Actor,
    told: Told | None = None,
) -> Publisher:
    """Let the project of that normalised name trust an identity; all its owners are told.

    Raises PublisherInvalid naming the field, PublisherExists, PublishersTooMany, IssuerMissing, ProjectNotFound,
    ProjectQuarantined, RoleRequired and what the gate raises.
    """
    actions.require_authority(by, ADD, Thing("project", None, project_name))
    now = clock.now()
    draft = draft_of(provider, issuer_url, fields, by, told, now)
    with transaction.atomic():
        project = locking.lock_project(project_name, ADD, by, draft.configured_by_id)
        draft.project = project
        if project.publishers.filter(identity=draft.identity).exists():
            raise PublisherExists
        if project.publishers.count() >= MOST_OF_PROJECT:
            raise PublishersTooMany(f"A project may have {MOST_OF_PROJECT} trusted publishers.")
        draft.save(force_insert=True)
        note(ADD, draft, by)
        if told is None:
            tell_owners(draft, letters.added(draft, homes.of_project(project), by.name), now)
    return draft


def add_pending_publisher(  # noqa: PLR0913 - what a publisher is
    name: str,
    provider: str,
    issuer_url: str,
    fields: Mapping[str, Any],
    *,
    by: Actor,
    told: Told | None = None,
) -> Publisher:
    """Let an identity make a project of that name by its first upload; the name is not reserved.

    Raises PublisherInvalid naming the field, NameRefused, PublisherExists, PublishersTooMany, IssuerMissing,
    EmailUnverified, SecondFactorRequired, CreatorNotApproved and what the gate raises.
    """
    now = clock.now()
    actions.require_authority(by, ADD_PENDING, _thing_of_account(by, told))
    if told is None:
        require_strong(by)
    draft = draft_of(provider, issuer_url, fields, by, told, now)
    let_wait(draft, name)
    with transaction.atomic():
        locking.lock_people([draft.configured_by_id])
        actions.require(by, ADD_PENDING, _thing_of_account(by, told))
        judge_name(draft.pending_name, [draft.configured_by_id], by)
        _require_room(draft, now)
        draft.save(force_insert=True)
        note(ADD_PENDING, draft, by)
        if told is None:
            tell_person(draft.configured_by, letters.pending_added(draft), now)
    return draft


def remove_publisher(publisher_id: int, *, by: Actor) -> None:
    """Trust a publisher no more, of a project, an organization, or of one's own for a name to come; twice changes nothing.

    Never gated, and open in quarantine, too: it takes something away from a thief. Raises RoleRequired for one that is
    somebody else's.
    """
    found = _find(publisher_id)
    if found is None:
        return
    if found.organization is not None:
        _remove_of_organization(found, found.organization, by)
        return
    if found.is_pending:
        _remove_pending(found, by)
        return
    name = found.project.normalized_name if found.project else ""
    with transaction.atomic():
        locking.lock_people(locking.people_to_lock(name, by.user_id))
        project = projects.lock_project(name)
        actions.require(by, REMOVE, thing_of_project(project) if project else Thing("project", None, name))
        publisher = project.publishers.filter(pk=publisher_id).first() if project else None
        if publisher is None or project is None:
            return
        _end(publisher, REMOVE, by)


def _remove_of_organization(found: Publisher, organization: Organization, by: Actor) -> None:
    action = REMOVE_PENDING if found.is_pending else REMOVE
    with transaction.atomic():
        organization = organization_to_change(organization.name, action, by)
        publisher = _every(organization).filter(pk=found.pk).first()
        if publisher is not None:
            _end(publisher, action, by)


def _end(publisher: Publisher, action: str, by: Actor) -> None:
    home = homes.find_home(publisher)
    note(action, publisher, by)
    if home is not None:
        tell_owners(publisher, letters.removed(publisher, home, by.name), clock.now())
    Publisher.objects.filter(pk=publisher.pk).delete()


def _remove_pending(publisher: Publisher, by: Actor) -> None:
    owner = Thing("account", publisher.configured_by_id, publisher.configured_by.username)
    with transaction.atomic():
        locking.lock_people([publisher.configured_by_id])
        actions.require(by, REMOVE_PENDING, owner)
        if Publisher.objects.filter(pk=publisher.pk, project__isnull=True).delete()[0]:
            note(REMOVE_PENDING, publisher, by)


def confirm_publisher(publisher_id: int, *, by: Actor) -> Publisher:
    """Answer for a publisher from now on: it acts with the right and the strength of whoever confirms it.

    Raises PublisherMissing, ProjectQuarantined, RoleRequired and what the gate raises.
    """
    now = clock.now()
    with transaction.atomic():
        publisher, home = _lock(publisher_id, CONFIRM, by)
        before = publisher.configured_by.username
        if by.user_id is None:
            raise SignInRequired
        if publisher.is_pending:
            require_strong(by)
        publisher.configured_by = User.objects.get(pk=by.user_id)
        _configure(publisher, by.strength, "" if by.kind == "host" else by.credential, now)
        publisher.save()
        note(CONFIRM, publisher, by, before=before)
        tell_owners(publisher, letters.confirmed(publisher, home, by.name), now)
    return publisher


def constrain_publisher(publisher_id: int, *, by: Actor) -> Publisher:
    """Bind a publisher to the environment that its last use came from. Who answers for it stays.

    Raises EnvironmentUnseen, PublisherExists where one for that environment is there, and else as `confirm_publisher`.
    """
    now = clock.now()
    with transaction.atomic():
        publisher, home = _lock(publisher_id, CONSTRAIN, by)
        if publisher.environment or not publisher.seen_environment:
            raise EnvironmentUnseen
        rules = providers.get(publisher.provider)
        configured = rules.configured(publisher.claims, publisher.seen_environment)
        identity = identity_of(publisher.issuer_url, configured)
        if _alike(publisher).filter(identity=identity).exists():
            raise PublisherExists
        publisher.environment, publisher.identity = configured.environment, identity
        publisher.seen_environment = ""
        publisher.save(update_fields=["environment", "identity", "seen_environment"])
        note(CONSTRAIN, publisher, by)
        tell_owners(publisher, letters.constrained(publisher, home, by.name), now)
    return publisher


def require_publishers(project_name: str, *, by: Actor) -> bool:
    """Let a project take files from trusted publishers only; returns whether that is new. Raises as `add_publisher`."""
    return _switch(project_name, REQUIRE, by, only_publishers=True)


def allow_tokens(project_name: str, *, by: Actor) -> bool:
    """Let a project take files by API tokens, too; returns whether that is new. Raises as `add_publisher`."""
    return _switch(project_name, ALLOW, by, only_publishers=False)


def _switch(name: str, action: str, by: Actor, *, only_publishers: bool) -> bool:
    with transaction.atomic():
        project = locking.lock_project(name, action, by)
        if project.only_publishers == only_publishers:
            return False
        project.only_publishers = only_publishers
        project.save(update_fields=["only_publishers"])
        audit.record(action, by=by, about=thing_of_project(project))
    return True


def end_pending(publisher: Publisher, reason: str, letter: Letter, now: datetime) -> None:
    """End a publisher that waits for a project, with a notice to whose it is; in the caller's transaction."""
    if Publisher.objects.filter(pk=publisher.pk, project__isnull=True).delete()[0]:
        note(REMOVE_PENDING, publisher, job("publishers"), reason=reason)
        tell_owners(publisher, letter, now)


def tell_owners(publisher: Publisher, letter: Letter, now: datetime) -> None:
    """Tell all owners of what a publisher belongs to, or whoever set it up for a project of their own to come."""
    home = homes.find_home(publisher)
    if home is None:
        tell_person(publisher.configured_by, letter, now)
    else:
        tell_others(home.owner_ids(), letter, now)


# ---- what a publisher is made of


def identity_of(issuer_url: str, configured: Configured) -> str:
    """Return what tells publishers apart: SHA-256 of issuer, claims that identify, environment."""
    return hashlib.sha256(f"{issuer_url}\n{configured.identity}".encode()).hexdigest()


def draft_of(  # noqa: PLR0913, PLR0917 - what a publisher is
    provider: str, issuer_url: str, fields: Mapping[str, Any], by: Actor, told: Told | None, now: datetime
) -> Publisher:
    """Return a publisher of these terms, not stored; raises PublisherInvalid, IssuerMissing and SignInRequired."""
    rules = providers.get(provider)
    issuer = _issuer(issuer_url or rules.issuer, provider, is_host=by.kind == "host")
    configured = rules.read(fields)
    if missing := [name for name in issuer.required_claims if not _fixes(configured, name)]:
        raise PublisherInvalid("claims", f"This issuer wants {', '.join(missing)} fixed, too.")
    draft = Publisher(
        issuer_url=issuer.url,
        provider=provider,
        claims=configured.claims,
        environment=configured.environment,
        lookup=configured.lookup,
        identity=identity_of(issuer.url, configured),
    )
    if told is not None and by.kind == "host":
        draft.configured_by, draft.added_at = told.user, told.at
        _configure(draft, told.strength, "", told.at)
        return draft
    if by.user_id is None:
        raise SignInRequired
    draft.configured_by, draft.added_at = User.objects.get(pk=by.user_id), now
    _configure(draft, by.strength, by.credential, now)
    return draft


def _issuer(url: str, provider: str, *, is_host: bool) -> Issuer:
    """Return an issuer of that kind; the host may write claims down by hand for one of any kind."""
    issuer = issuers.find_issuer(url) if url else None
    if issuer is None:
        raise IssuerMissing
    if issuer.provider != provider and not (is_host and provider == Provider.CUSTOM):
        raise PublisherInvalid("issuer", f"{issuer.url} is an issuer of the kind {issuer.provider}.")
    return issuer


def _fixes(configured: Configured, name: str) -> bool:
    return bool(configured.environment if name == "environment" else configured.claims.get(name))


def _configure(publisher: Publisher, strength: Strength, session: str, at: datetime) -> None:
    publisher.configured_at = at
    publisher.configured_methods = sorted(strength.methods)
    publisher.configured_user_verified = strength.user_verified
    publisher.configured_device_bound = strength.device_bound
    publisher.configured_session = session[:64]
    foresight = find_foresight()
    publisher.configured_mandate = " ".join(foresight.live_mandates(at) if foresight else [])[
        :_LONGEST_MANDATES
    ]


def let_wait(draft: Publisher, name: str) -> None:
    """Let a publisher, not stored, wait for the project of that name."""
    draft.pending_name, draft.pending_normalized_name = name.strip(), normalise(name.strip())
    draft.expires_at = draft.configured_at + PENDING_FOR


def require_strong(by: Actor) -> None:
    """Ask for what a project to come asks of its owner, whatever mandates say: nobody else looks at it before."""
    if by.kind == "host":
        return
    if not by.email_is_verified:
        raise EmailUnverified
    if not by.strength.has_second_factor:
        raise SecondFactorRequired


def judge_name(name: str, owner_ids: Collection[int], by: Actor) -> None:
    """Raise where these people could make no project of that name now: NameRefused, CreatorNotApproved."""
    creators.require(by)
    finding = judge_new_name(name, projects.is_folded_name_taken)
    if finding is not None:
        raise NameRefused(finding.sentence)
    if objection := naming.find_objection(name, owner_ids):
        raise NameRefused(objection)


def _require_room(draft: Publisher, now: datetime) -> None:
    mine = queries.pending_of(draft.configured_by_id, now)
    if mine.filter(pending_normalized_name=draft.pending_normalized_name, identity=draft.identity).exists():
        raise PublisherExists("You have this publisher for this name already.")
    if mine.count() >= MOST_PENDING:
        raise PublishersTooMany(f"{MOST_PENDING} publishers of yours wait for a project already.")
    # what is too old makes room for the same once more, before the round that ends it
    mine = Publisher.objects.filter(project__isnull=True, organization__isnull=True)
    stale = mine.filter(configured_by_id=draft.configured_by_id, expires_at__lte=now)
    stale.filter(pending_normalized_name=draft.pending_normalized_name, identity=draft.identity).delete()


def _thing_of_account(by: Actor, told: Told | None) -> Thing:
    user_id = told.user.pk if told is not None else by.user_id
    return Thing("account", user_id, told.user.username if told is not None else by.name)


def _find(publisher_id: int) -> Publisher | None:
    beside = ("project", "organization", "configured_by")
    return Publisher.objects.filter(pk=publisher_id).select_related(*beside).first()


def _every(organization: Organization) -> QuerySet[Publisher]:
    return Publisher.objects.filter(organization=organization).select_related("organization", "configured_by")


def _alike(publisher: Publisher) -> QuerySet[Publisher]:
    """Return the publishers among which an identity stands once."""
    if publisher.organization_id is None:
        return Publisher.objects.filter(project=publisher.project)
    name = publisher.pending_normalized_name
    return Publisher.objects.filter(organization_id=publisher.organization_id, pending_normalized_name=name)


def _lock(publisher_id: int, action: str, by: Actor) -> tuple[Publisher, Home]:
    """Lock what a publisher belongs to, and return both; whoever has no role learns nothing of either."""
    found = _find(publisher_id)
    if found is not None and found.organization is not None:
        organization = organization_to_change(found.organization.name, action, by, found.configured_by_id)
        publisher = _every(organization).filter(pk=publisher_id).first()
        if publisher is None:
            raise PublisherMissing
        return publisher, homes.of_organization(organization)
    name = found.project.normalized_name if found is not None and found.project is not None else ""
    project = locking.lock_project(name, action, by, found.configured_by_id if found else None)
    publisher = project.publishers.select_related("configured_by").filter(pk=publisher_id).first()
    if publisher is None:
        raise PublisherMissing
    return publisher, homes.of_project(project)


def note(action: str, publisher: Publisher, by: Actor, **details: str | bool | list[str]) -> None:
    """Write the record of an act on a publisher, about what it belongs to, in the caller's transaction."""
    home = homes.find_home(publisher)
    told: dict[str, audit.Detail] = {
        "publisher": publisher.pk,
        "provider": publisher.provider,
        "issuer": publisher.issuer_url,
        "trusts": providers.get(publisher.provider).label(publisher),
        **details,
    }
    if publisher.is_pending:
        told["name"] = publisher.pending_name
    about = thing_of(publisher) if home is None else home.thing
    audit.record(action, by=by, about=about, account_id=publisher.configured_by_id, details=told)


def thing_of(publisher: Publisher) -> Thing:
    """Return the publisher as the audit log names it."""
    return Thing("publisher", publisher.pk, str(publisher))


def end_late_publishers_of(user_id: int, since: datetime, now: datetime) -> int:
    """End what was set up or confirmed by somebody since an instant: their account was in other hands, or may have been.

    In the caller's transaction; each end has its own audit record. Returns how many.
    """
    del now
    late = Publisher.objects.filter(configured_by_id=user_id, configured_at__gte=since)
    ended = list(late.select_for_update().order_by("pk"))
    acts = [
        audit.Act(
            "publisher.remove",
            thing_of(one),
            user_id,
            {"reason": RECOVERED, "project": str(one.project_id or one.pending_name)},
        )
        for one in ended
    ]
    audit.record_all(acts, by=job("recovery"))
    Publisher.objects.filter(pk__in=[one.pk for one in ended]).delete()
    return len(ended)


def end_publishers_in(project_id: int, staying: frozenset[int], now: datetime) -> int:
    """End the publishers of a project that anybody but these set up or confirmed, as it moved to other hands.

    Those of an organization that it has left reach it no more; one for chosen projects that reaches nothing else ends. In the
    caller's transaction, which has placed the project; each end has its own audit record. Returns how many.
    """
    del now
    gone = _let_go_of(project_id)
    others = Publisher.objects.filter(project_id=project_id).exclude(configured_by_id__in=staying)
    ended = [*others.select_for_update(of=("self",)).order_by("pk"), *gone]
    acts = [
        audit.Act(
            "publisher.remove",
            home.thing if one.organization_id and (home := homes.find_home(one)) else thing_of(one),
            one.configured_by_id,
            {"reason": MOVED, "project": str(project_id), "publisher": one.pk},
        )
        for one in ended
    ]
    audit.record_all(acts, by=job("organizations"))
    Publisher.objects.filter(pk__in=[one.pk for one in ended]).delete()
    return len(ended)


def _let_go_of(project_id: int) -> list[Publisher]:
    """Take a project out of the reach of publishers of other organizations than its own; return those that reach nothing now."""
    there = Project.objects.filter(pk=project_id, organization=OuterRef("organization"))
    reaching = Publisher.objects.filter(~Exists(there), projects=project_id)
    found = list(reaching.select_for_update(of=("self",)).select_related("organization").order_by("pk"))
    links = Publisher.projects.through.objects.filter(publisher__in=found)
    links.filter(project_id=project_id).delete()
    wider = set(links.values_list("publisher_id", flat=True))
    return [one for one in found if one.pk not in wider]
