"""What tests of commands for people look at: what is stored, mailed and recorded, and what a command printed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import click
from click.testing import CliRunner, Result
from tests.accounts.conftest import signed_in
from tests.projects.conftest import everything

from keyhouse.accounts.models import User
from keyhouse.accounts.sessions import actor_of
from keyhouse.audit.models import Record
from keyhouse.core.actor import Actor
from keyhouse.core.errors import Refusal
from keyhouse.core.standing import Standing
from keyhouse.mail.models import Mail


@dataclass(frozen=True, slots=True)
class Commands:
    """A group of commands."""

    group: click.Command

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(self.group, words)

    def printed(self, *words: str) -> str:
        done = self.run(*words)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.stdout

    def told(self, *words: str) -> Any:
        return json.loads(self.printed(*words, "--json"))

    def lines(self, *words: str) -> list[Any]:
        return [json.loads(line) for line in self.printed(*words, "--json").splitlines()]

    def refused(self, *words: str) -> str:
        """Return the code of a refusal, after which nothing is stored and nothing mailed."""
        before, count = stored(), Mail.objects.count()
        done = self.run(*words)
        assert isinstance(done.exception, Refusal), (done.output, done.exception)
        assert stored() == before
        assert Mail.objects.count() == count
        return done.exception.code

    def is_wrong(self, *words: str) -> bool:
        """Tell whether it is wrong use, after which nothing is stored."""
        before = stored()
        return self.run(*words).exit_code == 2 and stored() == before


def stored() -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows; that a mailbox was nearly written to once more is counted, as of the page's tries."""
    return {table: rows for table, rows in everything().items() if table != "accounts.Attempt"}


def mails() -> list[tuple[str, str]]:
    return sorted(Mail.objects.values_list("kind", "address"))


def acts(*prefixes: str) -> list[tuple[str, str]]:
    """Return what was done whose action begins so, and by what kind of actor."""
    done = Record.objects.filter(outcome="done").order_by("pk").values_list("action", "actor_kind")
    return [(action, kind) for action, kind in done if action.startswith(prefixes)]


def actor(user: User, *methods: str) -> Actor:
    return actor_of(signed_in(user, *methods)[0])


@dataclass
class Stakes:
    """Says that alpha is critical."""

    critical: set[str] = field(default_factory=lambda: {"alpha"})

    def of(self, user_id: int) -> Standing:
        return Standing(has_authority=bool(user_id))

    def speaks_for(self, user_id: int) -> frozenset[int]:
        return frozenset()

    def is_critical(self, normalized_name: str) -> bool:
        return normalized_name in self.critical
