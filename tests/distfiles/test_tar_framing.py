import gzip
import io
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from keyhouse.distfiles.findings import UnacceptableError
from keyhouse.distfiles.rules import Bounds
from keyhouse.distfiles.source import open_source
from keyhouse.distfiles.tar_framing import TarContents, read_tar_gz
from tests.distfiles.builders import SdistMember, gzip_bytes, tar_bytes, tar_member


def read_bytes(folder: Path, data: bytes, bounds: Bounds | None = None) -> TarContents:
    path = folder / "a.tar.gz"
    path.write_bytes(data)
    with open_source(path) as source:
        return read_tar_gz(source, bounds or Bounds())


def read(
    folder: Path, *members: SdistMember, bounds: Bounds | None = None, form: int = tarfile.PAX_FORMAT
) -> TarContents:
    return read_bytes(folder, gzip_bytes(tar_bytes(members, form=form)), bounds)


def refusal(folder: Path, *members: SdistMember, bounds: Bounds | None = None) -> str:
    with pytest.raises(UnacceptableError) as caught:
        read(folder, *members, bounds=bounds)
    return caught.value.finding.code


def refusal_of_bytes(folder: Path, data: bytes, bounds: Bounds | None = None) -> str:
    with pytest.raises(UnacceptableError) as caught:
        read_bytes(folder, data, bounds)
    return caught.value.finding.code


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_all_three_formats_are_read(tmp_path: Path, form: int) -> None:
    long = "top/" + "folder/" * 20 + "n" * 90
    contents = read(
        tmp_path,
        (tar_member("top", tarfile.DIRTYPE), b""),
        ("top/PKG-INFO", b"Name: top\n"),
        ("top/deeper/PKG-INFO", b"other"),
        (long, b"x" * 700),
        form=form,
    )
    assert contents.folders == ["top"]
    assert contents.files == ["top/PKG-INFO", "top/deeper/PKG-INFO", long]
    assert contents.metadata == {"top/PKG-INFO": b"Name: top\n"}
    assert contents.top_names == {"top"}


def test_names_that_need_an_extended_header_are_read(tmp_path: Path) -> None:
    name = "top/" + "ü" * 120
    assert read(tmp_path, (name, b"1")).files == [name]
    assert read(tmp_path, (name, b"1"), form=tarfile.GNU_FORMAT).files == [name]


def test_links_that_stay_inside_are_taken(tmp_path: Path) -> None:
    contents = read(
        tmp_path,
        ("top/a", b"1"),
        (tar_member("top/b", tarfile.LNKTYPE, target="top/a"), b""),
        (tar_member("top/sub/c", tarfile.SYMTYPE, target="../a"), b""),
        (tar_member("top/d", tarfile.SYMTYPE, target="sub"), b""),
        (tar_member("top/e", tarfile.SYMTYPE, target="not/there"), b""),
    )
    assert set(contents.symbolic_links) == {"top/sub/c", "top/d", "top/e"}
    assert contents.hard_links == {"top/b": "top/a"}


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "..", "../x", "../../x", "a/../../x", "", "C:\\x", "a\nb", "x\\..\\y"]
)
def test_symbolic_links_that_leave_are_refused(tmp_path: Path, target: str) -> None:
    assert refusal(tmp_path, (tar_member("top/l", tarfile.SYMTYPE, target=target), b"")) == "archive-link"


def test_a_link_that_leaves_through_another_link_is_refused(tmp_path: Path) -> None:
    through = tar_member("top/a/b/d", tarfile.SYMTYPE, target="../..")
    leaving = tar_member("top/a/b/e", tarfile.SYMTYPE, target="d/../x")
    assert refusal(tmp_path, (through, b""), (leaving, b"")) == "archive-link"


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    one = tar_member("top/a", tarfile.SYMTYPE, target="b")
    other = tar_member("top/b", tarfile.SYMTYPE, target="a")
    assert refusal(tmp_path, (one, b""), (other, b"")) == "archive-link"


def test_a_member_below_a_link_is_refused(tmp_path: Path) -> None:
    link = tar_member("top/a", tarfile.SYMTYPE, target="b")
    assert refusal(tmp_path, (link, b""), ("top/a/x", b"1")) == "archive-duplicate"


@pytest.mark.parametrize("target", ["/etc/passwd", "../x", "top/later", "top", ""])
def test_hard_links_lead_to_an_earlier_file(tmp_path: Path, target: str) -> None:
    link = tar_member("top/l", tarfile.LNKTYPE, target=target)
    assert refusal(tmp_path, (link, b""), ("top/later", b"")) == "archive-link"


