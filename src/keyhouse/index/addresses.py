"""Addresses of this server inside ready pages.

Pages are rendered when something changes, and the server may move to another address later. So an absolute address is
stored with one character in place of `scheme://host`, which is put in when a page is loaded. That character (DELETE)
is taken out of everything that people wrote.
"""

from __future__ import annotations

from typing import Any, Final

HERE: Final = "\x7f"
_ENCODED: Final = HERE.encode()


def fill_in(body: bytes, base_url: str) -> bytes:
    """Return a stored JSON document or feed as it is sent by the server at `base_url` (no slash at its end)."""
    return body.replace(_ENCODED, base_url.encode())


def holds_address(body: bytes) -> bool:
    """Tell whether a stored page has an absolute address in it."""
    return _ENCODED in body


def without_mark(value: Any) -> Any:
    """Return a JSON value of foreign origin with the mark taken out of every text in it."""
    if isinstance(value, str):
        return value.replace(HERE, "")
    if isinstance(value, dict):
        return {key.replace(HERE, ""): _part_without_mark(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_part_without_mark(part) for part in value]
    return value


def _part_without_mark(value: Any) -> Any:
    """Do the same; most parts of metadata are short texts or nothing, and there are many."""
    if not value:
        return value
    return value.replace(HERE, "") if isinstance(value, str) else without_mark(value)
