"""Projects to be found, and ways of looking for them."""

from __future__ import annotations

from typing import Any

from tests.projects.conftest import make_file

from keyhouse.core.actor import Actor
from keyhouse.projects import services
from keyhouse.projects.models import Project
from keyhouse.projects.search.queries import find_projects
from keyhouse.projects.search.rules import Wanted


def publish(name: str, *, by: Actor, version: str = "1.0", changes: Any = None, **metadata: Any) -> None:
    """Publish a release that says this of itself; `changes` are of its file."""
    services.publish_file(make_file(name, version, metadata=metadata, **(changes or {})), by=by)


def found(text: str = "", **filters: Any) -> list[str]:
    """Return the names of what is found, the best first."""
    keys = find_projects(Wanted(text, **filters)).keys
    names = dict(Project.objects.values_list("pk", "name"))
    return [names[key] for key in keys]
