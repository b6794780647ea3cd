"""`/health/seen`: what of a request arrives here, told to `keyhouse doctor` alone.

The answer is a refusal with a reason phrase, like that of an upload: whether the phrase survives the way back is one of the
things the doctor wants to know, since it is all that twine shows.
"""

from __future__ import annotations

import json
from typing import Final

from keyhouse.core import clock, probes
from keyhouse.core.errors import NotFound
from keyhouse.core.keys import KeyFileError
from keyhouse.web.asgi_types import Receive, Scope, Send, answer, find_header, refuse

REASON: Final = "probe-seen: This is what arrived."
PEER_KEY: Final = "keyhouse.peer"  # in a scope: the other end of the connection, before proxies were believed
_FORWARDING: Final = (
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"forwarded",
    b"x-real-ip",
)


async def seen(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the doctor; to everybody else there is nothing here."""
    del receive
    if not _is_doctor(scope):
        await refuse(send, 404, NotFound())
        return
    client = (scope.get("client") or ("",))[0]
    told = {
        "peer": scope.get(PEER_KEY, client),
        "client": client,
        "host": (find_header(scope, b"host") or b"").decode("latin-1"),
        "forwarding": [name.decode() for name in _FORWARDING if find_header(scope, name) is not None],
    }
    body = json.dumps(told).encode()
    await answer(
        send, 403, body, b"application/json", [(b"x-refusal", REASON.partition(":")[0].encode())], REASON
    )


def _is_doctor(scope: Scope) -> bool:
    value = (find_header(scope, probes.HEADER.lower().encode()) or b"").decode("latin-1")
    try:
        return bool(value) and probes.is_signed(value, clock.now())
    except KeyFileError:
        return False
