from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.distfiles.builders import build_sdist, build_wheel, wheel_bytes
from tests.publishing.world import submission_of

from keyhouse.distfiles.findings import UnacceptableError
from keyhouse.publishing.upload.checks.archive import Archive
from keyhouse.publishing.upload.checks.wheel import Wheel


def test_a_true_wheel_passes(tmp_path: Path) -> None:
    submission = submission_of(build_wheel(tmp_path))
    Archive().check(submission)
    assert Wheel().applies(submission)
    Wheel().check(submission)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"record_without": ["alpha.py"]}, "record-incomplete"),
        ({"record_extra": "ghost.py,sha256=AAAA,1\n"}, "record-surplus"),
        ({"record": b"alpha.py,md5=AAAA,1\n"}, "record-weak-hash"),
        ({"without": ["RECORD"]}, "wheel-file-missing"),
        ({"without": ["WHEEL"]}, "wheel-file-missing"),
        ({"without": ["METADATA"]}, "wheel-file-missing"),
        ({"dist_info": "beta-1.0.dist-info"}, "wheel-dist-info"),
        ({"wheel_file": wheel_bytes("py2-none-any")}, "wheel-tags-differ"),
        ({"tag": "cp311-cp311-linux_x86_64"}, "wheel-platform"),
        ({"entry_points": "[console_scripts\nx"}, "wheel-entry-points"),
    ],
)
def test_a_wheel_with_a_fault_is_refused(tmp_path: Path, fault: dict[str, Any], code: str) -> None:
    submission = submission_of(build_wheel(tmp_path, **fault))
    Archive().check(submission)
    with pytest.raises(UnacceptableError) as refused:
        Wheel().check(submission)
    assert refused.value.finding.code == code


def test_it_judges_wheels_only(tmp_path: Path) -> None:
    assert not Wheel().applies(submission_of(build_sdist(tmp_path)))
