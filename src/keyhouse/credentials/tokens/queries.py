"""Reading the ledger of API tokens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from keyhouse.accounts.models import User
from keyhouse.audit import rows
from keyhouse.audit.compiled import Compiled, asked_instant, asked_number
from keyhouse.core import configuration
from keyhouse.core.actor import Actor
from keyhouse.core.foresight import Credential
from keyhouse.credentials.tokens.errors import TokenNotFound
from keyhouse.credentials.tokens.homes import Home
from keyhouse.credentials.tokens.models import Change, Token
from keyhouse.credentials.tokens.rules import is_unused
from keyhouse.organizations import queries as organizations
from keyhouse.projects import rights, sql
from keyhouse.projects.models import Project

ENDED_SHOWN = 20
_AT_ONCE: Final = 1000


def tokens_of(user_id: int, now: datetime) -> list[Token]:
    """Return a person's tokens that work, newest first, with their projects."""
    return list(working_tokens_of(user_id, now))


def working_tokens_of(user_id: int, now: datetime) -> QuerySet[Token]:
    """Return the same as rows that can be taken by pages."""
    return _working(user_id, now).prefetch_related("projects")


def _working(user_id: int, now: datetime) -> QuerySet[Token]:
    rows = _own(user_id).filter(revoked_at__isnull=True, expires_at__gt=now)
    return rows.order_by("-minted_at")


def _own(user_id: int) -> QuerySet[Token]:
    """Return a person's own tokens; robot tokens are their projects' and organizations'."""
    return Token.objects.filter(user_id=user_id, project__isnull=True, organization__isnull=True)


def unused_tokens_of(user_id: int, now: datetime) -> list[Token]:
    """Return those of a person's tokens that work and that nobody seems to need."""
    working = _WORKING.rows(user_id, now)
    return [token for token in working if is_unused(token.minted_at, token.last_used_at, now)]


_WORKING: Final = Compiled(lambda: _working(asked_number(0), asked_instant(1)))


def robots_of(home: Home) -> QuerySet[Token]:
    """Return the robot tokens of a project or organization that are not revoked, newest first, with whoever stands behind each."""
    rows = Token.objects.filter(at_home(home), revoked_at__isnull=True)
    return rows.select_related("user").prefetch_related("projects").order_by("-minted_at", "pk")


def find_robot(home: Home, token_id: UUID) -> Token | None:
    """Return a robot token of this project or organization, or None."""
    return Token.objects.select_related("user").filter(at_home(home), pk=token_id).first()


def at_home(home: Home) -> Q:
    """Return the condition of a token being a robot token of this project or organization."""
    return Q(organization_id=home.thing.id) if home.is_organization else Q(project_id=home.thing.id)


def owner_ids_behind(token: Token) -> set[int]:
    """Return who owns the project or organization of a robot token."""
    if token.organization_id is not None:
        return set(organizations.owner_ids(token.organization_id))
    return set(rights.owners_of(token.project_id or 0))


def people_of(token: Token) -> set[int]:
    """Return whose token it is: its person, or all owners of what a robot token belongs to."""
    return owner_ids_behind(token) if token.is_robot else {token.user_id}


def is_resting(token: Token) -> bool:
    """Tell whether a robot token works for nobody, since the person behind it is no owner of its home any more."""
    return token.is_robot and token.user_id not in owner_ids_behind(token)


def reach_of(token: Token) -> list[int]:
    """Return the ids of the projects that a token of an organization reaches: those that stand there now."""
    if token.is_for_all_projects:
        rows = sql.select(_THERE, token.organization_id)
    else:
        key = Token._meta.pk.get_db_prep_value(token.pk, connection)  # noqa: SLF001 - as below
        rows = sql.select(_CHOSEN_THERE, key, token.organization_id)
    return [number for (number,) in rows]


