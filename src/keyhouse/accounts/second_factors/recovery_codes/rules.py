"""What recovery codes look like. Pure."""

from __future__ import annotations

import re
import secrets
import unicodedata
from typing import Final

from keyhouse.accounts.errors import RecoveryCodeWrong

COUNT: Final = 10
LENGTH: Final = 16  # base32 characters: 80 bits
GROUP: Final = 4
LONGEST_TYPED: Final = 64
ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648 section 6, in lower case

_CODE: Final = re.compile(rf"[{ALPHABET}]{{{LENGTH}}}")
_MISREAD: Final = str.maketrans({"0": "o", "1": "l", "8": "b"})  # digits that base32 leaves out


def new_codes() -> list[str]:
    """Return ten different codes of 16 base32 characters, without separators."""
    codes: set[str] = set()
    while len(codes) < COUNT:
        codes.add("".join(secrets.choice(ALPHABET) for _ in range(LENGTH)))
    return list(codes)


def shown_code(code: str) -> str:
    """Write a code in groups of four, as people read it."""
    return "-".join(code[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def canonical_code(typed: str) -> str:
    """Return the code that was meant, whatever case, width and separators it came in; raises RecoveryCodeWrong."""
    if len(typed) > LONGEST_TYPED:
        raise RecoveryCodeWrong
    text = unicodedata.normalize("NFKC", typed).casefold().replace("-", "")
    code = "".join(text.split()).translate(_MISREAD)
    if not _CODE.fullmatch(code):
        raise RecoveryCodeWrong
    return code
