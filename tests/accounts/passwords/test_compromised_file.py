from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.accounts.passwords.dumps import bring_in, dump, opened, sha1, words

from keyhouse.accounts.passwords.compromised_file import (
    BLOCK_BYTES,
    ENTRY,
    FILE_NAME,
    FIRST_BYTES,
    HEADER_BYTES,
    _read_table,
    pack_table,
)
from keyhouse.accounts.passwords.errors import CompromisedFileDamaged


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("whole")
    bring_in(data, dump(words(5000)))
    return data


def spoiled(whole: Path, folder: Path, at: int, byte: int = 0x55) -> Path:
    body = bytearray((whole / FILE_NAME).read_bytes())
    body[at] ^= byte
    (folder / FILE_NAME).write_bytes(body)
    return folder


def test_whatever_was_put_in_is_found(whole: Path) -> None:
    file = opened(whole)
    assert len(file) == 5000
    assert all(sha1(word) in file for word in words(5000))


def test_nothing_else_is_found(whole: Path) -> None:
    file = opened(whole)
    assert not any(sha1(f"other {number}") in file for number in range(5000))
    near = [bytearray(sha1(word)) for word in words(500)]
    for number, digest in enumerate(near):
        digest[number % 20] ^= 1 << number % 8
    assert not any(bytes(digest) in file for digest in near)


def test_it_takes_little_more_than_19_bytes_a_password(whole: Path) -> None:
    assert opened(whole).size <= 20 * 5000
    assert (whole / FILE_NAME).stat().st_size == opened(whole).size


@pytest.mark.parametrize("step", [1, 2**60, 2**150])
def test_digests_that_are_not_spread_evenly_are_found_all_the_same(tmp_path: Path, step: int) -> None:
    digests = [(number * step).to_bytes(20, "big") for number in range(1, 1001)]
    bring_in(tmp_path, b"".join(digest.hex().encode() + b":1\n" for digest in digests))
    file = opened(tmp_path)
    assert all(digest in file for digest in digests)
    assert bytes(20) not in file
    assert b"\xff" * 20 not in file


@given(
    st.sets(st.binary(min_size=20, max_size=20), min_size=1, max_size=60), st.binary(min_size=20, max_size=20)
)
def test_the_file_is_exactly_the_set(
    tmp_path_factory: pytest.TempPathFactory, digests: set[bytes], other: bytes
) -> None:
    data = tmp_path_factory.mktemp("set")
    bring_in(data, b"".join(digest.hex().upper().encode() + b":1\n" for digest in sorted(digests)))
    file = opened(data)
    assert all(digest in file for digest in digests)
    assert (other in file) == (other in digests)


@given(st.lists(st.integers(0, 2**63), min_size=FIRST_BYTES, max_size=FIRST_BYTES))
def test_the_table_is_read_as_it_was_written(counts: list[int]) -> None:
    assert _read_table(pack_table(counts)) == counts


@pytest.mark.parametrize("at", [0, 8, 10, 20, 30, 60, 100, -1])
def test_a_damaged_head_is_refused_on_opening(whole: Path, tmp_path: Path, at: int) -> None:
    with pytest.raises(CompromisedFileDamaged):
        opened(spoiled(whole, tmp_path, at))


@pytest.mark.parametrize("size", [0, 5, HEADER_BYTES, 1000, -1])
def test_a_file_cut_off_is_refused_on_opening(whole: Path, tmp_path: Path, size: int) -> None:
    (tmp_path / FILE_NAME).write_bytes((whole / FILE_NAME).read_bytes()[:size])
    with pytest.raises(CompromisedFileDamaged):
        opened(tmp_path)


def test_a_file_that_grew_is_refused_on_opening(whole: Path, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes((whole / FILE_NAME).read_bytes() + b"\x00")
    with pytest.raises(CompromisedFileDamaged):
        opened(tmp_path)


@pytest.mark.parametrize("part", range(20))
def test_a_damaged_block_never_hides_a_password(whole: Path, tmp_path: Path, part: int) -> None:
    at = HEADER_BYTES + part * 4 * BLOCK_BYTES // 20 + part
    file = opened(spoiled(whole, tmp_path, at))
    refused = 0
    for word in words(5000):
        try:
            assert sha1(word) in file
        except CompromisedFileDamaged:
            refused += 1
    assert refused >= 1000
    with pytest.raises(CompromisedFileDamaged):
        file.verify()


def test_a_whole_file_verifies(whole: Path) -> None:
    opened(whole).verify()
    assert opened(whole).blocks == -(-5000 * ENTRY // (1024 * ENTRY))
