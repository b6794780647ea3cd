"""The document that `keyhouse dev seed` takes: its lists, their keys, what each may hold. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from typing import Any, ClassVar, Final, Self

from keyhouse.core import clock
from keyhouse.core.errors import Refusal, Situation
from keyhouse.mandate.documents import DocumentInvalid, Mandate, read_mandate

METHODS: Final = ("password", "totp", "webauthn", "passkey", "recovery_code")
STATES: Final = ("active", "held", "frozen", "password-disabled", "suspended", "deleted")
FACTORS: Final = ("totp", "webauthn", "recovery_codes")
ACTS: Final = ("upload", "yank", "read")
LONGEST_PASSWORD: Final = 4096
LONGEST_REASON: Final = 500

Reader = Callable[[Any], Any]


class SeedRefused(Refusal):
    """The document can't be seeded; nothing of it was."""

    code = "seed-refused"
    situation = Situation.INVALID
    sentence = "The document can't be seeded."


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError("a string of characters") from error
    return value


def _line(value: Any) -> str:
    if len(_text(value)) > LONGEST_REASON or not value.isprintable():
        raise ValueError(f"a printable string of at most {LONGEST_REASON} characters")
    return str(value)


def _password(value: Any) -> str:
    if len(_text(value)) > LONGEST_PASSWORD or "\x00" in value:
        raise ValueError(f"a string of at most {LONGEST_PASSWORD} characters")
    return str(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - one exception for all that is malformed
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("a whole number")  # noqa: TRY004 - the same
    return value


def _instant(value: Any) -> datetime:
    try:
        return clock.parse_instant(_text(value))
    except ValueError as error:
        raise ValueError("an instant such as 2024-01-01T00:00:00Z, or null") from error


def _one_of(*allowed: str) -> Reader:
    def read(value: Any) -> str:
        if value not in allowed or not isinstance(value, str):
            raise ValueError("one of " + ", ".join(allowed))
        return value

    return read


def _list_of(read: Reader) -> Reader:
    def read_all(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError("a list")  # noqa: TRY004 - the same
        found = tuple(read(one) for one in value)
        if len(set(found)) != len(found):
            raise ValueError("a list of different things")
        return found

    return read_all


def _projects(value: Any) -> tuple[str, ...] | None:
    if value == "all":
        return None
    found: tuple[str, ...] = _list_of(_text)(value)
    if not found:
        raise ValueError('"all" or a list of at least one name')
    return found


def _roles(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or not all(kind in ("owner", "maintainer") for kind in value.values()):
        raise ValueError('an object of project names with "owner" or "maintainer"')
    return tuple(value.items())


def _publication(value: Any) -> dict[str, Any]:
    """Read what a file keeps of the publisher that published it."""
    message = "an object with provider, issuer, configured, environment and claims, the third and the last objects of texts"
    texts, objects = ("provider", "issuer", "environment"), ("configured", "claims")
    if not isinstance(value, dict) or set(value) != {*texts, *objects}:
        raise ValueError(message)
    told = [value[name] for name in texts]
    for name in objects:
        if not isinstance(value[name], dict):
            raise ValueError(message)  # noqa: TRY004 - one exception for all that is malformed
        told += [*value[name], *value[name].values()]
    if not all(isinstance(one, str) and one.isprintable() for one in told):
        raise ValueError(message)
    return value


def _or_null(read: Reader) -> Reader:
    return lambda value: None if value is None else read(value)


class Item:
    """One entry of a list. `READERS` says for each key how its value is read; a key without a default must be there."""

    READERS: ClassVar[Mapping[str, Reader]]

    @classmethod
    def read(cls, body: Any, where: str) -> Self:
        """Read an entry; raises SeedRefused with the key and what is allowed."""
        if not isinstance(body, dict):
            raise SeedRefused(f"{where} must be an object.")
        for key in body:
            if key not in cls.READERS:
                raise SeedRefused(f"{where}: unknown key {key!r}; there are {', '.join(cls.READERS)}.")
        for missing in cls._required() - body.keys():
            raise SeedRefused(f"{where}: the key {missing!r} is missing.")
        return cls(**{key: cls._read_one(key, value, where) for key, value in body.items()})

    @classmethod
    def _required(cls) -> set[str]:
        return {
            one.name
            for one in fields(cls)  # type: ignore[arg-type]  # every subclass is a dataclass
            if one.default is MISSING and one.default_factory is MISSING
        }

    @classmethod
    def _read_one(cls, key: str, value: Any, where: str) -> Any:
        try:
            return cls.READERS[key](value)
        except DocumentInvalid as error:
            raise SeedRefused(f"{where}.{key}: {error}.") from error
        except ValueError as error:
            raise SeedRefused(f"{where}: {key!r} takes {error}.") from error


@dataclass(frozen=True, slots=True)
class SeedUser(Item):
    """A person. A null password is an unusable one."""

    READERS: ClassVar = {
        "username": _text,
        "email": _or_null(_text),
        "password": _or_null(_password),
        "verified": _flag,
        "operator": _flag,
        "moderator": _flag,
        "auditor": _flag,
        "second_factors": _list_of(_one_of(*FACTORS)),
        "joined_at": _or_null(_instant),
        "last_seen_at": _or_null(_instant),
        "state": _one_of(*STATES),
    }
    username: str
    email: str | None = None
    password: str | None = field(default=None, repr=False)
    verified: bool = True
    operator: bool = False
    moderator: bool = False
    auditor: bool = False
    second_factors: tuple[str, ...] = ()
    joined_at: datetime | None = None
    last_seen_at: datetime | None = None
    state: str = "active"


@dataclass(frozen=True, slots=True)
class SeedSession(Item):
    """A browser session and what was proven in it, at which instant."""

    READERS: ClassVar = {
        "user": _text,
        "proved": _list_of(_one_of(*METHODS)),
        "at": _or_null(_instant),
    }
    user: str
    proved: tuple[str, ...]
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SeedTeam(Item):
    """A team of an organization: its members, and its role in projects. A project that stands nowhere moves into the organization."""

    READERS: ClassVar = {"name": _text, "members": _list_of(_text), "projects": _roles}
    name: str
    members: tuple[str, ...] = ()
    projects: tuple[tuple[str, str], ...] = ()


def _team(value: Any) -> SeedTeam:
    try:
        return SeedTeam.read(value, "a team")
    except SeedRefused as error:
        raise ValueError(f"a list of teams; {error.line}") from error


@dataclass(frozen=True, slots=True)
class SeedOrganization(Item):
    """An organization with its people; whoever is in a team is at least a member."""

    READERS: ClassVar = {
        "name": _text,
        "owners": _list_of(_text),
        "managers": _list_of(_text),
        "members": _list_of(_text),
        "teams": _list_of(_team),
    }
    name: str
    owners: tuple[str, ...]
    managers: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    teams: tuple[SeedTeam, ...] = ()


@dataclass(frozen=True, slots=True)
class SeedProject(Item):
    """A project without files; one of an organization needs no owner of its own."""

    READERS: ClassVar = {
        "name": _text,
        "owners": _list_of(_text),
        "maintainers": _list_of(_text),
        "organization": _or_null(_text),
        "archived": _flag,
        "created_at": _or_null(_instant),
    }
    name: str
    owners: tuple[str, ...] = ()
    maintainers: tuple[str, ...] = ()
    organization: str | None = None
    archived: bool = False
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SeedFile(Item):
    """A file of the caller's machine, published by a person, or by a trusted publisher of theirs as `publication` tells."""

    READERS: ClassVar = {
        "path": _text,
        "by": _text,
        "uploaded_at": _or_null(_instant),
        "publication": _or_null(_publication),
    }
    path: str
    by: str
    uploaded_at: datetime | None = None
    publication: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SeedToken(Item):
    """An API token; `projects` None stands for all. Without `actions` it may do all that tokens may.

    A `robot` one belongs to its single project and uploads only.
    """

    READERS: ClassVar = {
        "user": _text,
        "projects": _projects,
        "minted_with": _one_of(*METHODS),
        "minted_at": _or_null(_instant),
        "expires_in_days": _number,
        "actions": _list_of(_one_of(*ACTS)),
        "description": _text,
        "robot": _flag,
        "release": _text,
        "networks": _list_of(_text),
    }
    user: str
    projects: tuple[str, ...] | None = None
    minted_with: str = "totp"
    minted_at: datetime | None = None
    expires_in_days: int = 30
    actions: tuple[str, ...] = ACTS
    description: str = ""
    robot: bool = False
    release: str = ""
    networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SeedIssuer(Item):
    """An issuer of identities from CI, also on a private address; `claims` are those that a custom one's publishers fix."""

    READERS: ClassVar = {
        "provider": _text,
        "url": _text,
        "label": _line,
        "claims": _list_of(_text),
        "may_be_private": _flag,
    }
    provider: str
    url: str
    label: str = ""
    claims: tuple[str, ...] | None = None
    may_be_private: bool = True


@dataclass(frozen=True, slots=True)
class SeedPublisher(Item):
    """What a project trusts to publish, or what waits for a project of that name; the rest are fields of its provider."""

    FIELDS: ClassVar = (
        *("owner", "owner_id", "repository", "workflow", "environment", "namespace"),
        *("email", "sub", "organization", "actor_id", "claims"),
    )
    READERS: ClassVar = {
        "provider": _text,
        "issuer": _or_null(_text),
        "project": _text,
        "pending": _flag,
        "configured_by": _text,
        "configured_with": _one_of(*METHODS),
        "configured_at": _or_null(_instant),
        **dict.fromkeys(FIELDS, _or_null(lambda value: value)),  # judged by the provider
    }
    provider: str
    project: str
    configured_by: str
    issuer: str | None = None
    pending: bool = False
    configured_with: str = "totp"
    configured_at: datetime | None = None
    owner: Any = None
    owner_id: Any = None
    repository: Any = None
    workflow: Any = None
    environment: Any = None
    namespace: Any = None
    email: Any = None
    sub: Any = None
    organization: Any = None
    actor_id: Any = None
    claims: Any = None

    @property
    def fields(self) -> dict[str, Any]:
        """Return what the provider reads. Of ActiveState the project is called `repository` here, as with the others."""
        found = {name: getattr(self, name) for name in self.FIELDS}
        told = {name: value for name, value in found.items() if value is not None}
        if self.provider == "activestate" and "repository" in told:
            told["project"] = told.pop("repository")
        return told


@dataclass(frozen=True, slots=True)
class SeedMandate(Item):
    """A version of a mandate that is in effect since the beginning, and who approved it."""

    READERS: ClassVar = {"document": read_mandate, "approved_by": _list_of(_text)}
    document: Mandate
    approved_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SeedExemption(Item):
    """An exemption of a person from a mandate, in effect since the beginning."""

    READERS: ClassVar = {
        "user": _text,
        "mandate": _text,
        "until": _instant,
        "reason": _line,
        "approved_by": _text,
    }
    user: str
    mandate: str
    until: datetime
    reason: str
    approved_by: str


LISTS: Final[Mapping[str, type[Item]]] = {
    "users": SeedUser,
    "sessions": SeedSession,
    "organizations": SeedOrganization,
    "projects": SeedProject,
    "files": SeedFile,
    "tokens": SeedToken,
    "issuers": SeedIssuer,
    "publishers": SeedPublisher,
    "mandates": SeedMandate,
    "exemptions": SeedExemption,
}


@dataclass(frozen=True, slots=True)
class Document:
    """All lists, read; `raw` holds the entries as they came, for the answer."""

    raw: Mapping[str, list[dict[str, Any]]]
    users: tuple[SeedUser, ...] = ()
    sessions: tuple[SeedSession, ...] = ()
    organizations: tuple[SeedOrganization, ...] = ()
    projects: tuple[SeedProject, ...] = ()
    files: tuple[SeedFile, ...] = ()
    tokens: tuple[SeedToken, ...] = ()
    issuers: tuple[SeedIssuer, ...] = ()
    publishers: tuple[SeedPublisher, ...] = ()
    mandates: tuple[SeedMandate, ...] = ()
    exemptions: tuple[SeedExemption, ...] = ()


def read_document(text: bytes) -> Document:
    """Read the document; raises SeedRefused with what is wrong and where."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SeedRefused(f"The document is not JSON: {error}.") from error
    if not isinstance(body, dict):
        raise SeedRefused("The document must be one JSON object.")
    for name, entries in body.items():
        _refuse_list(name, entries)
    return Document(raw=body, **{name: _read_list(name, entries) for name, entries in body.items()})


def _refuse_list(name: str, entries: Any) -> None:
    if name not in LISTS:
        raise SeedRefused(f"Unknown list {name!r}; there are {', '.join(LISTS)}.")
    if not isinstance(entries, list):
        raise SeedRefused(f"{name!r} must be a list.")


def _read_list(name: str, entries: list[Any]) -> tuple[Any, ...]:
    read = LISTS[name].read
    return tuple(read(entry, f"{name}[{number}]") for number, entry in enumerate(entries))
