from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.accounts.errors import RecoveryCodeWrong
from keyhouse.accounts.second_factors.recovery_codes import rules


def test_there_are_ten_different_codes_of_sixteen_base32_characters() -> None:
    codes = rules.new_codes()
    assert len(set(codes)) == 10
    assert all(rules.canonical_code(code) == code and len(code) == 16 for code in codes)


@pytest.mark.parametrize(
    "typed",
    [
        "abcd-efgh-ijkl-mno2",
        "ABCD EFGH IJKL MNO2",
        " abcdefghijklmno2\n",
        "a b c d efghijklmn-o2",
        "abcdefgh1jk1mno2",
    ],
)
def test_case_spacing_and_dashes_do_not_matter(typed: str) -> None:
    assert rules.canonical_code(typed) in {"abcdefghijklmno2", "abcdefghljklmno2"}


def test_a_shown_code_reads_back() -> None:
    assert rules.shown_code("abcdefghijklmno2") == "abcd-efgh-ijkl-mno2"


@pytest.mark.parametrize(
    "typed", ["", "abcd", "abcdefghijklmno29", "abcdefghijklmn!2", "a" * 65, "äbcdefghijklmno2"]
)
def test_what_is_no_code_is_wrong(typed: str) -> None:
    with pytest.raises(RecoveryCodeWrong):
        rules.canonical_code(typed)


@given(st.text())
def test_whatever_is_typed_gets_a_verdict(typed: str) -> None:
    with contextlib.suppress(RecoveryCodeWrong):
        assert len(rules.canonical_code(typed)) == 16
