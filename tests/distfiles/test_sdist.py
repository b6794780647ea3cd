import tarfile
from pathlib import Path

import pytest

from keyhouse.distfiles.judge import judge
from tests.distfiles.builders import build_sdist, metadata_bytes, tar_member


def codes(path: Path) -> list[str]:
    return [finding.code for finding in judge(path).findings]


def test_a_good_sdist_is_accepted(tmp_path: Path) -> None:
    judgement = judge(build_sdist(tmp_path, "my.alpha", "1.0", with_directories=True))
    assert judgement.findings == ()
    assert (judgement.kind, judgement.name, str(judgement.version)) == ("sdist", "my-alpha", "1.0")
    assert judgement.tags == frozenset()
    assert judgement.metadata_bytes == metadata_bytes("my.alpha", "1.0")


def test_the_top_folder_may_be_spelt_as_the_author_spells_the_name(tmp_path: Path) -> None:
    assert codes(build_sdist(tmp_path, "my.alpha", top="My.Alpha-1.0")) == []


@pytest.mark.parametrize("top", ["alpha-1.1", "beta-1.0", "alpha", "1.0", "alpha1.0"])
def test_the_top_folder_must_be_of_the_release(tmp_path: Path, top: str) -> None:
    assert codes(build_sdist(tmp_path, top=top)) == ["sdist-top-folder"]


@pytest.mark.parametrize("path", ["other/file", "file", "alpha-1.1/PKG-INFO"])
def test_there_is_one_top_folder_and_nothing_beside_it(tmp_path: Path, path: str) -> None:
    assert codes(build_sdist(tmp_path, extra_members=[(path, b"1")]))[0] == "sdist-top-folder"


def test_a_link_beside_the_top_folder_is_refused(tmp_path: Path) -> None:
    link = tar_member("link", tarfile.SYMTYPE, target="alpha-1.0")
    assert codes(build_sdist(tmp_path, extra_members=[(link, b"")])) == ["archive-link"]


def test_the_metadata_must_be_there_as_a_file(tmp_path: Path) -> None:
    assert codes(build_sdist(tmp_path, without=["PKG-INFO"])) == ["sdist-metadata-missing"]
    deeper = build_sdist(tmp_path, without=["PKG-INFO"], files={"alpha/PKG-INFO": metadata_bytes()})
    assert codes(deeper) == ["sdist-metadata-missing"]
    link = tar_member("alpha-1.0/PKG-INFO", tarfile.SYMTYPE, target="other")
    linked = build_sdist(
        tmp_path, without=["PKG-INFO"], files={"other": metadata_bytes()}, extra_members=[(link, b"")]
    )
    assert codes(linked) == ["sdist-metadata-missing"]


def test_the_metadata_may_not_be_there_twice(tmp_path: Path) -> None:
    path = build_sdist(tmp_path, extra_members=[("alpha-1.0/PKG-INFO", metadata_bytes("beta"))])
    assert codes(path) == ["archive-duplicate"]
