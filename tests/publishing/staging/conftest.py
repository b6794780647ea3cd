"""A project, a token that uploads to it, and files that wait in it."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.projects.conftest import ada as ada  # noqa: PLC0414 - a fixture
from tests.projects.conftest import bob as bob  # noqa: PLC0414 - a fixture
from tests.projects.conftest import id_of, make_file
from tests.projects.conftest import wired as wired  # noqa: PLC0414 - a fixture

from keyhouse import storage
from keyhouse.accounts.models import Email
from keyhouse.core import clock, configuration
from keyhouse.core.actor import Actor
from keyhouse.credentials.tokens.models import Token
from keyhouse.projects import services as projects
from keyhouse.projects.models import Project
from keyhouse.projects.services import NewFile
from keyhouse.publishing.staging import queries, services
from keyhouse.storage import blobs
from keyhouse.storage.blobs import key_of, metadata_key_of

Stage = Callable[..., Any]


@pytest.fixture(autouse=True)
def empty_store() -> None:
    shutil.rmtree(configuration.current().files_folder, ignore_errors=True)
    storage._local.cache_clear()


def store(new: NewFile, content: bytes) -> None:
    """Put made-up bytes where an upload would have put them."""
    keys = [key_of(new.blake2, new.filename)]
    if new.metadata_sha256:
        keys.append(metadata_key_of(new.blake2, new.filename))
    for key in keys:
        temp = blobs().incoming()
        temp.write_bytes(content)
        blobs().keep(temp, key)


@pytest.fixture
def project(ada: Actor) -> Project:
    """Return a project with a release 1.0 that everybody sees; ada owns it, and mail reaches her."""
    Email.objects.create(
        user_id=id_of(ada),
        address="ada@example.org",
        is_primary=True,
        verified_at=clock.now(),
        added_at=clock.now(),
    )
    projects.publish_file(make_file(), by=ada)
    return Project.objects.get()


@pytest.fixture
def token(ada: Actor) -> Token:
    return make_token(id_of(ada))


def make_token(user_id: int) -> Token:
    return Token.objects.create(
        user_id=user_id,
        key_id="1",
        description=uuid.uuid4().hex,
        minted_at=clock.now(),
        minted_proof_at=clock.now(),
        expires_at=clock.now() + timedelta(days=400),
    )


@pytest.fixture
def ci(ada: Actor, token: Token) -> Actor:
    """Return who acts by that token."""
    return Actor(
        kind="token",
        user_id=ada.user_id,
        name=ada.name,
        credential=token.pk.hex,
        strength=ada.strength,
        email_is_verified=True,
    )


@pytest.fixture
def stage(project: Project, ci: Actor) -> Stage:
    """Return what lets a made-up file of version 2.0 wait."""

    def act(version: str = "2.0", *, by: Actor = ci, **changes: Any) -> Any:
        content = changes.get("content", "")
        facts = {"credential": by.credential, "uploaded_via": by.kind, **changes}
        new = make_file(version=version, **facts)
        store(new, (content or new.filename).encode())
        return services.stage_file(new, by=by)

    return act


def seen(project: Project, version: str = "2.0") -> str:
    """Return what somebody who looks at the staged release now would say they saw."""
    release = queries.find_waiting(project, version, clock.now())
    return queries.fingerprint_of(queries.files_of(release)) if release is not None else ""


def publish(project: Project, by: Actor, version: str = "2.0") -> list[str]:
    files = services.publish_release(project.normalized_name, version, seen=seen(project, version), by=by)
    return [file.filename for file in files]