_THERE: Final = "SELECT id FROM projects_project WHERE organization_id = %s"
_CHOSEN_THERE: Final = (
    "SELECT project.id FROM tokens_token_projects chosen JOIN projects_project project ON project.id = chosen.project_id"
    " WHERE chosen.token_id = %s AND project.organization_id = %s"
)


def ended_tokens_of(user_id: int, now: datetime) -> list[Token]:
    """Return the last of a person's tokens that were revoked or have expired."""
    rows = _own(user_id)
    return list(
        rows.exclude(revoked_at__isnull=True, expires_at__gt=now).order_by("-minted_at")[:ENDED_SHOWN]
    )


def live_tokens(now: datetime) -> Iterator[Token]:
    """Yield every token of the index that is neither revoked nor expired, by owner."""
    rows = Token.objects.filter(revoked_at__isnull=True, expires_at__gt=now)
    return rows.order_by("user_id", "pk").iterator(chunk_size=_AT_ONCE)


def gated_actions_of(token: Token) -> tuple[str, ...]:
    """Return the actions of a token that the gate is asked about; reading is one where the index is private."""
    is_private = configuration.current().is_private
    names = (_GATED[act] for act in token.actions)
    return tuple(name for name in names if is_private or name != _READING)


def credential_of(token: Token) -> Credential:
    """Return a token as the gate foresees it; asks for the projects it is limited to."""
    projects = () if token.is_for_all_projects else tuple(one.normalized_name for one in token.projects.all())
    return Credential(token.strength, gated_actions_of(token), projects)


_READING: Final = "index.read-private"
_GATED: Final = {"upload": "release.upload", "yank": "release.yank", "read": _READING}


def get_own_token(actor: Actor, token_id: UUID) -> Token:
    """Return the actor's own token; somebody else's is refused like one that doesn't exist (TokenNotFound)."""
    if actor.user_id is None:
        raise TokenNotFound
    token = _own(actor.user_id).filter(pk=token_id).first()
    if token is None:
        raise TokenNotFound
    return token


def is_description_used(
    user_id: int, description: str, now: datetime, *, besides: UUID | None = None
) -> bool:
    """Tell whether a token of this person that works, `besides` one, has this description."""
    live = _own(user_id).filter(revoked_at__isnull=True, expires_at__gt=now)
    namesakes = live.filter(description=description)
    return (namesakes.exclude(pk=besides) if besides else namesakes).exists()


def find_token_for_use(token_id: UUID) -> Token | None:
    """Return the ledger row with its user and `email_is_verified` (of the primary address), in one query.

    Asked at every upload and read, in plain SQL: putting this query together would cost seven times what it asks. Of
    the user, name and state are there; the rest is read when somebody asks for it.
    """
    key = Token._meta.pk.get_db_prep_value(token_id, connection)  # noqa: SLF001 - how Django names its model interface
    token = rows.read(Token, _FOR_USE, key)
    if token is not None:
        told = (token.user_id, vars(token)["owner_username"], vars(token)["owner_state"])
        token.user = User.from_db(token._state.db, ("id", "username", "state"), told)  # noqa: SLF001 - the same
    return token


_FOR_USE: Final = (
    f"SELECT {rows.columns(Token, 'token')}, owner.username AS owner_username, owner.state AS owner_state, EXISTS (SELECT 1 FROM accounts_email"
    " email WHERE email.user_id = owner.id AND email.is_primary AND email.verified_at IS NOT NULL) AS email_is_verified"
    " FROM tokens_token token JOIN accounts_user owner ON owner.id = token.user_id WHERE token.id = %s"
)


def project_ids_of(token: Token) -> list[int]:
    """Return the ids of the projects a token was minted for."""
    return list(token.projects.values_list("pk", flat=True))


def find_project_id(normalized_name: str) -> int | None:
    """Return the id of a project, or None where there is none."""
    return Project.objects.filter(normalized_name=normalized_name).values_list("pk", flat=True).first()


def read_change() -> int:
    """Return how many times tokens were revoked so far."""
    return Change.objects.values_list("value", flat=True).first() or 0
