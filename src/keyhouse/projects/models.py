"""Rows of projects, releases and files, and the ready index pages that installers are sent.

The read plane reads these tables by plain SQL (`index.database`, `index.store`); their table and column names are
part of its contract. A foreign key has no index of its own (`db_index=False`) where a wider one begins with it.
"""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models

from keyhouse.organizations.models import Organization, Team
from keyhouse.projects.collaborators.models import (
    FormerRole as FormerRole,  # noqa: PLC0414 - Django finds models here
)
from keyhouse.projects.collaborators.models import (
    ProjectInvitation as ProjectInvitation,  # noqa: PLC0414 - Django finds models here
)
from keyhouse.projects.collaborators.models import (
    RoleChange as RoleChange,  # noqa: PLC0414 - Django finds models here
)
from keyhouse.projects.life_cycle.models import KeptRole as KeptRole  # noqa: PLC0414 - Django looks for models here
from keyhouse.projects.life_cycle.models import KeptRow as KeptRow  # noqa: PLC0414 - as above
from keyhouse.projects.life_cycle.models import Removal as Removal  # noqa: PLC0414 - as above
from keyhouse.projects.search.models import (
    ClassifierCount as ClassifierCount,  # noqa: PLC0414 - Django finds models here
)
from keyhouse.projects.search.models import (
    SearchRow as SearchRow,  # noqa: PLC0414 - Django finds models here
)


class Project(models.Model):
    """A name under which releases are published. Identity is the PEP 503 normalised name."""

    class Status(models.TextChoices):
        """PEP 792 project status markers."""

        ACTIVE = "active"
        ARCHIVED = "archived"
        QUARANTINED = "quarantined"
        DEPRECATED = "deprecated"

    name = models.CharField(max_length=200)  # as its owner spells it
    normalized_name = models.CharField(max_length=200, unique=True)
    folded_name = models.CharField(max_length=200, unique=True)  # after confusables folding
    origin = models.CharField(max_length=16, default="local")
    lineage = models.UUIDField(default=uuid.uuid4)  # survives delete and re-create of the name
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    status_reason = models.CharField(max_length=500, default="", blank=True)
    # the project that takes the place of a deprecated one, as spelt
    successor = models.CharField(max_length=200, default="", db_default="", blank=True)
    # the number of that one, once it was deleted: its name is no longer told
    successor_key = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    restored_at = models.DateTimeField(null=True)  # when its deletion was undone last
    last_serial = models.BigIntegerField(default=0)
    size = models.BigIntegerField(default=0)  # sum of its files in bytes
    # of the release that an installer would take; lists show them without reading releases
    latest_version = models.CharField(max_length=200, default="", blank=True)
    summary = models.CharField(max_length=512, default="", blank=True)
    file_limit = models.BigIntegerField(null=True)  # bytes; null: the setting's
    project_limit = models.BigIntegerField(null=True)
    only_publishers = models.BooleanField(default=False, db_default=False)  # API tokens may not upload
    stages_uploads = models.BooleanField(
        default=False, db_default=False
    )  # a person publishes what CI uploads
    # whose owners own it, beside those with a role of their own; an organization with projects can't be deleted
    organization = models.ForeignKey(
        Organization, null=True, blank=True, on_delete=models.PROTECT, related_name="projects"
    )
    organization_since_at = models.DateTimeField(null=True, blank=True)
    # who reads it where the index is private (`rules.READERS`); empty: as its organization says, everybody without one
    reads = models.CharField(max_length=16, default="", db_default="", blank=True)

    class Meta:
        """Newest first is asked by the home page and feeds; whose reading is restricted, by every private read.

        Who names a successor is asked where one is deleted or comes back.
        """

        indexes: ClassVar = [
            models.Index(fields=["-created_at"]),
            models.Index(fields=["reads", "organization"], name="projects_by_reading"),
            models.Index(
                fields=["successor"], condition=models.Q(successor__gt=""), name="projects_by_successor"
            ),
        ]

    def __str__(self) -> str:
        """Return the name as its owner spells it."""
        return self.name

    @property
    def told_successor(self) -> str:
        """The successor that people are sent to, or nothing."""
        return self.successor if self.successor_key is None else ""


class Tombstone(models.Model):
    """A project name that was used and deleted; keeps its lineage for a project of that name to come."""

    normalized_name = models.CharField(max_length=200, unique=True)
    lineage = models.UUIDField()
    deleted_at = models.DateTimeField()

    def __str__(self) -> str:
        """Return the name."""
        return self.normalized_name


