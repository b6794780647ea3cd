"""What a report of leaked tokens looks like, and how a token looks in a text. Pure.

A report is the one that scanners of public repositories send to the services whose tokens they find: a JSON list of
`{"token", "type", "url", "source"}`, signed over its raw bytes (ECDSA with P-256 and SHA-256), with the name of the key
and the signature in two headers.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from keyhouse.core.errors import Refusal
from keyhouse.credentials.tokens.errors import LeakReportRefused

KEY_HEADER: Final = "GITHUB-PUBLIC-KEY-IDENTIFIER"
SIGNATURE_HEADER: Final = "GITHUB-PUBLIC-KEY-SIGNATURE"
MAX_LEAKS: Final = 1000  # of one report
MAX_TOKEN: Final = 16 * 1024
MAX_URL: Final = 500
MAX_SOURCE: Final = 50
MAX_SIGNATURE: Final = 200
# What follows the prefix: every token begins with the bytes 2 and 1 or 2, and none is shorter.
BODY: Final = "Ag[A-Za-z0-9_-]{80,}"


@dataclass(frozen=True, slots=True)
class Leak:
    """A token as it was found: its text, at which address, in what kind of place."""

    token: str
    url: str = ""
    source: str = ""


def token_pattern(prefix: str) -> str:
    """Return the regular expression by which scanners find the tokens of an index with that prefix."""
    return re.escape(prefix).replace("\\-", "-") + BODY


def find_tokens(text: str, prefix: str) -> list[str]:
    """Return what looks like a token in a text, each once, in order."""
    return list(dict.fromkeys(re.findall(token_pattern(prefix), text)))[:MAX_LEAKS]


def read_report(body: bytes) -> list[Leak]:
    """Return what a report tells; raises LeakReportRefused where any part isn't as it should be."""
    try:
        told = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise LeakReportRefused("The report is not JSON in UTF-8.") from error
    if not isinstance(told, list) or len(told) > MAX_LEAKS:
        raise LeakReportRefused(f"The report is not a list of at most {MAX_LEAKS} tokens.")
    return [_read(number, one) for number, one in enumerate(told, 1)]


def _read(number: int, told: Any) -> Leak:
    if not isinstance(told, dict) or not _is_text(told.get("token"), MAX_TOKEN) or not told["token"]:
        raise LeakReportRefused(f"Token {number} of the report has no text.")
    if not _is_text(told.get("type"), MAX_SOURCE):
        raise LeakReportRefused(f"Token {number} of the report has no type.")
    if not all(told.get(name) is None or isinstance(told[name], str) for name in ("url", "source")):
        raise LeakReportRefused(f"Token {number} of the report has a url or a source that is no text.")
    return Leak(told["token"], shown_url(told.get("url") or ""), shown_source(told.get("source") or ""))


def _is_text(value: Any, longest: int) -> bool:
    return isinstance(value, str) and len(value) <= longest


def shown_url(text: str) -> str:
    """Return an address as people may be shown it: of the web, in visible ASCII, bounded; anything else becomes nothing.

    A token in it is not a reason to write it down: query and fragment are left out.
    """
    text = text.strip()
    if len(text) > MAX_URL or not text.isascii() or not text.isprintable() or " " in text:
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    is_web = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
    return parts._replace(query="", fragment="").geturl() if is_web else ""


def shown_source(text: str) -> str:
    """Return a kind of place, in letters, digits, dots, dashes and spaces only; anything else becomes nothing."""
    return text if len(text) <= MAX_SOURCE and re.fullmatch(r"[A-Za-z0-9_. -]*", text) else ""


def read_keys(text: str) -> Mapping[str, str]:
    """Return the current keys (PEM) by their names; raises ValueError.

    `{"public_keys": [{"key_identifier": …, "key": "-----BEGIN PUBLIC KEY-----…", "is_current": true}]}`; one that isn't
    current any more is left out.
    """
    told = json.loads(text)
    rows = told["public_keys"] if isinstance(told, dict) and "public_keys" in told else told
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("not a list of keys")
    found = {row.get("key_identifier"): row.get("key") for row in rows if row.get("is_current") is True}
    if not all(isinstance(part, str) and part for pair in found.items() for part in pair):
        raise ValueError("a key without a name or without its text")
    return {str(name): str(key) for name, key in found.items()}


def require_signature(body: bytes, name: str, signature: str, keys: Mapping[str, str]) -> None:
    """Raise LeakReportRefused unless the raw body was signed by the current key of that name."""
    if name not in keys or not _is_signed(body, signature, keys[name]):
        raise LeakReportRefused("The report isn't signed by a key that is current.")


def _is_signed(body: bytes, signature: str, pem: str) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - only reports need it
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - the same
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - the same
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 - the same

    try:
        if len(signature) > MAX_SIGNATURE:
            return False
        key = load_pem_public_key(pem.encode())
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            return False
        key.verify(base64.b64decode(signature, validate=True), body, ec.ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def leaks_in(text: str, prefix: str, *, url: str = "", source: str = "") -> list[Leak]:
    """Return a leak for each token in a text that somebody pasted."""
    return [Leak(token, shown_url(url), source) for token in find_tokens(text, prefix)]


def refusal_of_nothing(leaks: Iterable[Leak]) -> Refusal | None:
    """Return why a text that should hold a token holds none, or None."""
    return (
        None
        if any(True for _ in leaks)
        else LeakReportRefused("There is nothing that looks like a token in it.")
    )
