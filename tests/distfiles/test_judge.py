import json
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyhouse.distfiles.findings import CODES
from keyhouse.distfiles.judge import Bounds, Examination, Judgement, Rules, judge
from tests.distfiles.builders import (
    build_sdist,
    build_wheel,
    gzip_bytes,
    metadata_bytes,
    record_bytes,
    tar_bytes,
    wheel_bytes,
    zip_bytes,
)

_FUZZ = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_INDEX = st.integers(min_value=0, max_value=2**20)
_EDITS = st.lists(st.tuples(_INDEX, st.integers(min_value=0, max_value=255)), min_size=1, max_size=8)


def codes(judgement: Judgement) -> list[str]:
    return [finding.code for finding in judgement.findings]


def check_sound(judgement: Judgement) -> None:
    """Whatever the bytes: known codes, one line of ASCII each, and metadata that JSON can hold."""
    for finding in judgement.findings:
        assert finding.code in CODES
        assert finding.sentence.isascii()
        assert finding.sentence.isprintable()
        assert len(finding.sentence) < 200
    if judgement.metadata is not None:
        json.dumps(judgement.metadata.as_dict()).encode()
    assert judgement.is_accepted == (not judgement.findings)


def test_a_badly_spelt_name_does_not_keep_the_rest_from_being_judged(tmp_path: Path) -> None:
    path = build_wheel(tmp_path, filename="Alpha-1.0-py3-none-any.whl", record_without=["alpha.py"])
    assert codes(judge(path)) == ["filename-not-canonical", "record-incomplete"]


def test_the_name_given_counts_and_not_that_of_the_file(tmp_path: Path) -> None:
    path = build_wheel(tmp_path).rename(tmp_path / "received.tmp")
    assert judge(path, "alpha-1.0-py3-none-any.whl").is_accepted
    assert codes(judge(path)) == ["filename-extension"]
    assert codes(judge(path, "beta-1.0-py3-none-any.whl")) == ["wheel-dist-info", "metadata-name"]


def test_findings_come_in_the_order_of_the_steps(tmp_path: Path) -> None:
    path = build_wheel(
        tmp_path,
        filename="Alpha-1.0-py3-none-any.whl",
        record_without=["alpha.py"],
        wheel_file=wheel_bytes("py2-none-any"),
        metadata_extra="Requires-Python: x",
    )
    assert codes(judge(path)) == [
        "filename-not-canonical",
        "record-incomplete",
        "wheel-tags-differ",
        "metadata-requires-python",
    ]


def test_the_steps_can_be_asked_one_by_one(tmp_path: Path) -> None:
    path = build_sdist(tmp_path, metadata_extra="Requires-Dist: beta")
    examination = Examination(path, path.name, Rules.public())
    assert examination.judge_filename() == []
    assert examination.name is not None
    assert examination.judge_archive() == []
    path.unlink()
    assert examination.judge_layout() == []
    assert examination.judge_metadata() == []
    assert examination.metadata is not None
    assert examination.metadata.requires_dist == ("beta",)


def test_steps_after_an_unreadable_archive_find_nothing_more(tmp_path: Path) -> None:
    path = build_wheel(tmp_path, suffix=b"X")
    examination = Examination(path, path.name, Rules.public())
    assert examination.judge_filename() == []
    assert [finding.code for finding in examination.judge_archive()] == ["archive-surplus-data"]
    assert examination.judge_layout() == examination.judge_metadata() == []


def test_a_file_that_is_not_there_or_no_file_is_said_to_be_so(tmp_path: Path) -> None:
    name = "alpha-1.0-py3-none-any.whl"
    assert codes(judge(tmp_path / name)) == ["file-unreadable"]
    assert codes(judge(tmp_path, name)) == ["file-unreadable"]
    os.mkfifo(tmp_path / "fifo")
    assert codes(judge(tmp_path / "fifo", name)) == ["file-unreadable"]


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    path = build_wheel(tmp_path)
    size = path.stat().st_size
    assert judge(path, rules=Rules.public(Bounds(file_size=size))).is_accepted
    assert codes(judge(path, rules=Rules.internal(Bounds(file_size=size - 1)))) == ["file-too-large"]


@pytest.mark.parametrize("filename", ["alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz"])
def test_polyglots_are_refused_under_either_name(tmp_path: Path, filename: str) -> None:
    wheel = build_wheel(tmp_path).read_bytes()
    sdist = build_sdist(tmp_path).read_bytes()
    path = tmp_path / "polyglot"
    for data in (sdist + wheel, sdist + wheel + b"\0" * 100, tar_bytes([("a", b"1")]) + wheel):
        path.write_bytes(data)
        assert codes(judge(path, filename)) == ["archive-polyglot"]


