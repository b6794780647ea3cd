import pytest

from keyhouse.distfiles.findings import CODES, Finding, UnacceptableError, shown


def test_every_code_is_explained_in_one_sentence() -> None:
    assert all(sentence.endswith(".") and sentence.isascii() for sentence in CODES.values())
    assert all(code == code.lower() and " " not in code for code in CODES)


def test_an_unknown_code_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="unknown finding code"):
        Finding("no-such-code", "Nothing.")


def test_a_refusal_shows_the_line_of_its_finding() -> None:
    error = UnacceptableError("archive-path", "Bad path.")
    assert error.line == str(error) == "archive-path: Bad path."
    assert error.finding == Finding("archive-path", "Bad path.")


@pytest.mark.parametrize("text", ["plain", "line\nfeed", "ünï", "x" * 500, "\x00\x1b[31m", "'\"" * 90])
def test_quoted_text_is_short_printable_ascii(text: str) -> None:
    quoted = shown(text)
    assert quoted.isascii()
    assert quoted.isprintable()
    assert len(quoted) <= 60
