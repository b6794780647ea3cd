"""People, projects and submissions for the tests of uploads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from keyhouse.accounts.models import User
from keyhouse.core.actions import Action, Thing
from keyhouse.core.actor import Actor, Strength
from keyhouse.core.errors import Refusal
from keyhouse.core.switches import Stop
from keyhouse.distfiles.filenames import parse_filename
from keyhouse.distfiles.names import fold, normalise
from keyhouse.distfiles.rules import Rules
from keyhouse.projects.models import File, Project, Release, Role, UsedFileName
from keyhouse.publishing.upload.content import digest_file
from keyhouse.publishing.upload.form import Form
from keyhouse.publishing.upload.submission import Caller, Submission

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LIMIT = 10**6


@dataclass
class Asked:
    """A gate or authority that notes what it was asked and refuses what it is told to."""

    refusals: dict[str, Refusal] = field(default_factory=dict)
    questions: list[tuple[str, Thing | None]] = field(default_factory=list)

    def require(self, actor: Actor, action: Action, thing: Thing | None) -> None:
        self.questions.append((action.name, thing))
        if action.name in self.refusals:
            raise self.refusals[action.name]


class AllOpen:
    """Switches of which none is on."""

    def find(self, names: tuple[str, ...]) -> Stop | None:
        return None


def make_user(username: str = "ada") -> User:
    return User.objects.create(username=username, joined_at=LONG_AGO)


def actor_of(user: User) -> Actor:
    return Actor(
        kind="token",
        user_id=user.pk,
        name=user.username,
        credential="token-of-" + user.username,
        strength=Strength(frozenset({"password", "totp"}), LONG_AGO),
        network="192.0.2.1",
        email_is_verified=True,
    )


def make_project(name: str = "alpha", owner: User | None = None, **fields: object) -> Project:
    project = Project.objects.create(
        name=name,
        normalized_name=normalise(name),
        folded_name=fold(normalise(name)),
        created_at=LONG_AGO,
        **fields,
    )
    if owner is not None:
        Role.objects.create(project=project, user=owner, kind=Role.Kind.OWNER, since_at=LONG_AGO)
    return project


def make_release(project: Project, version: str = "1.0", created_at: datetime = LONG_AGO) -> Release:
    return Release.objects.create(project=project, version=version, created_at=created_at)


def make_file(release: Release, filename: str, content: bytes = b"there") -> File:
    blake2 = hashlib.blake2b(content, digest_size=32).hexdigest()
    project = release.project
    UsedFileName.objects.create(
        filename=filename, normalized_name=project.normalized_name, blake2=blake2, used_at=LONG_AGO
    )
    return File.objects.create(
        release=release,
        project=project,
        filename=filename,
        kind="sdist" if filename.endswith(".tar.gz") else "bdist_wheel",
        python_tag="source" if filename.endswith(".tar.gz") else "py3",
        size=len(content),
        md5=hashlib.md5(content, usedforsecurity=False).hexdigest(),
        sha256=hashlib.sha256(content).hexdigest(),
        blake2=blake2,
        uploaded_at=LONG_AGO,
    )


def submission_of(path: Path | None = None, /, **fields: str | list[str]) -> Submission:
    """Make a submission of a file with the form that an honest client sends; `fields` replace and add."""
    pairs: dict[str, str | list[str]] = dict(fields)
    submission = Submission(
        rules=Rules.public(), default_file_limit=LIMIT, default_project_limit=LIMIT, caller=Caller()
    )
    if path is not None:
        pairs = {**form_of(path), **pairs}
        submission.filename = path.name
        submission.content = digest_file(path)
        submission.name = parse_filename(path.name)
    submission.form = Form(spread(pairs))
    return submission


def form_of(path: Path) -> dict[str, str | list[str]]:
    """Return the fields that an honest client sends with a file."""
    name = parse_filename(path.name)
    return {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": name.name,
        "version": str(name.version),
        "filetype": "bdist_wheel" if name.kind == "wheel" else "sdist",
        "pyversion": path.name.split("-")[-3] if name.kind == "wheel" else "source",
        "sha256_digest": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def spread(pairs: dict[str, str | list[str]]) -> list[tuple[str, str]]:
    """Return one pair for each value."""
    return [
        (name, value)
        for name, values in pairs.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
