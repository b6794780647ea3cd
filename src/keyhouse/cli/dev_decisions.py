"""`keyhouse dev decisions`: the tables of `docs/mandate-decisions.md`, made by the code that decides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from keyhouse.cli.doors import COMMANDS, INSIDE, JOBS, LOOPS
from keyhouse.cli.surroundings import open_index
from keyhouse.core.actions import CATALOGUE, Action
from keyhouse.mandate.defaults import DEFAULT
from keyhouse.mandate.documents import METHODS, read_mandate
from keyhouse.mandate.facts import Asking, Authority, Facts, Object, Person
from keyhouse.mandate.rules import Policy, decide

LONG_AGO: Final = datetime(2020, 1, 1, tzinfo=UTC)
NOW: Final = datetime(2024, 6, 1, tzinfo=UTC)
EXAMPLE: Final[dict[str, Any]] = {
    "name": "everyone-2023",
    "title": "A second factor for everyone who maintains a project",
    "reason": "A stolen password alone must not be able to publish.",
    "who": {"any": [{"role": ["project.owner", "project.maintainer", "publisher.configurer"]}]},
    "methods": {"accept": ["security-key", "passkey", "authenticator-app"]},
    "stages": [
        {
            "state": "announced",
            "at": "2023-05-25T16:00:00Z",
            "warn": ["all"],
            "deny": ["second-factor.remove-last"],
        },
        {
            "state": "early",
            "at": "2023-08-08T00:00:00Z",
            "who": {"joined_from": "2023-08-08T00:00:00Z"},
            "deny": ["management"],
        },
        {"state": "enforced", "at": "2024-01-01T00:00:00Z", "deny": ["all"]},
    ],
}
_INTRODUCTION: Final = """# What is gated, and what the gate answers

Made by `KEYHOUSE_ENVIRONMENT=test ./run keyhouse dev decisions` from the catalogue, the routes and `mandate.rules.decide`; a test says when
this page is not what the code does. The words are in the [glossary](glossary.md), how to write a mandate in
[operate/mandate.md](operate/mandate.md).
"""

Asker = tuple[str, Asking]


@click.command("decisions")
def command() -> None:
    """Print the page of actions, doors and decision tables, as Markdown.

    \b
    Example:
      keyhouse dev decisions
    """  # noqa: D301 - \b is click's own mark
    open_index(for_help=True)  # asks no index; where there is none, a throw-away folder does
    click.echo(page(), nl=False)


def page() -> str:
    """Return the page; Django must be set up."""
    sections = (
        _INTRODUCTION,
        _catalogue(),
        _open_ones(),
        _by_default(),
        _by_person(),
        _by_state(),
        _by_method(),
        _by_time(),
        _jobs(),
    )
    return "\n".join(sections)


# ---- the census


def _catalogue() -> str:
    doors = _doors()
    rows = [
        (
            f"`{name}`",
            action.summary,
            _set_of(action),
            _needs(action),
            "; ".join(doors[name]),
        )
        for name, action in CATALOGUE.items()
    ]
    head = ("action", "what it is", "set", "asks for", "doors")
    return "## Every action and its doors\n\n" + _table(head, rows)


def _set_of(action: Action) -> str:
    return action.set if action.gated else ""


def _needs(action: Action) -> str:
    told = (
        ("a session", action.needs_session),
        ("the gate", action.gated),
        ("a fresh proof", action.step_up),
        ("an operator", action.offices),
    )
    return ", ".join(word for word, holds in told if holds)


def _doors() -> dict[str, list[str]]:
    from keyhouse.cli.dev_routes import routes  # noqa: PLC0415 - needs Django to be set up

    methods: dict[tuple[str, str], list[str]] = defaultdict(list)
    for line in routes():
        methods[line["action"], line["path"]].append(line["method"])
    found: dict[str, list[str]] = defaultdict(list)
    for (name, path), verbs in methods.items():
        found[name].append(f"{' '.join(verbs)} `{path}`")
    for words, name in COMMANDS.items():
        found[name].append(f"`keyhouse {words}`")
    for name, told in INSIDE.items():
        found[name].append(told)
    return found


def _open_ones() -> str:
    names = ", ".join(f"`{name}`" for name, action in CATALOGUE.items() if not action.gated)
    return f"## Never gated\n\nNo mandate can name these, and no mandate refuses them: {names}.\n"


def _jobs() -> str:
    jobs = [(f"`{name}`", "job, by name in the audit log", told) for name, told in JOBS.items()]
    loops = [(f"`{name}`", "thread, for nobody", told) for name, told in LOOPS.items()]
    head = ("name", "kind", "what it does")
    told = "A job may do `host.command` and nothing else that is gated.\n\n"
    return "## Jobs\n\n" + told + _table(head, [*jobs, *loops])


# ---- decisions


ASKERS: Final[tuple[Asker, ...]] = tuple(
    (f"{kind}: {words}", Asking(kind, frozenset(proved), at=NOW))
    for kind in ("session", "token")
    for words, proved in (
        ("password", {"password"}),
        ("recovery code", {"password", "recovery_code"}),
        ("app", {"password", "totp"}),
        ("security key", {"password", "webauthn"}),
        ("passkey", {"passkey"}),
    )
)
_OWNED: Final = Authority("project", "alpha", "owner", LONG_AGO)


def _facts(asking: Asking, action: str, *authority: Authority, **person: Any) -> Facts:
    told: dict[str, Any] = {"id": "u1", "joined_at": LONG_AGO, "verified_email": True, **person}
    thing = Object("project", "alpha") if action.startswith(("project", "release", "file")) else None
    return Facts(Person(**told), asking, action, authority, thing)


def _word(facts: Facts, policies: Sequence[Policy], now: datetime = NOW) -> str:
    decision = decide(facts, policies, now)
    if decision.verdict == "allow":
        return "yes"
    return f"`{decision.code}`" if decision.verdict == "deny" else f"warned: `{decision.code}`"


def _gated() -> Iterator[str]:
    return (name for name, action in CATALOGUE.items() if action.gated)


def _grouped(answers: Callable[[str], tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return a row for all actions that are answered alike."""
    rows: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in _gated():
        rows[answers(name)].append(f"`{name}`")
    return [(", ".join(names), *row) for row, names in rows.items()]


