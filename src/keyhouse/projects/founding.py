"""What follows when a project is made, in that transaction: whoever waited for its name is told, or gets it.

Features above `projects` have followers; `web` wires them at start-up.
"""

from __future__ import annotations

from collections.abc import Callable

from keyhouse.core.actor import Actor
from keyhouse.projects.models import Project

Follower = Callable[[Project, Actor], None]

_followers: list[Follower] = []


def wire(*followers: Follower) -> None:
    """Install the followers; none takes them out."""
    _followers[:] = followers


def tell(project: Project, by: Actor) -> None:
    """Let every follower know, in the caller's transaction; a refusal of one means that there is no project."""
    for follow in _followers:
        follow(project, by)
