"""People, files and a gate that lets everybody through: what is asked here is authority and state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from tests.conftest import WIRED

from keyhouse.accounts.models import User
from keyhouse.core import actions, clock
from keyhouse.core.actions import Action, Thing
from keyhouse.core.actor import Actor, Strength
from keyhouse.core.errors import SecondFactorRequired
from keyhouse.projects.authority import ProjectAuthority
from keyhouse.projects.models import Project, Role
from keyhouse.projects.services import NewFile


class StrengthGate:
    """Lets through what was proven with a second factor; the host always."""

    def require(self, actor: Actor, action: Action, thing: Thing | None) -> None:
        if actor.kind not in {"host", "job"} and not actor.strength.has_second_factor:
            raise SecondFactorRequired


@pytest.fixture(autouse=True)
def wired() -> Iterator[None]:
    before = [getattr(actions._wiring, name) for name in WIRED]
    actions.wire(gate=StrengthGate(), authority=ProjectAuthority())
    yield
    for name, part in zip(WIRED, before, strict=True):
        setattr(actions._wiring, name, part)


def make_person(name: str, **changes: Any) -> Actor:
    """Make an account with a signed-in session that has proven a second factor."""
    user = User(username=name, joined_at=clock.now())
    user.save()
    facts: dict[str, Any] = {
        "kind": "session",
        "user_id": user.pk,
        "name": name,
        "credential": f"session-of-{name}",
        "strength": Strength(frozenset({"password", "totp"}), clock.now()),
        "network": "192.0.2.7",
        "email_is_verified": True,
    }
    return Actor(**(facts | changes))


def make_file(project: str = "Alpha.Beta", version: str = "1.0", **changes: Any) -> NewFile:
    """Make a wheel (or, by `kind`, a source distribution) of made-up bytes."""
    is_sdist = changes.get("kind") == "sdist"
    stem = f"{project.lower().replace('.', '_').replace('-', '_')}-{version}"
    filename = changes.pop("filename", f"{stem}.tar.gz" if is_sdist else f"{stem}-py3-none-any.whl")
    content = changes.pop("content", filename).encode()
    facts: dict[str, Any] = {
        "project_name": project,
        "version": version,
        "filename": filename,
        "kind": "bdist_wheel",
        "python_tag": "source" if is_sdist else "py3",
        "size": len(content),
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "blake2": hashlib.blake2b(content, digest_size=32).hexdigest(),
        "metadata": {"summary": f"Summary of {version}", "description": "Text <b>of</b> it"},
        "metadata_sha256": "" if is_sdist else "ab" * 32,
        "requires_python": ">=3.9",
        "description_html": "<p>Text</p>",
        "uploaded_via": "token",
        "credential": "abc",
        "client": "twine/7.0",
    }
    return NewFile(**(facts | changes))


@pytest.fixture
def ada(db: None) -> Actor:
    return make_person("ada")


@pytest.fixture
def bob(db: None) -> Actor:
    return make_person("bob")


_REACHED = ("audit", "accounts", "projects")  # features below know of no other tables


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table that publishing could touch, to show that a refusal left nothing behind."""
    models = [model for label in _REACHED for model in apps.get_app_config(label).get_models()]
    return {model._meta.label: sorted(model._default_manager.values_list(), key=repr) for model in models}


def give_role(name: str, actor: Actor, kind: str) -> None:
    """Give somebody a role in a project that exists."""
    project = Project.objects.get(normalized_name=name)
    Role(project=project, user_id=id_of(actor), kind=kind, since_at=clock.now()).save()


def id_of(actor: Actor) -> int:
    assert actor.user_id is not None
    return actor.user_id
