"""What providers have in common: fields that are typed in, claims that have to be there, claims that have to be equal."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from keyhouse.credentials.trusted_publishers.errors import IdentityRefused
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.publisher_errors import PublisherInvalid

ENVIRONMENT: Final = "environment"
LONGEST: Final = 200  # characters of a field
LONGEST_LOOKUP: Final = 300
_LONGEST_KEPT: Final = 300


@dataclass(frozen=True, slots=True)
class Field:
    """Something that is typed in to set a publisher up. `form` is what it looks like, `told` the same in words."""

    name: str
    label: str
    form: str
    told: str
    example: str = ""
    is_required: bool = True
    longest: int = LONGEST

    def read(self, fields: Mapping[str, str]) -> str:
        """Return what was typed; raises PublisherInvalid with what is allowed."""
        value = fields.get(self.name, "")
        if not isinstance(value, str):
            raise PublisherInvalid(self.name, f"{self.label}: this has to be text.")
        value = value.strip()
        if not value:
            if self.is_required:
                raise PublisherInvalid(self.name, f"{self.label}: this is needed.")
            return ""
        if len(value) > self.longest:
            raise PublisherInvalid(self.name, f"{self.label}: at most {self.longest} characters.")
        if re.fullmatch(self.form, value) is None or ".." in value.split("/"):
            raise PublisherInvalid(self.name, f"{self.label}: {self.told}.")
        return value


@dataclass(frozen=True, slots=True)
class Same:
    """A claim that has to be what was configured under a name; `folds`: capital letters don't matter."""

    claim: str
    configured: str
    folds: bool = False


