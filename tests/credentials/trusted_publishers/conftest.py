"""The real gate and authority, and a certificate for an issuer on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import WIRED
from tests.credentials.tokens.conftest import set_clock as set_clock  # noqa: PLC0414 - fixtures are found here
from tests.oidc_issuer import make_certificate

from keyhouse.core import actions, configuration, keys
from keyhouse.mandate.gates import MandateGate
from keyhouse.projects.authority import ProjectAuthority


@pytest.fixture(autouse=True)
def wired() -> Iterator[None]:
    keys.ensure_ring(configuration.current().key_file)
    before = [getattr(actions._wiring, name) for name in WIRED]
    actions.wire(gate=MandateGate(), authority=ProjectAuthority())
    yield
    for name, part in zip(WIRED, before, strict=True):
        setattr(actions._wiring, name, part)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("issuer"), "localhost")
