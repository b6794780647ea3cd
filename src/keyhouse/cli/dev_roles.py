"""`keyhouse dev roles`: `docs/reference/roles.md`, made from the table that the code asks."""

from __future__ import annotations

from typing import Final

import click

from keyhouse.cli.surroundings import open_index
from keyhouse.core.actions import CATALOGUE
from keyhouse.projects.rules import INVITED, MAINTAINER, OWNER, ROLE_ACTIONS

ROLES: Final = (OWNER, MAINTAINER, INVITED)
_INTRODUCTION: Final = """# Who may do what in a project

Made by `KEYHOUSE_ENVIRONMENT=test ./run keyhouse dev roles` from `projects/rules.py: ROLE_ACTIONS`, which every door asks; a test says when
this page is not what the code does, and another one drives every cell. What each action asks for besides (a second factor, a fresh
proof): [what is gated](../mandate-decisions.md).

* **Owners** decide about the project and who has a role in it. A project always has an owner.
* **Maintainers** upload files.
* Whoever is **invited** has no role before they accept, by a session that has proven what the mandates ask of that role. An invitation names an
  account or an e-mail address, and one role; it is good once, for `KEYHOUSE_PROJECT_INVITATION_DAYS`. Whether a name or an address has an account
  is told to nobody.
* An owner who is removed or made a maintainer is told, as all owners are. Of a critical project it takes effect after
  `KEYHOUSE_OWNER_REMOVAL_DAYS`, and until then every owner can take it back, also the one whom it is about.
* Strangers and whoever is not signed in may do none of it, and are answered alike whether the project is there or not. Operators of the index
  have no role in a project by their office.
* API tokens upload and yank as their owner's role allows at the time they are used. Robot tokens upload to
  their project alone, while an owner stands behind them.

"""


@click.command("roles")
def command() -> None:
    """Print the table of roles and what they may do, as Markdown."""
    open_index(for_help=True)  # asks no index; where there is none, a throw-away folder does
    click.echo(page(), nl=False)


def page() -> str:
    """Return the page."""
    named = frozenset().union(*ROLE_ACTIONS.values())
    lines = ["| action | what it is | " + " | ".join(ROLES) + " |", "|---" * (2 + len(ROLES)) + "|"]
    for name, action in CATALOGUE.items():
        if name in named:
            cells = ("yes" if name in ROLE_ACTIONS[role] else "" for role in ROLES)
            lines.append(f"| `{name}` | {action.summary} | " + " | ".join(cells) + " |")
    return _INTRODUCTION + "\n".join(lines) + "\n"
