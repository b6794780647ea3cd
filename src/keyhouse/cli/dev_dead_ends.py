"""`keyhouse dev dead-ends`: the page `docs/security/dead-ends.md`, made by the model of the account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import click

from keyhouse.accounts.dead_ends import KINDS, kind_of
from keyhouse.accounts.reachability import (
    STEPS,
    WITH_OPERATORS,
    Situation,
    Ways,
    everything,
    search,
    way_from,
)

_INTRODUCTION: Final = """# No account is a dead end

Made by `KEYHOUSE_ENVIRONMENT=test ./run keyhouse dev dead-ends` from the model in `accounts/reachability.py`; a test says when this page is not
what the model does. Every transition, from each situation each step that is open in it, is driven over HTTP and compared with what the index then says, by
`tests/accounts/reachability/test_product.py` in `./run test --all` (three hours of a processor; the ordinary run drives ways that have every step), in 400 parts that are noted once they went well, so
that a long walk goes on where it was stopped. Where two transitions are one to the index, since they differ in what a person has lost alone, one is driven for both; that this is so in the model is
tried for each of them. What operators do is driven from every dead end, and to the end of the way in a few of each kind.

A *situation* says how an account stands and what its person still has: the primary address (verified, never verified, mails come back, its domain
is gone, or its person lost the mailbox), the password (good, set by a mailed link, disabled since others know it, forgotten, none), the key (none,
passkey, a key that can't tell who holds it, lost, dead since the site has another name), the app (none, in hand, lost, switched off by wrong codes),
recovery codes (saved or not), the account (open, on hold, dormant after a first enrolment, frozen), whether a new password waits for a factor,
compliant co-owners or none, mail (works, off, stuck), and the browser (known or not). Everybody in it has authority over a critical project.

The goal is to be *compliant with authority*: a verified primary address that takes mails, an account without a hold, and a session that has proven
the strongest factor, so that the gate allows `token.mint`. Getting a new mailbox, an app or a passkey on one's device counts as something that
everybody can do.

*Suspended* is no situation here: operators closed the account on purpose, so that nothing its person can do opens it, and no way back is meant to
lead out of it. An operator reinstates it, and then it stands as it would without the suspension.
"""
_WHY_SEVERAL: Final = (
    "Each situation counts for the first kind that it is of. The goal is that only the first kind is listed. The others stay for the reasons that stand "
    "with them: in each, what is left is one proof at most that still proves something, or it is the index that stands still "
    "([decision 18](../decisions/0018-dead-ends-that-stay.md))."
)


@click.command("dead-ends")
def command() -> None:
    """Print the page of situations without a way back, as Markdown.

    \b
    Example:
      keyhouse dev dead-ends
    """  # noqa: D301 - \b is click's own mark
    click.echo(page(), nl=False)


@lru_cache(maxsize=1)
def all_ways() -> tuple[tuple[Situation, ...], Ways]:
    """Return all situations and the ways from them; it takes seconds."""
    starts = tuple(everything())
    return starts, search(starts)


def page() -> str:
    """Return the page."""
    starts, ways = all_ways()
    dead = [one for one in starts if one not in ways]
    return "\n".join((_INTRODUCTION, _numbers(starts, ways), _listed(dead), _steps(starts, ways)))


def _numbers(starts: tuple[Situation, ...], ways: Ways) -> str:
    found = [way for way in (way_from(one, ways) for one in starts) if way is not None]
    paths = {tuple(step.name for step, _ in way) for way in found}
    longest = max(len(path) for path in paths)
    return (
        f"Of {len(starts):,} situations, {len(found):,} have a way that needs no operator: {len(paths)} different ways of at most "
        f"{longest} steps. The other {len(starts) - len(found):,} are of the kinds below, and no situation is of none.\n"
    )


def _listed(dead: Iterable[Situation]) -> str:
    counts = Counter(kind.name for kind in map(kind_of, dead) if kind is not None)
    rows = [
        f"| {kind.name} | {counts[kind.name]:,} | {kind.what} | {kind.why} | {kind.left} |" for kind in KINDS
    ]
    head = [
        "## Where an operator is needed",
        "",
        _WHY_SEVERAL,
        "",
    ]
    return "\n".join(
        [
            *head,
            "| kind | situations | what is left | why | what leads on |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _steps(starts: tuple[Situation, ...], ways: Ways) -> str:
    used: Counter[str] = Counter()
    for one in starts:
        used.update({step.name for step, _ in way_from(one, ways) or []})
    rows = [
        f"| `{step.name}` | {step.words} | {step.who} | {f'{used[step.name]:,}' if step in STEPS else ''} |"
        for step in WITH_OPERATORS
    ]
    head = [
        "## The steps of the model",
        "",
        "| step | what | who | on the shortest way of |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *rows, ""])
