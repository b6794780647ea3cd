from __future__ import annotations

from pathlib import Path

import pytest
from tests.distfiles.builders import build_sdist, build_wheel, metadata_bytes
from tests.publishing.world import submission_of

from keyhouse.distfiles.findings import UnacceptableError
from keyhouse.publishing.upload.checks.archive import Archive
from keyhouse.publishing.upload.checks.metadata import Metadata
from keyhouse.publishing.upload.checks.sdist import SourceDistribution
from keyhouse.publishing.upload.checks.wheel import Wheel

EXTRA = "Requires-Python: >=3.9\nRequires-Dist: beta>=1\nRequires-Dist: gamma\nProvides-Extra: test\n"


def judge(path: Path, **fields: str | list[str]) -> None:
    submission = submission_of(path, **fields)
    Archive().check(submission)
    (Wheel() if Wheel().applies(submission) else SourceDistribution()).check(submission)
    Metadata().check(submission)


def code_of(path: Path, **fields: str | list[str]) -> str:
    with pytest.raises(UnacceptableError) as refused:
        judge(path, **fields)
    return refused.value.finding.code


def test_fields_left_out_are_taken_from_the_file(tmp_path: Path) -> None:
    judge(build_wheel(tmp_path, metadata_extra=EXTRA))
    judge(build_sdist(tmp_path, metadata_extra=EXTRA))


def test_fields_that_agree_pass_in_any_order_and_spelling(tmp_path: Path) -> None:
    judge(
        build_wheel(tmp_path, metadata_extra=EXTRA),
        requires_python=">= 3.9",
        requires_dist=["gamma", "beta >=1"],
        provides_extra=["test"],
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("requires_python", ">=3.8"),
        ("requires_dist", ["beta>=1"]),
        ("requires_dist", ["beta>=1", "gamma", "evil"]),
        ("provides_extra", ["other"]),
        ("license", "MIT"),
    ],
)
def test_a_field_that_says_something_else_is_refused(
    tmp_path: Path, field: str, value: str | list[str]
) -> None:
    path = build_wheel(tmp_path, metadata_extra=EXTRA)
    assert code_of(path, **{field: value}) == "metadata-disagrees"


def test_a_file_that_speaks_of_another_project_is_refused(tmp_path: Path) -> None:
    assert code_of(build_wheel(tmp_path, metadata=metadata_bytes("beta", "1.0"))) == "metadata-name"
    assert code_of(build_sdist(tmp_path, metadata=metadata_bytes("alpha", "2.0"))) == "metadata-release"


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ("Requires-Dist: beta @ https://example.org/b.whl\n", "metadata-direct-url"),
        ("Classifier: Private :: Do Not Upload\n", "metadata-private-classifier"),
        ("Classifier: Made :: Up\n", "metadata-classifier"),
        ("Summary: " + "x" * 513 + "\n", "metadata-summary"),
        ("Requires-Python: three\n", "metadata-requires-python"),
        ("Description-Content-Type: text/html\n", "metadata-content-type"),
    ],
)
def test_metadata_with_a_fault_is_refused(tmp_path: Path, extra: str, code: str) -> None:
    assert code_of(build_wheel(tmp_path, metadata_extra=extra)) == code