class Role(models.Model):
    """What a person may do in a project."""

    class Kind(models.TextChoices):
        """Owners manage, maintainers upload."""

        OWNER = "owner"
        MAINTAINER = "maintainer"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="roles", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="project_roles")
    kind = models.CharField(max_length=16, choices=Kind)
    since_at = models.DateTimeField()
    nudged_at = models.DateTimeField(null=True)  # when a co-owner reminded them last of what they lack

    class Meta:
        """A person has one role in a project."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "user"], name="one_role_a_person")
        ]

    def __str__(self) -> str:
        """Return the kind of role."""
        return self.kind


class TeamRole(models.Model):
    """What the members of a team may do in a project of their organization.

    Worked out at use, by members and projects as they are then (`projects.rights`): a row that has outlived the project's
    place in the organization gives nothing.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="team_roles", db_index=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="project_roles")
    kind = models.CharField(max_length=16, choices=Role.Kind)
    since_at = models.DateTimeField()
    # the end or lowering of a team that owns a critical project, until it is taken back or its instant comes
    ends_at = models.DateTimeField(null=True, blank=True, db_index=True)
    ends_as = models.CharField(
        max_length=16, default="", db_default="", blank=True
    )  # afterwards; empty: none
    ends_asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    ends_asked_by_name = models.CharField(max_length=150, default="", db_default="", blank=True)

    class Meta:
        """A team has one role in a project."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "team"], name="one_role_a_team")]

    def __str__(self) -> str:
        """Return the kind of role."""
        return self.kind


class ReadingTeam(models.Model):
    """A team that reads a project which is kept to some teams. One of another organization than the project's gives nothing."""

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="reading_teams", db_index=False
    )
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="read_projects")

    class Meta:
        """A team stands there once."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "team"], name="one_reading_a_team")
        ]

    def __str__(self) -> str:
        """Return the number of the team."""
        return str(self.team_id)


class Release(models.Model):
    """A version of a project. `metadata` is what its first file says of itself (`distfiles` gives the shape)."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="releases", db_index=False)
    version = models.CharField(max_length=200)  # canonical (PEP 440)
    created_at = models.DateTimeField()
    yanked_at = models.DateTimeField(null=True)
    yanked_reason = models.CharField(max_length=500, default="", blank=True)
    summary = models.CharField(max_length=512, default="", blank=True)  # of the metadata, for lists
    metadata = models.JSONField(default=dict)
    description_html = models.TextField(default="", blank=True)  # rendered and sanitised at upload
    is_quarantined = models.BooleanField(default=False)  # then all of its files are, too
    quarantine_reason = models.CharField(max_length=500, default="", blank=True)

    class Meta:
        """A version stands once in a project."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "version"], name="version_once")]
        indexes: ClassVar = [models.Index(fields=["-created_at"])]

    def __str__(self) -> str:
        """Return the version."""
        return self.version


class File(models.Model):
    """A file that installers may fetch. Digests are lower-case hex; `blake2` (BLAKE2b-256) makes its path."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="files")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="files", db_index=False)
    filename = models.CharField(max_length=250, unique=True)
    kind = models.CharField(max_length=16)  # sdist, bdist_wheel
    python_tag = models.CharField(max_length=250)  # as in the file name; `source` for an sdist
    size = models.BigIntegerField()
    md5 = models.CharField(max_length=32)
    sha256 = models.CharField(max_length=64)
    blake2 = models.CharField(max_length=64, unique=True)
    metadata_sha256 = models.CharField(max_length=64, default="", blank=True)  # wheels only
    requires_python = models.CharField(max_length=500, default="", blank=True)
    is_quarantined = models.BooleanField(default=False)
    quarantine_reason = models.CharField(max_length=500, default="", blank=True)
    uploaded_at = models.DateTimeField()
    uploaded_by = models.CharField(max_length=50, default="", blank=True)  # a snapshot, for display
    uploaded_via = models.CharField(max_length=16, default="", blank=True)  # token, publisher, seed, import
    credential = models.CharField(max_length=64, default="", blank=True)
    client = models.CharField(max_length=300, default="", blank=True)
    # what else is known of how it was published: class of the token, publisher, its claims; a snapshot
    publication = models.JSONField(default=dict, db_default={})
    has_provenance = models.BooleanField(default=False, db_default=False)  # a row of `Provenance`

    class Meta:
        """Files of a project in a stable order."""

        indexes: ClassVar = [
            models.Index(fields=["project", "id"]),
            models.Index(
                fields=["project"], name="files_with_provenance", condition=models.Q(has_provenance=True)
            ),
        ]

    def __str__(self) -> str:
        """Return the file name."""
        return self.filename

    @property
    def path(self) -> str:
        """Return the path below `/files/` and in the blob store."""
        return path_of(self.blake2, self.filename)


