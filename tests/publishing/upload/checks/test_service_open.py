from __future__ import annotations

import dataclasses

import pytest
from tests.publishing.world import submission_of

from keyhouse.core import actions, clock, configuration
from keyhouse.core.switches import Stop, UploadsFrozen
from keyhouse.publishing.upload.checks.service_open import ServiceOpen
from keyhouse.publishing.upload.submission import Stage

pytestmark = pytest.mark.usefixtures("wired")


def set_uploads(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    changed = dataclasses.replace(configuration.current(), uploads=value)  # type: ignore[arg-type]  # by parameter
    monkeypatch.setattr(configuration, "_current", changed)


@pytest.mark.parametrize("value", ["open", "existing"])
def test_an_open_service_takes_uploads(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    set_uploads(monkeypatch, value)
    ServiceOpen().check(submission_of())


def test_a_frozen_service_takes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    set_uploads(monkeypatch, "frozen")
    with pytest.raises(UploadsFrozen) as refused:
        ServiceOpen().check(submission_of())
    assert refused.value.code == "uploads-frozen"


def test_it_is_asked_before_the_body_is_read() -> None:
    assert ServiceOpen.stage is Stage.HEADERS


def test_a_switch_stops_it_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopping:
        def find(self, names: tuple[str, ...]) -> Stop | None:
            return Stop("uploads", "wave of malware", clock.now()) if "uploads" in names else None

    actions.wire(switches=Stopping())
    with pytest.raises(UploadsFrozen) as refused:
        ServiceOpen().check(submission_of())
    assert refused.value.line.endswith("Reason: wave of malware")
