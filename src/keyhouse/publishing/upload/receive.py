"""Receive one upload: judge, stream the file to disk while digesting it, judge again, publish.

Memory stays flat: at most two batches of an upload are held, one being written while the next is received.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final

from django.db.models import Max

from keyhouse.core import faults
from keyhouse.projects.models import File, Project
from keyhouse.publishing.staging.models import StagedFile
from keyhouse.publishing.upload.body import Body
from keyhouse.publishing.upload.content import IncomingFile
from keyhouse.publishing.upload.creation import give_back_creation
from keyhouse.publishing.upload.errors import FileTooLarge
from keyhouse.publishing.upload.form import Form, is_known
from keyhouse.publishing.upload.multipart import FormBounds, MultipartReader, parse_boundary
from keyhouse.publishing.upload.publish import publish
from keyhouse.publishing.upload.steps import judge
from keyhouse.publishing.upload.submission import Stage, Submission
from keyhouse.publishing.upload.threads import Threads
from keyhouse.storage import blobs

BATCH: Final = 2**20  # bytes


@dataclass(slots=True)
class Reception:
    """One upload on its way from the socket to the index.

    A small one needs two turns in a thread: one for its headers, one for all the rest.
    """

    submission: Submission
    body: Body
    reader: MultipartReader
    threads: Threads
    incoming: IncomingFile
    limit: int | None = None  # bytes of the file; known once the fields were judged
    writing: asyncio.Future[None] | None = None

    async def run(self) -> File | StagedFile:
        """Receive the body and publish or stage its file; raises a `Refusal`, ClientGone, OSError or DatabaseError."""
        try:
            while (chunk := await self.body.next()) is not None:
                self.reader.feed(chunk)
                await self._take_content()
            self.reader.finish()
            await self._wait_for_writer()
        except BaseException:
            await self._clean_up()
            raise
        return await self.threads.judge(self._finish)

    async def _take_content(self) -> None:
        """Judge the fields when the file begins, then pass its bytes on in batches."""
        if not self.reader.content_begun:
            return
        if self.limit is None and not self.body.is_whole:
            self.limit = await self.threads.judge(self._judge_fields)
        if self.limit is not None and self.reader.content_size > self.limit:
            raise FileTooLarge(f"The file is larger than {self.limit} bytes.")
        if self.reader.waiting >= BATCH:
            await self._wait_for_writer()
            self.writing = self.threads.write(partial(self.incoming.write, self.reader.take_content()))

    async def _wait_for_writer(self) -> None:
        if self.writing is not None:
            await self.writing
            self.writing = None

    async def _clean_up(self) -> None:
        """Leave nothing, also when the server is stopping."""
        if self.writing is not None:
            await asyncio.gather(self.writing, return_exceptions=True)
        await asyncio.shield(self.threads.write(self.incoming.discard))
        if self.submission.creation.rows:
            await self.threads.judge(partial(give_back_creation, self.submission.creation))

    def _judge_fields(self) -> int:
        """Judge what stands before the file; return how large it may be (runs in a thread)."""
        self._take_form()
        self.submission.is_body_to_come = True
        judge(self.submission, Stage.FIELDS)
        self.submission.is_body_to_come = False
        if "project" in self.submission.passed:
            return self.submission.file_limit
        largest = Project.objects.aggregate(largest=Max("file_limit"))["largest"]
        return max(self.submission.file_limit, largest or 0)

    def _finish(self) -> File | StagedFile:
        """Judge what is left and publish (runs in a thread)."""
        file = None
        try:
            file = self._publish()
        finally:
            self.incoming.discard()
            give_back_creation(self.submission.creation, file)
        return file

    def _publish(self) -> File | StagedFile:
        self._take_form()
        judge(self.submission, Stage.FIELDS)
        if self.reader.content_begun:
            self.incoming.write(self.reader.take_content())
            self.submission.content = self.incoming.finish()
        faults.reach("upload.received")
        judge(self.submission, Stage.BODY)
        return publish(self.submission)

    def _take_form(self) -> None:
        self.submission.form = Form(self.reader.fields)
        self.submission.filename = self.reader.filename


async def receive_upload(
    submission: Submission, body: Body, content_type: str, threads: Threads, bounds: FormBounds
) -> File | StagedFile:
    """Judge the headers before a byte is read, then receive; raises a `Refusal`, ClientGone, OSError, DatabaseError."""
    await threads.judge(partial(judge, submission, Stage.HEADERS))
    reader = MultipartReader(parse_boundary(content_type), is_known, bounds)
    return await Reception(submission, body, reader, threads, IncomingFile(blobs())).run()
