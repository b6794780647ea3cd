"""Robot tokens: they belong to a project and upload to nothing else.

Each has an owner of the project behind it, acts by the right and the strength of that person, and rests once they are no
owner any more, until another owner stands behind it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
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
from keyhouse.credentials.tokens import letters, queries, services
from keyhouse.credentials.tokens.errors import (
    RobotTokenNotFound,
    RobotTokenNotResting,
    RobotTokensTooMany,
    TokenTermsInvalid,
)
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.rules import MAX_ROBOT_DAYS, MAX_ROBOTS, Terms, judge_terms
from keyhouse.mail.letters import Letter
from keyhouse.projects import queries as projects
from keyhouse.projects.changing import thing_of
from keyhouse.projects.collaborators.locking import lock_people, lock_project, people_to_lock
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.models import Project

MINT: Final = "robot-token.mint"
REVOKE: Final = "robot-token.revoke"
CONFIRM: Final = "robot-token.confirm"


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
    person = owner if by.kind == "host" else User.objects.filter(pk=by.user_id or 0).first()
    if person is None:
        raise RoleRequired
    try:
        with transaction.atomic():
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
            draft = services.draft_of(person, terms, by, token_id, strength=strength, minted_at=minted_at)
            draft.project = project
            _require_owner(project, person)
            _require_room(draft)
            services.store(draft, [project.pk], by, MINT)
            _tell_others(project, letters.robot_made(project, draft, by.name), by)
    except IntegrityError as error:
        draft = services.explain_clash(draft, by, error)
    return draft, services.write_text(draft, [draft.project_id or 0])


def revoke_robot_token(project_name: str, token_id: uuid.UUID, *, by: Actor) -> None:
    """End a robot token for good; revoking it again changes nothing. Any owner may, and no gate is asked.

    Raises RobotTokenNotFound and what changing a project raises.
    """
    with transaction.atomic():
        project = _lock_whatever_its_state(project_name, by)
        token = _get(project, token_id)
        ended = Token.objects.filter(pk=token.pk, revoked_at__isnull=True).update(
            revoked_at=clock.now(), revoked_reason=f"by {by.name}"[:100]
        )
        if ended:
            services.count_change()
            audit.record(REVOKE, by=by, about=services.thing_of(token), account_id=token.user_id)
            _tell_others(project, letters.robot_revoked(project, token, by.name), by)


def confirm_robot_token(project_name: str, token_id: uuid.UUID, *, by: Actor) -> None:
    """Stand behind a robot token that rests: from now on it acts by one's own right, with this session's strength.

    Raises RobotTokenNotFound, RobotTokenNotResting and what changing a project raises.
    """
    with transaction.atomic():
        project = lock_project(project_name, CONFIRM, by)
        _require_fresh(by)
        token = _get(project, token_id)
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
            details={"project": project.normalized_name, "before": before},
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


def _require_owner(project: Project, person: User) -> None:
    """Refuse whom the host names and who is no owner of the project, as anybody else is refused."""
    if person.pk not in queries.owner_ids_of(project.pk):
        raise RoleRequired("A robot token is made by an owner of its project.")


def _require_room(draft: Token) -> None:
    """Count those that work, besides this very one, where its form was sent twice."""
    live = Token.objects.filter(
        project_id=draft.project_id or 0, revoked_at__isnull=True, expires_at__gt=clock.now()
    )
    if live.exclude(pk=draft.pk).count() >= MAX_ROBOTS:
        raise RobotTokensTooMany(
            f"This project has {MAX_ROBOTS} robot tokens, as many as a project may have."
        )


def _get(project: Project, token_id: uuid.UUID) -> Token:
    token = queries.find_robot(project.pk, token_id)
    if token is None:
        raise RobotTokenNotFound
    return token


def _tell_others(project: Project, letter: Letter, by: Actor) -> None:
    """Tell the other owners, in the caller's transaction; the one who did it knows."""
    others = queries.owner_ids_of(project.pk) - {by.user_id or 0}
    for person in User.objects.filter(pk__in=others).order_by("pk"):
        emails.tell(person, letter, now=clock.now())
