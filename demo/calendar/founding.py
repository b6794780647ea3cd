"""Filling the index: accounts, projects, downloads, tokens, organizations, and the few who are asked at real doors."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from demo.calendar.post import let_bounce
from demo.calendar.shape import TOKEN_ONLY, VERIFIED, Shape, instant
from keyhouse.accounts.hashing import hash_password
from keyhouse.accounts.models import Authenticator, Email, SecurityKey, User
from keyhouse.core import clock, configuration
from keyhouse.core.actor import Strength, host
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.services import mint_token
from keyhouse.index import sketches
from keyhouse.organizations.models import Membership, Organization
from keyhouse.projects.models import ClientSketch, Project, Role

BEGAN: Final = instant("2015-01-01")
MADE: Final = instant("2022-06-01")  # old tokens
_AT_ONCE: Final = 500
_SKETCHED: Final = tuple(
    instant(day)
    for day in ("2022-06-15", "2022-11-10", "2023-04-10", "2023-09-01", "2024-01-20", "2024-06-10")
)
_BUSIEST: Final = 3000  # clients a day of the project that has most
PASSWORD: Final = "seven otters counted the slow green trains"


@dataclass(frozen=True, slots=True)
class Made:
    """Whose a token is, by what the session was proven that made it, and when."""

    owner: str
    methods: tuple[str, ...]
    at: datetime


@dataclass(slots=True)
class Cast:
    """Who is asked at real doors: people by name, texts of their tokens, and the critical project."""

    people: dict[str, User] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    critical: str = ""
    made: dict[str, Made] = field(default_factory=dict)
    renewed: dict[str, uuid.UUID] = field(default_factory=dict)


def chance(number: int, salt: str) -> float:
    """Return a number from 0 to 1 that is always the same for the same person and question."""
    return int.from_bytes(hashlib.sha256(f"{salt}{number}".encode()).digest()[:6]) / 2**48


def found(shape: Shape) -> Cast:
    """Fill the index in one go; the people who are active come first, whoever has authority before whoever has none."""
    with transaction.atomic():
        users = _people(shape)
        projects = _projects(users[: shape.maintainers])
        _tokens(users[: shape.active])
        _organizations(users, shape)
        _downloads(projects[: shape.critical * 3])
    return _cast(projects)


def _people(shape: Shape) -> list[User]:
    made = [
        User(username=f"person-{number}", joined_at=BEGAN + timedelta(days=chance(number, "joined") * 2500))
        for number in range(shape.accounts)
    ]
    users = User.objects.bulk_create(made, _AT_ONCE)
    sleeping = (VERIFIED * shape.accounts - shape.active) / (shape.accounts - shape.active)
    Email.objects.bulk_create(
        [
            Email(
                user=user,
                address=f"{user.username}@example.org",
                is_primary=True,
                added_at=user.joined_at,
                verified_at=user.joined_at
                if number < shape.active or chance(number, "mail") < sleeping
                else None,
            )
            for number, user in enumerate(users)
        ],
        _AT_ONCE,
    )
    return users


def _projects(owners: Sequence[User]) -> list[Project]:
    names = [f"library-{number}" for number in range(len(owners))]
    made = [
        Project(name=name, normalized_name=name, folded_name=name, created_at=BEGAN + timedelta(days=2600))
        for name in names
    ]
    projects = Project.objects.bulk_create(made, _AT_ONCE)
    since = BEGAN + timedelta(days=2600)
    roles = [
        Role(project=project, user=owner, kind="owner", since_at=since)
        for project, owner in zip(projects, owners, strict=True)
    ]
    # critical projects have more people: 8,218 for 3,818 of them
    roles += [
        Role(project=projects[number], user=owners[-number - 1], kind="maintainer", since_at=since)
        for number in range(len(projects) // 20)
    ]
    Role.objects.bulk_create(roles, _AT_ONCE)
    return projects


def _tokens(users: Sequence[User]) -> None:
    Token.objects.bulk_create([token_of(user, ("password",), MADE) for user in users], _AT_ONCE)


def token_of(user: User, methods: Sequence[str], at: datetime) -> Token:
    """Return the row of a token for all projects, whose text nobody knows."""
    return Token(
        id=uuid.uuid4(),
        key_id="calendar",
        user=user,
        description=f"ci of {user.username} from {at:%Y-%m-%d}",
        is_for_all_projects=True,
        actions=["upload"],
        minted_at=at,
        minted_methods=list(methods),
        minted_proof_at=at,
        expires_at=instant("2026-01-01"),
    )


def is_token_only(number: int) -> bool:
    """Tell whether somebody publishes by an old token and never makes a new one."""
    return chance(number, "token only") < TOKEN_ONLY


def _organizations(users: Sequence[User], shape: Shape) -> None:
    for number in range(shape.organizations):
        at = instant("2023-05-01")
        made = Organization.objects.create(
            name=f"Group {number}", normalized_name=f"group-{number}", created_at=at
        )
        owner, member = users[number], users[-number - 1]
        Membership.objects.create(organization=made, user=owner, kind="owner", since_at=at)
        Membership.objects.create(organization=made, user=member, kind="member", since_at=at)


def _downloads(projects: Sequence[Project]) -> None:
    """Count clients of the busiest projects: half as many for each doubling of the rank."""
    rows = []
    for rank, project in enumerate(projects, start=1):
        registers: dict[int, int] = {}
        for client in range(max(1, _BUSIEST // rank)):
            sketches.add(registers, hashlib.sha256(f"{project.name} {client}".encode()).digest()[:8])
        sketch = sketches.encode(registers)
        rows += [ClientSketch(project=project, day_on=at.date(), sketch=sketch) for at in _SKETCHED]
    ClientSketch.objects.bulk_create(rows, _AT_ONCE)


# ---- the few who are asked at real doors

PERSONAS: Final = {
    "told": "no second factor, was told, an old token",
    "untold": "no second factor, no notice reached them, an old token",
    "enrolled": "enrolled since, the old token still in use",
    "steward": "no second factor, owns an organization and no project",
    "outsider": "no second factor, maintains nothing",
    "strong": "a second factor from the beginning, a token made with it",
}


def _cast(projects: Sequence[Project]) -> Cast:
    cast = Cast(critical=projects[0].name)
    for name in ("told", "untold", "enrolled", "strong"):
        user = cast.people[name] = make_person(name, BEGAN)
        make_project(f"{name}-library", user)
        methods = ("password", "totp") if name == "strong" else ("password",)
        mint(cast, name, name, methods, MADE)
    enrol(cast.people["strong"], BEGAN)
    for name in ("iris", "tomas"):
        operator = cast.people[name] = make_person(name, BEGAN, is_operator=True)
        enrol(operator, BEGAN)
        _add_key(operator)
    let_bounce("untold@example.org", BEGAN)
    make_person_in(cast)
    owner = cast.people["owner"] = make_person("owner", BEGAN)
    enrol(owner, BEGAN)
    Role.objects.create(project=projects[0], user=owner, kind="owner", since_at=BEGAN)
    return cast


def make_person_in(cast: Cast) -> None:
    """Make somebody who maintains nothing, and somebody who has an organization and no project."""
    cast.people["outsider"] = make_person("outsider", BEGAN)
    steward = cast.people["steward"] = make_person("steward", BEGAN)
    made = Organization.objects.create(name="Stewards", normalized_name="stewards", created_at=BEGAN)
    Membership.objects.create(organization=made, user=steward, kind="owner", since_at=BEGAN)


def make_person(name: str, at: datetime, **facts: bool) -> User:
    """Make an account with a verified address and a password."""
    user = User.objects.create(username=name, joined_at=at, password=hash_password(PASSWORD), **facts)
    Email.objects.create(
        user=user, address=f"{name}@example.org", is_primary=True, verified_at=at, added_at=at
    )
    return user


def make_project(name: str, owner: User, since: datetime = BEGAN) -> Project:
    """Make a project that somebody owns."""
    project = Project.objects.create(name=name, normalized_name=name, folded_name=name, created_at=since)
    Role.objects.create(project=project, user=owner, kind="owner", since_at=since)
    return project


def mint(cast: Cast, persona: str, owner: str, methods: Sequence[str], at: datetime) -> None:
    """Give a persona the token of somebody, as a session with these proofs would have made it at that instant."""
    cast.made[persona] = Made(owner, tuple(methods), at)
    renew(cast, persona)


def renew(cast: Cast, persona: str) -> None:
    """Make the token of a persona once more, as old and as strong as it was.

    Tokens of the public index of then had no end, and here they live for a year at most; so that an old one can be asked
    about two years later, its text is made anew, and the ledger says of it what it said of the first.
    """
    made, now, former = cast.made[persona], clock.now(), cast.renewed.get(persona)
    if former is not None:
        Token.objects.filter(pk=former).update(revoked_at=now)
    token, text = mint_token(
        cast.people[made.owner],
        description=f"of {made.at:%Y-%m-%d} by {made.methods[-1]}, renewed {now:%Y-%m-%d}",
        project_ids=None,
        expires_in_days=365,
        actions=["upload"],
        by=host(),
        strength=Strength(frozenset(made.methods), now),
        minted_at=now,
    )
    Token.objects.filter(pk=token.pk).update(minted_at=made.at, minted_proof_at=made.at)
    cast.tokens[persona], cast.renewed[persona] = text, token.pk


def enrol(user: User, at: datetime) -> None:
    """Give somebody an authenticator app."""
    Authenticator.objects.create(user=user, name="phone", secret_sealed="", created_at=at)


def _add_key(user: User) -> None:
    SecurityKey.objects.create(
        user=user, name="key", credential_id=user.username, public_key=b"x", algorithm=-7,
        rp_id=configuration.current().key_name, created_at=BEGAN,
    )  # fmt: skip
