"""What only this server can do: the protocol of uvicorn, stricter and with a few answers more.

* a reason phrase of the application's own (`reason` in `http.response.start`): publishing clients show nothing else;
* bounds for the request line and the header block, deadlines for both and for bodies that stop coming, and for
  readers that stop reading;
* an answer given before the body was read reaches the client: the connection is closed in two steps (RFC 9112 9.6);
* a request that is byte for byte one answered before gets that answer at once (`index.lane`).

The application runs without all this on any ASGI server.
"""

from __future__ import annotations

import asyncio
import re
import urllib.parse
from asyncio import TimerHandle, Transport
from http import HTTPStatus
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from keyhouse.index.lane import LEARN_KEY, Lane, Sent
from keyhouse.web import metrics
from keyhouse.web.observed import PLANE_KEY

LINE_LIMIT: Final = 16 * 1024
HEAD_LIMIT: Final = 64 * 1024
HEAD_SECONDS: Final = 15.0
BODY_IDLE_SECONDS: Final = 60.0
STALLED_SECONDS: Final = 60.0
LINGER_SECONDS: Final = 15.0
LINGER_IDLE_SECONDS: Final = 2.0
REASON_LIMIT: Final = 200
JOINED_BYTES: Final = 64 * 1024  # a smaller body is sent in one piece with its head
_NOT_PRINTABLE: Final = re.compile(rb"[^\x20-\x7e]")
_ANSWERS: Final = {
    400: b"request-malformed: This request can't be read.",
    408: b"request-late: The request didn't arrive completely in time.",
    414: b"address-too-long: The address is too long.",
    431: b"header-too-large: The header of this request is too large.",
}
_STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b" % (status.value, status.phrase.encode()) for status in HTTPStatus
}
_BODYLESS: Final = {204, 304}


class RefusedRequestError(Exception):
    """Raised inside the parser's callbacks: this request is answered by the protocol itself."""

    def __init__(self, status: int) -> None:
        """Take the status of the answer."""
        self.status = status
        super().__init__(status)


