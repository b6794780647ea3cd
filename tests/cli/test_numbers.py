"""Sizes as commands take them."""

from __future__ import annotations

import click
import pytest

from keyhouse.cli.numbers import Size

SIZE = Size(2**50)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("500000000", 500_000_000),
        ("1B", 1),
        ("500kB", 500_000),
        ("500MB", 500_000_000),
        ("500 mb", 500_000_000),
        ("1GB", 10**9),
        ("1.5GB", 1_500_000_000),
        ("0.001kB", 1),
        ("2GiB", 2 * 2**30),
        ("2.5KiB", 2560),
        ("1TB", 10**12),
        ("1PiB", 2**50),
    ],
)
def test_a_size_is_bytes_with_or_without_a_unit(text: str, size: int) -> None:
    assert SIZE.convert(text, None, None) == size


@pytest.mark.parametrize(
    "text",
    ["", "0", "0GB", "-1", "1e9", "1,5GB", "1.GB", ".5GB", "GB", "1iB", "500M", "1GBit", "1 000", "1  GB", "٣", "1GB\n",
     "1.5", "0.5B", "1.0001KiB", "1.1PiB", "2PB", "1125899906842625", "9" * 20, "9" * 5000, "1EB", "nan", "inf"],
)  # fmt: skip
def test_what_is_no_size_or_beyond_the_end_is_wrong_use(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"500MB|from 1 to 1,125,899,906,842,624"):
        SIZE.convert(text, None, None)
