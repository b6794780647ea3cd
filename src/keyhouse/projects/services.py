"""Changing projects: publish, create, rebuild pages; `life_cycle` has the rest. One transaction, one audit record, pages rendered in it.

The lock of the project's row is taken first and the number of the change last, in every service, so that none of
them waits for another in a circle.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from django.db import transaction

from keyhouse.accounts.models import User
from keyhouse.audit import rows
from keyhouse.audit.services import Detail, record
from keyhouse.core import actions, clock, configuration, creators, faults, naming
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, at_project
from keyhouse.core.errors import RoleRequired
from keyhouse.distfiles.names import fold, judge_new_name, normalise
from keyhouse.organizations import queries as organizations
from keyhouse.organizations.models import Organization
from keyhouse.projects import founding, pages, queries, reading, rules, verification
from keyhouse.projects.changing import raise_refusal, require_people, settled, thing_of
from keyhouse.projects.errors import NameRefused, OwnerMissing, UploadsWait
from keyhouse.projects.models import File, IndexPage, Project, Provenance, Release, Role, UsedFileName
from keyhouse.projects.pages import Contents
from keyhouse.projects.rules import KnownRelease, Neighbours
from keyhouse.projects.search import verification as search
from keyhouse.projects.search.rows import rewrite_row

# what uploads with, where a project stages its uploads
_STAGED_KINDS: Final = frozenset({"token", "publisher"})


# in `File.publication`: when a file came here, where its time of upload is what another index told
IMPORTED_AT: Final = "imported_at"


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that was judged and whose bytes are stored; `metadata` is `FileMetadata.as_dict()` of the file itself.

    The last five are for whoever builds a history at the host: when it appeared, who owns a project that it makes,
    and whose name stands beside it (taken from the actor and the clock otherwise), and what else the audit log tells.
    """

    project_name: str  # as its owner spells it
    version: str
    filename: str
    kind: str
    python_tag: str
    size: int
    md5: str
    sha256: str
    blake2: str
    metadata: dict[str, object] = field(repr=False)
    metadata_sha256: str
    requires_python: str
    description_html: str = field(repr=False)
    uploaded_via: str
    credential: str
    client: str
    publication: Mapping[str, Any] = field(default_factory=dict, repr=False)  # as `File.publication`
    provenance: Mapping[str, Any] | None = field(default=None, repr=False)  # as `Provenance.body`
    uploaded_at: datetime | None = None
    owner_id: int | None = None
    uploaded_by: str = ""
    takes_reserved: bool = False  # the host may give a reserved name to whom it isn't kept for
    told: Mapping[str, Detail] = field(default_factory=dict, repr=False)

    @property
    def normalized_name(self) -> str:
        """Return the project's normalised name."""
        return normalise(self.project_name)

    @property
    def candidate(self) -> rules.Candidate:
        """Return what the rules look at."""
        return rules.Candidate(self.filename, self.kind, self.sha256)


def publish_file(new: NewFile, *, by: Actor) -> File:
    """Make a stored file visible; the very same file again changes nothing and is returned as it is.

    A project that doesn't exist is made, owned by the actor. Everything that another upload may have changed since the
    checks is judged once more. Raises refusals of `projects.errors`, RoleRequired, and what the gate raises.
    """
    return settled(lambda: _publish(new, by))


def _publish(new: NewFile, by: Actor) -> File:
    at = new.uploaded_at or clock.now()
    with transaction.atomic():
        project = queries.lock_project(new.normalized_name)
        # a credential of several publishers is asked once more: somebody may have made the project meanwhile
        by = at_project(by, project.pk if project else None, new.normalized_name)
        is_new_project = project is None
        project = let_in(project, by) if project else _found_project(new, by, at)
        if project.stages_uploads and by.kind in _STAGED_KINDS:
            raise UploadsWait
        contents = Contents() if is_new_project else pages.read_contents(project)
        joined = rules.find_equal_release(contents.releases, new.version)
        repeated = _find_repeated(new, project, joined, by)
        if repeated is not None:
            return repeated
        release = joined or _add_release(new, project, at)
        file = _add_file(new, project, release, by, at)
        details = told_of(new, release.version, is_new_project=is_new_project, is_new_release=joined is None)
        record("release.upload", by=by, about=thing_of(project), details=details)
        contents = contents.with_file(pages.shown_file(file, release), release)
        metadata = {} if joined else {release.version: new.metadata}
        versions = [release.version]
        pages.write_pages(project, contents, versions, touches_listing=is_new_project, metadata=metadata)
        faults.reach("upload.rows-written")
    return file


def find_published(new: NewFile, project: Project, *, by: Actor, besides: int = 0) -> File | None:
    """Judge a stored file as publishing would, and return the very same one where that is published already.

    In the caller's transaction, which holds the lock of the project. `besides`: bytes that count as well, but aren't
    published. Raises what `publish_file` raises.
    """
    let_in(project, by)
    joined = rules.find_equal_release(queries.known_releases(project.pk), new.version)
    return _find_repeated(new, project, joined, by, besides)


