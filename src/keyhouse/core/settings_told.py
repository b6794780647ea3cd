"""What a running server is set to, told to the commands at its host: by digests, since some settings are secrets.

A command reads its own environment. Where that is a shell's and the server's that of a service, the two differ, and what the
command says of proxies, readers or mail is true of neither.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from keyhouse.core import keys
from keyhouse.core.configuration import SETTINGS, Configuration

_OWN: Final = frozenset(
    {
        "KEYHOUSE_DATA",  # the same folder, by whatever path
        "KEYHOUSE_KEY_FILE",
        "KEYHOUSE_LOG_FORMAT",  # a command may well log otherwise
        "KEYHOUSE_FAULT",
    }
)
_LENGTH: Final = 16


def digests_of(settings: Configuration) -> dict[str, str]:
    """Return a digest of each setting, by name; it can't be guessed at without the key file. Raises KeyFileError."""
    key = keys.ring().derive("settings-told")
    return {
        setting.name: hmac.new(key, repr(getattr(settings, setting.field)).encode(), hashlib.sha256).hexdigest()[:_LENGTH]
        for setting in SETTINGS
        if setting.name not in _OWN
    }  # fmt: skip


def differing(settings: Configuration, told: Mapping[str, str]) -> list[str]:
    """Return the names of the settings that are not as told, in the order of the settings; raises KeyFileError."""
    own = digests_of(settings)
    return [name for name, digest in own.items() if name in told and told[name] != digest]
