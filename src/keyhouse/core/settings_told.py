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
from keyhouse.core.configuration import SETTINGS, Configuration, Setting

_OWN: Final = frozenset(
    {
        "KEYHOUSE_DATA",  # the same folder, by whatever path
        "KEYHOUSE_KEY_FILE",
        "KEYHOUSE_LOG_FORMAT",  # a command may well log otherwise
        "KEYHOUSE_FAULT",
    }
)
_LENGTH: Final = 16


def digests_of(settings: Configuration, key_id: str) -> dict[str, str]:
    """Return a digest of each setting by name, of a secret one only of whether it is set.

    They can't be guessed at without the key of that id. Raises KeyFileError, and SealBrokenError where there is no such key.
    """
    key = keys.ring().derive("settings-told", key_id=key_id)
    return {
        setting.name: hmac.new(key, repr(_told(settings, setting)).encode(), hashlib.sha256).hexdigest()[:_LENGTH]
        for setting in SETTINGS
        if setting.name not in _OWN
    }  # fmt: skip


def _told(settings: Configuration, setting: Setting) -> object:
    value = getattr(settings, setting.field)
    return bool(value) if setting.is_secret else value


def differing(settings: Configuration, told: Mapping[str, str], key_id: str) -> list[str]:
    """Return the names of the settings that are not as told, in their order; raises as `digests_of` does."""
    own = digests_of(settings, key_id)
    return [name for name, digest in own.items() if name in told and told[name] != digest]
