"""`keyhouse dev roles`: `docs/reference/roles.md`, made from the tables that the code asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import click

from keyhouse.cli.surroundings import open_index
from keyhouse.core.actions import CATALOGUE
from keyhouse.organizations import rules as organizations
from keyhouse.projects.rules import INVITED, MAINTAINER, OWNER, ROLE_ACTIONS

ROLES: Final = (OWNER, MAINTAINER, INVITED)
_MEMBERS: Final = (organizations.OWNER, organizations.MANAGER, organizations.MEMBER, organizations.INVITED)
_INTRODUCTION: Final = """# Who may do what in a project, and in an organization

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
  their project alone, those of an organization to projects that stand in it, while an owner stands behind them.

"""

_ORGANIZATIONS: Final = """
## In an organization

What somebody may do in a project is the highest of three things, worked out at each question from what is so then: a role of their own, being
an owner of the organization that the project stands in (then they own it), and the role of a team that they are in. Nothing of it is copied, so
whoever leaves an organization or a team, or is removed, has no right by it from the next question on, and so it is when a project moves.

* **Owners** decide about people and own all projects of the organization. An organization always has an owner who can act.
* An owner of an organization who is removed or lowered by another one is told, as all owners are. Where a project of it is critical, it takes effect
  after `KEYHOUSE_OWNER_REMOVAL_DAYS`, and until then every owner can take it back, also the one whom it is about.
* **Managers** make teams and put members into them, make projects in the organization and move their own into it. Only owners put managers into
  teams.
* **Members** have rights in projects by teams only.
* What a team may do in a project is decided by the owners of that project. A team has rights in projects of its own organization only.
* A project moves by an owner of it who is an owner of the organization that it leaves, and owner or manager of the one it goes to. It carries
  its files and history, roles of people's own, and the API tokens and publishers of whoever has a right in it afterwards. It drops the roles of
  teams, invitations that wait, the tokens and publishers of everybody else, and the reach of the robot tokens and publishers of the organization that it leaves. Of a critical project nobody else may lose ownership by a move.
* On a private index an owner of an organization says who reads its projects, or one of them; an owner of the project alone can't, where it stands in an
  organization. Whoever has a role in a project reads it always.
* Invitations into an organization are as those into projects. Whoever is no owner any more has their invitations taken back.

"""


@click.command("roles")
def command() -> None:
    """Print the tables of roles and what they may do, as Markdown.

    \b
    Example:
      keyhouse dev roles
    """  # noqa: D301 - \b is click's own mark
    open_index(for_help=True)  # asks no index; where there is none, a throw-away folder does
    click.echo(page(), nl=False)


def page() -> str:
    """Return the page."""
    of_projects = _table(ROLES, ROLE_ACTIONS)
    of_organizations = _table(_MEMBERS, organizations.ROLE_ACTIONS)
    return f"{_INTRODUCTION}{of_projects}{_ORGANIZATIONS}{of_organizations}"


def _table(roles: Sequence[str], actions: Mapping[str, frozenset[str]]) -> str:
    named = frozenset().union(*actions.values())
    lines = ["| action | what it is | " + " | ".join(roles) + " |", "|---" * (2 + len(roles)) + "|"]
    for name, action in CATALOGUE.items():
        if name in named:
            cells = ("yes" if name in actions[role] else "" for role in roles)
            lines.append(f"| `{name}` | {action.summary} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
