from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.accounts.errors import ClockOff, CodeRefused, CodeReplayed, CodeWrong, SecretMalformed
from keyhouse.accounts.second_factors.totp import rules

SECRET = b"12345678901234567890"
AT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
STEP = int(AT.timestamp()) // 30

# RFC 4226, appendix D
HOTP = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]
# RFC 6238, appendix B, the SHA-1 rows; of its eight digits the last six
TOTP = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]


@pytest.mark.parametrize(("counter", "code"), list(enumerate(HOTP)))
def test_codes_are_those_of_rfc_4226(counter: int, code: str) -> None:
    assert rules.code_at(SECRET, counter) == code


@pytest.mark.parametrize(("seconds", "digits"), TOTP)
def test_codes_at_instants_are_those_of_rfc_6238(seconds: int, digits: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert rules.verify(SECRET, digits[-6:], at, 0) == rules.Accepted(seconds // 30)


@pytest.mark.parametrize("distance", [-1, 0, 1])
def test_the_present_step_and_its_neighbours_are_accepted(distance: int) -> None:
    assert rules.verify(SECRET, rules.code_at(SECRET, STEP + distance), AT, 0).step == STEP + distance


@pytest.mark.parametrize("distance", [*range(-10, -1), *range(2, 11)])
def test_a_code_some_minutes_away_says_that_the_clock_is_off(distance: int) -> None:
    with pytest.raises(ClockOff):
        rules.verify(SECRET, rules.code_at(SECRET, STEP + distance), AT, 0)


@pytest.mark.parametrize("distance", [-11, 11, -1000, 1000])
def test_a_code_further_away_is_wrong(distance: int) -> None:
    with pytest.raises(CodeWrong):
        rules.verify(SECRET, rules.code_at(SECRET, STEP + distance), AT, 0)


@pytest.mark.parametrize("distance", [-1, 0, 1])
def test_a_step_is_accepted_once_and_none_before_it(distance: int) -> None:
    with pytest.raises(CodeReplayed):
        rules.verify(SECRET, rules.code_at(SECRET, STEP + distance), AT, STEP + 1)


def test_after_the_step_before_the_present_one_is_accepted() -> None:
    assert rules.verify(SECRET, rules.code_at(SECRET, STEP), AT, STEP - 1).step == STEP


@pytest.mark.parametrize("dress", ["{} ", " {}", "{:.3}\u00a0", "\t{}\n"])
def test_spacing_changes_nothing(dress: str) -> None:
    code = rules.code_at(SECRET, STEP)
    typed = f"{code[:3]}\u2009{code[3:]}" if "3" in dress else dress.format(code)
    assert rules.verify(SECRET, typed, AT, 0).step == STEP
    with pytest.raises(CodeReplayed):
        rules.verify(SECRET, typed, AT, STEP)


def test_full_width_digits_are_the_same_code_and_so_a_replay() -> None:
    typed = "".join(chr(ord(digit) + 0xFEE0) for digit in rules.code_at(SECRET, STEP))
    assert rules.verify(SECRET, typed, AT, STEP - 1).step == STEP
    with pytest.raises(CodeReplayed):
        rules.verify(SECRET, typed, AT, STEP)


@pytest.mark.parametrize(
    "typed",
    ["", " ", "12345", "1234567", "12345a", "-12345", "+12345", "١٢٣٤٥٦", "12345\x00", "1" * 70, "12.345"],
)
def test_what_is_no_code_is_wrong(typed: str) -> None:
    with pytest.raises(CodeWrong):
        rules.verify(SECRET, typed, AT, 0)


def test_before_1970_nothing_breaks() -> None:
    with pytest.raises(CodeRefused):
        rules.verify(SECRET, "123456", datetime(1969, 1, 1, tzinfo=UTC), 0)


@given(st.text(), st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_whatever_is_typed_gets_a_verdict(typed: str, at: datetime) -> None:
    with contextlib.suppress(CodeRefused):
        rules.verify(SECRET, typed, at.replace(tzinfo=UTC), 0)


def test_a_secret_is_read_back_however_it_was_typed() -> None:
    secret = rules.new_secret()
    text = rules.encode_secret(secret)
    assert len(secret) == 20
    assert len(text) == 32
    spaced = " ".join(text[start : start + 4] for start in range(0, 32, 4)).lower()
    assert rules.decode_secret(spaced) == secret


@pytest.mark.parametrize("text", ["", "====", "0189", "ABC!", "é", "A"])
def test_what_is_no_secret_is_refused(text: str) -> None:
    with pytest.raises(SecretMalformed):
        rules.decode_secret(text)


def test_the_enrolment_address_names_person_and_index() -> None:
    address = rules.enrolment_address(SECRET, username="ada", issuer="Keyhouse (index.example)")
    assert address.startswith("otpauth://totp/Keyhouse%20%28index.example%29:ada?secret=GEZDGNBVGY3TQOJQ")


def test_a_code_of_the_next_minute_is_not_accepted_early() -> None:
    with pytest.raises(ClockOff):
        rules.verify(SECRET, rules.code_at(SECRET, STEP), AT - timedelta(seconds=90), 0)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" my\tphone ", "my phone"),
        ("a\r\nb", "a b"),
        ("x" * 100, "x" * 64),
        ("\u202eevil", "evil"),
        ("\u2028", ""),
        ("Ünïcode 📱", "Ünïcode 📱"),
    ],
)
def test_a_name_is_one_line_that_can_be_seen(typed: str, kept: str) -> None:
    assert rules.tidy_name(typed) == kept
