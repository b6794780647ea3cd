"""When nothing can be written: refusals that name the situation, without a path of the machine."""

from __future__ import annotations

import errno
from typing import Final

from keyhouse.core.errors import Refusal, Situation


class StorageFull(Refusal):
    """No space, or no quota, left on the volume."""

    code = "storage-full"
    situation = Situation.UNAVAILABLE
    sentence = "The server has no space left; nothing was stored."
    fix = "Tell the operators of this index, and try again later."


class StorageReadOnly(Refusal):
    """The volume can't be written to."""

    code = "storage-read-only"
    situation = Situation.UNAVAILABLE
    sentence = "The server's storage can't be written to; nothing was stored."
    fix = "Tell the operators of this index, and try again later."


class StorageBroken(Refusal):
    """Reading or writing failed in another way."""

    code = "storage-broken"
    situation = Situation.UNAVAILABLE
    sentence = "The server's storage doesn't work right now; nothing was stored."
    fix = "Tell the operators of this index, and try again later."


_BY_NUMBER: Final[dict[int, type[Refusal]]] = {
    errno.ENOSPC: StorageFull,
    errno.EDQUOT: StorageFull,
    errno.EFBIG: StorageFull,
    errno.EROFS: StorageReadOnly,
    errno.EACCES: StorageReadOnly,
    errno.EPERM: StorageReadOnly,
}


def refusal_of(error: OSError) -> Refusal:
    """Return the refusal that tells a client of this error."""
    return _BY_NUMBER.get(error.errno or 0, StorageBroken)()