@pytest.mark.parametrize(
    "kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE, b"S", b"D", b"V", b"Z"]
)
def test_devices_fifos_and_sparse_files_are_refused(tmp_path: Path, kind: bytes) -> None:
    assert refusal(tmp_path, (tar_member("top/x", kind), b"")) == "archive-member-kind"


@pytest.mark.parametrize(
    "path", ["/a", "../a", "top/../../a", "./top/a", "top//a", "top\\a", "C:/a", "top/a\nb"]
)
def test_paths_that_could_land_elsewhere_are_refused(tmp_path: Path, path: str) -> None:
    assert refusal(tmp_path, (path, b"1")) == "archive-path"


def test_an_overlong_path_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, ("a/" * 600 + "b", b"1")) == "archive-path-too-long"


@pytest.mark.parametrize(
    "members",
    [
        [("top/a", b"1"), ("top/a", b"1")],
        [("top/a", b"1"), ("top/a/b", b"1")],
        [("top/a", b""), (tar_member("top/a", tarfile.DIRTYPE), b"")],
        [(tar_member("top", tarfile.DIRTYPE), b""), (tar_member("top/", tarfile.DIRTYPE), b"")],
        [("top/a", b""), (tar_member("top/a", tarfile.SYMTYPE, target="b"), b"")],
        [
            (tar_member("top/a", tarfile.SYMTYPE, target="b"), b""),
            (tar_member("top/a", tarfile.SYMTYPE, target="c"), b""),
        ],
    ],
)
def test_two_members_for_one_place_are_refused(tmp_path: Path, members: list[SdistMember]) -> None:
    assert refusal(tmp_path, *members) == "archive-duplicate"


