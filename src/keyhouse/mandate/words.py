"""Mandates in plain words, for pages and notices. Pure.

Names of people and projects are left out, also as data: whoever is named, or excepted, could be a target.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from keyhouse.core.actions import CATALOGUE
from keyhouse.mandate.documents import METHODS, Mandate, Stage
from keyhouse.mandate.selectors import (
    ROLES,
    AllOf,
    AnyOf,
    Cohort,
    Criterion,
    Everyone,
    HasRole,
    JoinedFrom,
    Named,
    NotOf,
    OfCriticalProjects,
    OfOrganizations,
    OfProjects,
    Selector,
)

WITHHELD: Final = "withheld"
_NAMING: Final = frozenset({"user", "project", "organization"})
_ROLES: Final = {
    "project.owner": "owners of a project",
    "project.maintainer": "maintainers of a project",
    "publisher.configurer": "people who set up a publisher",
    "organization.owner": "owners of an organization",
    "organization.manager": "managers of an organization",
    "organization.member": "members of an organization",
    "organization.billing": "people who pay for an organization",
    "operator": "operators",
    "moderator": "moderators",
    "auditor": "auditors",
    "invited": "people with a pending invitation",
    "reader": "readers of this index where it is private",
}
_METHODS: Final = {
    "security-key": "a security key",
    "passkey": "a passkey",
    "authenticator-app": "an authenticator app",
    "phishing-resistant": "any security key or passkey",
    "device-bound": "a security key whose secret never leaves it",
}
STATES: Final = {
    "shadow": "Shadow",
    "announced": "Announced",
    "reminding": "Reminders",
    "brownout": "Trial run",
    "early": "Early for some",
    "enforced": "In force",
    "completed": "Complete",
    "rolled_back": "Rolled back",
    "abandoned": "Abandoned",
    "retired": "Retired",
    "paused": "Paused",
}
_ROLE: Final = {
    "project.owner": "owner of a project",
    "project.maintainer": "maintainer of a project",
    "publisher.configurer": "set up a publisher",
    "organization.owner": "owner of an organization",
    "organization.manager": "manager of an organization",
    "organization.member": "member of an organization",
    "organization.billing": "pays for an organization",
    "invited": "holds an invitation",
    "reader": "reader of this index",
}
_PROOFS: Final = {
    "password": "password",
    "totp": "authenticator app",
    "webauthn": "security key",
    "passkey": "passkey",
    "recovery_code": "recovery code",
}
_SETS: Final = {
    "management": "managing projects and this index",
    "publishing": "publishing",
    "credentials": "making and using credentials",
    "all": "everything that changes something",
}
_METRICS: Final = {"unique-clients": "distinct installers", "dependents": "projects that depend on it"}


def listed(words: Sequence[str], joint: str = "and") -> str:
    """Join words as a sentence does: `a, b and c`."""
    if len(words) <= 1:
        return "".join(words)
    return f"{', '.join(words[:-1])} {joint} {words[-1]}"


def who(selector: Selector) -> str:
    """Say who a selector is about."""
    if isinstance(selector, AnyOf):
        return listed([_bracketed(part) for part in _joined(selector)])
    if isinstance(selector, AllOf):
        return listed([_bracketed(part) for part in selector.parts], "who are also")
    if isinstance(selector, NotOf):
        return f"everybody but {_bracketed(selector.part)}"
    return _who_of_leaf(selector)


def _joined(selector: AnyOf) -> list[Selector]:
    """Return the parts of an `any` with those of an `any` within it, all roles as one part."""
    flat: list[Selector] = []
    for part in selector.parts:
        flat += _joined(part) if isinstance(part, AnyOf) else [part]
    roles = frozenset().union(*(part.roles for part in flat if isinstance(part, HasRole)))
    others = [part for part in flat if not isinstance(part, HasRole)]
    return [HasRole(roles), *others] if roles else others


def _bracketed(part: Selector) -> str:
    return f"({who(part)})" if isinstance(part, AllOf | NotOf) else who(part)


def _who_of_leaf(leaf: Selector) -> str:
    if isinstance(leaf, HasRole):
        return listed([_ROLES[role] for role in sorted(leaf.roles, key=ROLES.index)])
    if isinstance(leaf, JoinedFrom):
        return f"people who joined on {moment(leaf.at)} or later"
    if isinstance(leaf, Cohort):
        return f"a share of {leaf.percent:g} % of all accounts"
    if isinstance(leaf, OfCriticalProjects):
        return f"people with a role in a project {_critical(leaf.criterion)}"
    return _PLAIN[type(leaf)]


_PLAIN: Final[dict[type, str]] = {
    Everyone: "everybody",
    Named: "people it names",
    OfProjects: "people with a role in a project it names",
    OfOrganizations: "people with a role in an organization it names",
}


def _critical(criterion: Criterion) -> str:
    metric = f"{_METRICS[criterion.metric]} within {criterion.window_days} days"
    if criterion.top is not None:
        return f"among the {criterion.top:,} with the most {metric}"
    return f"with at least {criterion.at_least or 0:,} {metric}"


def day(at: datetime) -> str:
    """Write the day of an instant, in UTC."""
    return f"{at:%Y-%m-%d} UTC"


def moment(at: datetime) -> str:
    """Write an instant to the minute, in UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def public_data(selector: Selector) -> Any:
    """Return a selector as data, without names and seeds."""
    return _without_names(selector.as_dict())


