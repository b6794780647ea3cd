from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.accounts import rules
from keyhouse.accounts.errors import (
    AddressRefused,
    PasswordCommon,
    PasswordGuessable,
    PasswordMalformed,
    PasswordPersonal,
    PasswordRefused,
    PasswordTooLong,
    PasswordTooShort,
    UsernameRefused,
)

GOOD = "velvet-anchor-93-tundra"


def check(
    password: str,
    username: str = "adalovelace",
    address: str = "countess@analytical.example",
    least: int = 15,
) -> str:
    return rules.check_password(password, username=username, addresses=[address], least_length=least)


@pytest.mark.parametrize("name", ["a", "Ada", "ada-lovelace", "a.b_c-d", "9lives", "x" * 50])
def test_user_names_of_letters_digits_and_inner_marks_are_taken(name: str) -> None:
    assert rules.check_username(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            " ",
            "-ada",
            "ada-",
            ".ada",
            "ada.",
            "_ada",
            "a da",
            "ada\n",
            "ada\x00",
            "ädä",
            "x" * 51,
            "a/b",
        ),
        *("\u0430" * 3, "Keyhouse", "HOST", "system", "ada@example.org"),
    ],
)
def test_other_user_names_are_refused(name: str) -> None:
    with pytest.raises(UsernameRefused):
        rules.check_username(name)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("ada@example.org", "ada@example.org"),
        (" Ada@Example.ORG ", "Ada@example.org"),
        ("root@localhost", "root@localhost"),
        ("a.b+c@sub.example.org", "a.b+c@sub.example.org"),
    ],
)
def test_addresses_keep_their_local_part_and_lose_the_case_of_the_domain(typed: str, kept: str) -> None:
    assert rules.check_address(typed) == kept


@pytest.mark.parametrize(
    "address",
    [
        *("", "ada", "ada@", "@example.org", "a@b@c.example", "ada@example.org\nBcc: x@y.example"),
        *(
            "ada@exa mple.org",
            "ada\x00@example.org",
            "a" * 250 + "@example.org",
            "ada@-x-.org",
            "http://a@b.c/d",
        ),
        # letters to Django, and other ones in another case
        *("\N{KELVIN SIGN}ate@example.org", "\N{LATIN SMALL LETTER DOTLESS I}da@example.org"),
        *(
            '"\N{LATIN SMALL LETTER LONG S}am"@example.org',
            "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}da@example.org",
        ),
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(AddressRefused):
        rules.check_address(address)


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "correct horse battery staple",
        "ünïcödé ist auch sehr schön hier",
        "正しい馬のバッテリーの留め金です",
        "x" * 20 + "Tp7 quiet lantern 41",
        "🦊🌵🛶🎻🧭🪁🥨🧊🪴🦔🛸🧶🍇🪞🧲",
    ],
)
def test_long_passwords_of_any_characters_are_taken(password: str) -> None:
    assert check(password)


def test_a_password_is_never_cut() -> None:
    long = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(4096))
    assert check(long) == long


@pytest.mark.parametrize(
    ("password", "refusal"),
    [
        ("", PasswordTooShort),
        ("velvet-anchor-", PasswordTooShort),
        ("e\u0301" * 14, PasswordTooShort),  # fourteen characters once composed
        ("x" * 4097, PasswordTooLong),
        ("velvet-anchor\x0093-tundra", PasswordMalformed),
        ("velvet-anchor\ud80093-tundra", PasswordMalformed),
        ("keyhousekeyhouse", PasswordPersonal),
        ("Key-House Key-House 1", PasswordPersonal),
        ("adalovelace-1815", PasswordPersonal),
        ("AdaLovelace@Keyhouse!", PasswordPersonal),
        ("countess@analytical.example", PasswordPersonal),
        ("1234567890987654321", PasswordCommon),
        ("Q1W2E3R4T5Y6U7I8O9P0", PasswordCommon),
        ("aaaaaaaaaaaaaaaaaaaa", PasswordGuessable),
        ("passwordpassword", PasswordGuessable),
        ("qwertyuiopasdfghjkl", PasswordGuessable),
        ("password1234567", PasswordGuessable),
    ],
)
def test_passwords_that_are_found_early_are_refused_by_the_reason(
    password: str, refusal: type[PasswordRefused]
) -> None:
    with pytest.raises(refusal):
        check(password)


def test_the_same_password_typed_in_two_normal_forms_is_one() -> None:
    assert check("vélvet-anchor-93-tundra") == check("ve\u0301lvet-anchor-93-tundra")


def test_a_short_name_inside_a_long_password_says_nothing() -> None:
    assert check("adamant-lanterns-41-quay", username="ada", address="ada@x.example")


def test_the_least_length_is_a_setting() -> None:
    assert check("7rT#qz9pVw", least=8)
    with pytest.raises(PasswordTooShort):
        check("7rT#qz9", least=8)


@given(st.text(), st.text(max_size=60), st.text(max_size=60))
def test_whatever_is_given_as_password_gets_a_verdict(password: str, username: str, address: str) -> None:
    with contextlib.suppress(PasswordRefused):
        assert check(password, username, address)


@given(st.text())
def test_whatever_is_given_as_name_or_address_gets_a_verdict(text: str) -> None:
    with contextlib.suppress(UsernameRefused):
        assert rules.check_username(text).isascii()
    with contextlib.suppress(AddressRefused):
        assert "@" in rules.check_address(text)


OWN = [
    "/",
    "/account/",
    "/project/a-b/",
    "/search/?q=a&page=2",
    "/help/codes/#x",
    "/account/?next=//evil.example",
    "/%2fevil.example",
    "/a%09b",
    "/account/tokens/?x=http://evil.example/",
]
OUTSIDE = [
    *("", "account/", "http://evil.example/", "https:evil.example", "//evil.example", "///evil.example"),
    *("/\\evil.example", "\\\\evil.example", "/\t/evil.example", "/\n/evil.example", "\t//evil.example"),
    *(" //evil.example", "/ /evil.example", "javascript:alert(1)", "data:text/html,x", "/.//evil.example"),
    *("/..//evil.example", "/a/..//evil.example", "/./evil", "//evil.example@localhost/", "/\x00/evil.example"),
    *("/\uff0fevil.example", "/\u2028/evil.example", "http:///evil.example", "?x", "#x", "/" + "a" * 2000),
    *("/\x7f/evil.example", "/é", "@evil.example", "/\r\nLocation: //evil.example"),
]  # fmt: skip


@pytest.mark.parametrize("path", OWN)
def test_the_way_back_leads_to_own_pages(path: str) -> None:
    assert rules.safe_next(path) == path


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_spelling_of_outside_is_a_way_back(path: str) -> None:
    assert rules.safe_next(path) == "/account/"


@given(st.text())
def test_the_way_back_always_begins_with_exactly_one_slash(text: str) -> None:
    path = rules.safe_next("/" + text)
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))


def test_a_password_of_all_signs_is_scored_by_a_few_of_them() -> None:
    """All twenty together keep the scoring busy for seconds, and with it everybody else's."""
    hostile = "".join(sorted(rules.LETTER_SIGNS)) * 4
    scored = rules._scored_text(hostile)
    assert len(set(scored) & rules.LETTER_SIGNS) == rules.MOST_LETTER_SIGNS
    assert len(scored) == rules.SCORED_LENGTH
    assert rules._scored_text("p4ssw0rd with 7 words") == "p4ssw0rd with 7 words"
