"""Time-based one-time codes: which step a code belongs to, and whether it is accepted (RFC 6238). Pure."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pyotp

from keyhouse.accounts.errors import ClockOff, CodeReplayed, CodeWrong, SecretMalformed

DIGITS: Final = 6
STEP_SECONDS: Final = 30
SECRET_BYTES: Final = 20  # the length of the HMAC key that RFC 4226 section 4 recommends
WINDOW: Final = 1  # steps to either side (RFC 6238 5.2)
CLOCK_OFF_WINDOW: Final = 10
LONGEST_TYPED: Final = 64
FAILURES_ALLOWED: Final = 100  # in a row, before the authenticator is disabled (NIST SP 800-63B-4 3.2.2)
LONGEST_NAME: Final = 64

_CODE: Final = re.compile(r"[0-9]{6}")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A right code: `step` is the time step it belongs to; from now on only later steps are accepted."""

    step: int


def new_secret() -> bytes:
    """Return 20 random bytes."""
    return secrets.token_bytes(SECRET_BYTES)


def encode_secret(secret: bytes) -> str:
    """Write a secret as base32 without padding, as apps take it."""
    return base64.b32encode(secret).decode().rstrip("=")


def decode_secret(text: str) -> bytes:
    """Read a base32 secret (spaces and case don't matter); raises SecretMalformed."""
    bare = "".join(text.split()).upper().rstrip("=")
    try:
        secret = base64.b32decode(bare + "=" * (-len(bare) % 8))
    except (binascii.Error, ValueError) as error:
        raise SecretMalformed from error
    if not secret:
        raise SecretMalformed
    return secret


def enrolment_address(secret: bytes, *, username: str, issuer: str) -> str:
    """Return the `otpauth://` address for the QR code."""
    return pyotp.TOTP(encode_secret(secret)).provisioning_uri(name=username, issuer_name=issuer)


def step_at(at: datetime) -> int:
    """Return the time step of an instant."""
    return int(at.timestamp()) // STEP_SECONDS


def code_at(secret: bytes, step: int) -> str:
    """Return the code of a step (RFC 4226 section 5.3, SHA-1, 6 digits)."""
    return pyotp.TOTP(encode_secret(secret), digits=DIGITS, interval=STEP_SECONDS).generate_otp(step)


def canonical_code(typed: str) -> str:
    """Return the six ASCII digits that were meant, whatever spacing or width they came in; raises CodeWrong."""
    if len(typed) > LONGEST_TYPED:
        raise CodeWrong
    code = "".join(unicodedata.normalize("NFKC", typed).split())
    if not _CODE.fullmatch(code):
        raise CodeWrong
    return code


def verify(secret: bytes, code: str, at: datetime, last_step: int) -> Accepted:
    """Accept a code of the present step or a neighbour, later than `last_step`.

    Raises CodeReplayed for one that is not later, ClockOff for one right within ten steps, CodeWrong otherwise.
    The caller must still win the conditional update of `last_step`.
    """
    code = canonical_code(code)
    now = step_at(at)
    matching = _matching_steps(secret, code, range(now - WINDOW, now + WINDOW + 1))
    fresh = [step for step in matching if step > last_step]
    if fresh:
        return Accepted(fresh[0])
    if matching:
        raise CodeReplayed
    if _matching_steps(secret, code, range(now - CLOCK_OFF_WINDOW, now + CLOCK_OFF_WINDOW + 1)):
        raise ClockOff
    raise CodeWrong


def _matching_steps(secret: bytes, code: str, steps: Iterable[int]) -> list[int]:
    return [step for step in steps if step >= 0 and hmac.compare_digest(code_at(secret, step), code)]


def tidy_name(name: str) -> str:
    """Return the name of an app as it is kept: on one line, with what can't be seen taken out, of bounded length."""
    seen = "".join(character if character.isprintable() else " " for character in name)
    return " ".join(seen.split())[:LONGEST_NAME].strip()