def _by_default() -> str:
    rows = _grouped(
        lambda name: tuple(_word(_facts(asking, name, _OWNED), [DEFAULT]) for _, asking in ASKERS)
    )
    head = ("action", *(name for name, _ in ASKERS))
    told = "Somebody who owns a project and has a verified address, by what this session (or the one that minted this token) had proven.\n\n"
    return "## The mandate a new index starts with\n\n" + told + _table(head, rows)


_PEOPLE: Final[tuple[tuple[str, tuple[Authority, ...], dict[str, Any]], ...]] = (
    ("no authority at all", (), {}),
    ("owner of a project", (_OWNED,), {}),
    ("maintainer of a project", (Authority("project", "alpha", "maintainer", LONG_AGO),), {}),
    ("set up a publisher", (Authority("publisher", "alpha", "configurer", LONG_AGO),), {}),
    ("member of an organization", (Authority("organization", "acme", "member", LONG_AGO),), {}),
    ("holds an invitation", (), {"roles": ("invited",)}),
    ("reader of a private index", (), {"roles": ("reader",)}),
    ("operator, moderator or auditor", (), {"roles": ("operator",)}),
)


def _by_person() -> str:
    weak, strong = Asking("session", frozenset({"password"}), at=NOW), ASKERS[2][1]
    head = ("who", "password session", "with the factor", "password session, no mandate at all")
    rows = [
        (
            who,
            _word(_facts(weak, "project.manage", *held, **more), [DEFAULT]),
            _word(_facts(strong, "project.manage", *held, **more), [DEFAULT]),
            _word(_facts(weak, "project.manage", *held, **more), []),
        )
        for who, held, more in _PEOPLE
    ]
    return "## Whom it is about\n\nAsked: `project.manage`.\n\n" + _table(head, rows)


def _by_state() -> str:
    states = ("active", "held", "frozen", "password-disabled", "suspended", "deleted")
    asked = (
        ("session: `project.manage`", "session", "project.manage"),
        ("token: `release.upload`", "token", "release.upload"),
        ("token: `index.read-private`", "token", "index.read-private"),
    )
    rows = [
        (f"`{state}`{told}", *(_in_state(state, kind, action, **more) for _, kind, action in asked))
        for state in states
        for told, more in (("", {}), (", unverified address", {"verified_email": False}))
    ]
    head = ("account", *(words for words, _, _ in asked))
    told = "Somebody who owns a project, has a second factor, and proved it.\n\n"
    return "## The account first\n\n" + told + _table(head, rows)


def _in_state(state: str, kind: str, action: str, **more: Any) -> str:
    asking = Asking(kind, frozenset({"password", "totp"}), at=NOW)
    facts = _facts(asking, action, _OWNED, state=state, factors=("authenticator-app",), **more)
    return _word(facts, [DEFAULT])


def _by_method() -> str:
    rows = []
    for method in METHODS:
        rule = [Policy(read_mandate({**EXAMPLE, "methods": {"accept": [method]}}), is_floor_exempt=True)]
        answers = (_word(_facts(asking, "project.manage", _OWNED), rule) for _, asking in ASKERS[:5])
        rows.append((f"`{method}`", *answers))
    head = ("accepted", *(name for name, _ in ASKERS[:5]))
    told = "A device-bound key is told by the credential itself; no credential is, until keys can be enrolled.\n\n"
    return "## Accepted methods\n\n" + told + _table(head, rows)


_MOMENTS: Final = (
    ("announced", datetime(2023, 6, 1, tzinfo=UTC)),
    ("early", datetime(2023, 9, 1, tzinfo=UTC)),
    ("a microsecond before", datetime(2024, 1, 1, tzinfo=UTC) - timedelta(microseconds=1)),
    ("enforced", datetime(2024, 1, 1, tzinfo=UTC)),
)


def _by_time() -> str:
    return "## One mandate over time\n\n" + "\n".join(
        f"{words}:\n\n{_over_time(kind, minted, joined)}"
        for words, kind, minted, joined in (
            ("A password session of an old account", "session", LONG_AGO, LONG_AGO),
            (
                "A password session of an account made in August 2023",
                "session",
                LONG_AGO,
                datetime(2023, 8, 10, tzinfo=UTC),
            ),
            ("A token minted before by a password session", "token", LONG_AGO, LONG_AGO),
        )
    )


def _over_time(kind: str, minted: datetime, joined: datetime) -> str:
    rule = [Policy(read_mandate(EXAMPLE), is_floor_exempt=True)]

    def answers(name: str) -> tuple[str, ...]:
        found = []
        for _, moment in _MOMENTS:
            at = minted if kind == "token" else moment
            facts = _facts(Asking(kind, frozenset({"password"}), at=at), name, _OWNED, joined_at=joined)
            found.append(_word(facts, rule, moment))
        return tuple(found)

    return _table(
        ("action", *(f"{words}, {moment:%Y-%m-%d}" for words, moment in _MOMENTS)), _grouped(answers)
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (head, ["---"] * len(head), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
