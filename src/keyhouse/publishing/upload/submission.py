"""One upload under way: what is known of it so far, filled in by the steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from keyhouse.accounts.limits import Counted
from keyhouse.core import configuration
from keyhouse.core.actions import Caution
from keyhouse.core.actor import NOBODY, Actor
from keyhouse.distfiles.filenames import DistributionName
from keyhouse.distfiles.judge import Examination
from keyhouse.distfiles.rules import Rules
from keyhouse.projects.models import File, Project
from keyhouse.publishing.upload.content import Content
from keyhouse.publishing.upload.form import STAGE, Form


class Stage(IntEnum):
    """How much of the request is there; each one holds what the ones before it hold."""

    HEADERS = 1
    FIELDS = 2  # those before the file; the file's name is known
    BODY = 3


@dataclass(frozen=True, slots=True)
class Caller:
    """What the headers say: the credential as sent, the client's address and program, the announced size."""

    authorization: str = ""
    network: str = ""
    user_agent: str = ""
    body_size: int | None = None  # bytes of the whole request body; None: not announced


@dataclass(slots=True)
class Submission:
    """One file on its way in.

    Set from the start: `caller`, `rules`, the limits. While `is_body_to_come` it pays to find a refusal before the
    file is sent. Then by the steps in their order: `actor`, `project` (None for
    a new one, whose `creation` is counted), `name` (of the file), `file_limit`, `existing` (the very same file is here already), `examination`, `provenance`, `attested`.
    """

    rules: Rules
    default_file_limit: int
    default_project_limit: int
    caller: Caller = Caller()
    form: Form = field(default_factory=Form)
    filename: str | None = None
    is_body_to_come: bool = False
    content: Content | None = None
    actor: Actor = NOBODY
    project: Project | None = None
    is_new_project: bool = False
    creation: Counted = field(default_factory=Counted)
    name: DistributionName | None = None
    existing: File | None = None
    examination: Examination | None = None
    provenance: Mapping[str, object] | None = None  # verified attestations (PEP 740), as they are served
    attested: tuple[Mapping[str, object], ...] = ()  # what each of them says
    passed: set[str] = field(default_factory=set)
    cautions: list[Caution] = field(default_factory=list)  # what the gate tells beside its yes

    @property
    def is_to_be_staged(self) -> bool:
        """Whether a person publishes the file later: the form asks for it, or the project does."""
        is_asked = self.form.one(STAGE) == "1"
        return is_asked or (self.project is not None and self.project.stages_uploads)

    @property
    def file_limit(self) -> int:
        """Return how many bytes the file may have."""
        limit = self.project.file_limit if self.project else None
        return self.default_file_limit if limit is None else limit

    @property
    def project_limit(self) -> int:
        """Return how many bytes the project's files may have together."""
        limit = self.project.project_limit if self.project else None
        return self.default_project_limit if limit is None else limit

    @property
    def received(self) -> Content:
        """Return the file that has arrived; a step that needs it is asked at `Stage.BODY` only."""
        if self.content is None:
            message = "this step was asked before the file was there"
            raise RuntimeError(message)
        return self.content


def rules_in_use() -> Rules:
    """Return the rules for files that the configuration names."""
    return _INTERNAL if configuration.current().upload_rules == "internal" else _PUBLIC


_INTERNAL: Final = Rules.internal()
_PUBLIC: Final = Rules.public()