def test_one_kind_under_the_name_of_the_other_is_refused(tmp_path: Path) -> None:
    assert codes(judge(build_wheel(tmp_path), "alpha-1.0.tar.gz")) == ["archive-malformed"]
    assert codes(judge(build_sdist(tmp_path), "alpha-1.0-py3-none-any.whl")) == ["archive-malformed"]


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"PK", b"PK\x05\x06", b"\x1f\x8b", b"\x1f\x8b\x08", b"hello" * 9]
)
@pytest.mark.parametrize("filename", ["alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz"])
def test_scraps_are_refused(tmp_path: Path, data: bytes, filename: str) -> None:
    path = tmp_path / "scrap"
    path.write_bytes(data)
    judgement = judge(path, filename)
    check_sound(judgement)
    assert not judgement.is_accepted


def _mutate(data: bytes, edits: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for place, value in edits:
        changed[place % len(changed)] = value
    return bytes(changed)


def _contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


@pytest.mark.parametrize("compression", [0, 8])
@_FUZZ
@given(edits=_EDITS)
def test_changed_bytes_of_a_wheel_never_surprise(
    tmp_path: Path, compression: int, edits: list[tuple[int, int]]
) -> None:
    path = build_wheel(
        tmp_path, compression=compression, entry_points="[console_scripts]\na = b:c\n", comment=b"x"
    )
    original = path.read_bytes()
    changed = _mutate(original, edits)
    before = _contents(path)
    path.write_bytes(changed)
    judgement = judge(path)
    check_sound(judgement)
    # an accepted archive holds the same for another reader, too
    assert not judgement.is_accepted or _contents(path) == before


@_FUZZ
@given(edits=_EDITS, is_inside=st.booleans())
def test_changed_bytes_of_an_sdist_never_surprise(
    tmp_path: Path, edits: list[tuple[int, int]], is_inside: bool
) -> None:
    members = {"alpha-1.0/PKG-INFO": metadata_bytes(), "alpha-1.0/" + "ü" * 120: b"1"}
    tar = tar_bytes(members.items())
    path = tmp_path / "alpha-1.0.tar.gz"
    path.write_bytes(gzip_bytes(_mutate(tar, edits)) if is_inside else _mutate(gzip_bytes(tar), edits))
    check_sound(judge(path))


@_FUZZ
@given(cut=_INDEX)
def test_no_truncation_is_accepted(tmp_path: Path, cut: int) -> None:
    for path in (build_wheel(tmp_path), build_sdist(tmp_path)):
        data = path.read_bytes()
        path.write_bytes(data[: cut % len(data)])
        judgement = judge(path)
        check_sound(judgement)
        assert not judgement.is_accepted


@_FUZZ
@given(metadata=st.binary(max_size=300), lines=st.lists(st.text(max_size=40), max_size=5))
def test_any_metadata_is_judged(tmp_path: Path, metadata: bytes, lines: list[str]) -> None:
    fields = [
        "Requires-Dist",
        "Requires-Python",
        "License-Expression",
        "Project-URL",
        "Description-Content-Type",
    ]
    spelt = "".join(f"{field}: {line}\n" for field, line in zip(fields, lines, strict=False))
    encoded = spelt.encode("utf-8", "surrogatepass")
    for data in (metadata, metadata_bytes()[:-1] + encoded + b"\n" + metadata):
        check_sound(judge(build_wheel(tmp_path, metadata=data)))


@_FUZZ
@given(
    name=st.text(max_size=30),
    ending=st.sampled_from([".whl", ".tar.gz", "-1.0.tar.gz", "-1.0-py3-none-any.whl"]),
)
def test_any_file_name_is_judged(tmp_path: Path, name: str, ending: str) -> None:
    path = tmp_path / "some.file"
    path.write_bytes(b"")
    check_sound(judge(path, name + ending))


@_FUZZ
@given(wheel_file=st.binary(max_size=200), entry_points=st.text(max_size=80), record=st.binary(max_size=200))
def test_any_describing_files_are_judged(
    tmp_path: Path, wheel_file: bytes, entry_points: str, record: bytes
) -> None:
    entry_points = entry_points.encode("utf-8", "replace").decode()
    check_sound(judge(build_wheel(tmp_path, wheel_file=wheel_file, entry_points=entry_points)))
    check_sound(judge(build_wheel(tmp_path, record=record)))


def test_a_wheel_with_any_member_changed_after_its_record_is_refused(tmp_path: Path) -> None:
    folder = "alpha-1.0.dist-info"
    members = {"alpha.py": b"1", f"{folder}/METADATA": metadata_bytes(), f"{folder}/WHEEL": wheel_bytes()}
    record = record_bytes(folder, members)
    path = tmp_path / "alpha-1.0-py3-none-any.whl"
    for changed, data in members.items():
        contents = {**members, changed: data + b"\n", f"{folder}/RECORD": record}
        path.write_bytes(zip_bytes(contents.items()))
        assert codes(judge(path)) == ["record-wrong-hash", "record-wrong-size"]
