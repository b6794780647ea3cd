"""What the name in a command stands for. Raises NotFound, with the command that lists what there is."""

from __future__ import annotations

from keyhouse.accounts.models import User
from keyhouse.accounts.queries import find_user
from keyhouse.core.errors import NotFound
from keyhouse.distfiles.names import normalise
from keyhouse.projects.models import Project
from keyhouse.projects.queries import find_project


def get_user(name: str) -> User:
    """Return the account of that user name."""
    user = find_user(name)
    if user is None:
        raise NotFound(f"There is no user {name}.", fix="`keyhouse user list` shows them.")
    return user


def get_project(name: str) -> Project:
    """Return the project of that name."""
    project = find_project(normalise(name))
    if project is None:
        raise NotFound(f"There is no project {name}.", fix="`keyhouse project list` shows them.")
    return project