def _without_names(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_names(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: WITHHELD if key in _NAMING or key == "seed" else _without_names(part)
        for key, part in value.items()
    }


def accepted(mandate: Mandate) -> str:
    """Say which second factors a mandate accepts, the preferred one marked."""
    words = [_METHODS[method] for method in sorted(mandate.accept, key=METHODS.index)]
    told = f"{listed(words, 'or')}; best is {_METHODS[mandate.prefer]}" if len(words) > 1 else listed(words)
    return told if mandate.takes_tokens else f"{told}; releases come by trusted publishers only"


def state(stage: Stage) -> str:
    """Name the state of a stage."""
    return STATES[stage.state]


def state_named(name: str) -> str:
    """Name a state of a whole mandate, which may be one that no stage has."""
    return STATES.get(name, name.replace("_", " ").capitalize())


def effect(stage: Stage) -> str:
    """Say what a stage does to people who lack what is asked."""
    parts = [
        f"{verb} {listed([_acts(word) for word in stage.written[key]])}"
        for key, verb in (("deny", "refuses"), ("warn", "warns about"))
        if stage.written.get(key)
    ]
    return listed(parts) or "nothing is refused"


def beginning(stage: Stage) -> str:
    """Name a stage by its state and by what it does to whom; one in its shadow does it to nobody."""
    whom = f", for {who(stage.who)}" if stage.who is not None else ""
    would = "if it were enforced: " if stage.state == "shadow" else ""
    return f"{state(stage)} ({would}{effect(stage)}{whom})"


def last_deadline(stage: Stage) -> str:
    """Name the instant from which on nobody has grace for a stage any more."""
    return f"last deadline of “{state(stage)}” of {day(stage.at)}"


def _acts(word: str) -> str:
    """Name a set of actions, or one action."""
    return _SETS.get(word) or act(word)


def act(name: str) -> str:
    """Name an action by what the catalogue says of it."""
    return f"“{CATALOGUE[name].summary}”" if name in CATALOGUE else name


def asking(kind: str, proved: Collection[str]) -> str:
    """Name a session or credential with what it was proven by."""
    proofs = [_PROOFS.get(one, one) for one in sorted(proved, key=list(_PROOFS).index)]
    return f"a {kind} proven by {listed(proofs) or 'nothing'}"


def roles_of_one(roles: Collection[str]) -> str:
    """Say what somebody is, by their roles."""
    return ", ".join(_ROLE.get(role, role) for role in ROLES if role in roles)


def role(name: str) -> str:
    """Say who they are that have a role."""
    return _ROLES.get(name, name)


def metric(name: str) -> str:
    """Say by what projects are found critical."""
    return _METRICS[name]


def people(count: int) -> str:
    """Count people."""
    return "1 person" if count == 1 else f"{count:,} people"