class Protocol(HttpToolsProtocol):
    """One connection."""

    _in_head = False  # between the first byte of a request and the end of its header block
    _head_bytes = 0
    _bytes_beside_body = 0  # since the head or the last piece of the body: sizes of chunks, trailers
    _head_deadline: TimerHandle | None = None
    _linger_deadline: TimerHandle | None = None
    _stall_check: TimerHandle | None = None
    _idle_check: TimerHandle | None = None
    _idle_since = 0.0
    _is_lingering = False
    _linger_until = 0.0
    _refusal = 0
    _begun = 0  # messages that the last data began
    _has_body = False  # the last of them
    _lane: Lane | None = None

    # the connection

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # uvicorn says the same
        """Expect a request at once: a connection that says nothing is given up."""
        super().connection_made(transport)
        find_lane = getattr(self.app, "find_lane", None)
        self._lane = find_lane((self.server or ("", 0))[1]) if find_lane else None
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget all deadlines."""
        for timer in (self._head_deadline, self._linger_deadline, self._stall_check, self._idle_check):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless the answer has been given already and only the rest is let in."""
        if self._is_lingering:
            self._linger()
            return
        is_fresh = self._lane is not None and self._is_idle and not self._in_head
        if is_fresh and self._answer_by_lane(data):
            return
        self._begun = 0
        self._head_bytes = len(data) if not self._in_head else self._head_bytes + len(data)
        self._bytes_beside_body += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._stay_with_http()
        except httptools.HttpParserError:
            self._answer_alone(self._refusal or 400)
            return
        if is_fresh and self._begun == 1 and isinstance(self.cycle, Cycle):
            self.cycle.request = data if self._is_plain else None
        self._watch_head()

    @property
    def _is_plain(self) -> bool:
        """Whether what was read last is a whole request without a body, and nothing else."""
        return not (self._in_head or self.cycle.more_body or self._has_body or self.expect_100_continue)

    def _answer_by_lane(self, data: bytes) -> bool:
        """Send what was sent to this very request before; False: it must be read."""
        if self._lane is None or self.flow.write_paused or self.transport.is_closing():
            return False
        sent = self._lane.find(data, self.client[0] if self.client else "")
        if sent is None:
            return False
        metrics.reads[sent.status] += 1
        moment = [b"%b: %b" % header for header in self.server_state.default_headers]
        head = b"\r\n".join([sent.first, *moment, sent.rest])
        if len(sent.body) < JOINED_BYTES:
            self.transport.write(head + sent.body)
        else:
            self.transport.write(head)
            self.transport.write(sent.body)
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None
        self.on_response_complete()
        return True

    def _watch_head(self) -> None:
        """After each piece: a header block still under way has a bound and a deadline."""
        if self._in_head and self._head_bytes > HEAD_LIMIT:
            self._answer_alone(414 if len(self.url) > LINE_LIMIT else 431)
        elif self._in_head or self._is_idle:
            self._expect_head()
        elif self._bytes_beside_body > HEAD_LIMIT and self.cycle.more_body:
            self._answer_alone(431)  # the parser keeps what it reads of a trailer, without a bound
        elif self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _expect_head(self) -> None:
        if self._head_deadline is None:
            self._head_deadline = self.loop.call_later(HEAD_SECONDS, self._on_head_late)

    @property
    def _is_idle(self) -> bool:
        """Whether nothing is being answered: empty lines before a request don't keep a connection alive."""
        return self.cycle is None or self.cycle.response_complete

    def _on_head_late(self) -> None:
        self._head_deadline = None
        if self._in_head:
            self._answer_alone(408)
        elif not self.transport.is_closing():
            self.transport.close()

    def _stay_with_http(self) -> None:
        """Answer a request that offered another protocol as if it hadn't, and close: the rest isn't HTTP any more."""
        self.cycle.keep_alive = False
        self.cycle.more_body = False
        self.cycle.message_event.set()

    # the parser's callbacks

    def on_message_begin(self) -> None:
        """Begin the next request."""
        self._in_head = True
        self._begun += 1
        self._has_body = False
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header. A transfer coding that isn't ours would leave the body's end to guessing (RFC 9112 6.1).

        Trailers are left out: what was judged by the head must not change after it (RFC 9110 6.5.1).
        """
        if not self._in_head:
            return
        name = name.lower()
        if name == b"transfer-encoding" and value.lower() != b"chunked":
            self._refuse(400)
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Check the bounds, then let the application begin."""
        self._in_head = False
        self._bytes_beside_body = 0
        if self._head_bytes > LINE_LIMIT:
            self._check_bounds()
        self._start_request()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._bytes_beside_body = 0
        self._has_body = True
        super().on_body(body)

    def _check_bounds(self) -> None:
        if len(self.url) > LINE_LIMIT:
            self._refuse(414)
        if sum(len(name) + len(value) + 4 for name, value in self.headers) > HEAD_LIMIT:
            self._refuse(431)

    def _refuse(self, status: int) -> None:
        self._refusal = status
        raise RefusedRequestError(status)

    def _start_request(self) -> None:
        version = self.parser.get_http_version()
        target = httptools.parse_url(self.url)
        path = target.path.decode("ascii")
        if not path.startswith("/"):
            self._refuse(400)
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["http_version"] = version
        self.scope["path"] = urllib.parse.unquote(path) if "%" in path else path
        self.scope["raw_path"] = target.path
        self.scope["query_string"] = target.query or b""
        self._queue(self._new_cycle(keep_alive=version != "1.0" and self.parser.should_keep_alive()))

    def _new_cycle(self, *, keep_alive: bool) -> Cycle:
        cycle = Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.protocol = self
        if self._lane is not None:
            self.scope[LEARN_KEY] = cycle  # type: ignore[typeddict-unknown-key]  # a scope takes more than it names
        return cycle

    def _queue(self, cycle: Cycle) -> None:
        """Start the request, or let it wait for the one before it on this connection."""
        before, self.cycle = self.cycle, cycle
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def on_response_complete(self) -> None:
        """Go on with the next request of the connection, unless it is being closed."""
        self.server_state.total_requests += 1
        if self._is_lingering or self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self._idle_check is None:
            self._idle_check = self.loop.call_later(self.timeout_keep_alive, self._on_idle_check)

    def _on_idle_check(self) -> None:
        """Close a connection on which nothing was asked for a while; one timer serves many requests."""
        self._idle_check = None
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if not self._is_idle or self._in_head:
            return
        if left > 0:
            self._idle_check = self.loop.call_later(left, self._on_idle_check)
        else:
            self.transport.close()

    # answers without the application

    def _answer_alone(self, status: int) -> None:
        """Refuse a request that can't be given to the application, and close.

        Where an earlier request of the connection is still being answered, only closing is left: a refusal written
        into the middle of that answer would be taken for a part of it.
        """
        self._in_head = False
        if self.transport.is_closing():
            return
        if (self._is_idle or self._is_reading_body) and not self.pipeline:
            body = _ANSWERS[status] + b"\n"
            head = b"%b\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
            head %= (_STATUS_LINES[status], len(body))
            self.transport.write(head + b"connection: close\r\n\r\n" + body)
        self._give_up_request()
        self.linger()

    @property
    def _is_reading_body(self) -> bool:
        """Whether the request of which something can't be read is the one that is being judged, still unanswered."""
        return bool(self.cycle.more_body and not self.cycle.response_started)

    def _give_up_request(self) -> None:
        """Tell the application that the rest of the body won't come; nothing that it says is sent any more."""
        if not self._is_idle and self._is_reading_body:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    # closing in two steps

    def linger(self) -> None:
        """Say that we are done, and let in what the client still sends for a while, so that it reads our answer.

        Closing a socket with unread data resets the connection, and a reset throws away what the client has received
        and not read.
        """
        if self._is_lingering or self.transport.is_closing():
            return
        self._is_lingering = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._linger_until = self.loop.time() + LINGER_SECONDS
        self._linger()

    def _linger(self) -> None:
        if self._linger_deadline is not None:
            self._linger_deadline.cancel()
        until = min(self._linger_until, self.loop.time() + LINGER_IDLE_SECONDS)
        self._linger_deadline = self.loop.call_at(until, self.transport.abort)

    # readers that stop reading

    def pause_writing(self) -> None:
        """Begin to watch whether the client takes anything at all."""
        super().pause_writing()
        self._watch_stall(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Stop watching: the client reads."""
        super().resume_writing()
        if self._stall_check is not None:
            self._stall_check.cancel()
            self._stall_check = None

    def _watch_stall(self, waiting: int) -> None:
        self._stall_check = self.loop.call_later(STALLED_SECONDS, self._on_stall_check, waiting)

    def _on_stall_check(self, before: int) -> None:
        """Give up a client that took nothing for a whole turn; a slow one may go on."""
        waiting = self.transport.get_write_buffer_size()
        if waiting >= before:
            self.transport.abort()
        else:
            self._watch_stall(waiting)


class Cycle(RequestResponseCycle):
    """One request and its answer. The head waits for the first piece of the body, so that they leave together."""

    protocol: Protocol
    request: bytes | None = None  # as it came, where it came in one piece and alone
    sent: Sent | None = None  # what was sent to that
    _head: bytes = b""
    _parts: tuple[int, bytes, bytes] | None = (
        None  # status, status line and the headers after those of the moment
    )
    _ends_with_connection = False

    async def send(self, message: Any) -> None:
        """Send a part of the answer (ASGI: one `http.response.start`, then `http.response.body` until no more)."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected or self.transport.is_closing():
            self.disconnected = True  # with more requests waiting behind this one, only the last was told
            return
        if self.response_complete:
            raise RuntimeError("the answer is complete already")
        if self.response_started:
            self._continue(message.get("body", b""), is_last=not message.get("more_body", False))
        else:
            self._start(message)

    def _start(self, message: Any) -> None:
        """Keep status and headers; an answer before the end of the body ends the connection too."""
        if message["type"] != "http.response.start":
            raise RuntimeError("an answer begins with http.response.start")
        status = message["status"]
        if PLANE_KEY not in self.scope:
            metrics.reads[status] += 1
        if self.more_body:
            self.keep_alive = False
        lines = [_status_line(status, message.get("reason"))]
        for name, value in (*self.default_headers, *message.get("headers", ())):
            if name == b"connection" and value == b"close":  # said once, with what else frames the answer
                self.keep_alive = False
                continue
            lines.append(b"%b: %b" % (name, value))
            if name == b"content-length":
                self.expected_content_length, self.chunked_encoding = int(value), False
        lines += self._framing(status)
        if self.request is not None and self.keep_alive and not self.chunked_encoding:
            own = lines[1 + len(self.default_headers) :]
            self._parts = (status, lines[0], b"\r\n".join(own) + b"\r\n\r\n")
        head = b"\r\n".join(lines)
        if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1 or b"\0" in head:
            raise RuntimeError("a header holds the end of a line")
        self._head = head + b"\r\n\r\n"
        self.response_started = True
        self.waiting_for_100_continue = False

    def _framing(self, status: int) -> list[bytes]:
        """Return the headers that say where the answer ends and whether another may follow (RFC 9112 6)."""
        lines = []
        if self.chunked_encoding is None:
            has_body = self.scope["method"] != "HEAD" and status not in _BODYLESS
            self._ends_with_connection = has_body and self.scope["http_version"] == "1.0"
            self.chunked_encoding = has_body and not self._ends_with_connection
            self.keep_alive = self.keep_alive and not self._ends_with_connection
        if self.chunked_encoding:
            lines.append(b"transfer-encoding: chunked")
        if not self.keep_alive:
            lines.append(b"connection: close")
        return lines

    def _continue(self, body: bytes, *, is_last: bool) -> None:
        if self.scope["method"] == "HEAD":
            self.expected_content_length, body = 0, b""
        elif self.chunked_encoding:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"0\r\n\r\n" if is_last else b"")
        elif not self._ends_with_connection:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (is_last and self.expected_content_length):
                raise RuntimeError("the body is not as long as its Content-Length")
        if self._parts is not None and self.request is not None and self._head and is_last:
            self.sent = Sent(self.request, *self._parts, body)
        if self._head:
            body, self._head = (self._head + body, b"") if len(body) < JOINED_BYTES else self._alone(body)
        self.transport.write(body)
        if is_last:
            self._end()

    def _alone(self, body: bytes) -> tuple[bytes, bytes]:
        """Send the head by itself: copying a large body behind it would cost more."""
        self.transport.write(self._head)
        return body, b""

    def _end(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if self.more_body:
            self.protocol.linger()
        elif not self.keep_alive:
            self.transport.close()
        self.on_response()

    async def receive(self) -> Any:
        """Return the next part of the request; a body that stops coming is a client that went away."""
        if self.body or not self.more_body or self.disconnected or self.response_complete:
            return await super().receive()
        try:
            async with asyncio.timeout(BODY_IDLE_SECONDS):
                return await super().receive()
        except TimeoutError:
            self.transport.abort()
            return {"type": "http.disconnect"}


def _status_line(status: int, reason: bytes | None) -> bytes:
    """Return the first line; `reason` is what publishing clients show of a refusal (RFC 9112 4)."""
    if reason is None:
        return _STATUS_LINES[status]
    return b"HTTP/1.1 %d %b" % (status, _NOT_PRINTABLE.sub(b"?", reason[:REASON_LIMIT]))
