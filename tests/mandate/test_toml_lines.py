from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mandate.ledger import document

from keyhouse.mandate.documents import Path
from keyhouse.mandate.errors import MandateInvalid
from keyhouse.mandate.toml_lines import LARGEST, lines_of, read_written

MANDATE = '''# why = "not a key"
name = "keys"
title = """A second
[factor] = # for
everyone"""
reason = 'It "is" [needed] # now'
"link" = "https://example.org/a#b"

[who]
any = [
  { role = ["project.owner"] },  # ] } not these
  { user = ["ada"] },
]

[methods]
accept = ["security-key", "authenticator-app"]
notice.ignored = 1

[[stages]]
state = "announced"
at = 2024-01-01T00:00:00Z

[[stages]]   # the second
state = "enforced"
at = 2024-06-01T00:00:00Z
deny = ["all"]
[stages.who]
everyone = true
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 2),
        (("title",), 3),
        (("reason",), 6),
        (("link",), 7),
        (("who",), 9),
        (("who", "any"), 10),
        (("who", "any", 1, "user"), 10),
        (("methods", "accept"), 16),
        (("methods", "notice", "ignored"), 17),
        (("stages",), 19),
        (("stages", 0), 19),
        (("stages", 0, "at"), 21),
        (("stages", 1), 23),
        (("stages", 1, "deny"), 26),
        (("stages", 1, "who"), 27),
        (("stages", 1, "who", "everyone"), 28),
        (("stages", 1, "warn"), 23),
        (("why",), None),
        (("nowhere", 1), None),
    ],
)
def test_a_path_has_its_line_or_that_of_what_is_around_it(path: Path, line: int | None) -> None:
    assert read_written(MANDATE.encode()).line_of(path) == line
    assert read_written(MANDATE.replace("\n", "\r\n").encode()).line_of(path) == line


def as_toml(body: dict[str, Any]) -> str:
    """Write a document as people do: a key a line, stages as tables."""
    told = json.loads(json.dumps(body, default=str))
    stages = told.pop("stages")
    lines = [f"{key} = {inline(value)}" for key, value in told.items()]
    for stage in stages:
        lines += ["[[stages]]", *(f"{key} = {inline(value)}" for key, value in stage.items())]
    return "\n".join(lines)


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {inline(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"who": {"role": ["project.boss"]}}, "line 4: who.role: there is no role 'project.boss'"),
        ({"methods": {"accept": ["sms"]}}, "line 5: methods.accept: 'sms' is none of"),
        ({"stages": [{"state": "enforced", "at": "2024-01-01T00:00:00"}]}, "line 8: stage 1, at: "),
        ({"stages": [{"state": "enforced"}]}, "line 6: stage 1, at: is missing"),
        ({"surprise": 1}, "line 6: surprise: unknown key"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(changes: dict[str, Any], told: str) -> None:
    written = read_written(as_toml(document(**changes)).encode())
    with pytest.raises(MandateInvalid) as raised:
        written.read()
    assert raised.value.sentence.startswith(told)


def test_a_good_file_is_the_same_in_both_forms() -> None:
    body = document()
    as_json = json.dumps(body, default=str).encode()
    assert read_written(as_toml(body).encode()).read() == read_written(as_json, is_json=True).read()


@pytest.mark.parametrize(
    ("content", "is_json", "told"),
    [
        (b'name = "a"\ntitle = \n', False, "line 2: "),
        (b'name = "a"\nname = "b"\n', False, "line 2: "),
        (b'name = "a', False, "line 1: "),
        (b'name = """a\n\n', False, "line 3: "),
        (b'name = "a"\ntitle = "\xff"\n', False, "line 2: this is not UTF-8"),
        (b"a = 99999-01-01\n", False, "line 1: "),
        (b'{"name": 1,\n"name": 2}', True, "The file can't be read: a key stands twice"),
        (b'{"name": 1,\n', True, "line 2: "),
        (b"[" * 100_000, True, "The file can't be read"),
        (b"a = " + b"[" * 100_000, False, "The file can't be read"),
        (b"#" * (LARGEST + 1), False, "The file holds 262,145 bytes"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_line(content: bytes, is_json: bool, told: str) -> None:
    with pytest.raises(MandateInvalid) as raised:
        read_written(content, is_json=is_json)
    assert raised.value.sentence.startswith(told)


@pytest.mark.parametrize("start", ["", "[", "x = { "])
def test_a_key_of_endless_parts_is_refused_before_anything_is_kept_of_it(start: str) -> None:
    text = f"name = 'a'\n{start}" + "a." * 120_000 + "a = 1"
    with pytest.raises(MandateInvalid) as raised:
        read_written(text.encode())
    assert raised.value.sentence.startswith("line 2: a key has more than 50 parts")


BAD_NAMES = ["a\x00b", "\ud800", "x" * 201, "a\nb", "\u202ea", " a"]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize(
    "place", ["satisfies", "replaces", "who.user", "who.project", "who.organization", "who.cohort.seed"]
)
def test_names_that_nothing_can_have_are_refused_where_they_stand(name: str, place: str) -> None:
    if place.endswith("seed") and name in {" a", "a\nb"}:
        return  # a seed is a text
    key = place.rpartition(".")[2]
    whom = {"cohort": {"percent": 1, "seed": name}} if key == "seed" else {key: [name]}
    changes = {"who": whom} if place.startswith("who") else {key: [name]}
    with pytest.raises(MandateInvalid) as raised:
        read_written(json.dumps(document(**changes), default=str).encode(), is_json=True).read()
    assert raised.value.sentence.startswith(f"{place}: ")
    assert raised.value.sentence.encode().isascii()
    assert len(raised.value.sentence) < 300


def test_names_in_toml_are_refused_by_their_line() -> None:
    with pytest.raises(MandateInvalid, match=r"line 4: who\.user: "):
        read_written(as_toml(document(who={"user": ["a\x00b"]})).encode()).read()


def test_a_key_that_no_terminal_can_print_is_told_so_that_it_can() -> None:
    for key in ("\ud800", "k" * 10_000):
        with pytest.raises(MandateInvalid) as raised:
            read_written(json.dumps(document() | {key: 1}, default=str).encode(), is_json=True).read()
        assert len(raised.value.sentence.encode()) < 300


def test_a_file_that_is_no_table_is_refused() -> None:
    with pytest.raises(MandateInvalid, match="must be a table"):
        read_written(b"[1]", is_json=True).read()


def test_a_large_file_is_read_in_a_moment() -> None:
    text = "".join(f"  key{number} = 1\n" for number in range(15_000))
    assert len(lines_of(text)) == 15_000
    assert lines_of(text)["key14999",] == 15_000


KEYS = st.from_regex(r"[a-z]{1,4}", fullmatch=True)
VALUES = st.one_of(
    st.integers(0, 9).map(str),
    st.text("ab[]{}#=' ", max_size=8).map(lambda text: '"' + text + '"'),
    st.text('ab[]{}#="\n', max_size=8).map(lambda text: "'''\n" + text + "'''"),
    st.lists(st.text("ab[]#\n ", max_size=4).map(json.dumps), max_size=3).map(
        lambda items: "[\n" + ",\n".join(items) + "\n]"
    ),
)


@given(st.dictionaries(KEYS, VALUES, max_size=6), st.dictionaries(KEYS, VALUES, max_size=4), st.booleans())
def test_every_key_of_any_outline_is_found_where_it_stands(
    first: dict[str, str], second: dict[str, str], is_array: bool
) -> None:
    text = ""
    expected: dict[Path, int] = {}
    for key, value in first.items():
        expected[(key,)] = text.count("\n") + 1
        text += f"{key} = {value}  # said\n\n"
    header = "[[table-of-mine]]" if is_array else "[table-of-mine]"
    prefix: Path = ("table-of-mine", 0) if is_array else ("table-of-mine",)
    expected[prefix] = expected[prefix[:1]] = text.count("\n") + 1
    text += header + "\n"
    for key, value in second.items():
        expected[(*prefix, key)] = text.count("\n") + 1
        text += f"  {key} = {value}\n"
    assert lines_of(text) == expected
