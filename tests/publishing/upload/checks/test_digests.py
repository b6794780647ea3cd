from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tests.distfiles.builders import build_wheel
from tests.publishing.world import submission_of

from keyhouse.publishing.upload.checks.digests import Digests
from keyhouse.publishing.upload.errors import DigestDiffers


def digests_of(data: bytes) -> dict[str, str]:
    return {
        "md5_digest": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        "sha256_digest": hashlib.sha256(data).hexdigest(),
        "blake2_256_digest": hashlib.blake2b(data, digest_size=32).hexdigest(),
    }


def test_right_digests_pass_in_either_case(tmp_path: Path) -> None:
    path = build_wheel(tmp_path)
    digests = digests_of(path.read_bytes())
    Digests().check(submission_of(path, **digests))
    Digests().check(submission_of(path, **{field: value.upper() for field, value in digests.items()}))


@pytest.mark.parametrize("field", ["md5_digest", "sha256_digest", "blake2_256_digest"])
def test_each_wrong_digest_is_refused_though_the_others_are_right(tmp_path: Path, field: str) -> None:
    path = build_wheel(tmp_path)
    digests = digests_of(path.read_bytes())
    wrong = digests_of(b"other bytes")[field]
    with pytest.raises(DigestDiffers, match=field):
        Digests().check(submission_of(path, **{**digests, field: wrong}))


def test_digests_that_were_not_sent_are_not_compared(tmp_path: Path) -> None:
    path = build_wheel(tmp_path)
    md5 = digests_of(path.read_bytes())["md5_digest"]
    Digests().check(submission_of(path, sha256_digest="", md5_digest=md5))
