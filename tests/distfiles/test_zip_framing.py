import struct
import zipfile
from pathlib import Path

import pytest

from keyhouse.distfiles.findings import UnacceptableError
from keyhouse.distfiles.rules import Bounds
from keyhouse.distfiles.source import open_source
from keyhouse.distfiles.zip_contents import hash_members
from keyhouse.distfiles.zip_framing import ZipMember, looks_like_zip, read_zip
from tests.distfiles.builders import WheelMember, gzip_bytes, zip_bytes, zip_member

# the frame of these is sound; what is wrong shows when a member is read
_WRONG_INSIDE = {"short_usize.zip", "short_usize_zip64.zip"}


def read(path: Path, bounds: Bounds | None = None) -> list[ZipMember]:
    with open_source(path) as source:
        return read_zip(source, bounds or Bounds())


def read_and_hash(path: Path) -> None:
    with open_source(path) as source:
        hash_members(source, read_zip(source, Bounds()), lambda _: "sha256")


def refusal(path: Path, bounds: Bounds | None = None) -> str:
    with pytest.raises(UnacceptableError) as caught:
        read(path, bounds)
    return caught.value.finding.code


def archive(folder: Path, *members: WheelMember, comment: bytes = b"") -> Path:
    path = folder / "a.zip"
    path.write_bytes(zip_bytes(members, comment=comment))
    return path


def test_the_accepted_vectors_have_a_sound_frame(vectors: Path) -> None:
    accepted = sorted((vectors / "zip" / "accept").iterdir())
    assert len(accepted) >= 10
    for path in accepted:
        read(path)
        if path.name not in _WRONG_INSIDE:
            read_and_hash(path)


def test_a_size_that_hides_the_rest_of_a_member_is_found_when_it_is_read(vectors: Path) -> None:
    for name in sorted(_WRONG_INSIDE):
        with pytest.raises(UnacceptableError) as caught:
            read_and_hash(vectors / "zip" / "accept" / name)
        assert caught.value.finding.code == "archive-corrupt"


def test_the_rejected_vectors_are_refused(vectors: Path) -> None:
    rejected = sorted((vectors / "zip" / "reject").iterdir())
    assert len(rejected) >= 30
    for path in rejected:
        with pytest.raises(UnacceptableError):
            read_and_hash(path)


def test_members_come_in_the_order_of_their_data(tmp_path: Path) -> None:
    members = read(archive(tmp_path, ("b", b"1"), ("a/", b""), ("a/c", b"22")))
    assert [(member.path, member.is_folder, member.size) for member in members] == [
        ("b", False, 1),
        ("a", True, 0),
        ("a/c", False, 2),
    ]


def test_a_plain_comment_is_taken_and_one_with_an_end_record_is_not(tmp_path: Path) -> None:
    assert read(archive(tmp_path, ("a", b"1"), comment=b"made on Monday"))
    assert refusal(archive(tmp_path, ("a", b"1"), comment=zip_bytes([]))) == "archive-surplus-data"
    assert refusal(archive(tmp_path, ("a", b"1"), comment=b"PK\x05\x06" * 9)) == "archive-surplus-data"


def test_zip64_as_python_writes_it_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as target, target.open(zip_member("a"), "w", force_zip64=True) as member:
        member.write(b"data")
    assert [member.size for member in read(path)] == [4]


@pytest.mark.parametrize(
    "path",
    [
        "/a",
        "../a",
        "a/../b",
        "a//b",
        "./a",
        "a/./b",
        "a\\b",
        "C:/a",
        "c:a",
        "a\nb",
        "..",
        "\u2028",
        "x/" + "y" * 256,
    ],
)
def test_paths_that_could_land_elsewhere_are_refused(tmp_path: Path, path: str) -> None:
    assert refusal(archive(tmp_path, (path, b"1"))) == "archive-path"


def test_a_path_with_nul_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, ("a_b", b"1"))
    path.write_bytes(path.read_bytes().replace(b"a_b", b"a\0b"))
    assert refusal(path) == "archive-path"


def test_an_overlong_path_is_refused(tmp_path: Path) -> None:
    assert refusal(archive(tmp_path, ("a/" * 600 + "b", b"1"))) == "archive-path-too-long"


@pytest.mark.parametrize(
    "members",
    [
        [("a", b"1"), ("a", b"1")],
        [("a", b"1"), ("a/b", b"1")],
        [("a/b/c", b"1"), ("a", b"1")],
        [("a", b"1"), ("a/", b"")],
        [("a/", b""), ("a/", b"")],
        [("\u00e9", b"1"), ("e\u0301", b"2")],
    ],
)
def test_two_members_for_one_place_are_refused(tmp_path: Path, members: list[tuple[str, bytes]]) -> None:
    assert refusal(archive(tmp_path, *members)) == "archive-duplicate"


def test_a_folder_beside_its_files_is_no_conflict(tmp_path: Path) -> None:
    assert len(read(archive(tmp_path, ("a/b", b"1"), ("a/", b""), ("a/b2/c", b"1"), ("a/b2/", b"")))) == 4