class Provenance(models.Model):
    """Statements about a file that were verified when it was published (PEP 740): the document that is served."""

    file = models.OneToOneField(File, on_delete=models.CASCADE, related_name="provenance")
    body = models.JSONField()

    def __str__(self) -> str:
        """Return the number of the file."""
        return str(self.file_id)


def path_of(blake2: str, filename: str) -> str:
    """Return where a file with this BLAKE2b-256 (hex) is found below `/files/`."""
    return f"{blake2[:2]}/{blake2[2:4]}/{blake2[4:]}/{filename}"


class UsedFileName(models.Model):
    """A file name that was ever used; it is never free again, also after deletion."""

    filename = models.CharField(max_length=250, unique=True)
    normalized_name = models.CharField(max_length=200, db_index=True)  # of the project
    blake2 = models.CharField(max_length=64)
    used_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        """Return the file name."""
        return self.filename


class Serial(models.Model):
    """The one row that counts changes. `value`: the last change; `listing`: the last one that touched the root list."""

    value = models.BigIntegerField(default=0)
    listing = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        """Return the last serial."""
        return str(self.value)


class PurgeMark(models.Model):
    """The one row that says how far a CDN in front was told of changes: up to which serial once, and again."""

    told = models.BigIntegerField()
    again = models.BigIntegerField()

    def __str__(self) -> str:
        """Return the serial."""
        return str(self.told)


class IndexPage(models.Model):
    """A ready answer of the read plane.

    `kind`: `simple` (name: the project), `root`, `json` (name: `project` or `project/version`), `integrity` (name:
    `project/version/filename`), `rss`, `stats`.
    `form`: `html`, `json`, `xml`. A page of something deleted stays as an empty row that `is_gone`, so that whoever
    follows the serials notices. Compressed forms are null until somebody made them.
    """

    kind = models.CharField(max_length=16)
    name = models.CharField(max_length=660, default="", blank=True)
    form = models.CharField(max_length=8)
    serial = models.BigIntegerField()
    is_gone = models.BooleanField(default=False)
    body = models.BinaryField(default=b"")
    etag = models.CharField(max_length=64, default="", blank=True)
    gzip = models.BinaryField(null=True)
    zstd = models.BinaryField(null=True)

    class Meta:
        """Looked up by address; followed by serial."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["kind", "name", "form"], name="page_once")]
        indexes: ClassVar = [models.Index(fields=["serial"])]

    def __str__(self) -> str:
        """Return the address of the page."""
        return f"{self.kind}/{self.name}.{self.form}"


class DownloadCount(models.Model):
    """Downloads of one file on one day by one installer."""

    file = models.ForeignKey(File, on_delete=models.CASCADE, related_name="downloads", db_index=False)
    day_on = models.DateField()
    installer = models.CharField(max_length=32)
    count = models.BigIntegerField(default=0)

    class Meta:
        """One row for each file, day and installer."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["file", "day_on", "installer"], name="count_once_a_day")
        ]

    def __str__(self) -> str:
        """Return day and count."""
        return f"{self.day_on} {self.count}"


class ProjectDownloads(models.Model):
    """Downloads of one project on one day by one installer: the sum over its files, so that a page needn't add them up.

    What was downloaded stays counted when the file is deleted.
    """

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="daily_downloads", db_index=False
    )
    day_on = models.DateField()
    installer = models.CharField(max_length=32)
    count = models.BigIntegerField(default=0)

    class Meta:
        """One row for each project, day and installer."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "day_on", "installer"], name="project_count_once_a_day"
            )
        ]

    def __str__(self) -> str:
        """Return day and count."""
        return f"{self.day_on} {self.count}"


class ReleaseDownloads(models.Model):
    """Downloads of one release on one day: the sum over its files and all installers."""

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="release_downloads", db_index=False
    )
    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="daily_downloads")
    day_on = models.DateField()
    count = models.BigIntegerField(default=0)

    class Meta:
        """One row for each release and day, found by the project's days."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "day_on", "release"], name="release_count_once_a_day")
        ]

    def __str__(self) -> str:
        """Return day and count."""
        return f"{self.day_on} {self.count}"


class ClientSketch(models.Model):
    """Unique clients of one project on one day, as a sketch of keyed, daily-salted digests; no address is kept."""

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="client_sketches", db_index=False
    )
    day_on = models.DateField()
    sketch = models.BinaryField()

    class Meta:
        """One sketch for each project and day."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "day_on"], name="sketch_once_a_day")
        ]

    def __str__(self) -> str:
        """Return the day."""
        return str(self.day_on)
