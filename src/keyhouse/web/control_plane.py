"""Django behind a front that no slow or malformed request gets past.

Django runs as WSGI on a bounded number of threads, which keep their database connections. A thread is only taken
once the whole body is here: ten clients that send their forms slowly would otherwise stop every page. Forms whose
texts are hashed have a few threads of their own, for which any number of people may wait while the pages go on.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final, cast
from urllib.parse import urlsplit

from a2wsgi import WSGIMiddleware
from django.urls import Resolver404, resolve

from keyhouse.accounts.errors import PasswordsBusy
from keyhouse.accounts.hashing import HASHED_FIELDS
from keyhouse.core.configuration import Configuration
from keyhouse.core.errors import Refusal, Situation
from keyhouse.web import problems
from keyhouse.web.asgi_types import App, Message, Receive, Scope, Send, answer, find_header, refuse

THREADS: Final = 8
HASHING_THREADS: Final = 4  # twice as many as hash at once: the others read and write rows
MOST_WAITING: Final = 256
BODY_LIMIT: Final = 2**20
BODY_SECONDS: Final = 20.0
TOO_EARLY_TO_KNOW: Final = -1
_LENGTH_DIGITS: Final = 19  # of a body's announced length; as many as 64 bits have
_LOCAL_HOSTS: Final = (b"127.0.0.1", b"[::1]")
_MACHINES_PATHS: Final = ("/_/", "/.well-known/", "/static/", "/mandate/check")


class BodyTooLarge(Refusal):
    """The body is larger than any form of this site."""

    code = "too-large"
    situation = Situation.TOO_LARGE
    sentence = "This is larger than any form here; files are uploaded to /legacy/."


class BodyLate(Refusal):
    """The body didn't arrive in time."""

    code = "request-late"
    situation = Situation.INVALID
    sentence = "The request didn't arrive completely in time."
    fix = "Send it again."


class Malformed(Refusal):
    """The request can't be read without guessing."""

    code = "request-malformed"
    sentence = "This request can't be read."


class Busy(Refusal):
    """More people are waiting for pages than can be served."""

    code = "unavailable"
    situation = Situation.UNAVAILABLE
    sentence = "Too many pages are asked for at once."
    fix = "Try again in a few seconds."
    retry_after = 2


class DisconnectedError(Exception):
    """The client went away; there is nobody to answer."""


class Threads:
    """Threads for one kind of request, and how many may wait for them."""

    def __init__(self, wsgi: Any, count: int, busy: type[Refusal]) -> None:
        """Run `wsgi` on that many threads; `busy` is raised where too many wait."""
        self._django = cast("App", WSGIMiddleware(wsgi, workers=count))
        self._busy = busy
        self._waiting = 0

    async def run(self, scope: Scope, body: bytes, send: Send) -> None:
        """Answer one request; raises what too many are refused with."""
        if self._waiting >= MOST_WAITING:
            raise self._busy()
        self._waiting += 1
        try:
            await self._django(scope, _whole(body), send)
        finally:
            self._waiting -= 1


class ControlPlane:
    """The ASGI callable of everything people meet."""

    def __init__(self, wsgi: Any, settings: Configuration) -> None:
        """Put the front before the WSGI application."""
        self._pages = Threads(wsgi, THREADS, Busy)
        self._hashing = Threads(wsgi, HASHING_THREADS, PasswordsBusy)
        self._base_url = settings.base_url if urlsplit(settings.base_url).hostname == "localhost" else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        place = self._better_place(scope)
        if place:
            await answer(send, 307, b"", extra=[(b"location", place)])
            return
        try:
            body = await _accept(scope, receive)
        except DisconnectedError:
            return
        except BodyTooLarge as refusal:
            await _refuse(scope, send, 413, refusal)
        except BodyLate as refusal:
            await _refuse(scope, send, 408, refusal)
        except Malformed as refusal:
            await _refuse(scope, send, 400, refusal)
        else:
            await self._run(scope, body, send)

    async def _run(self, scope: Scope, body: bytes, send: Send) -> None:
        threads = self._hashing if _is_hashing(scope) else self._pages
        try:
            await threads.run(scope, body, send)
        except (Busy, PasswordsBusy) as refusal:
            await _refuse(scope, send, 503, refusal)

    def _better_place(self, scope: Scope) -> bytes | None:
        """Return where to go instead: security keys and cookies belong to `localhost`, not to an address.

        Only for reading people's pages; programs and whoever brings a credential stay where they are.
        """
        if not self._base_url or scope["method"] not in {"GET", "HEAD"}:
            return None
        host = find_header(scope, b"host") or b""
        if host.rpartition(b":")[0] not in _LOCAL_HOSTS and host not in _LOCAL_HOSTS:
            return None
        if scope["path"].startswith(_MACHINES_PATHS) or find_header(scope, b"authorization"):
            return None
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        raw_path: bytes = scope["raw_path"]
        return self._base_url.encode() + raw_path + query


def _is_hashing(scope: Scope) -> bool:
    """Tell whether the form sent to this address is one whose texts are hashed; its view says what it takes."""
    if scope["method"] != "POST":
        return False
    try:
        view: Any = resolve(scope["path"]).func
    except Resolver404:
        return False
    return not HASHED_FIELDS.isdisjoint(getattr(view, "fields", ()))


async def _refuse(scope: Scope, send: Send, status: int, refusal: Refusal) -> None:
    """Tell a refusal before Django is asked: as a problem to programs that take JSON, else as one line."""
    accepted = (find_header(scope, b"accept") or b"*/*").decode("latin-1")
    extra = [(b"retry-after", str(refusal.retry_after).encode())] if refusal.retry_after else []
    if not problems.is_wanted(scope["path"], accepted):
        await refuse(send, status, refusal, extra)
        return
    body = json.dumps(problems.problem_of(refusal, status)).encode()
    closing = [(b"connection", b"close"), *extra]
    await answer(send, status, body, problems.CONTENT_TYPE.encode(), closing)


async def _accept(scope: Scope, receive: Receive) -> bytes:
    """Return the body once all of it is here; raises what the request is refused with."""
    _refuse_odd_head(scope)
    announced = _announced_length(scope)
    if announced > BODY_LIMIT:
        raise BodyTooLarge
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _read(receive)
    except TimeoutError:
        raise BodyLate from None
    if announced not in {TOO_EARLY_TO_KNOW, len(body)} or b"\0" in body or b"%00" in body:
        raise Malformed
    return body


def _refuse_odd_head(scope: Scope) -> None:
    """Refuse what WSGI would have to guess at.

    `A_B` and `A-B` are one variable there, so a header with an underscore could pass for one that a proxy vouches for.
    A NUL is in no text that people write, and databases don't take it.
    """
    if any(b"_" in name for name, _ in scope["headers"]):
        raise Malformed("Header names with underscores are not taken here.")
    query = scope["query_string"]
    if not query.isascii() or b"%00" in query or "\0" in scope["path"]:
        raise Malformed("The address holds characters that no address here has.")


def _announced_length(scope: Scope) -> int:
    text = find_header(scope, b"content-length")
    if text is None:
        return TOO_EARLY_TO_KNOW
    if not text.isdigit() or len(text) > _LENGTH_DIGITS:
        raise Malformed
    return int(text)


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT:
            raise BodyTooLarge
        if not message.get("more_body", False):
            return bytes(body)


def _whole(body: bytes) -> Receive:
    """Hand the body on as if it had come in one piece."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