@dataclass(frozen=True, slots=True)
class Configured:
    """What a form came to. `identity` is the text of what tells publishers of one issuer apart."""

    claims: dict[str, str]
    environment: str
    lookup: str
    identity: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Where an identity is not what was configured."""

    field: str
    configured: str
    claimed: str
    is_immutable: bool = False  # an id that names never pass on: somebody else has the name now


# what a fork or a pull request of strangers could run is not asked for in a form; environments are free text
NAME_FORM: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
NUMBER_FORM: Final = r"[1-9][0-9]{0,19}"
ENVIRONMENT_FIELD: Final = Field(
    ENVIRONMENT,
    "Environment",
    r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]+",
    "no control characters",
    "release",
    is_required=False,
)


class ProviderRules:
    """What an issuer of one kind claims and what of it has to be as configured.

    `issuer`: the address of the public one, where there is one. `needed`: claims that every token has, as text.
    `same`: what has to be equal. `ids`: configured name → claim of what is immutable, stored at set-up or first use;
    `ids_of`: configured names that such an id belongs to. `known_by`: the one that stays with repository or project whatever its name. `keeps`: what is written down of a use: name → claim.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    issuer: ClassVar[str] = ""
    fields: ClassVar[tuple[Field, ...]] = ()
    needed: ClassVar[tuple[str, ...]] = ()
    same: ClassVar[tuple[Same, ...]] = ()
    ids: ClassVar[Mapping[str, str]] = {}
    ids_of: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    keeps: ClassVar[Mapping[str, str]] = {}
    known_by: ClassVar[str] = ""  # which of the ids stays when the thing gets another name or owner
    requires_jti: ClassVar[bool] = False
    folds_environment: ClassVar[bool] = False

    def read(self, fields: Mapping[str, Any]) -> Configured:
        """Read what was typed in; raises PublisherInvalid naming the field."""
        known = {field.name for field in self.fields}
        for name in fields:
            if name not in known:
                raise PublisherInvalid(name, f"{self.title} has no field of this name.")
        claims = {field.name: field.read(fields) for field in self.fields}
        environment = claims.pop(ENVIRONMENT, "")
        return self.configured({name: value for name, value in claims.items() if value}, environment)

    def configured(self, claims: dict[str, str], environment: str) -> Configured:
        """Return what these values come to, which were read before."""
        shown = fold(environment) if self.folds_environment else environment
        told = {name: self._told(name, claims) for name in sorted(claims) if name not in self.ids}
        identity = json.dumps([told, shown], separators=(",", ":"), ensure_ascii=False)
        return Configured(claims, environment, self.lookup_of(claims), identity)

    def _told(self, name: str, claims: Mapping[str, str]) -> str:
        """Return a configured value as it tells publishers apart."""
        folds = any(one.folds for one in self.same if one.configured == name)
        return fold(claims[name]) if folds else claims[name]

    def lookup_of(self, claims: Mapping[str, str]) -> str:
        """Return by what a publisher with these configured values is found."""
        raise NotImplementedError

    def require(self, claims: Mapping[str, Any]) -> None:
        """Raise IdentityRefused where a token lacks what every token of this provider has, or has it as no text."""
        needed = (*self.needed, *(("jti",) if self.requires_jti else ()))
        for name in needed:
            value = claims.get(name)
            if not isinstance(value, str) or not value:
                raise IdentityRefused(f"The identity has no claim {name}, or it is not text.")
        for name in (ENVIRONMENT, *self.ids.values()):
            if claims.get(name) is not None and not isinstance(claims[name], str):
                raise IdentityRefused(f"The claim {name} is not text.")
        self.require_more(claims)

    def require_more(self, claims: Mapping[str, Any]) -> None:
        """Raise IdentityRefused for what no publisher of this provider may ever do."""

    def lookups(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return by what publishers for this identity are found."""
        raise NotImplementedError

    def differences(self, publisher: Publisher, claims: Mapping[str, Any]) -> list[Difference]:
        """Return where an identity isn't what was configured; empty: it is."""
        found = [
            Difference(one.configured, publisher.claims.get(one.configured, ""), shown(claims.get(one.claim)))
            for one in self.same
            if one.configured in publisher.claims
            and not is_same(publisher.claims[one.configured], claims.get(one.claim), folds=one.folds)
        ]
        found += self.more_differences(publisher, claims)
        found += self._environment(publisher, claims)
        found += self._ids(publisher, claims)
        return found

    def more_differences(self, publisher: Publisher, claims: Mapping[str, Any]) -> list[Difference]:
        """Return what else differs, beyond plain equality."""
        del publisher, claims
        return []

    def _environment(self, publisher: Publisher, claims: Mapping[str, Any]) -> list[Difference]:
        claimed = claims.get(ENVIRONMENT)
        if not publisher.environment or is_same(publisher.environment, claimed, folds=self.folds_environment):
            return []
        return [Difference(ENVIRONMENT, publisher.environment, shown(claimed))]

    def _ids(self, publisher: Publisher, claims: Mapping[str, Any]) -> list[Difference]:
        return [
            Difference(name, publisher.claims[name], shown(claims.get(claim)), is_immutable=True)
            for name, claim in self.ids.items()
            if publisher.claims.get(name) and not is_same(publisher.claims[name], claims.get(claim))
        ]

    def immutable(self, claims: Mapping[str, Any]) -> dict[str, str]:
        """Return the ids that never pass from one to another, by the names they are configured under."""
        found = {name: claims.get(claim) for name, claim in self.ids.items()}
        return {name: value for name, value in found.items() if isinstance(value, str) and value}

    def has_same_id(self, name: str, publisher: Publisher, other: Publisher) -> bool:
        """Tell whether another publisher knows an id, and means by its names what this one means."""
        return name in other.claims and all(
            self._told(one, publisher.claims) == self._told(one, other.claims) for one in self.ids_of[name]
        )

    def known_id(self, claims: Mapping[str, Any]) -> str:
        """Return the number that stays with repository or project whatever its name, or nothing."""
        return self.immutable(claims).get(self.known_by, "")

    def kept(self, claims: Mapping[str, Any]) -> dict[str, str]:
        """Return what is written down of a use: run, ref, commit, workflow, environment, ids."""
        found = {**self.keeps, ENVIRONMENT: ENVIRONMENT}
        told = {name: claims.get(claim) for name, claim in found.items()}
        return {
            name: value[:_LONGEST_KEPT] for name, value in told.items() if isinstance(value, str) and value
        }

    def label(self, publisher: Publisher) -> str:
        """Return the publisher as people call it, in a line."""
        return publisher.lookup


def fold(text: str) -> str:
    """Return text with its capital letters made small; letters beyond ASCII stay, as some fold onto ASCII ones."""
    return text.lower() if text.isascii() else text


def is_same(configured: str, claimed: object, *, folds: bool = False) -> bool:
    """Tell whether a claim is the text that was configured; another type is never the same."""
    if not isinstance(claimed, str):
        return False
    return fold(configured) == fold(claimed) if folds else configured == claimed


def shown(value: object) -> str:
    """Return a claim as a record shows it to a project's people."""
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else f"no text: {value!r}"
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_LONGEST_KEPT])


def short(lookup: str) -> str:
    """Return a look-up that fits its column; a long one by its digest."""
    if len(lookup) <= LONGEST_LOOKUP:
        return lookup
    return "sha256:" + hashlib.sha256(lookup.encode()).hexdigest()
