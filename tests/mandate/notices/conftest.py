"""Mails that go somewhere, and no rest between rounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keyhouse.core import configuration, keys
from keyhouse.mandate.notices import services


@pytest.fixture(autouse=True)
def mailing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    before = configuration.current()
    keys.ensure_ring(before.key_file)
    configuration.use(replace(before, mail_dir=tmp_path / "mails"))
    monkeypatch.setattr(services, "REST", 0)
    yield
    configuration.use(before)
