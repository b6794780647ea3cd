"""Pages of the reference, made from the catalogue of actions, the refusals and the routes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from keyhouse.cli.dev_routes import routes
from keyhouse.core import actions, errors
from keyhouse.core.actor import OFFICES

if TYPE_CHECKING:
    from keyhouse.core.actions import Action

MADE: Final = "This page is made by `KEYHOUSE_ENVIRONMENT=test ./run keyhouse dev docs docs`.\n\n"
_FEW: Final = 3  # addresses that begin alike, and from how many on they get a table of their own
_SETS: Final = {
    "management": "Managing, which the gate decides about",
    "publishing": "Publishing, which the gate decides about",
    "credentials": "Credentials, which the gate decides about",
    "open": "Never gated",
}

_ACTIONS: Final = """# Actions

Everything that can be done has an exact name. It stands in the audit log, in [mandates](../operate/mandate.md) (by its set or by its name), in the answers of
`/mandate/check`, and on every door: [what is gated](../mandate-decisions.md) lists the doors of each.

* **Asks for** a *session*: signed in, or with a credential that reaches that far; a *fresh proof*: the strongest factor of the account, proven within 15
  minutes; *any fresh proof*: by whatever factor.
* **Who**: those with an office of the index (operator, moderator, auditor). Where nothing stands, people do it to what is theirs: their account, or a
  project in which their role allows it.

"""
_ERRORS: Final = """# Codes of refusals

Whatever is refused has a stable code. Clients read `code: sentence` as the first line (and as the reason phrase), programs that take JSON get a problem
(RFC 9457) with the same code, people get a page. Each code has a page on the index itself, `/help/codes/`.

The sentence may be more exact than the one here. The status is that of pages and uploads; the command line leaves with 1, and has a few codes of its own.

"""
_ADDRESSES: Final = """# Addresses

Every page and endpoint, with its [action](actions.md). `{…}` stands for a part of the address. Pages that change something take the form fields named, and
`csrfmiddlewaretoken` besides. HEAD works wherever GET does. Any other method is answered 405.

"""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as Markdown."""
    lines = (head, ["---"] * len(head), *rows)
    return "".join(f"| {' | '.join(cell(text) for text in line)} |\n" for line in lines)


def cell(text: str) -> str:
    """Return a text that stays in its cell."""
    return " ".join(text.split()).replace("|", "\\|")


# ---- actions


def actions_page() -> str:
    """Return `docs/reference/actions.md`."""
    parts = []
    for set_, title in _SETS.items():
        found = [action for action in actions.CATALOGUE.values() if _set_of(action) == set_]
        rows = [(f"`{one.name}`", one.summary, _asks_for(one), _who(one)) for one in found]
        parts.append(f"## {title}\n\n" + table(("action", "what it is", "asks for", "who"), rows))
    return _ACTIONS + MADE + "\n".join(parts)


def _set_of(action: Action) -> str:
    return action.set if action.gated else "open"


def _asks_for(action: Action) -> str:
    proof = "any fresh proof" if action.takes_any_proof else "a fresh proof"
    asked = ((action.needs_session, "a session"), (action.step_up, proof))
    return ", ".join(words for holds, words in asked if holds)


def _who(action: Action) -> str:
    return ", ".join(office for office in sorted(OFFICES) if office in action.offices)


# ---- codes


def errors_page() -> str:
    """Return `docs/reference/errors.md`."""
    from django.utils.module_loading import import_string  # noqa: PLC0415 - Django is set up by now

    topics = import_string("keyhouse.web.explanations.topics")  # a neighbour: joined at run time only
    shown = (
        (topic.title, [one for one in topic.explanations if not _is_of_commands(one.code)])
        for topic in topics()
    )
    return _ERRORS + MADE + "\n".join(f"## {topic}\n\n{_codes(found)}" for topic, found in shown if found)


def _is_of_commands(code: str) -> bool:
    """Tell whether only a command refuses so: which of these are loaded depends on the command that runs."""
    refusal = errors.all_refusals().get(code)
    return refusal is not None and refusal.__module__.startswith("keyhouse.cli")


def _codes(explanations: Iterable[Any]) -> str:
    head = ("code", "status", "situation", "sentence", "what it means, and what to do")
    return table(
        head,
        (
            (
                f"`{one.code}`",
                str(one.status or ""),
                _situation_of(one.code),
                one.sentence,
                f"{one.meaning} {one.fix}",
            )
            for one in explanations
        ),
    )


def _situation_of(code: str) -> str:
    refusal = errors.all_refusals().get(code)
    return refusal.situation.value if refusal else ""


# ---- addresses


def addresses_page() -> str:
    """Return `docs/reference/urls.md`."""
    lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in routes():
        lines[line["path"]].append(line)
    parts: dict[str, list[str]] = defaultdict(list)
    for path in sorted(lines):
        parts[path.split("/")[1]].append(path)
    few = [path for paths in parts.values() if len(paths) < _FEW for path in paths]
    told = [
        f"## Below /{part}/\n\n{_rows(lines, paths)}" for part, paths in parts.items() if len(paths) >= _FEW
    ]
    return _ADDRESSES + MADE + "\n".join([f"## Single ones\n\n{_rows(lines, few)}", *told])


def _rows(lines: dict[str, list[dict[str, Any]]], paths: Iterable[str]) -> str:
    return table(
        ("address", "what", "fields"),
        ((f"`{path}`", _what(lines[path]), _fields(lines[path])) for path in paths),
    )


def _what(lines: Iterable[dict[str, Any]]) -> str:
    return "; ".join(f"{line['method']} `{line['action']}`" for line in lines)


def _fields(lines: Iterable[dict[str, Any]]) -> str:
    return ", ".join(f"`{name}`" for line in lines for name in line["fields"])
