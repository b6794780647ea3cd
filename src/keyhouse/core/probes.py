"""A question that only this index's own host can ask its server: signed by the key file, good for a minute.

`keyhouse doctor` asks through the base URL, so that the server can tell what of a request arrives behind a proxy. Nobody else
is told: how a server sees its proxies is of use to whoever wants to get around limits.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import Final

from keyhouse.core import keys

HEADER: Final = "X-Keyhouse-Probe"
PATH: Final = "/health/seen"
_SECONDS: Final = 60


def sign(now: datetime) -> str:
    """Return the header's value at `now`; raises KeyFileError."""
    return _signed(int(now.timestamp()))


def is_signed(value: str, now: datetime) -> bool:
    """Whether the header was made by the same key file within a minute of `now`; raises KeyFileError."""
    stamp, _, _ = value.partition(".")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16):  # noqa: PLR2004 - longer is no instant of ours
        return False
    is_recent = abs(now.timestamp() - int(stamp)) <= _SECONDS
    return hmac.compare_digest(value.encode(), _signed(int(stamp)).encode()) and is_recent


def _signed(stamp: int) -> str:
    key = keys.ring().derive("doctor-probe")
    return f"{stamp}.{hmac.new(key, str(stamp).encode(), hashlib.sha256).hexdigest()}"
