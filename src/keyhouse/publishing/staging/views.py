"""Pages on which a project's people see what waits, publish or discard it. Authority is asked before a page shows what exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from keyhouse.core import actions, clock
from keyhouse.projects.models import Project, Release
from keyhouse.projects.queries import held_releases
from keyhouse.projects.rules import KnownRelease, find_equal_release
from keyhouse.projects.visiting import actor_of, context_of, project_of, readable, sent
from keyhouse.publishing.staging import origin, queries, services
from keyhouse.publishing.staging.errors import StagedMissing
from keyhouse.publishing.staging.forms import PublishForm, SimpleForm, StagingForm
from keyhouse.publishing.staging.models import StagedFile, StagedRelease
from keyhouse.publishing.staging.rules import Difference, differences


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A file that waits, with what is known of how it came, and what is against publishing it."""

    staged: StagedFile
    objection: str

    @property
    def claims(self) -> list[tuple[str, str]]:
        """Return what the identity claimed by which a trusted publisher uploaded it."""
        claims = self.staged.description.get("publication", {}).get("claims", {})
        return sorted((str(name), str(value)) for name, value in claims.items())


@dataclass(frozen=True, slots=True)
class Shown:
    """A release that waits, with its files."""

    release: StagedRelease
    files: list[ShownFile]
    quarantined: KnownRelease | None  # what it would be published into, which takes no files now

    @property
    def is_blocked(self) -> bool:
        """Whether it can only be discarded."""
        return any(one.objection for one in self.files)


def _shown(project: Project, release: StagedRelease) -> Shown:
    files = queries.files_of(release)
    held = find_equal_release(held_releases(project.pk), release.version)
    return Shown(release, [ShownFile(one, origin.find_objection(project, one)) for one in files], held)


@actions.classified(GET="project.manage")
def staged(request: HttpRequest, name: str) -> HttpResponse:
    """List what waits in a project."""
    found = project_of(request, "project.manage", name)
    waiting = [_shown(found, one) for one in queries.waiting_of(found, clock.now())]
    return render(request, "staging/list.html", context_of(request, found) | {"waiting": waiting})


@actions.takes(*PublishForm.base_fields)
@actions.classified(GET="release.publish", POST="release.publish")
def publish(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Show the files of a staged release, and publish just those."""
    found = project_of(request, "release.publish", name)
    release = _release_of(found, version)
    shown = _shown(found, release)
    seen = queries.fingerprint_of([one.staged for one in shown.files])
    form = PublishForm(sent(request), expected=release.version, initial={"seen": seen})
    if form.is_valid():
        services.publish_release(
            found.normalized_name, release.version, seen=form.cleaned_data["seen"], by=actor_of(request)
        )
        return HttpResponseRedirect(f"/manage/project/{found.normalized_name}/")
    context = {
        "shown": shown,
        "form": form,
        "changes": _changes(found, shown),
        "latest": found.latest_version,
    }
    return render(request, "staging/publish.html", context_of(request, found) | context)


@actions.takes()
@actions.classified(GET="release.discard", POST="release.discard")
def discard(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Let go of a staged release."""
    found = project_of(request, "release.discard", name)
    release = _release_of(found, version)
    form = SimpleForm(sent(request))
    if form.is_valid():
        services.discard_release(found.normalized_name, release.version, by=actor_of(request))
        return HttpResponseRedirect(services.page_of(found))
    context: dict[str, Any] = {"shown": _shown(found, release), "form": form}
    return render(request, "staging/discard.html", context_of(request, found) | context)


@actions.takes(*StagingForm.base_fields)
@actions.classified(GET="project.set-staging", POST="project.set-staging")
def staging(request: HttpRequest, name: str) -> HttpResponse:
    """Say whether every upload waits."""
    found = project_of(request, "project.set-staging", name)
    form = StagingForm(sent(request), initial={"stages": found.stages_uploads})
    if form.is_valid():
        services.set_staging(found.normalized_name, stages=form.cleaned_data["stages"], by=actor_of(request))
        return HttpResponseRedirect(services.page_of(found))
    return render(request, "staging/setting.html", context_of(request, found) | {"form": form})


def _release_of(found: Project, version: str) -> StagedRelease:
    release = queries.find_waiting(found, readable(version), clock.now())
    if release is None:
        raise StagedMissing
    return release


def _changes(found: Project, shown: Shown) -> list[Difference]:
    """Return how the metadata differs from that of the release that installers take now."""
    before = Release.objects.filter(project=found, version=found.latest_version).first()
    if before is None or not shown.files:
        return []
    return differences(before.metadata, shown.files[0].staged.description["metadata"])