@pytest.mark.parametrize("mode", [0o120777, 0o010644, 0o060644, 0o020644, 0o140644, 0o040755])
def test_links_devices_and_folders_in_disguise_are_refused(tmp_path: Path, mode: int) -> None:
    member = zip_member("a", mode=mode)
    assert refusal(archive(tmp_path, (member, b"/etc/passwd"))) == "archive-member-kind"


def test_a_folder_with_contents_is_refused(tmp_path: Path) -> None:
    assert refusal(archive(tmp_path, ("a/", b"hidden"))) == "archive-member-kind"


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (0x1, "archive-encrypted"),
        (0x41, "archive-encrypted"),
        (0x2000, "archive-encrypted"),
        (0x8, "archive-data-descriptor"),
        (0x20, "archive-malformed"),
    ],
)
def test_flags_that_change_the_meaning_are_refused(tmp_path: Path, flags: int, code: str) -> None:
    path = archive(tmp_path, ("a", b"1"))
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, 6, flags)
    struct.pack_into("<H", data, data.index(b"PK\x01\x02") + 8, flags)
    path.write_bytes(data)
    assert refusal(path) == code


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(tmp_path: Path, method: int) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zip_bytes([("a", b"1" * 100)], compression=method))
    assert refusal(path) in {"archive-compression", "archive-malformed"}


@pytest.mark.parametrize("field", [6, 8, 14, 18, 22, 30])
def test_a_local_header_that_differs_is_refused(tmp_path: Path, field: int) -> None:
    path = archive(tmp_path, ("aaaa", b"1234"))
    data = bytearray(path.read_bytes())
    data[field] ^= 0x2 if field == 6 else 0x8
    path.write_bytes(data)
    assert refusal(path) == "archive-headers-differ"


@pytest.mark.parametrize(
    ("before", "after"), [(b"X", b""), (b"", b"X"), (b"#!/bin/sh\n", b""), (b"", b"\0" * 70_000)]
)
def test_bytes_around_the_archive_are_refused(tmp_path: Path, before: bytes, after: bytes) -> None:
    path = archive(tmp_path, ("a", b"1"))
    path.write_bytes(before + path.read_bytes() + after)
    assert refusal(path) in {"archive-surplus-data", "archive-malformed"}


@pytest.mark.parametrize("header", [b"PK\x03\x04", b"PK\x01\x02"])
def test_a_member_for_readers_of_the_future_is_refused(tmp_path: Path, header: bytes) -> None:
    path = archive(tmp_path, ("a", b"1"))
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, data.index(header) + (4 if header.endswith(b"\x04") else 6), 64)
    path.write_bytes(data)
    assert refusal(path) == "archive-malformed"


def test_two_archives_in_a_row_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, ("a", b"1"))
    path.write_bytes(path.read_bytes() * 2)
    assert refusal(path) == "archive-surplus-data"


def test_members_that_share_data_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, ("a", b"1"), ("b", b"1"))
    data = bytearray(path.read_bytes())
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    struct.pack_into("<I", data, second + 42, 0)
    path.write_bytes(data)
    assert refusal(path) in {"archive-surplus-data", "archive-headers-differ"}


def test_a_name_that_is_not_marked_as_utf8_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, ("a", b"1"))
    path.write_bytes(path.read_bytes().replace(b"a", b"\xe9"))
    assert refusal(path) == "archive-path"


def test_a_bomb_is_refused_before_anything_is_inflated(tmp_path: Path) -> None:
    bounds = Bounds(free_expansion=1000, total_ratio=10, member_ratio=10)
    assert refusal(archive(tmp_path, ("a", b"\0" * 100_000)), bounds) == "archive-expansion"
    wide = [(f"m{number}", b"\0" * 900) for number in range(40)]
    assert (
        refusal(archive(tmp_path, *wide), Bounds(free_expansion=1000, total_ratio=1)) == "archive-expansion"
    )


def test_one_member_may_not_expand_too_much_although_the_archive_does_not(tmp_path: Path) -> None:
    bounds = Bounds(free_expansion=1000, total_ratio=1000, member_ratio=10)
    assert refusal(archive(tmp_path, ("a", b"\0" * 100_000)), bounds) == "archive-expansion"


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, *((f"m{number}", b"") for number in range(11)))
    assert refusal(path, Bounds(members=10)) == "archive-too-many-members"
    assert len(read(path, Bounds(members=11))) == 11


def test_a_false_count_of_members_costs_nothing(tmp_path: Path) -> None:
    path = archive(tmp_path, ("a", b"1"))
    data = bytearray(path.read_bytes())
    struct.pack_into("<HH", data, len(data) - 14, 65000, 65000)
    path.write_bytes(data)
    assert refusal(path) == "archive-headers-differ"


def test_a_zip_behind_other_data_still_looks_like_one(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for data, expected in [
        (zip_bytes([("a", b"1")]), True),
        (gzip_bytes(b"x") + zip_bytes([("a", b"1")]), True),
        (gzip_bytes(b"x") + zip_bytes([("a", b"1")]) + b"tail", True),
        (gzip_bytes(b"x"), False),
        (gzip_bytes(b"x") + b"PK\x05\x06" + b"z" * 30, False),
        (b"", False),
    ]:
        path.write_bytes(data)
        with open_source(path) as source:
            assert looks_like_zip(source) is expected
