from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
from pathlib import Path

import pytest
from tests.accounts.passwords.dumps import bring_in, dump, opened, sha1, words

from keyhouse.accounts.passwords import dump as reading
from keyhouse.accounts.passwords import importing
from keyhouse.accounts.passwords.compromised_file import FILE_NAME
from keyhouse.accounts.passwords.errors import DumpRefused
from keyhouse.accounts.passwords.importing import NOTE_NAME, PART_NAME, Progress, import_dump

LINES = dump(words(300), end="\n").splitlines()


@pytest.fixture
def small_bites(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BITE", 5000)
    monkeypatch.setattr(importing, "NOTE_SECONDS", -1.0)


def left(data: Path) -> set[str]:
    return {path.name for path in data.glob("compromised*")} - {f"{importing.LOCK_NAME}.lock"}


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("change", [bytes.upper, bytes.lower])
def test_line_ends_and_cases_are_all_the_same(tmp_path: Path, end: str, change: object) -> None:
    assert callable(change)
    imported = bring_in(tmp_path, change(dump(words(2000), end=end)))
    assert imported.about.entries == imported.about.lines == 2000
    assert all(sha1(word) in opened(tmp_path) for word in words(2000))


@pytest.mark.usefixtures("small_bites")
def test_cases_may_change_from_line_to_line(tmp_path: Path) -> None:
    lines = dump(words(2000), end="\n").splitlines(keepends=True)
    mixed = (line.lower() if number % 3 else line for number, line in enumerate(lines))
    bring_in(tmp_path, b"".join(mixed))
    assert all(sha1(word) in opened(tmp_path) for word in words(2000))


def test_the_last_line_needs_no_end(tmp_path: Path) -> None:
    text = dump(words(10)).removesuffix(b"\r\n")
    assert bring_in(tmp_path, text).about.entries == 10
    assert opened(tmp_path).about.source_sha256 == hashlib.sha256(text).digest()


def test_a_compressed_list_is_the_same_list(tmp_path: Path) -> None:
    text = dump(words(3000))
    bring_in(tmp_path, gzip.compress(text))
    assert opened(tmp_path).about.source_sha256 == hashlib.sha256(text).digest()
    assert all(sha1(word) in opened(tmp_path) for word in words(3000))


def test_what_was_seen_seldom_can_be_left_out(tmp_path: Path) -> None:
    lines = [f"{sha1(word).hex().upper()}:{number}" for number, word in enumerate(words(100))]
    bring_in(tmp_path, "\n".join(sorted(lines)).encode() + b"\n", least_count=40)
    file = opened(tmp_path)
    assert [word for word in words(100) if sha1(word) in file] == words(100)[40:]
    assert (file.about.least_count, file.about.lines) == (40, 100)


WRONG = {
    "not hex": (b"G" * 40 + b":1", "not 40 hexadecimal digits"),
    "a blank among the digits": (LINES[100][:38] + b"  :1", "not 40 hexadecimal digits"),
    "no count": (LINES[100][:40], "not 40 hexadecimal digits"),
    "a count that is none": (LINES[100][:40] + b":x", "not 40 hexadecimal digits"),
    "two colons": (LINES[100] + b":1", "not 40 hexadecimal digits"),
    "NTLM": (LINES[100][8:], "not 40 hexadecimal digits"),
    "nothing": (b"", "not 40 hexadecimal digits"),
    "NUL": (b"\0" * 40 + b":1", "not 40 hexadecimal digits"),
    "far too long": (b"A" * 10_000, ""),
    "the line before": (LINES[99], "the digest of the line before"),
    "the digest before": (LINES[99][:40] + b":12345", "the digest of the line before"),
    "an earlier one": (LINES[3], "not in order"),
}


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("least_count", [1, 2])
def test_a_wrong_line_is_named_and_nothing_is_replaced(
    tmp_path: Path, wrong: str, ends: bytes, least_count: int
) -> None:
    bring_in(tmp_path, dump(["kept"]))
    line, what = WRONG[wrong]
    text = ends.join([*LINES[:100], line, *LINES[101:], b""])
    with pytest.raises(DumpRefused, match=f"Line 101: .*{what}"):
        bring_in(tmp_path, text, least_count=least_count)
    assert sha1("kept") in opened(tmp_path)
    assert left(tmp_path) == {FILE_NAME}


def test_lines_that_only_together_look_right_are_refused(tmp_path: Path) -> None:
    one, two = LINES[0], LINES[1]
    with pytest.raises(DumpRefused, match="Line 1:"):
        bring_in(tmp_path, one[:40] + b"\n" + one[41:] + b":" + two + b"\n")


@pytest.mark.usefixtures("small_bites")
@pytest.mark.parametrize("at", [105, 106, 210, 295])
def test_order_is_asked_from_bite_to_bite(tmp_path: Path, at: int) -> None:
    lines = [*LINES[:at], LINES[at - 1], *LINES[at:], b""]
    with pytest.raises(DumpRefused, match=f"Line {at + 1}: the digest of the line before"):
        bring_in(tmp_path, b"\n".join(lines))


@pytest.mark.parametrize("size", [1, 20, 40, 41, 1000, 4999])
def test_a_list_cut_off_within_a_line_is_refused(tmp_path: Path, size: int) -> None:
    text = dump(words(200))[:size]
    number = text.count(b"\n") + 1
    with pytest.raises(DumpRefused, match=f"Line {number}:"):
        bring_in(tmp_path, text)
    assert left(tmp_path) == set()


def test_a_list_cut_off_behind_a_line_is_told(tmp_path: Path) -> None:
    lines = dump(words(4000)).splitlines(keepends=True)
    assert not bring_in(tmp_path, b"".join(lines)).seems_cut_off
    assert bring_in(tmp_path, b"".join(lines[:3000])).seems_cut_off


@pytest.mark.parametrize("size", [10, 30, 2000, -9])
def test_a_compressed_list_cut_off_is_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(DumpRefused):
        bring_in(tmp_path, gzip.compress(dump(words(300)))[:size])
    assert left(tmp_path) == set()


@pytest.mark.parametrize("text", [b"", b"\n"])
def test_an_empty_list_is_refused(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(DumpRefused):
        bring_in(tmp_path, text)
    with pytest.raises(DumpRefused, match="common enough"):
        bring_in(tmp_path, dump(words(5)), least_count=1000)
    assert left(tmp_path) == set()


class StoppedError(Exception):
    pass


def interrupt(data: Path, text: bytes, at: int) -> None:
    def tell(now: Progress) -> None:
        if now.lines >= at:
            raise StoppedError

    with pytest.raises(StoppedError):
        import_dump(io.BytesIO(text), data, tell=tell)


@pytest.mark.usefixtures("small_bites")
@pytest.mark.parametrize("at", [101, 1100, 1900, 3999])
def test_an_interrupted_import_goes_on_to_the_same_file(tmp_path: Path, at: int) -> None:
    text = dump(words(4000))
    bring_in(tmp_path, dump(["kept"]))
    interrupt(tmp_path, text, at)
    assert sha1("kept") in opened(tmp_path)
    again = bring_in(tmp_path, text)
    assert 0 < again.went_on_at < at + 200 or again.went_on_at == 0 < at < 200
    assert left(tmp_path) == {FILE_NAME}
    (tmp_path / "b").mkdir()
    bring_in(tmp_path / "b", text)
    at_header = slice(112, None)  # the header tells when it was made
    assert (tmp_path / FILE_NAME).read_bytes()[at_header] == (tmp_path / "b" / FILE_NAME).read_bytes()[
        at_header
    ]
    assert opened(tmp_path).about.source_sha256 == hashlib.sha256(text).digest()
    assert (opened(tmp_path).about.lines, opened(tmp_path).about.entries) == (4000, 4000)


@pytest.mark.usefixtures("small_bites")
def test_another_list_is_never_continued(tmp_path: Path) -> None:
    interrupt(tmp_path, dump(words(4000)), 1900)
    other = dump([f"other {number}" for number in range(4000)])
    assert bring_in(tmp_path, other).went_on_at == 0
    assert not any(sha1(word) in opened(tmp_path) for word in words(4000))
    assert sha1("other 7") in opened(tmp_path)


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


@pytest.mark.usefixtures("small_bites")
def test_another_list_from_a_pipe_has_to_be_sent_again(tmp_path: Path) -> None:
    interrupt(tmp_path, dump(words(4000)), 1900)
    other = dump(["other"])
    with pytest.raises(DumpRefused, match="another list") as refused:
        import_dump(Pipe(other), tmp_path)
    assert "once more" in refused.value.fix
    assert import_dump(Pipe(other), tmp_path).about.entries == 1


@pytest.mark.usefixtures("small_bites")
def test_an_import_with_another_minimum_begins_anew(tmp_path: Path) -> None:
    interrupt(tmp_path, dump(words(4000)), 1900)
    assert bring_in(tmp_path, dump(words(4000)), least_count=2).went_on_at == 0


@pytest.mark.usefixtures("small_bites")
@pytest.mark.parametrize("damage", ["{", "[]", '{"least_count": 1}', ""])
def test_a_note_that_says_nothing_is_not_believed(tmp_path: Path, damage: str) -> None:
    interrupt(tmp_path, dump(words(4000)), 1900)
    (tmp_path / NOTE_NAME).write_text(damage)
    assert bring_in(tmp_path, dump(words(4000))).went_on_at == 0


@pytest.mark.usefixtures("small_bites")
def test_a_note_without_what_it_tells_of_is_not_believed(tmp_path: Path) -> None:
    interrupt(tmp_path, dump(words(4000)), 3000)
    assert json.loads((tmp_path / NOTE_NAME).read_text())["entries"] >= 2048
    (tmp_path / PART_NAME).write_bytes(b"")
    assert bring_in(tmp_path, dump(words(4000))).went_on_at == 0
    opened(tmp_path).verify()


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    bring_in(tmp_path, dump(words(5)))
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_the_sentence_of_a_refused_line_holds_nothing_of_the_line(tmp_path: Path) -> None:
    with pytest.raises(DumpRefused) as refused:
        bring_in(tmp_path, b"hunter2 and what else stood there:1\n")
    assert not re.search("hunter2", refused.value.line)
