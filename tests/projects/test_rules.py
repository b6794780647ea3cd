"""The pure rules: each verdict by its exact class."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keyhouse.core.errors import Refusal
from keyhouse.projects import rules
from keyhouse.projects.errors import (
    ContentExists,
    FileExists,
    FileNameUsed,
    ProjectArchived,
    ProjectQuarantined,
    ProjectTooLarge,
    ReleaseClosed,
    SecondSourceDistribution,
)
from keyhouse.projects.rules import Candidate, Neighbours

WHEEL = Candidate("a-1-py3-none-any.whl", "bdist_wheel", "aa")
SDIST = Candidate("a-1.tar.gz", "sdist", "bb")
NOW = datetime(2024, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("candidate", "beside", "verdict"),
    [
        (WHEEL, Neighbours(), None),
        (WHEEL, Neighbours(same_name_sha256="aa", is_name_used=True), None),
        (WHEEL, Neighbours(same_name_sha256="bb", is_name_used=True), FileExists),
        (WHEEL, Neighbours(is_name_used=True), FileNameUsed),
        (WHEEL, Neighbours(same_content="b-1.whl"), ContentExists),
        (WHEEL, Neighbours(sdist="a-1.tar.gz"), None),
        (SDIST, Neighbours(sdist="a-1.zip"), SecondSourceDistribution),
        (SDIST, Neighbours(same_name_sha256="bb", is_name_used=True, sdist="a-1.tar.gz"), None),
    ],
)
def test_a_file_beside_others(
    candidate: Candidate, beside: Neighbours, verdict: type[Refusal] | None
) -> None:
    refusal = rules.judge_file(candidate, beside)

    assert (type(refusal) if refusal else None) == verdict


def test_states_and_uploads() -> None:
    verdicts = {
        state: rules.judge_upload_state(state)
        for state in ("active", "deprecated", "archived", "quarantined")
    }

    assert verdicts["active"] is None
    assert verdicts["deprecated"] is None
    assert isinstance(verdicts["archived"], ProjectArchived)
    assert isinstance(verdicts["quarantined"], ProjectQuarantined)
    assert rules.judge_change("archived") is None


@pytest.mark.parametrize(
    ("age", "days", "is_closed"),
    [
        (timedelta(days=14), 14, False),
        (timedelta(days=14, seconds=1), 14, True),
        (timedelta(days=999), 0, False),
    ],
)
def test_old_releases_close(age: timedelta, days: int, is_closed: bool) -> None:
    assert isinstance(rules.judge_release_age(NOW - age, NOW, days), ReleaseClosed) is is_closed
    assert rules.judge_release_age(None, NOW, days) is None


def test_a_project_may_fill_its_limit_to_the_byte() -> None:
    assert rules.judge_project_size(90, 10, 100) is None
    assert isinstance(rules.judge_project_size(90, 11, 100), ProjectTooLarge)
