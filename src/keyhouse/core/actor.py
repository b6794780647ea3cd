"""Who acts, by what, and how strongly that was proven."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

Method = Literal["password", "totp", "webauthn", "passkey", "recovery_code"]
ActorKind = Literal["session", "token", "publisher", "job", "host", "nobody"]

OFFICES: Final = ("operator", "moderator", "auditor")
SECOND_FACTOR_METHODS: Final = frozenset({"totp", "webauthn", "passkey"})
PHISHING_RESISTANT_METHODS: Final = frozenset({"webauthn", "passkey"})


@dataclass(frozen=True, slots=True)
class Strength:
    """What a session or credential has proven: methods, the instant of the last proof, user verified or not.

    A recovery code lets somebody in; it never counts as a second factor of its own.
    """

    methods: frozenset[str] = frozenset()
    at: datetime | None = None
    user_verified: bool = False
    device_bound: bool = False  # by a security key that can't leave its device
    key_at: datetime | None = None  # of the last proof by a security key or passkey

    @property
    def has_second_factor(self) -> bool:
        """Whether a second factor stood behind this proof."""
        return bool(self.methods & SECOND_FACTOR_METHODS)

    @property
    def is_phishing_resistant(self) -> bool:
        """Whether a proof bound to this origin stood behind it (NIST SP 800-63B-4 3.2.5)."""
        return bool(self.methods & PHISHING_RESISTANT_METHODS)


class Restrictions(Protocol):
    """What a credential itself allows, whatever its owner may do: projects, action sets, networks."""

    def allows(self, action: str, kind: str, id_: int | str | None) -> bool:
        """Tell whether the credential reaches this action on this thing (`kind`, `id_` as in `Thing`)."""

    def home_of(self, normalized_name: str) -> int | None:
        """Return the number of the organization in which it would make a project of that name; None: its person owns it."""

    def at_release(self, version: str) -> Restrictions:
        """Return the same, asked about one release (canonical version)."""

    def at_project(self, actor: Actor, project_id: int | None, normalized_name: str) -> Actor:
        """Return who acts when the credential is used for this project (id None: one that doesn't exist yet).

        For most it is the same actor. A credential of several publishers has somebody else behind it for each project.
        """

    @property
    def reads_own_projects_only(self) -> bool:
        """Whether it reads by virtue of uploading: only what its owner has a role in."""

    @property
    def publication(self) -> Mapping[str, object]:
        """Return what a file keeps of how it was published by this credential, beside the kind of actor; for JSON."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person by a session, a credential, a background job, or the host operator at the command line.

    `user_id` and `name` are the person's, where there is one; `credential` names the session or credential for
    the audit log (never its secret). `network` is the client address as text, empty for jobs and the host.
    """

    kind: ActorKind
    user_id: int | None = None
    name: str = ""
    credential: str = ""
    strength: Strength = Strength()
    network: str = ""
    user_agent: str = ""
    is_operator: bool = False
    is_moderator: bool = False
    is_auditor: bool = False
    email_is_verified: bool = False
    state: str = "active"
    needs_key: bool = False  # the account has a security key that works, so a fresh proof is one by a key
    restrictions: Restrictions | None = None

    @property
    def offices(self) -> frozenset[str]:
        """Return what the person is for the whole index: any of `OFFICES`."""
        return frozenset(named_offices((self.is_operator, self.is_moderator, self.is_auditor)))

    @property
    def proved_at(self) -> datetime | None:
        """Return the instant of the last proof by the strongest factor that the account has."""
        return self.strength.key_at if self.needs_key else self.strength.at

    def is_fresh(self, now: datetime, age: timedelta) -> bool:
        """Whether that proof is not older than `age` at `now` (ASVS 7.5.3)."""
        return self.proved_at is not None and now - self.proved_at <= age


def at_project(actor: Actor, project_id: int | None, normalized_name: str) -> Actor:
    """Return who acts when this actor turns to one project; see `Restrictions.at_project`."""
    scope = actor.restrictions
    return actor if scope is None else scope.at_project(actor, project_id, normalized_name)


def at_release(actor: Actor, version: str) -> Actor:
    """Return the same actor, asked about one release (canonical version): a credential may be narrowed to a single one.

    Without this a credential that is narrowed so reaches nothing.
    """
    scope = actor.restrictions
    return actor if scope is None else replace(actor, restrictions=scope.at_release(version))


def named_offices(held: Iterable[object]) -> tuple[str, ...]:
    """Return the names of the offices that are held; `held` has a truth for each of `OFFICES`, in their order."""
    return tuple(office for office, has in zip(OFFICES, held, strict=True) if has)


NOBODY: Final = Actor(kind="nobody")


def host() -> Actor:
    """Return the host operator at the command line; they propose two-person acts and never approve them."""
    return Actor(kind="host", name="host")


def named(by: str, *, begins: bool = True) -> str:
    """Return who acted, as people read it, at the beginning of a sentence or within; no account has the name of the host."""
    if by != host().name:
        return by
    return "Whoever runs this index" if begins else "whoever runs this index"


def job(name: str) -> Actor:
    """Return a background act of the index itself, by the job's name."""
    return Actor(kind="job", name=name)
