from __future__ import annotations

from pathlib import Path

from keyhouse.publishing.upload import checks
from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.publish import _INDISPENSABLE
from keyhouse.publishing.upload.steps import STEPS
from keyhouse.publishing.upload.submission import Stage

TESTS = Path(__file__).parent / "checks"


def test_every_step_stands_in_the_list_once_and_by_its_own_name() -> None:
    assert {type(step) for step in STEPS} == set(Check.__subclasses__())
    assert len({step.name for step in STEPS}) == len(STEPS)


def test_every_step_has_a_test_file_of_its_own() -> None:
    folder = Path(checks.__path__[0])
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "check"}
    assert modules == {path.stem.removeprefix("test_") for path in TESTS.glob("test_*.py")}


def test_the_steps_stand_in_the_documented_order() -> None:
    assert [step.name for step in STEPS] == [
        "sensible form",
        "complete form",
        "service open",
        "credential",
        "project",
        "gate",
        "project state",
        "file name",
        "announced size",
        "taken name",
        "received size",
        "digests",
        "duplicates",
        "archive",
        "wheel",
        "source distribution",
        "metadata",
        "attestations",
    ]


def test_who_may_is_settled_before_the_body_and_to_what_before_the_file() -> None:
    stages = {step.name: step.stage for step in STEPS}
    assert [name for name, stage in stages.items() if stage is Stage.HEADERS] == [
        "service open",
        "credential",
    ]
    assert stages["project"] == stages["gate"] == stages["project state"] == Stage.FIELDS


def test_what_is_indispensable_are_steps() -> None:
    assert {step.name for step in STEPS} >= _INDISPENSABLE
