import hashlib
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from keyhouse.distfiles.findings import UnacceptableError
from keyhouse.distfiles.rules import Bounds
from keyhouse.distfiles.source import open_source
from keyhouse.distfiles.zip_contents import Digest, hash_members, read_member
from keyhouse.distfiles.zip_framing import read_zip
from tests.distfiles.builders import zip_bytes

_CONTENTS = [
    b"",
    b"x",
    b"text " * 1000,
    b"\0" * (1024 * 1024),
    b"\0" * (3 * 1024 * 1024 + 1),
    bytes(range(256)) * 4096,
]


def digests(path: Path) -> dict[str, Digest]:
    with open_source(path) as source:
        return hash_members(source, read_zip(source, Bounds()), lambda _: "sha256")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_digests_are_those_of_the_contents(tmp_path: Path, compression: int) -> None:
    members = [(f"m{number}", data) for number, data in enumerate(_CONTENTS)]
    path = tmp_path / "a.zip"
    path.write_bytes(zip_bytes(members, compression=compression))
    assert digests(path) == {
        name: Digest("sha256", hashlib.sha256(data).digest(), len(data)) for name, data in members
    }


@pytest.mark.parametrize("offset", [14, 22])
def test_a_wrong_checksum_or_size_in_both_headers_is_found(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "a.zip"
    data = bytearray(zip_bytes([("a", b"some text " * 9)]))
    for place in (offset, data.index(b"PK\x01\x02") + offset + 2):
        (number,) = struct.unpack_from("<I", data, place)
        struct.pack_into("<I", data, place, number - 1)
    path.write_bytes(data)
    with pytest.raises(UnacceptableError) as caught:
        digests(path)
    assert caught.value.finding.code == "archive-corrupt"


def test_damaged_data_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    data = bytearray(zip_bytes([("a", b"some text " * 9)]))
    data[33] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(UnacceptableError) as caught:
        digests(path)
    assert caught.value.finding.code == "archive-corrupt"


def test_a_member_that_is_too_large_to_keep_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zip_bytes([("a", b"12345")]))
    with open_source(path) as source:
        (member,) = read_zip(source, Bounds())
        assert read_member(source, member, 5, "metadata-too-large") == b"12345"
        with pytest.raises(UnacceptableError) as caught:
            read_member(source, member, 4, "metadata-too-large")
    assert caught.value.finding.code == "metadata-too-large"


def test_memory_stays_flat_whatever_the_member(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zip_bytes([("a", b"\0" * 40_000_000), ("b", bytes(range(256)) * 80_000)]))
    tracemalloc.start()
    digests(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000