def pax(**records: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo("top/a")
    member.pax_headers = {key.replace("__", "."): value for key, value in records.items()}
    return member


def test_an_extended_header_may_not_change_the_size(tmp_path: Path) -> None:
    assert refusal(tmp_path, (pax(size="512"), b"1")) == "archive-headers-differ"


@pytest.mark.parametrize("records", [{"GNU__sparse__major": "1"}, {"hdrcharset": "BINARY"}, {"size": "x"}])
def test_extended_headers_that_change_the_meaning_are_refused(
    tmp_path: Path, records: dict[str, str]
) -> None:
    assert refusal(tmp_path, (pax(**records), b"1")) == "archive-pax-header"


def test_harmless_extended_headers_are_taken(tmp_path: Path) -> None:
    assert read(tmp_path, (pax(mtime="1.5", comment="x", uname="jürgen"), b"1")).files == ["top/a"]


def with_global_header(records: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers=records) as archive:
        archive.addfile(tarfile.TarInfo("top/a"))
    return gzip_bytes(buffer.getvalue())


def test_a_global_header_may_comment_but_not_rename(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, with_global_header({"comment": "0123abcd"})).files == ["top/a"]
    for key in ("path", "linkpath", "size"):
        assert refusal_of_bytes(tmp_path, with_global_header({key: "1"})) == "archive-pax-header"


def test_what_follows_the_end_is_refused(tmp_path: Path) -> None:
    tar = tar_bytes([("top/a", b"1")])
    assert read_bytes(tmp_path, gzip_bytes(tar + b"\0" * 20_000))
    assert refusal_of_bytes(tmp_path, gzip_bytes(tar + b"hidden")) == "archive-surplus-data"
    assert refusal_of_bytes(tmp_path, gzip_bytes(tar + tar)) == "archive-surplus-data"
    assert refusal_of_bytes(tmp_path, gzip_bytes(tar) + gzip_bytes(b"")) == "archive-surplus-data"
    assert refusal_of_bytes(tmp_path, gzip_bytes(tar) + b"\0") == "archive-surplus-data"


def test_truncated_archives_are_refused(tmp_path: Path) -> None:
    tar = tar_bytes([("top/a", b"1" * 5000)])
    packed = gzip_bytes(tar)
    assert refusal_of_bytes(tmp_path, packed[:-9]) == "archive-truncated"
    assert refusal_of_bytes(tmp_path, gzip_bytes(tar[:2048])) == "archive-truncated"
    assert refusal_of_bytes(tmp_path, gzip_bytes(b"")) == "archive-truncated"
    assert refusal_of_bytes(tmp_path, gzip_bytes(b"\0" * 512)) == "archive-truncated"


def test_a_wrong_gzip_checksum_is_refused(tmp_path: Path) -> None:
    packed = bytearray(gzip_bytes(tar_bytes([("top/a", b"1")])))
    packed[-5] ^= 1
    assert refusal_of_bytes(tmp_path, bytes(packed)) == "archive-corrupt"


@pytest.mark.parametrize("data", [b"", b"x", b"hello world" * 100, tar_bytes([("top/a", b"1")])])
def test_what_is_not_gzip_is_refused(tmp_path: Path, data: bytes) -> None:
    assert refusal_of_bytes(tmp_path, data) == "archive-malformed"


def test_gzip_without_an_archive_is_refused(tmp_path: Path) -> None:
    assert refusal_of_bytes(tmp_path, gzip_bytes(b"x" * 2048)) == "archive-malformed"


def test_a_wrong_header_checksum_is_refused(tmp_path: Path) -> None:
    tar = bytearray(tar_bytes([("top/a", b"1")]))
    tar[0] ^= 1
    assert refusal_of_bytes(tmp_path, gzip_bytes(bytes(tar))) == "archive-malformed"


@pytest.mark.parametrize("place", [100, 108, 116, 136, 329, 337])
def test_a_number_that_an_installer_cannot_read_is_refused(tmp_path: Path, place: int) -> None:
    tar = bytearray(tar_bytes([("top/a", b"1")]))
    tar[place : place + 3] = b"9x9"
    tar[148:156] = b"%06o\0 " % (sum(tar[:148]) + sum(tar[156:512]) + 8 * 32)
    assert refusal_of_bytes(tmp_path, gzip_bytes(bytes(tar))) == "archive-malformed"


def test_a_time_before_1970_is_taken(tmp_path: Path) -> None:
    member = tarfile.TarInfo("top/a")
    member.mtime = -1000
    assert read(tmp_path, (member, b""), form=tarfile.GNU_FORMAT).files == ["top/a"]


def test_a_bomb_is_refused_without_unpacking_it(tmp_path: Path) -> None:
    bounds = Bounds(free_expansion=100_000, total_ratio=10)
    assert refusal(tmp_path, ("top/a", b"\0" * 1_000_000), bounds=bounds) == "archive-expansion"
    padded = tar_bytes([("top/a", b"1")]) + b"\0" * 1_000_000
    assert refusal_of_bytes(tmp_path, gzip_bytes(padded), bounds) == "archive-expansion"


def test_a_size_of_many_terabytes_is_refused_at_its_header(tmp_path: Path) -> None:
    member = tarfile.TarInfo("top/a")
    member.size = 2**60
    block = member.tobuf(tarfile.GNU_FORMAT)
    assert refusal_of_bytes(tmp_path, gzip_bytes(block + b"\0" * 1024)) == "archive-expansion"


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    members = [(f"top/{number}", b"") for number in range(11)]
    assert refusal(tmp_path, *members, bounds=Bounds(members=10)) == "archive-too-many-members"


def test_a_metadata_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    code = refusal(tmp_path, ("top/PKG-INFO", b"x" * 101), bounds=Bounds(metadata_size=100))
    assert code == "metadata-too-large"


def test_only_one_metadata_file_is_kept(tmp_path: Path) -> None:
    contents = read(tmp_path, *((f"top{number}/PKG-INFO", b"x") for number in range(5)))
    assert list(contents.metadata) == ["top0/PKG-INFO"]


def test_memory_stays_flat_whatever_the_member(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as packed:
        packed.write(tar_bytes([("top/a", bytes(range(256)) * 200_000)]))
    tracemalloc.start()
    with open_source(path) as source:
        read_tar_gz(source, Bounds(total_ratio=10_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000


def test_links_that_lead_on_and_on_are_refused(tmp_path: Path) -> None:
    deep = tarfile.TarInfo("alpha-1.0/a")
    deep.type, deep.linkname = tarfile.SYMTYPE, "b/" * 10_000
    assert refusal(tmp_path, (deep, b"")) == "archive-link"
    tangle = []
    for number in range(4000):
        link = tarfile.TarInfo(f"alpha-1.0/l{number}")
        link.type, link.linkname = tarfile.SYMTYPE, "b/../" * 150 + f"l{number - 1}"
        tangle.append((link, b""))
    assert refusal(tmp_path, *tangle) == "archive-link"


def test_many_deep_paths_take_no_more_memory_than_their_text(tmp_path: Path) -> None:
    members: list[SdistMember] = [(f"alpha-1.0/{number}/{'a/' * 480}f", b"") for number in range(500)]
    data = gzip_bytes(tar_bytes(members))
    tracemalloc.start()
    try:
        assert len(read_bytes(tmp_path, data).files) == 500
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()
