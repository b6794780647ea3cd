import pytest

from keyhouse.distfiles.findings import UnacceptableError
from keyhouse.distfiles.record import RecordLine, algorithm_for, parse_record
from tests.distfiles.builders import record_line


def test_lines_are_read_with_either_line_ending() -> None:
    text = 'a.py,sha256=x,1\r\n"b, c.py",sha256=y,2\n\nRECORD,,\n'
    assert parse_record(text.encode(), 9) == {
        "a.py": RecordLine("sha256=x", "1"),
        "b, c.py": RecordLine("sha256=y", "2"),
        "RECORD": RecordLine("", ""),
    }


def test_a_record_with_too_many_lines_is_refused() -> None:
    record = "".join(record_line(f"{number}.py", b"") for number in range(5)).encode()
    assert len(parse_record(record, 5)) == 5
    with pytest.raises(UnacceptableError) as caught:
        parse_record(record, 4)
    assert caught.value.finding.code == "record-surplus"


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        ("sha512=x", "sha512"),
        ("sha1=x", "sha256"),
        ("", "sha256"),
        ("shake_128=x", "sha256"),
        ("../x", "sha256"),
    ],
)
def test_only_strong_algorithms_are_computed(digest: str, expected: str) -> None:
    assert algorithm_for(RecordLine(digest, "1")) == expected
    assert algorithm_for(None) == "sha256"
