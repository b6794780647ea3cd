from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.index.ranges import OutsideError, Part, find_part, is_known, is_still


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (b"bytes=0-0", Part(0, 0)),
        (b"bytes=0-9", Part(0, 9)),
        (b"bytes=3-", Part(3, 9)),
        (b"bytes=3-100", Part(3, 9)),
        (b"bytes=-1", Part(9, 9)),
        (b"bytes=-100", Part(0, 9)),
        (b"Bytes= 2-3 ", Part(2, 3)),
        # ignored
        (b"bytes=-", None),
        (b"bytes=5-4", None),
        (b"bytes=a-b", None),
        (b"bytes=0-1,3-4", None),
        (b"bytes 0-1", None),
        (b"lines=0-1", None),
        (b"bytes=0-1\n", None),
        (b"bytes=--1", None),
        (b"bytes=" + b"9" * 5000 + b"-", None),
        (b"", None),
    ],
)
def test_one_range_is_understood_and_everything_else_ignored(header: bytes, part: Part | None) -> None:
    assert find_part(header, 10) == part


@pytest.mark.parametrize("header", [b"bytes=10-", b"bytes=10-20", b"bytes=-0", b"bytes=9999999999999999999-"])
def test_a_range_outside_of_the_file_is_refused(header: bytes) -> None:
    with pytest.raises(OutsideError):
        find_part(header, 10)


def test_an_empty_file_has_no_parts() -> None:
    for header in (b"bytes=0-", b"bytes=-5"):
        with pytest.raises(OutsideError):
            find_part(header, 0)


@given(
    st.binary(max_size=60) | st.from_regex(rb"bytes=\d{0,4}-\d{0,4}", fullmatch=True), st.integers(0, 2000)
)
def test_whatever_comes_a_part_lies_in_the_file(header: bytes, size: int) -> None:
    try:
        part = find_part(header, size)
    except OutsideError:
        return
    if part is not None:
        assert 0 <= part.first <= part.last < size
        assert part.length >= 1


def test_a_part_is_sent_only_for_the_very_same_file() -> None:
    assert is_still(None, b'"a"')
    assert is_still(b'"a"', b'"a"')
    assert not is_still(b'"b"', b'"a"')
    assert not is_still(b'W/"a"', b'"a"')
    assert not is_still(b"Sat, 03 Feb 2024 04:05:06 GMT", b'"a"')


@pytest.mark.parametrize("header", [b'"a"', b'W/"a"', b'"b", "a"', b'"b",W/"a"', b"*", b" * "])
def test_a_known_tag_is_recognised(header: bytes) -> None:
    assert is_known(header, b'"a"')


@pytest.mark.parametrize("header", [b"", b"a", b'"b"', b'"aa"', b'w/"a"', b'"a', b",,,", b"\xff\x00"])
def test_other_tags_are_not(header: bytes) -> None:
    assert not is_known(header, b'"a"')
