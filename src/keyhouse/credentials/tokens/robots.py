"""Robot tokens: they belong to a project and upload to nothing else, or to an organization and upload to its projects.

Each has an owner of what it belongs to behind it, acts by the right and the strength of that person, and rests once they are
no owner any more, until another owner stands behind it. What one of an organization reaches is worked out at use: a project
that has left the organization is out with the next request.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction

from keyhouse.accounts import emails
from keyhouse.accounts.models import User
from keyhouse.audit import services as audit
from keyhouse.core import actions, clock
from keyhouse.core.actions import STEP_UP_AGE, Thing
from keyhouse.core.actor import Actor, Strength
from keyhouse.core.errors import RoleRequired, StepUpRequired
from keyhouse.credentials.tokens import homes, letters, queries, services
from keyhouse.credentials.tokens.caveats import Scope
from keyhouse.credentials.tokens.errors import (
    RobotTokenNotFound,
    RobotTokenNotResting,
    RobotTokensTooMany,
    TokenTermsInvalid,
)
from keyhouse.credentials.tokens.homes import Home
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.reaching import hold_organization
from keyhouse.credentials.tokens.rules import MAX_ROBOT_DAYS, MAX_ROBOTS, Reach, Terms, judge_terms
from keyhouse.mail.letters import Letter
from keyhouse.organizations.changing import organization_to_change
from keyhouse.projects import queries as projects
from keyhouse.projects.changing import thing_of
from keyhouse.projects.collaborators.locking import lock_people, lock_project, people_to_lock
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.models import Project

MINT: Final = "robot-token.mint"
REVOKE: Final = "robot-token.revoke"
CONFIRM: Final = "robot-token.confirm"
LATER: Final = "also later projects"
_Drafted = tuple[Token, Home, list[int]]


def mint_robot_token(  # noqa: PLR0913 - what a token is, one keyword each
    project_name: str,
    *,
    description: str,
    expires_in_days: int,
    version: str = "",
    networks: Sequence[str] = (),
    by: Actor,
    token_id: uuid.UUID | None = None,
    owner: User | None = None,
    strength: Strength | None = None,
    minted_at: datetime | None = None,
) -> tuple[Token, str]:
    """Make a robot token of the project of that normalised name and return it with its text, which is kept nowhere.

    `owner`, `strength` and `minted_at` are for the host only. Sent again as with `services.mint_token`. Raises as that
    does, RobotTokensTooMany, and what changing a project raises.
    """
    person = _person(by, owner)

    def draft() -> _Drafted:
        project = lock_project(project_name, MINT, by)
        _require_fresh(by)
        terms = Terms(
            description.strip(),
            (project.pk,),
            expires_in_days,
            ("upload",),
            version=version.strip(),
            networks=tuple(networks),
        )
        _judge(terms)
        made = services.draft_of(person, terms, by, token_id, strength=strength, minted_at=minted_at)
        made.project = project
        return made, homes.of_project(project), [project.pk]

    made = _mint(draft, person, by)
    return made, services.write_text(made, [made.project_id or 0])


def mint_organization_token(  # noqa: PLR0913 - what a token is, one keyword each
    name: str,
    *,
    description: str,
    reach: Reach,
    may_found: bool = False,
    expires_in_days: int,
    version: str = "",
    networks: Sequence[str] = (),
    by: Actor,
    token_id: uuid.UUID | None = None,
    owner: User | None = None,
    strength: Strength | None = None,
    minted_at: datetime | None = None,
) -> tuple[Token, str]:
    """Make a robot token of the organization of that name, for some of its projects, and return it with its text.

    `may_found`: it may also make projects there, which it then reaches. The rest as of a project's, and raises ReachInvalid.
    """
    person = _person(by, owner)

    def draft() -> _Drafted:
        organization, held = hold_organization(name, MINT, by, person.pk, reach=reach)
        _require_fresh(by)
        terms = replace(
            _terms_there(description, held, expires_in_days, version, networks), may_found=may_found
        )
        _judge(terms)
        made = services.draft_of(person, terms, by, token_id, strength=strength, minted_at=minted_at)
        made.organization = organization
        return made, homes.of_organization(organization), [one.pk for one in held or ()]

    made = _mint(draft, person, by)
    return made, services.write_text(made, queries.project_ids_of(made))


def _terms_there(
    description: str, held: Sequence[Project] | None, days: int, version: str, networks: Sequence[str]
) -> Terms:
    """Return the terms of a token for some projects of an organization, or for all of them and those to come."""
    ids = None if held is None else tuple(one.pk for one in held)
    reason = LATER if held is None else ""
    return Terms(description.strip(), ids, days, ("upload",), reason, version.strip(), tuple(networks))


def _person(by: Actor, owner: User | None) -> User:
    person = owner if by.kind == "host" else User.objects.filter(pk=by.user_id or 0).first()
    if person is None:
        raise RoleRequired
    return person


def _mint(draft: Callable[[], _Drafted], person: User, by: Actor) -> Token:
    """Store what is drafted under the lock of its home, and tell the other owners; sent again, return what was made then."""
    made: Token | None = None
    try:
        with transaction.atomic():
            made, home, project_ids = draft()
            _require_owner(home, person)
            _require_room(home, made)
            services.store(made, project_ids, by, MINT)
            _tell_others(home, letters.robot_made(home, made, by.name), by)
    except IntegrityError as error:
        if made is None:
            raise
        made = services.explain_clash(made, by, error)
    return made


def follow_new_project(project: Project, by: Actor) -> None:
    """Let an organization's robot token reach the project that it made, in the transaction that makes it."""
    scope = by.restrictions
    if by.kind != "token" or not isinstance(scope, Scope) or scope.organization_id is None:
        return
    token = Token.objects.filter(pk=uuid.UUID(by.credential), may_found=True).first()
    if token is None:
        raise RoleRequired("This token makes no projects.")
    if not token.is_for_all_projects:
        token.projects.add(project)