def let_in(project: Project, by: Actor) -> Project:
    """Return the project where it takes files from this actor; raises a refusal."""
    actions.require(by, "release.upload", thing_of(project))
    raise_refusal(rules.judge_upload_state(project.status, project.status_reason))
    return project


def _found_project(new: NewFile, by: Actor, at: datetime) -> Project:
    actions.require(by, "project.create", Thing("project", None, new.normalized_name))
    owner_id = new.owner_id or by.user_id
    if owner_id is None:
        raise OwnerMissing
    # where another upload made it meanwhile, the insertion tells, and the file is put into that one
    is_taken = partial(queries.is_like_another, new.normalized_name)
    require_people([owner_id])
    home = _home_of(new, by)
    project = add_project(
        new.project_name,
        at,
        by=by,
        is_taken=is_taken,
        people=organizations.owners_of(home) if home else [owner_id],
        takes_reserved=new.takes_reserved and by.kind == "host",
        organization=home,
    )
    if home is None:
        Role.objects.create(project=project, user_id=owner_id, kind=rules.OWNER, since_at=at)
    else:  # what an organization asks of whoever releases there is about a project that stands in it, as this does now
        actions.require_gate(by, "release.upload", thing_of(project))
    return project


def _home_of(new: NewFile, by: Actor) -> Organization | None:
    """Return the organization that a credential of its own makes a project in, locked, or None; raises RoleRequired.

    Whoever stands behind the credential owns the organization, or it makes nothing there.
    """
    number = by.restrictions.home_of(new.normalized_name) if by.restrictions else None
    if number is None:
        return None
    found = Organization.objects.select_for_update().filter(pk=number).first()
    if found is None or by.user_id not in organizations.owners_of(found):
        raise RoleRequired(fix="Ask an owner of the organization.")
    return found


def _find_repeated(
    new: NewFile, project: Project, release: KnownRelease | None, by: Actor, besides: int = 0
) -> File | None:
    beside = queries.gather_neighbours(new.filename, new.blake2, new.kind, release)
    is_repeated = judge_place(new, project, release, beside, by=by, besides=besides)
    return queries.find_file(new.filename) if is_repeated else None


def judge_place(  # noqa: PLR0913 - each argument is a fact
    new: NewFile,
    project: Project,
    release: KnownRelease | None,
    beside: Neighbours,
    *,
    by: Actor,
    besides: int = 0,
) -> bool:
    """Judge a stored file beside what stands there now; True: the very same one is published already. Raises as `publish_file`."""
    raise_refusal(rules.judge_release_change(release.quarantined if release else None))
    if rules.is_repeat(new.candidate, beside):
        return True
    raise_refusal(rules.judge_file(new.candidate, reading.told_to(by, beside)))
    if by.kind != "host":
        settings = configuration.current()
        limit = project.project_limit or settings.project_limit
        raise_refusal(
            rules.judge_release_age(beside.release_created_at, clock.now(), settings.release_open_days)
        )
        raise_refusal(rules.judge_project_size(project.size + besides, new.size, limit))
    return False


def _add_release(new: NewFile, project: Project, at: datetime) -> KnownRelease:
    release = release_of(new, project, at)
    rows.insert(release)
    return known_release(release)


def release_of(new: NewFile, project: Project, at: datetime) -> Release:
    """Return the release that a file makes, not inserted."""
    return rows.made(
        Release,
        project_id=project.pk,
        version=new.version,
        created_at=at,
        summary=str(new.metadata.get("summary") or "")[: rules.LONGEST_SUMMARY],
        metadata=new.metadata,
        description_html=new.description_html,
    )


def known_release(release: Release) -> KnownRelease:
    """Return what is to be known of a release that was just made."""
    return KnownRelease(release.pk, release.version, release.created_at, None, release.summary)


def _add_file(new: NewFile, project: Project, release: KnownRelease, by: Actor, at: datetime) -> File:
    rows.insert(used_name_of(new, at))
    file = file_of(new, project, release, by, at)
    rows.insert(file)
    if new.provenance is not None:
        rows.insert(Provenance(file_id=file.pk, body=dict(new.provenance)))
    return file


def used_name_of(new: NewFile, at: datetime) -> UsedFileName:
    """Return what keeps a file's name from being used again, not inserted."""
    return rows.made(
        UsedFileName,
        filename=new.filename,
        normalized_name=new.normalized_name,
        blake2=new.blake2,
        used_at=at,
    )


