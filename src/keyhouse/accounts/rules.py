"""What a user name, an address, a password and a way back (`next=`) must be. Pure."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator

from keyhouse.accounts.errors import (
    AddressRefused,
    PasswordCommon,
    PasswordGuessable,
    PasswordMalformed,
    PasswordPersonal,
    PasswordTooLong,
    PasswordTooShort,
    UsernameRefused,
)

PRODUCT: Final = "keyhouse"
LONGEST_USERNAME: Final = 50
LONGEST_ADDRESS: Final = 254  # RFC 5321 4.5.3.1.3, less the angle brackets
LONGEST_PASSWORD: Final = 4096
LONGEST_NEXT: Final = 2000
LEAST_SCORE: Final = 3  # of 4
SCORED_LENGTH: Final = 72  # zxcvbn's time grows steeply beyond
LETTER_SIGNS: Final = frozenset("4@8({[<369!1|0$5+7%2")  # read as letters by zxcvbn
MOST_LETTER_SIGNS: Final = 8
TELLING_LENGTH: Final = 4  # a shorter name inside a long password says nothing about it
REMAINDER: Final = 8  # what must be left of a password without the names in it

# They name actors and places of the index itself, or nobody.
RESERVED_USERNAMES: Final = frozenset(
    {"anonymous", "host", "job", "keyhouse", "me", "nobody", "none", "null", "system", "undefined"}
)

_USERNAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_NEXT: Final = re.compile(r"/[!-\[\]-~]*")  # visible ASCII without the backslash
_address = EmailValidator()
_scoring = threading.Lock()  # zxcvbn keeps the words about the person in a global


def check_username(username: str) -> str:
    """Return the user name; raises UsernameRefused where it breaks a rule."""
    if len(username) > LONGEST_USERNAME or not _USERNAME.fullmatch(username):
        raise UsernameRefused
    if username.casefold() in RESERVED_USERNAMES:
        raise UsernameRefused("This user name means something else here.", fix="Choose another one.")
    return username


def check_address(address: str) -> str:
    """Return the address with its domain as the name system has it: lower case, ASCII; raises AddressRefused.

    A domain beyond ASCII is kept and shown in that form, so that one which looks like another doesn't.
    """
    address = address.strip()
    try:
        if len(address) > LONGEST_ADDRESS:
            raise AddressRefused
        _address(address)
    except (ValidationError, UnicodeError) as error:
        raise AddressRefused from error
    local, _, domain = address.rpartition("@")
    if not local.isascii():
        # Django takes those few signs for letters that become `i`, `k` or `s` in another case; databases fold ASCII only
        raise AddressRefused
    address = f"{local}@{_ascii_domain(domain)}"
    if len(address) > LONGEST_ADDRESS:
        raise AddressRefused
    return address


def _ascii_domain(domain: str) -> str:
    """Return the domain in ASCII (RFC 3490). One that becomes another name on the way (`ß`, full-width) is refused."""
    if domain.isascii():
        return domain.lower()
    wanted = unicodedata.normalize("NFC", domain).lower()
    try:
        found = wanted.encode("idna").decode()
        is_same = found.encode().decode("idna") == wanted
    except UnicodeError as error:
        raise AddressRefused from error
    if not is_same:
        raise AddressRefused(fix="Write its domain as the name system has it, beginning with `xn--`.")
    return found


def normalize_password(password: str) -> str:
    """Return the password in NFC, so that all keyboards write the same (NIST SP 800-63B-4 3.1.1.2)."""
    return unicodedata.normalize("NFC", password)


def check_password(password: str, *, username: str, addresses: Iterable[str], least_length: int) -> str:
    """Return the normalised password, or raise the subclass of PasswordRefused that tells what is wrong.

    `least_length` counts characters (code points after NFC). No rule asks for kinds of characters
    (NIST SP 800-63B-4 3.1.1.2, ASVS 6.2.5).
    """
    if len(password) > LONGEST_PASSWORD:
        raise PasswordTooLong
    password = normalize_password(password)
    _check_characters(password)
    if len(password) < least_length:
        raise PasswordTooShort(f"This password has fewer than {least_length} characters.")
    words = list(_personal_words(username, addresses))
    if _is_personal(password, words):
        raise PasswordPersonal
    if is_common(password):
        raise PasswordCommon
    if _score(password, words) < LEAST_SCORE:
        raise PasswordGuessable
    return password


def _check_characters(password: str) -> None:
    """Refuse what can't be written as UTF-8, or what some layer below would cut at."""
    if "\x00" in password or any("\ud800" <= character <= "\udfff" for character in password):
        raise PasswordMalformed


def _personal_words(username: str, addresses: Iterable[str]) -> Iterator[str]:
    yield PRODUCT
    if username:
        yield username.casefold()
    for address in addresses:
        local, _, domain = address.casefold().rpartition("@")
        yield from (word for word in (address.casefold(), local, domain.partition(".")[0]) if word)


def _is_personal(password: str, words: list[str]) -> bool:
    """Whether little is left of the password once the names in it are taken out."""
    left = _letters_and_digits(password)
    bare = {_letters_and_digits(word) for word in words}
    if left in bare:
        return True
    found = False
    for word in sorted(bare, key=len, reverse=True):
        if len(word) >= TELLING_LENGTH and word in left:
            left, found = left.replace(word, ""), True
    return found and len(left) < REMAINDER


def _letters_and_digits(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def is_common(password: str) -> bool:
    """Whether a password is on the lists that Django and zxcvbn bring along."""
    return normalize_password(password).casefold() in common_passwords()


@cache
def common_passwords() -> frozenset[str]:
    """Return the lists that Django and zxcvbn bring along."""
    from zxcvbn.matching import RANKED_DICTIONARIES  # noqa: PLC0415 - large; loaded at the first password

    return frozenset(CommonPasswordValidator().passwords) | frozenset(RANKED_DICTIONARIES["passwords"])


def _score(password: str, words: list[str]) -> int:
    from zxcvbn import zxcvbn  # noqa: PLC0415 - large; loaded at the first password

    with _scoring:
        result = zxcvbn(_scored_text(password), user_inputs=[word[:SCORED_LENGTH] for word in words])
    return int(result["score"])


def _scored_text(password: str) -> str:
    """Return what is scored: the beginning, with few kinds of signs that stand for letters.

    The scoring tries all their readings together, and twenty kinds take it seconds. Beyond the first few they all
    become one sign that stands for itself, which can only lower the score.
    """
    text = password[:SCORED_LENGTH]
    surplus = list(dict.fromkeys(sign for sign in text if sign in LETTER_SIGNS))[MOST_LETTER_SIGNS:]
    return text.translate({ord(sign): "~" for sign in surplus})


def safe_next(text: str, default: str = "/account/") -> str:
    r"""Return the path to go on to: `text` where it is surely a path of this site, else `default`.

    Browsers read `//host`, `/\\host` and paths with tabs or line ends in them as other hosts (ASVS 1.2.2), so only
    visible ASCII that begins with one slash is taken, without empty or dotted segments.
    """
    if len(text) > LONGEST_NEXT or not _NEXT.fullmatch(text):
        return default
    path = re.split(r"[?#]", text, maxsplit=1)[0]
    if any(segment in {"", ".", ".."} for segment in path[1:].split("/")[:-1]):
        return default
    parts = urlsplit(text)
    return default if parts.scheme or parts.netloc else text
