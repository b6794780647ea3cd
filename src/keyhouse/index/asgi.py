"""The read plane as an ASGI application: look up, compare the tag, send.

What is in memory is answered without a thread, a question or an allocation that the answer doesn't need. Everything
else takes the longer way: find what the address names, ask whether the reader may, load, keep.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from keyhouse.core import actions
from keyhouse.core.actions import EVERYTHING, Reader, Reading
from keyhouse.core.configuration import Configuration
from keyhouse.core.errors import NotFound, Refusal, Situation
from keyhouse.index import routes
from keyhouse.index.answers import (
    NOTHING,
    PREFLIGHT,
    Answer,
    Dress,
    FileItem,
    Header,
    Message,
    encoding_of,
    part_of,
    variant_of,
)
from keyhouse.index.database import UnavailableError, open_database
from keyhouse.index.downloads import DownloadCounter
from keyhouse.index.errors import (
    AddressTooLong,
    FileQuarantined,
    IndexUnavailable,
    NotAcceptable,
    ProvenanceMissing,
    RangeOutside,
    ReadRefused,
    ReadsOnly,
)
from keyhouse.index.follow import make_follower
from keyhouse.index.holdings import Absent, Holdings
from keyhouse.index.lane import LEARN_KEY, Item, Lane, Sent, Source
from keyhouse.index.negotiate import choose_format, number_of, takes_integrity
from keyhouse.index.ranges import OutsideError, Part, find_part, is_known, is_still
from keyhouse.index.routes import Target
from keyhouse.index.sending import Receive, Scope, Send, send_bytes
from keyhouse.index.store import Store

FLUSH_SECONDS: Final = 1.0
_ALLOW: Final[Header] = (b"allow", b"GET, HEAD, OPTIONS")
_REALM: Final[Header] = (b"www-authenticate", b'Basic realm="Keyhouse", charset="UTF-8"')
_AS_JSON: Final = ("/pypi/", "/integrity/", "/stats.json")
_SECRET: Final = frozenset({b"authorization", b"cookie", b"proxy-authorization"})
_OK: Final = 200
_NO_FILE: Final = "There is no such file here."
_LOADERS: Final = 4  # threads; they mostly wait for the disk

Headers = dict[bytes, bytes]

_log = logging.getLogger("keyhouse.index")


@dataclass(frozen=True, slots=True)
class Request:
    """One request on the longer way."""

    scope: Scope
    receive: Receive
    send: Send
    headers: Headers

    @property
    def path(self) -> str:
        """Return the path, percent-decoded."""
        path: str = self.scope["path"]
        return path

    @property
    def is_head(self) -> bool:
        """Whether only the headers are wanted."""
        return bool(self.scope["method"] == "HEAD")

    @property
    def query(self) -> bytes:
        """Return the query as it came."""
        query: bytes = self.scope.get("query_string", b"")
        return query

    @property
    def client(self) -> str:
        """Return the network address of the client."""
        client = self.scope.get("client")
        return str(client[0]) if client else ""


class ReadPlane:
    """Everything that installers read. One instance a process."""

    def __init__(self, configuration: Configuration) -> None:
        """Take the configuration; nothing is opened before `startup`."""
        self._upstream = configuration.upstream
        self._is_private = configuration.is_private
        self._database = open_database(configuration)
        self._store = Store(self._database, configuration)
        self._dress = Dress(configuration)
        self._threads = ThreadPoolExecutor(_LOADERS, "index")
        self._writer = ThreadPoolExecutor(1, "index-counts")
        self._holdings = Holdings(self._store, self._dress, configuration, self._threads)
        self._follower = make_follower(self._database)
        self._downloads = DownloadCounter(self._database)
        self._flushing: asyncio.Task[None] | None = None
        has_lane = configuration.fast_lane == "on" and not (self._is_private or configuration.trusted_proxies)
        self.lane = Lane(self._follow, self._holdings.get, self._downloads.note) if has_lane else None

    def owns(self, path: str) -> bool:
        """Whether an address is answered here."""
        return routes.owns(path)

    async def startup(self) -> None:
        """Follow changes and count downloads, on the running event loop."""
        self._follower.start(self._holdings.forget)
        self._flushing = asyncio.create_task(self._flush_now_and_then())

    async def shutdown(self) -> None:
        """Write what was counted, and close everything."""
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.gather(self._flushing, return_exceptions=True)
        await self._flush()
        await asyncio.to_thread(self._follower.stop)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._writer.shutdown(wait=False)
        self._database.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        self._follow()
        method = scope["method"]
        headers = _headers_of(scope)
        if not self._is_private and not scope["query_string"] and method in ("GET", "HEAD"):
            item = self._holdings.get(scope["path"])
            answer = None if item is None else item.find(headers)
            if item is not None and answer is not None:
                await self._send(answer, scope, headers, send)
                if self.lane is not None and LEARN_KEY in scope:
                    self._teach(self.lane, scope, headers, item, answer)
                return
        await self._answer_anything(Request(scope, receive, send, headers))

    def _follow(self) -> None:
        """Drop what changed meanwhile."""
        changes = self._follower.look()
        if changes:
            self._holdings.forget(changes)

    def _teach(self, lane: Lane, scope: Scope, headers: Headers, item: Item, answer: Answer) -> None:
        """Let the lane remember what was just sent, unless the request held a secret."""
        sent: Sent | None = scope[LEARN_KEY].sent
        if sent is None or not _SECRET.isdisjoint(headers):
            return
        is_counted = scope["method"] == "GET" and sent.status == _OK
        file = answer.file if is_counted else None
        lane.learn(sent, Source(scope["path"], item, file, headers.get(b"user-agent", b"")))

    async def _send(self, answer: Answer, scope: Scope, headers: Headers, send: Send) -> None:
        known = headers.get(b"if-none-match")
        if known is not None and is_known(known, answer.etag):
            await send(answer.not_modified)
            await send(NOTHING)
            return
        await send(answer.start)
        if scope["method"] == "HEAD":
            await send(NOTHING)
            return
        await send(answer.body)
        if answer.file is not None:
            client = scope["client"]
            self._downloads.note(answer.file, headers.get(b"user-agent", b""), client[0] if client else "")

    # the longer way

    async def _answer_anything(self, request: Request) -> None:
        try:
            await self._answer(request)
        except Refusal as refusal:
            await self._refuse(request, refusal)

    async def _answer(self, request: Request) -> None:
        if request.scope["method"] not in ("GET", "HEAD"):
            await self._answer_other_method(request)
            return
        if len(request.path) > routes.LONGEST_PATH:
            raise AddressTooLong
        target = routes.find_target(request.path)
        reading = await self._admit(request, target) if self._is_private else EVERYTHING
        if target is None:
            raise NotFound
        if target.path != request.path:
            await self._redirect(request, 301, target.path, target.project)
        elif target.kind == "file":
            await self._answer_file(request, target, reading)
        elif target.project in reading.hidden:
            await self._answer_hidden(request, target)
        else:
            await self._answer_page(request, target, reading)

    async def _answer_other_method(self, request: Request) -> None:
        if request.scope["method"] != "OPTIONS":
            raise ReadsOnly
        preflight = [] if self._is_private else PREFLIGHT
        headers = [_ALLOW, *self._dress.common, *preflight]
        await request.send({"type": "http.response.start", "status": 204, "headers": headers})
        await request.send(NOTHING)

    async def _redirect(self, request: Request, status: int, location: str, project: str | None) -> None:
        query = request.query if len(request.query) <= routes.LONGEST_PATH else b""
        await request.send(self._dress.redirect(status, location, query, project))
        await request.send(NOTHING)

    async def _refuse(self, request: Request, refusal: Refusal) -> None:
        extra: list[Header] = []
        if isinstance(refusal, ReadRefused):
            extra = [_REALM]
        elif isinstance(refusal, ReadsOnly):
            extra = [_ALLOW]
        as_json = request.path.startswith(_AS_JSON)
        await self._send_refusal(request, refusal, as_json=as_json, extra=extra)

    async def _send_refusal(
        self, request: Request, refusal: Refusal, *, as_json: bool = False, extra: list[Header]
    ) -> None:
        start, body = self._dress.refusal(refusal, as_json=as_json, extra=extra)
        await request.send(start)
        await request.send(NOTHING if request.is_head else body)

    # private reads

    async def _admit(self, request: Request, target: Target | None) -> Reading:
        """Let only readers in, before anything tells what exists, and return what they don't get to see.

        Raises ReadRefused or IndexUnavailable.
        """
        reader = actions.find_reader()
        if reader is None:
            raise ReadRefused
        project = None if target is None else await self._project_of(target)
        reading = await self._ask(reader, request, project)
        if target is None or target.kind != "file" or project not in reading.hidden:
            return reading
        # judged as an address that names nothing, which belongs to no project
        return await self._ask(reader, request, None)

    async def _ask(self, reader: Reader, request: Request, project: str | None) -> Reading:
        headers = request.headers
        authorization, cookie = (
            headers.get(name, b"").decode("latin-1") for name in (b"authorization", b"cookie")
        )
        ask = partial(reader.find_reading, authorization, cookie, project, request.client)
        try:
            reading = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        except Refusal as refusal:
            raise (
                IndexUnavailable if refusal.situation is Situation.UNAVAILABLE else ReadRefused
            ) from refusal
        except Exception as error:  # whatever broke, nobody gets in by it
            _log.exception("the reader of a private index can't be judged")
            raise IndexUnavailable from error
        if reading is None:
            raise ReadRefused
        return reading

    async def _project_of(self, target: Target) -> str | None:
        if target.kind != "file":
            return target.project
        try:
            return await self._holdings.find_project_of(target)
        except Refusal:  # what is wrong with the database is told to those who may read
            return None

    # pages

    async def _answer_page(self, request: Request, target: Target, reading: Reading) -> None:
        variant = _variant(request, target)
        # the set is of matter for what tells of all only: of one project, it is that or nothing
        found = await self._holdings.find_page(target, variant, reading.hidden)
        if isinstance(found, Absent):
            await self._answer_absent(request, target, found)
            return
        await self._send(found, request.scope, request.headers, request.send)

    async def _answer_hidden(self, request: Request, target: Target) -> None:
        """Answer as for a name that isn't here, by the same steps, and never by another index: a name that is here is ours."""
        variant = _variant(request, target)
        nowhere = replace(target, name=f"-{target.name}", path=f"-{target.path}")  # what no address names
        await self._holdings.find_page(nowhere, variant)
        await self._answer_absent(request, nowhere, Absent(is_free=False))

    async def _answer_absent(self, request: Request, target: Target, found: Absent) -> None:
        if target.kind == "integrity":
            raise ProvenanceMissing
        # asked anew each time: what is kept of absent pages would not notice that a name was reserved, or another spelling published
        loop = asyncio.get_running_loop()
        if found.is_free and target.kind == "simple" and self._upstream:
            is_reserved = await loop.run_in_executor(self._threads, self._store.is_reserved, target.name)
            if not is_reserved:
                await self._redirect(request, 302, f"{self._upstream}/{target.name}/", target.project)
                return
        path = await loop.run_in_executor(self._threads, self._store.find_equal_path, target)
        if path is None:
            raise NotFound(_missing_sentence(target))
        await self._redirect(request, 301, path, target.project)

    # files

    async def _answer_file(self, request: Request, target: Target, reading: Reading) -> None:
        if reading.hidden and await self._holdings.find_project_of(target) in reading.hidden:
            raise NotFound(_NO_FILE)
        item = await self._holdings.find_file(target)
        if item is None:
            raise NotFound(_NO_FILE)
        if item.row.quarantine_reason is not None:
            raise FileQuarantined(_quarantine_sentence(item.row.quarantine_reason))
        headers = request.headers
        is_whole_known = b"if-none-match" in headers and is_known(headers[b"if-none-match"], item.answer.etag)
        if request.is_head or is_whole_known:
            await self._send(item.answer, request.scope, headers, request.send)
            return
        try:
            part = _part(headers, item)
        except OutsideError:
            extent = (b"content-range", f"bytes */{item.size}".encode())
            await self._send_refusal(request, RangeOutside(), extra=[extent])
            return
        await self._send_file(request, target, item, part)

    async def _send_file(self, request: Request, target: Target, item: FileItem, part: Part | None) -> None:
        if part is None and item.is_whole:
            await self._send(item.answer, request.scope, request.headers, request.send)
            return
        start = item.answer.start if part is None else _partial_start(item, part)
        wanted = part or Part(0, item.size - 1)
        if item.is_whole:
            body: bytes = item.answer.body["body"]
            await request.send(start)
            await request.send({"type": "http.response.body", "body": body[wanted.first : wanted.last + 1]})
            return
        if part is None and "http.response.pathsend" in (request.scope.get("extensions") or {}):
            await request.send(start)
            await request.send({"type": "http.response.pathsend", "path": str(self._store.path_of(target))})
        elif not await self._send_large(request, target, item, (start, wanted)):
            return
        self._count(request, item, wanted)

    async def _send_large(
        self, request: Request, target: Target, item: FileItem, answer: tuple[Message, Part]
    ) -> bool:
        """Send a file from the disk and return whether the client took all of it."""
        start, wanted = answer
        loop = asyncio.get_running_loop()
        descriptor = await loop.run_in_executor(self._threads, self._store.open, target, item.size)
        try:
            await request.send(start)
            channel = (request.receive, request.send)
            return await send_bytes(descriptor, wanted.first, wanted.length, channel, self._threads)
        finally:
            os.close(descriptor)

    def _count(self, request: Request, item: FileItem, sent: Part) -> None:
        """Count a download that was sent as a whole; a part of a file is a look into it."""
        if item.answer.file is not None and sent.length == item.size:
            self._downloads.note(item.row, request.headers.get(b"user-agent", b""), request.client)

    # counts

    async def _flush_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self._flush()

    async def _flush(self) -> None:
        if self._downloads.is_empty:
            return
        with contextlib.suppress(UnavailableError):  # it is tried again in a second
            await asyncio.get_running_loop().run_in_executor(self._writer, self._downloads.flush)


