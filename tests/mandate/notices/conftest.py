"""Mails that go somewhere, and no rest between rounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyhouse.core import configuration, keys
from keyhouse.mail import queries as mails
from keyhouse.mandate.notices import services


@pytest.fixture(autouse=True)
def mailing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys.ensure_ring(configuration.current().key_file)
    monkeypatch.setattr(mails, "is_off", lambda: False)
    monkeypatch.setattr(services, "REST", 0)
