from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keyhouse.core import clock

# each lies in the calendar where it is written, and beyond it in UTC
BEYOND = ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-00:01")


@pytest.fixture
def clock_file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "clock"
    clock.follow_file(path)
    yield path
    clock.follow_file(None)


def test_an_instant_is_read_in_utc() -> None:
    assert clock.parse_instant("2024-01-01T01:00:00+01:00") == datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", [*BEYOND, "2024-01-01T00:00:00", "x", ""])
def test_what_is_no_instant_is_refused_in_one_way(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        clock.parse_instant(text)


@pytest.mark.parametrize("text", [*BEYOND, "", "2024-"])
def test_a_clock_file_that_makes_no_sense_leaves_the_last_instant(clock_file: Path, text: str) -> None:
    clock_file.write_text("2024-01-01T00:00:00Z")
    assert clock.now() == datetime(2024, 1, 1, tzinfo=UTC)
    clock_file.write_text(text)
    assert clock.now() == datetime(2024, 1, 1, tzinfo=UTC)