def revoke_robot_token(project_name: str, token_id: uuid.UUID, *, by: Actor) -> None:
    """End a robot token for good; revoking it again changes nothing. Any owner may, and no gate is asked.

    Raises RobotTokenNotFound and what changing a project raises.
    """
    with transaction.atomic():
        _revoke(homes.of_project(_lock_whatever_its_state(project_name, by)), token_id, by)


def revoke_organization_token(name: str, token_id: uuid.UUID, *, by: Actor) -> None:
    """End a robot token of an organization for good, as `revoke_robot_token` does."""
    with transaction.atomic():
        _revoke(homes.of_organization(organization_to_change(name, REVOKE, by)), token_id, by)


def _revoke(home: Home, token_id: uuid.UUID, by: Actor) -> None:
    token = _get(home, token_id)
    ended = Token.objects.filter(pk=token.pk, revoked_at__isnull=True).update(
        revoked_at=clock.now(), revoked_reason=f"by {by.name}"[:100]
    )
    if ended:
        services.count_change()
        audit.record(REVOKE, by=by, about=services.thing_of(token), account_id=token.user_id)
        _tell_others(home, letters.robot_revoked(home, token, by.name), by)


def confirm_robot_token(project_name: str, token_id: uuid.UUID, *, by: Actor) -> None:
    """Stand behind a robot token that rests: from now on it acts by one's own right, with this session's strength.

    Raises RobotTokenNotFound, RobotTokenNotResting and what changing a project raises.
    """
    with transaction.atomic():
        _confirm(homes.of_project(lock_project(project_name, CONFIRM, by)), token_id, by)


def confirm_organization_token(name: str, token_id: uuid.UUID, *, by: Actor) -> None:
    """Stand behind a robot token of an organization that rests, as `confirm_robot_token` does."""
    with transaction.atomic():
        _confirm(homes.of_organization(organization_to_change(name, CONFIRM, by)), token_id, by)


def _confirm(home: Home, token_id: uuid.UUID, by: Actor) -> None:
    _require_fresh(by)
    token = _get(home, token_id)
    held = Token.objects.select_for_update(of=("self",)).filter(pk=token.pk)  # a finding may end it right now
    token.revoked_at = held.values_list("revoked_at", flat=True).first()
    now = clock.now()
    if token.revoked_at is not None or token.expires_at <= now:
        raise RobotTokenNotFound
    if not queries.is_resting(token):
        raise RobotTokenNotResting
    before = token.user.username
    token.user_id, token.confirmed_at = by.user_id or token.user_id, now.replace(microsecond=0)
    token.rest_told_at = None
    services.put_strength(token, by.strength, by, now)
    token.save()
    services.count_change()
    audit.record(
        CONFIRM,
        by=by,
        about=services.thing_of(token),
        account_id=token.user_id,
        details={home.thing.kind: home.thing.name, "before": before},
    )


def _lock_whatever_its_state(name: str, by: Actor) -> Project:
    """Lock a project whose state doesn't matter: taking back what was given out is open also in quarantine."""
    lock_people(people_to_lock(name, by.user_id))
    project = projects.lock_project(name)
    actions.require(by, REVOKE, thing_of(project) if project else Thing("project", None, name))
    if project is None:
        raise ProjectNotFound
    return project


def _judge(terms: Terms) -> None:
    if objection := judge_terms(terms):
        raise objection
    if terms.expires_in_days > MAX_ROBOT_DAYS:
        raise TokenTermsInvalid(f"A robot token lives at most {MAX_ROBOT_DAYS} days.")


def _require_fresh(by: Actor) -> None:
    """Ask for a fresh proof (ASVS 7.5.3)."""
    if by.kind != "host" and not by.is_fresh(clock.now(), STEP_UP_AGE):
        raise StepUpRequired


def _require_owner(home: Home, person: User) -> None:
    """Refuse whom the host names and who is no owner, as anybody else is refused."""
    if person.pk not in home.owner_ids():
        raise RoleRequired(f"A robot token is made by an owner of its {home.thing.kind}.")


def _require_room(home: Home, draft: Token) -> None:
    """Count those that work, besides this very one, where its form was sent twice."""
    live = Token.objects.filter(queries.at_home(home), revoked_at__isnull=True, expires_at__gt=clock.now())
    if live.exclude(pk=draft.pk).count() >= MAX_ROBOTS:
        raise RobotTokensTooMany(f"There are {MAX_ROBOTS} robot tokens here, as many as there may be.")


def _get(home: Home, token_id: uuid.UUID) -> Token:
    token = queries.find_robot(home, token_id)
    if token is None:
        raise RobotTokenNotFound
    return token


def _tell_others(home: Home, letter: Letter, by: Actor) -> None:
    """Tell the other owners, in the caller's transaction; the one who did it knows."""
    others = home.owner_ids() - {by.user_id or 0}
    for person in User.objects.filter(pk__in=others).order_by("pk"):
        emails.tell(person, letter, now=clock.now())
