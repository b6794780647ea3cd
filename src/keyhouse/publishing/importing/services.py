"""Writing what came: a project with its owners, then its files, each with its history, in a transaction of its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from datetime import datetime

from django.db import transaction

from keyhouse.audit.services import Detail
from keyhouse.core import clock, configuration, faults
from keyhouse.core.actor import Actor
from keyhouse.core.errors import Refusal
from keyhouse.projects import queries
from keyhouse.projects.arriving import receive_project
from keyhouse.projects.life_cycle.services import yank_release
from keyhouse.projects.models import Project
from keyhouse.projects.rules import (
    Candidate,
    is_repeat,
    judge_file,
    judge_project_size,
)
from keyhouse.projects.services import IMPORTED_AT, NewFile
from keyhouse.projects.several import Newcomer, gather_surroundings, publish_files
from keyhouse.publishing.importing import standing
from keyhouse.publishing.importing.fetching import Fetched
from keyhouse.publishing.importing.pending import offer_roles
from keyhouse.publishing.importing.planning import ProjectPlan
from keyhouse.publishing.importing.rules import uploaded_at
from keyhouse.publishing.upload.publish import Storing, describe_content, turn

IMPORT = "import"


def describe(fetched: Fetched, source: str) -> NewFile:
    """Say what is published, and what its history is."""
    found, offer = fetched.found, fetched.placed.offer
    if found.metadata is None or fetched.placed.name is None:
        message = "a file without metadata was accepted"
        raise RuntimeError(message)
    now = clock.now()
    new = describe_content(fetched.content, fetched.placed.name, found.metadata, fetched.served)
    codes = {finding.code for finding in fetched.forgiven}
    at = uploaded_at(offer.uploaded_at, now)
    return replace(
        new,
        requires_python="" if "metadata-requires-python" in codes else new.requires_python,
        description_html=found.description_html,
        uploaded_via=IMPORT,
        client=source[:300],
        uploaded_at=at,
        publication={IMPORTED_AT: clock.format_instant(now)} if at else {},
        uploaded_by=offer.uploaded_by,
        told=_told(fetched, source, now),
    )


def _told(fetched: Fetched, source: str, now: datetime) -> dict[str, Detail]:
    """Say in the audit log where a file came from, since when it has been there, and what it was forgiven."""
    at = uploaded_at(fetched.placed.offer.uploaded_at, now)
    return {
        "imported_from": source[:300],
        "uploaded_at": clock.format_if_any(at),
        "forgiven": [str(finding) for finding in fetched.forgiven],
    }


def find_objections(
    batch: Sequence[Fetched], plan: ProjectPlan, on_their_way: int
) -> list[Refusal | bool | None]:
    """Return for each file why it can't be published beside what is here now, True where the very same one is, or None.

    The index is asked once for all of them. `on_their_way`: bytes of the project that were taken and are not written yet.
    """
    project = queries.find_project(plan.name)
    newcomers = [_newcomer(fetched) for fetched in batch]
    around = gather_surroundings(newcomers, queries.known_releases(project.pk) if project else {})
    found, now = list[Refusal | bool | None](), clock.now()
    size, limit = on_their_way + (project.size if project else 0), _project_limit(project)
    for fetched, newcomer in zip(batch, newcomers, strict=True):
        added, beside = fetched.content.size, around.beside(newcomer)
        if is_repeat(newcomer.candidate, beside):
            found.append(True)
            continue
        refusal = judge_file(newcomer.candidate, beside) or judge_project_size(size, added, limit)
        found.append(refusal)
        if refusal is None:
            around.take(newcomer, now)
            size += added
    return found


def _newcomer(fetched: Fetched) -> Newcomer:
    name, content = fetched.placed.name, fetched.content
    if name is None:
        message = "a file without a name was accepted"
        raise RuntimeError(message)
    kind = "sdist" if name.kind == "sdist" else "bdist_wheel"
    candidate = Candidate(name.filename, kind, content.sha256)
    return Newcomer(candidate, content.blake2, str(name.version))


def _project_limit(project: Project | None) -> int:
    limit = project.project_limit if project else None
    return configuration.current().project_limit if limit is None else limit


class Stored:
    """Bytes of several files that lie in the store while a thread waits for the disk; nobody sees them yet.

    Where that wait is called off they stay behind as a crash would leave them: for `storage verify --prune`, or for
    the next import, which brings its own bytes there.
    """

    def __init__(self, batch: Sequence[Fetched], on: Executor) -> None:
        """Bring them there. What the disk refuses is told by `wait`, in its turn among others."""
        self._batch = batch
        self._storing: Storing | None = None
        self._synced = Future[None]()
        try:
            self._storing = Storing(
                (fetched.content, fetched.placed.offer.filename, fetched.served) for fetched in batch
            )
            self._synced = on.submit(self._storing.sync)
        except OSError as error:
            self._synced.set_exception(error)
        except BaseException:
            self.close()
            raise

    def wait(self) -> None:
        """Return when all are durable; raises OSError. No temporary file is left."""
        try:
            self._synced.result()
        finally:
            self.close()
        faults.reach("upload.blob-stored")

    def close(self) -> None:
        """Remove the temporary files."""
        if self._storing is not None:
            self._storing.close()
        for fetched in self._batch:
            fetched.incoming.discard()


def publish(batch: Sequence[Fetched], plan: ProjectPlan, source: str, *, by: Actor) -> set[str]:
    """Make stored files visible, and their project where it isn't there; yanked at once where their release is.

    All or none. Returns the names of those that were not here already. Raises refusals of `projects`.
    """
    new = [describe(fetched, source) for fetched in batch]
    yanks = {fetched.placed.offer.filename: fetched.placed.yanked for fetched in batch}
    held = standing.quarantine_reason(plan.offered)
    with turn(), transaction.atomic():
        if plan.is_new:
            _make_project(plan, new[0].project_name, by)
        with standing.room_for_files(plan.name, held, by=by):
            files = publish_files(new, by=by)
            for file in files:
                reason = yanks[file.filename]
                if reason is not None:
                    yank_release(plan.name, file.release.version, reason, by=by, is_told=False)
        if files and held is not None:
            standing.hold(plan.name, held, by=by)
    faults.reach("upload.committed")
    return {file.filename for file in files}


def _make_project(plan: ProjectPlan, spelling: str, by: Actor) -> None:
    people = plan.people
    if queries.find_project(plan.name) is not None:
        return
    receive_project(
        spelling,
        people.owners,
        people.maintainers,
        by=by,
        created_at=plan.began_at,
        may_lack_owner=plan.may_lack_owner,
        takes_reserved=plan.takes_reserved,
    )
    offer_roles(plan.name, people.pending, plan.days, by=by)
