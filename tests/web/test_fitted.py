"""What is kept of fitted descriptions: the same text, of the same source alone, within bounds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from keyhouse.web.descriptions import fit_description
from keyhouse.web.project_pages.fitted import Fitted


def source(number: int, length: int = 1000) -> str:
    return f'<h1 id="n{number}">{"x" * length}</h1>'


def test_what_is_kept_is_what_would_be_made_anew() -> None:
    fitted = Fitted(100_000)
    for number in (0, 1, 0, 2, 1):
        assert fitted.fit(source(number)) == fit_description(source(number))
    assert fitted.fit(source(0)) is fitted.fit(source(0))
    assert fitted.fit("") == ""
    assert fitted.fit("<p>\ud800</p>") == "<p>\ud800</p>"


def test_what_was_asked_for_longest_ago_goes_first_and_what_is_too_long_is_not_kept() -> None:
    fitted = Fitted(3_000)  # two of them
    first, second = fitted.fit(source(1)), fitted.fit(source(2))
    assert fitted.fit(source(1)) is first
    third = fitted.fit(source(3))
    assert fitted.fit(source(1)) is first
    assert fitted.fit(source(3)) is third
    assert fitted.fit(source(2)) is not second
    assert fitted._bytes <= 3_000

    kept = dict(fitted._kept)
    assert fitted.fit(source(4, 10_000)) is not fitted.fit(source(4, 10_000))
    assert dict(fitted._kept) == kept


def test_threads_count_each_text_once() -> None:
    fitted = Fitted(20_000)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda turn: fitted.fit(source(turn % 30)), range(900)))
    assert all(one == fit_description(source(turn % 30)) for turn, one in enumerate(made))
    assert fitted._bytes == sum(size for _, size in fitted._kept.values()) <= 20_000