def _headers_of(scope: Scope) -> Headers:
    """Return the headers by name; several of one name are joined (RFC 9110 5.3)."""
    sent = scope["headers"]
    headers = dict(sent)
    if len(headers) == len(sent):
        return headers
    headers = {}
    for name, value in sent:
        headers[name] = headers[name] + b"," + value if name in headers else value
    return headers


def _variant(request: Request, target: Target) -> int:
    if target.kind == "integrity" and not takes_integrity(request.headers.get(b"accept")):
        raise NotAcceptable
    variant = variant_of(request.headers, has_forms=target.has_forms)
    if target.has_forms and request.query:
        is_given, form = choose_format(request.query)
        if is_given:
            encoding = encoding_of(variant_of(request.headers, has_forms=False) or 0)
            variant = None if form is None else number_of(form, encoding)
    if variant is None:
        raise NotAcceptable
    return variant


def _part(headers: Headers, item: FileItem) -> Part | None:
    """Return the part that is asked for, or None for the whole; raises OutsideError."""
    wanted = headers.get(b"range")
    if wanted is None or not is_still(headers.get(b"if-range"), item.answer.etag):
        return None
    return find_part(wanted, item.size)


def _partial_start(item: FileItem, part: Part) -> Message:
    replaced = {
        b"content-length": str(part.length).encode(),
        b"content-range": f"bytes {part.first}-{part.last}/{item.size}".encode(),
    }
    return part_of(item.answer, 206, replaced)


def _missing_sentence(target: Target) -> str:
    if target.kind == "json" and "/" in target.name:
        return "There is no such release here."
    return f"There is no project {target.project} here." if target.project else "There is nothing here."


def _quarantine_sentence(reason: str) -> str:
    return f"This file is in quarantine: {reason}" if reason else FileQuarantined.sentence
