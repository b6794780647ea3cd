"""Small indexes with people of every kind, made from one number."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from tests.mandate.ledger import DAY, LONG_AGO, NOW

from keyhouse.accounts.models import Authenticator, Email, SecurityKey, Session, User
from keyhouse.core import configuration
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.mail.models import Bounce
from keyhouse.mandate.models import CriticalProject, Exemption, MandateVersion, Notice
from keyhouse.mandate.shadow.models import Snooze
from keyhouse.organizations.models import Membership, Organization, Team, TeamMember
from keyhouse.projects.models import Project, ProjectInvitation, Role, TeamRole

STATES = ("active",) * 8 + ("held", "frozen", "suspended", "password-disabled", "deleted")
METHODS = (["password"], ["password", "totp"], ["password", "webauthn"], ["passkey"])


@dataclass
class Made:
    """What was made, and the dice."""

    dice: Random
    users: Sequence[User]
    projects: Sequence[Project]

    def when(self) -> datetime:
        """Return an instant around what mandates of tests do: some on the very instants, most between."""
        at = NOW + self.dice.randrange(-120, 0) * DAY
        return at if self.dice.random() < 0.5 else at + timedelta(minutes=self.dice.randrange(1440))


def people_an_index(seed: int, people: int = 14, projects: int = 8) -> Made:
    """Make accounts, projects, organizations, credentials and notices, alike for the same seed."""
    dice = Random(seed)  # noqa: S311 - made-up people
    users = [_make_user(dice, f"person{number}") for number in range(people)]
    made = Made(dice, users, [_make_project(f"project{number}") for number in range(projects)])
    _give_roles(made)
    _make_organization(made)
    _make_credentials(made)
    _tell_some(made)
    return made


def _make_user(dice: Random, name: str) -> User:
    joined = LONG_AGO if dice.random() < 0.6 else NOW - dice.randrange(0, 100) * DAY
    state = dice.choice(STATES)
    user = User.objects.create(
        username=name,
        joined_at=joined,
        state="active" if state == "held" else state,
        held_until=NOW + DAY if state == "held" else None,
        is_operator=dice.random() < 0.1,
        is_auditor=dice.random() < 0.1,
        last_seen_at=dice.choice([None, NOW - DAY, NOW - 500 * DAY]),
    )
    if dice.random() < 0.9:
        _make_address(dice, user)
    if dice.random() < 0.4:
        Authenticator.objects.create(user=user, name="phone", secret_sealed="x", created_at=LONG_AGO)
    for is_synced in (True, False):
        if dice.random() < 0.25:
            _make_key(user, is_synced=is_synced)
    return user


def _make_address(dice: Random, user: User) -> None:
    is_verified = dice.random() < 0.75
    email = Email.objects.create(
        user=user,
        address=f"{user.username}@Example.org",
        is_primary=True,
        verified_at=LONG_AGO if is_verified else None,
        domain_gone_at=NOW if not is_verified and dice.random() < 0.5 else None,
        added_at=LONG_AGO,
    )
    if dice.random() < 0.2:
        address = email.address.lower()
        cleared = NOW if dice.random() < 0.3 else None
        Bounce.objects.create(address=address, kind="permanent", at=NOW, source="smtp", cleared_at=cleared)


def _make_key(user: User, *, is_synced: bool) -> None:
    SecurityKey.objects.create(
        user=user,
        name="key",
        credential_id=secrets.token_hex(16),
        public_key=b"x",
        algorithm=-7,
        rp_id=configuration.current().key_name,
        backup_eligible=is_synced,
        created_at=LONG_AGO,
    )


def _make_project(name: str) -> Project:
    return Project.objects.create(name=name, normalized_name=name, folded_name=name, created_at=LONG_AGO)


def _give_roles(made: Made) -> None:
    for project in made.projects:
        for user in made.dice.sample(list(made.users), made.dice.randrange(0, 4)):
            kind = made.dice.choice(["owner", "owner", "maintainer"])
            Role.objects.create(project=project, user=user, kind=kind, since_at=made.when())
    for project in made.dice.sample(list(made.projects), 3):
        CriticalProject.objects.create(
            criterion=made.dice.choice(["unique-clients-180-top-100-1", "other"]),
            normalized_name=project.normalized_name,
            lineage=UUID(int=1),
            since_at=made.when(),
        )
    user, project = made.users[0], made.projects[0]
    ProjectInvitation.objects.create(
        project=project, address="person3@example.org", kind="owner", invited_by=user,
        invited_by_name=user.username, invited_at=NOW, sent_at=NOW, expires_at=NOW + DAY,
    )  # fmt: skip


def _make_organization(made: Made) -> None:
    # it has the name of a project, too
    one = Organization.objects.create(name="project1", normalized_name="project1", created_at=LONG_AGO)
    team = Team.objects.create(organization=one, name="all", normalized_name="all", created_at=LONG_AGO)
    for user in made.dice.sample(list(made.users), 4):
        kind = made.dice.choice(["owner", "manager", "member", "billing"])
        member = Membership.objects.create(organization=one, user=user, kind=kind, since_at=made.when())
        if made.dice.random() < 0.5:
            TeamMember.objects.create(team=team, member=member, since_at=made.when())
    for project in made.projects[:2]:
        Project.objects.filter(pk=project.pk).update(organization=one, organization_since_at=made.when())
        TeamRole.objects.create(project=project, team=team, kind="maintainer", since_at=made.when())


def _make_credentials(made: Made) -> None:
    for user in made.users:
        if made.dice.random() < 0.5:
            _make_token(made, user)
        if made.dice.random() < 0.3:
            _make_publisher(made, user)
        if made.dice.random() < 0.3:
            _make_session(made, user)


def _make_token(made: Made, user: User) -> None:
    at = made.when()
    token = Token.objects.create(
        key_id="k", user=user, description="x", actions=["upload"], minted_at=at,
        minted_methods=made.dice.choice(METHODS), minted_proof_at=at, expires_at=NOW + 400 * DAY,
        is_for_all_projects=made.dice.random() < 0.4, last_used_at=made.dice.choice([None, NOW, NOW - 400 * DAY]),
    )  # fmt: skip
    if not token.is_for_all_projects:
        token.projects.add(*made.dice.sample(list(made.projects), 2))


def _make_publisher(made: Made, user: User) -> None:
    is_pending = made.dice.random() < 0.3
    at = made.when()
    Publisher.objects.create(
        issuer_url="https://ci.example.org", provider="github", lookup="x", identity=f"{user.pk}",
        project=None if is_pending else made.dice.choice(made.projects), added_at=at,
        pending_normalized_name="coming" if is_pending else "", expires_at=NOW + DAY if is_pending else None,
        configured_by=user, configured_at=at, configured_methods=made.dice.choice(METHODS),
    )  # fmt: skip


def _make_session(made: Made, user: User) -> None:
    Session.objects.create(
        digest=f"{user.pk}", public_id=f"{user.pk}", user=user, is_complete=True, methods=made.dice.choice(METHODS),
        proved_at=NOW, csrf_secret="x", created_at=NOW, last_seen_at=NOW,
    )  # fmt: skip


def _tell_some(made: Made) -> None:
    for user in made.users:
        for name in ("keys", "default", "other"):
            if made.dice.random() < 0.4:
                Notice.objects.create(user=user, mandate=name, kind="shown", delivered_at=made.when())
        if made.dice.random() < 0.3:
            Snooze.objects.create(
                user=user, mandate="keys", version=1, announced_at=NOW, number=1,
                made_at=made.when(), until_at=NOW + made.dice.randrange(30, 200) * DAY,
            )  # fmt: skip
        for version in MandateVersion.objects.all():
            if made.dice.random() < 0.15:
                Exemption.objects.create(
                    user=user, version=version, reason="x", until=NOW + made.dice.randrange(-2, 90) * DAY,
                    proposed_at=NOW, proposed_by="host", effective_at=made.when(),
                )  # fmt: skip


_ROLES = (
    ["project.owner", "project.maintainer"],
    ["project.owner"],
    ["organization.owner", "operator"],
    ["publisher.configurer", "invited"],
    ["organization.member", "organization.billing", "auditor"],
)
CRITICAL = {"metric": "unique-clients", "window_days": 180, "top": 100, "keep_above": 1.0}


def any_selector(dice: Random, depth: int = 0) -> dict[str, Any]:
    """Return a set of people as a document may name it."""
    if depth < 2 and dice.random() < 0.4:
        parts = [any_selector(dice, depth + 1) for _ in range(2)]
        return dice.choice([{"any": parts}, {"all": parts}, {"not": parts[0]}])
    return dice.choice(
        [
            {"everyone": True},
            {"role": dice.choice(_ROLES)},
            {"role": ["project.owner", "project.maintainer"]},
            {"user": ["Person1", "person5"]},
            {"project": ["project1", "project2"]},
            {"organization": ["project1"]},
            {"joined_from": (NOW - 50 * DAY).isoformat()},
            {"cohort": {"percent": dice.choice([20, 50]), "seed": "s"}},
            {"critical": CRITICAL},
        ]
    )


def any_document(dice: Random, name: str = "keys") -> dict[str, Any]:
    """Return a campaign that began some time ago or begins now, with stages to come."""
    announced = NOW - dice.choice([0, 0, 20, 60]) * DAY
    brownout: dict[str, Any] = {"state": "brownout", "at": announced + 35 * DAY, "deny": ["publishing"]}
    early: dict[str, Any] = {
        "state": "early",
        "at": announced + 50 * DAY,
        "deny": [dice.choice(["management", "all"])],
    }
    stages: list[dict[str, Any]] = [
        {"state": "announced", "at": announced, "warn": ["all"], "deny": ["second-factor.remove-last"]},
        *([{**brownout, "who": any_selector(dice)}] if dice.random() < 0.5 else []),
        *([{**early, "who": any_selector(dice)}] if dice.random() < 0.7 else []),
        {
            "state": "enforced",
            "at": announced + 90 * DAY,
            "deny": [dice.choice(["all", "all", "release.upload"])],
        },
    ]
    before = dice.choice(["refuse", "warn", "keep", "expire"])
    credentials: dict[str, Any] = {"before": before, "grace": "refuse"}
    if before == "expire":
        credentials["at"] = announced + 80 * DAY
    return {
        "name": name,
        "title": "A second factor",
        "reason": "To be tried.",
        "who": any_selector(dice),
        "methods": {
            "accept": [dice.choice(["security-key", "authenticator-app", "device-bound", "passkey"])]
        },
        "notice": {"floor_days": 30, "unreached_cap_days": dice.choice([30, 60]), **_snoozing(dice)},
        "credentials": credentials,
        **({"publishing": {"accept": ["trusted-publisher"]}} if dice.random() < 0.3 else {}),
        "stages": stages,
    }


def _snoozing(dice: Random) -> dict[str, Any]:
    return {"snooze": {"days": 7, "times": dice.choice([1, 2])}} if dice.random() < 0.6 else {}
