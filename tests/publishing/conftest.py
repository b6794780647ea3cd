from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.publishing.driver import TOKEN
from tests.publishing.world import AllOpen, Asked, actor_of, make_user

from keyhouse import storage
from keyhouse.core import actions, configuration
from keyhouse.core.actor import Actor
from keyhouse.core.errors import CredentialInvalid


@pytest.fixture
def gate() -> Asked:
    return Asked()


@pytest.fixture
def authority() -> Asked:
    return Asked()


@pytest.fixture
def wired(gate: Asked, authority: Asked) -> Iterator[None]:
    """Wire a gate and an authority that say yes unless a test tells them otherwise."""
    before = actions._wiring
    actions._wiring = actions._Wiring()
    actions.wire(gate=gate, authority=authority, switches=AllOpen())
    yield
    actions._wiring = before


@pytest.fixture
def empty_store() -> Iterator[None]:
    """Empty the blob store, and see that no test leaves a temporary file in it."""
    root = configuration.current().files_folder
    shutil.rmtree(root, ignore_errors=True)
    storage._local.cache_clear()
    yield
    left = list((root / ".incoming").iterdir()) if (root / ".incoming").is_dir() else []
    assert left == []


@pytest.fixture
def ada(monkeypatch: pytest.MonkeyPatch) -> Actor:
    """Let the credential of the driver stand for ada; any other is refused."""
    actor = actor_of(make_user())

    def authenticate(authorization: str, *, network: str, user_agent: str, now: object) -> Actor:
        if authorization != TOKEN:
            raise CredentialInvalid
        return replace(actor, network=network, user_agent=user_agent)

    monkeypatch.setattr("keyhouse.publishing.upload.checks.credential.authenticate", authenticate)
    return actor
