"""What is a word, and what a project is found by."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.projects.search import rules
from keyhouse.projects.search.rules import Source, Wanted

SOURCE = Source("Alpha.Beta", 7, is_from_publisher=False, pythons=frozenset({">=3.9"}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A small, fast web-server!", ["a", "small", "fast", "web", "server"]),
        ("Größe \uff21 café CAFÉ \ufb01le", ["grosse", "a", "cafe", "file"]),
        ("数据 of データ", ["数", "据", "of", "テ", "\u30fc", "タ"]),
        ("snake_case \x00 \ud800 ' \" * ^ :", ["snake", "case"]),
        ("Привет, мир", ["привет", "мир"]),
        ("x" * 50, ["x" * 40]),
        ("", []),
    ],
)
def test_words_of_texts(text: str, words: list[str]) -> None:
    assert rules.words_of(text) == words


@given(st.text())
def test_words_hold_nothing_that_a_database_could_read_as_its_own(text: str) -> None:
    for word in [*rules.words_of(text), *Wanted(text).words, Wanted(text).letters]:
        assert word.isalnum() or word == ""
        assert len(word) <= rules.LONGEST_QUERY


@pytest.mark.parametrize("name", ["alpha-beta", "Alpha.Beta", "ALPHA__beta", "alpha beta", "alphabeta"])
def test_letters_are_the_same_for_every_spelling(name: str) -> None:
    assert rules.letters_of(name) == "alphabeta"


@pytest.mark.parametrize("text", ["", "é", "a/b", "a*", "%", "-_."])
def test_what_can_be_no_name_has_no_letters(text: str) -> None:
    assert rules.letters_of(text) == ""


def test_the_words_of_a_project() -> None:
    words = rules.words_for(
        SOURCE,
        "alpha-beta",
        {"summary": "Small tool", "keywords": ["web", "Tool"], "description": "Much more of the tool"},
    )
    assert words.name == ["alpha", "beta", "alphabeta"]
    assert words.brief == [*words.name, "small", "tool", "web"]
    assert words.whole == [*words.brief, "much", "more", "of", "the"]
    assert words.marks == [
        rules.mark("python", version) for version in rules.PYTHONS if version not in {"3.7", "3.8"}
    ]


@pytest.mark.parametrize("broken", [None, 7, [None, {"a": 1}], {"x": "y"}])
def test_metadata_of_any_shape_is_read(broken: object) -> None:
    fields = ("summary", "keywords", "description", "classifiers")
    assert rules.words_for(SOURCE, "alpha", dict.fromkeys(fields, broken)).whole == ["alpha", "beta"]


def test_classifiers_stand_with_all_above_them() -> None:
    assert rules.nodes_of(["A :: B :: C", "A :: D", "", "A\nB", "x" * 201]) == [
        "A",
        "A :: B",
        "A :: B :: C",
        "A :: D",
    ]
    assert len(rules.nodes_of(str(number) for number in range(1000))) == rules.MOST_CLASSIFIERS


@pytest.mark.parametrize(
    ("demand", "fits", "fails"),
    [
        ("", "3.7", None),
        (">=3.9", "3.9", "3.8"),
        (">=3.9.5", "3.9", "3.8"),
        ("<3.12", "3.11", "3.12"),
        ("<=3.11", "3.11", "3.12"),
        ("!=3.9.*", "3.8", "3.9"),
        ("==3.10.*", "3.10", "3.11"),
        ("==3.9.7", "3.9", "3.10"),
        ("===3.9.7", "3.9", "3.8"),
        (">=3.10.2,<3.10.50", "3.10", "3.11"),
        (">3.10.2,<3.10.4", "3.10", "3.9"),
        ("!=3.9.0,!=3.9.99,<3.10", "3.9", "3.10"),
        (">=3.9.8,!=3.9.8,<3.9.10,!=3.9.9", None, "3.9"),
        (">3.9.7,<3.9.8", None, "3.9"),
        (">=3.9.1" + ",!=2.7" * 2000, "3.9", "3.8"),
        ("nonsense", None, "3.9"),
    ],
)
def test_versions_of_python_that_a_demand_allows(demand: str, fits: str | None, fails: str | None) -> None:
    source = Source("alpha", 1, is_from_publisher=False, pythons=frozenset({demand}))
    marks = rules.words_for(source, "alpha", {}).marks
    assert fits is None or rules.mark("python", fits) in marks
    assert fails is None or rules.mark("python", fails) not in marks


def test_a_demand_that_names_very_many_bugfix_releases_takes_no_long_time() -> None:
    worst = ",".join(f"!=3.{minor}.{last}" for minor in range(7, 16) for last in range(1, 99, 2)) + ",<3"
    before = time.process_time()
    assert rules._pythons_in(worst) == frozenset()
    assert (
        time.process_time() - before < 2
    )  # seconds; a hundred releases of each version would take ten times as long


@pytest.mark.parametrize(
    ("text", "literal", "signs", "name", "goes_on"),
    [
        ("web", "web", False, True, True),
        ("web  Server ", "web server", False, True, True),
        ("snake_case", "snake_case", True, True, True),
        ("web-", "web-", True, True, True),
        ("C++", "c++", True, False, False),
        ("C++ b", "c++ b", True, False, True),
        ("100%", "100%", True, False, False),
        ("o'neill", "o'neill", True, False, True),
        ('"web"', '"web"', True, False, False),
        ("\uff23\uff0b\uff0b", "c++", True, False, False),
        ("Größe", "grosse", False, True, True),
        ("", "", False, True, True),
    ],
)
def test_what_the_signs_of_a_text_say(
    text: str,
    literal: str,
    signs: bool,
    name: bool,
    goes_on: bool,
) -> None:
    wanted = Wanted(text)
    assert (wanted.literal, wanted.has_signs, wanted.may_be_name, wanted.may_go_on) == (
        literal,
        signs,
        name,
        goes_on,
    )
    assert wanted.is_said_in(f"A {text}, indeed")
    assert not text or not wanted.is_said_in("Something else")


@pytest.mark.parametrize(
    "other",
    [
        Source("alpha.beta", 7, is_from_publisher=False, pythons=frozenset({">=3.9"})),
        Source("Alpha.Beta", 8, is_from_publisher=False, pythons=frozenset({">=3.9"})),
        Source("Alpha.Beta", 7, is_from_publisher=True, pythons=frozenset({">=3.9"})),
        Source("Alpha.Beta", 7, is_from_publisher=False, pythons=frozenset({">=3.8"})),
    ],
)
def test_whatever_a_project_is_found_by_changes_its_digest(other: Source) -> None:
    assert other.digest != SOURCE.digest
