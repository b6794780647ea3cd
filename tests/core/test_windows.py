from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.core import configuration
from keyhouse.core.configuration import ConfigurationError
from keyhouse.core.windows import Window, read_windows


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("10/5m", (Window(10, timedelta(minutes=5)),)),
        ("5/5m 20/1h", (Window(5, timedelta(minutes=5)), Window(20, timedelta(hours=1)))),
        ("5/90s, 50/1d", (Window(5, timedelta(seconds=90)), Window(50, timedelta(days=1)))),
    ],
)
def test_windows_are_read(text: str, windows: tuple[Window, ...]) -> None:
    assert read_windows(text) == windows


@pytest.mark.parametrize(
    "text", ["", " ", "10", "10/5", "0/5m", "5/0m", "-1/5m", "5/2d", "5/5w", "5/5m x", "\u0665/5m"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_windows(text)


@pytest.mark.parametrize("text", ["10/5m", "20/1h", "50/1d", "3/90s", "7/90m"])
def test_a_window_is_shown_as_it_is_read(text: str) -> None:
    assert str(read_windows(text)[0]) == text


@given(st.text(alphabet="0123456789/smhd ,x"))
def test_whatever_is_written_there_gets_a_verdict(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert read_windows(" ".join(map(str, read_windows(text)))) == read_windows(text)


def test_a_bad_limit_stops_the_start_with_its_name() -> None:
    with pytest.raises(ConfigurationError, match="KEYHOUSE_SIGN_IN_LIMIT"):
        configuration.read({"KEYHOUSE_SIGN_IN_LIMIT": "many"})
