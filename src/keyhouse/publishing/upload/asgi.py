"""The door of uploads: `POST /legacy/`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import MutableMapping
from datetime import timedelta
from functools import partial
from typing import Any, Final

from keyhouse.core import configuration
from keyhouse.core.errors import Refusal
from keyhouse.distfiles.findings import shown
from keyhouse.mandate.history import one_request
from keyhouse.projects.models import File
from keyhouse.publishing.staging.models import StagedFile
from keyhouse.publishing.staging.services import page_of
from keyhouse.publishing.upload.answers import Answer, accepted, refusal_for, refused
from keyhouse.publishing.upload.body import Body, ClientGone, Patience, Receive, Send
from keyhouse.publishing.upload.errors import UploadsBusy
from keyhouse.publishing.upload.multipart import FormBounds
from keyhouse.publishing.upload.receive import receive_upload
from keyhouse.publishing.upload.submission import Caller, Submission, rules_in_use
from keyhouse.publishing.upload.threads import Threads
from keyhouse.storage import blobs

Scope = MutableMapping[str, Any]

_log = logging.getLogger("keyhouse.upload")

_AT_ONCE: Final = 64
_DIGITS: Final = 20  # no size has so many
_LONGEST_LOGGED: Final = 260  # characters of a file name
_SWEEP_EVERY: Final = 3600.0  # seconds
_SWEEP_AGE: Final = timedelta(seconds=10)  # younger ones may not be marked as held yet


class Upload:
    """ASGI callable that takes uploads. It answers every method; `web` routes only POST here."""

    def __init__(self, *, bounds: FormBounds | None = None, patience: Patience | None = None) -> None:
        self._bounds = bounds or FormBounds()
        self._patience = patience or Patience()
        self._threads = Threads()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._sweeping: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Remove what an interrupted process left, now and every hour."""
        self._sweeping = asyncio.create_task(self._sweep_for_ever())

    async def shutdown(self) -> None:
        """Stop sweeping and let running work end."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeping
        await asyncio.to_thread(self._threads.close)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one upload."""
        body = Body(receive, self._patience)
        try:
            with one_request():
                answer = await self._answer(scope, body)
        except ClientGone:
            return
        await _send(answer, body, send)

    async def _answer(self, scope: Scope, body: Body) -> Answer:
        if scope["method"] != "POST":
            return Answer(405, "Method Not Allowed", "Uploads are sent by POST.\n", ((b"allow", b"POST"),))
        submission = _begin(scope)
        try:
            return await self._take(submission, _header(scope, b"content-type"), body)
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the client gets a line that says so
            refusal = refusal_for(error)
            _log_refusal(submission, refusal)
            return refused(refusal)

    async def _take(self, submission: Submission, content_type: str, body: Body) -> Answer:
        if self._places.locked():
            raise UploadsBusy
        async with self._places:
            file = await receive_upload(submission, body, content_type, self._threads, self._bounds)
        _log.info(
            "%s %s by %s",
            "uploaded" if isinstance(file, File) else "staged",
            file.filename,
            submission.actor.name,
        )
        return accepted(_told(submission, file), submission.cautions)

    async def _sweep_for_ever(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                await self._threads.write(partial(blobs().sweep_incoming, _SWEEP_AGE))
            await asyncio.sleep(_SWEEP_EVERY)


def _begin(scope: Scope) -> Submission:
    settings = configuration.current()
    size = _header(scope, b"content-length")
    return Submission(
        rules=rules_in_use(),
        default_file_limit=settings.file_limit,
        default_project_limit=settings.project_limit,
        caller=Caller(
            authorization=_header(scope, b"authorization"),
            network=(scope.get("client") or ("", 0))[0],
            user_agent=_header(scope, b"user-agent"),
            body_size=int(size) if size.isascii() and size.isdecimal() and len(size) < _DIGITS else None,
        ),
    )


def _told(submission: Submission, file: File | StagedFile) -> str:
    """Say what became of the file: everybody sees it, or a person publishes it first, and where."""
    if isinstance(file, File) or submission.project is None:
        return f"{file.filename} is published."
    address = configuration.current().base_url.rstrip("/") + page_of(submission.project)
    return f"{file.filename} is staged: nobody sees it until a person publishes it at {address}"


def _header(scope: Scope, name: bytes) -> str:
    """Return a header's value; one sent twice comes out joined, and then fits nothing."""
    return ", ".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def _log_refusal(submission: Submission, refusal: Refusal) -> None:
    code = refusal.line.partition(":")[0]
    filename = shown(submission.filename or "", _LONGEST_LOGGED)  # nobody has judged it yet
    _log.info("refused %s of %s: %s", filename, submission.actor.name or "nobody", code)


async def _send(answer: Answer, body: Body, send: Send) -> None:
    """Send the answer; of a body that isn't read to its end a bounded rest is thrown away before closing."""
    text = answer.text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *answer.headers,
    ]
    is_cut = not body.is_whole
    if is_cut:
        headers.append((b"connection", b"close"))
    start = {"type": "http.response.start", "status": answer.status, "headers": headers}
    await send({**start, "reason": answer.reason.encode()})
    await send({"type": "http.response.body", "body": text, "more_body": is_cut})
    if is_cut:
        await body.linger()
        await send({"type": "http.response.body", "body": b"", "more_body": False})
