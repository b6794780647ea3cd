from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.distfiles.builders import build_sdist, build_wheel
from tests.publishing.world import submission_of

from keyhouse.distfiles.findings import UnacceptableError
from keyhouse.publishing.upload.checks.archive import Archive
from keyhouse.publishing.upload.checks.sdist import SourceDistribution


def test_a_true_sdist_passes(tmp_path: Path) -> None:
    submission = submission_of(build_sdist(tmp_path))
    Archive().check(submission)
    assert SourceDistribution().applies(submission)
    SourceDistribution().check(submission)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"top": "beta-1.0"}, "sdist-top-folder"),
        ({"extra_members": [("elsewhere/x.py", b"")]}, "sdist-top-folder"),
        ({"without": ["PKG-INFO"]}, "sdist-metadata-missing"),
    ],
)
def test_an_sdist_with_a_fault_is_refused(tmp_path: Path, fault: dict[str, Any], code: str) -> None:
    submission = submission_of(build_sdist(tmp_path, **fault))
    Archive().check(submission)
    with pytest.raises(UnacceptableError) as refused:
        SourceDistribution().check(submission)
    assert refused.value.finding.code == code


def test_it_judges_sdists_only(tmp_path: Path) -> None:
    assert not SourceDistribution().applies(submission_of(build_wheel(tmp_path)))