def file_of(new: NewFile, project: Project, release: KnownRelease, by: Actor, at: datetime) -> File:
    """Return the row of a file, not inserted."""
    return rows.made(
        File,
        release_id=release.pk,
        project_id=project.pk,
        filename=new.filename,
        kind=new.kind,
        python_tag=new.python_tag,
        size=new.size,
        md5=new.md5,
        sha256=new.sha256,
        blake2=new.blake2,
        metadata_sha256=new.metadata_sha256,
        requires_python=new.requires_python,
        uploaded_at=at,
        uploaded_by=new.uploaded_by or by.name,
        uploaded_via=new.uploaded_via,
        credential=new.credential,
        client=new.client,
        publication=dict(new.publication),
        has_provenance=new.provenance is not None,
    )


def told_of(new: NewFile, version: str, *, is_new_project: bool, is_new_release: bool) -> dict[str, Detail]:
    """Return what the audit log tells of a file."""
    return {
        "version": version,
        "filename": new.filename,
        "sha256": new.sha256,
        "size": new.size,
        "is_new_project": is_new_project,
        "is_new_release": is_new_release,
        **new.told,
    }


def create_project(  # noqa: PLR0913 - each argument is a fact of the project
    name: str,
    owners: Iterable[User],
    maintainers: Iterable[User] = (),
    *,
    by: Actor,
    created_at: datetime | None = None,
    archived: bool = False,
) -> Project:
    """Make a project without files. Raises NameRefused, OwnerMissing, RoleRequired and what the gate raises."""
    at = created_at or clock.now()
    people = {user.pk: rules.MAINTAINER for user in maintainers} | {user.pk: rules.OWNER for user in owners}
    if rules.OWNER not in people.values():
        raise OwnerMissing

    def act() -> Project:
        with transaction.atomic():
            actions.require(by, "project.create", Thing("project", None, normalise(name)))
            project = add_project(
                name, at, by=by, status=rules.ARCHIVED if archived else rules.ACTIVE, people=list(people)
            )
            Role.objects.bulk_create(
                Role(project=project, user_id=pk, kind=kind, since_at=at) for pk, kind in people.items()
            )
            require_people(people)
            record("project.create", by=by, about=thing_of(project), details={"is_archived": archived})
            pages.refresh_pages(project, touches_listing=True)
        return project

    return settled(act)


def add_project(  # noqa: PLR0913 - each argument is a fact of the project
    name: str,
    at: datetime,
    *,
    by: Actor,
    status: str = rules.ACTIVE,
    is_taken: Callable[[str], bool] = queries.is_folded_name_taken,
    people: Collection[int] = (),
    takes_reserved: bool = False,
    organization: Organization | None = None,
) -> Project:
    """Write the row alone, in the caller's transaction, and tell those who follow; raises CreationRestricted and NameRefused."""
    creators.require(by)
    finding = judge_new_name(name, is_taken)
    if finding is not None:
        raise NameRefused(finding.sentence)
    objection = None if takes_reserved else naming.find_objection(name, people)
    if objection is not None:
        raise NameRefused(objection)
    normalized = normalise(name)
    project = Project(
        name=name, normalized_name=normalized, folded_name=fold(name), created_at=at, status=status
    )
    if organization is not None:
        project.organization, project.organization_since_at = organization, at
    tombstone = queries.find_tombstone(normalized)
    if tombstone is not None:
        project.lineage = tombstone.lineage
    project.save(force_insert=True)
    founding.tell(project, by)
    return project


def rebuild_pages(*, by: Actor, progress: Callable[[int], object] = lambda _: None) -> int:
    """Render every page anew and return how many projects had a page that wasn't right.

    One short transaction for each project, so that it may run on a working index and be stopped and started again:
    pages that are right are left alone, and nobody has to fetch them once more. `progress` is told how many projects
    are done. For the host only.
    """
    with transaction.atomic():
        actions.require(by, "host.command")
        record("host.command", by=by, details={"command": "rebuild-pages"})
    mended = 0
    for done, pk in enumerate(verification.project_keys(), start=1):
        mended += _mend_pages(pk)
        progress(done)
    for page in verification.surplus_pages():
        _empty_page(page)
    search.mend_whole()
    with transaction.atomic():
        pages.wake(pages.next_serial(touches_listing=True))  # lists of projects are made anew, too
    return mended


def _mend_pages(pk: int) -> bool:
    with transaction.atomic():
        project = Project.objects.select_for_update().filter(pk=pk).first()
        wrong = list(verification.differences_of(project)) if project else []
        if project is None or not wrong:
            return False
        if any(found.page.startswith(verification.SEARCH) for found in wrong):
            rewrite_row(project, pages.read_contents(project).searched())
        if not all(found.page.startswith(verification.SEARCH) for found in wrong):
            pages.refresh_pages(project, versions=None)
    return True


def _empty_page(page: IndexPage) -> None:
    """Empty a page of nothing, unless something has taken its place: pages change under the counter's lock only."""
    with transaction.atomic():
        serial = pages.next_serial(touches_listing=False)
        if any(verification.without_thing([page])):
            pages.store_pages([pages.gone_page(page.kind, page.name, page.form, serial)])
            pages.wake(serial)
