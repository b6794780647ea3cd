"""What vouched for the releases of a project so far, and where that breaks off: provenance lost, or source changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import QuerySet

from keyhouse.projects.models import File, Release


@dataclass(frozen=True, slots=True)
class Break:
    """A release about which less, or something else, is vouched for than about `before`, the release before it.

    `was` and `now` are the sources (addresses of repositories), where they are known.
    """

    kind: Literal["lost", "changed"]
    version: str
    before: str
    was: str = ""
    now: str = ""


def find_break(release: Release) -> Break | None:
    """Return what is odd about a release, or None; one without files is nothing to wonder at."""
    earlier = _attested_before(release)
    if earlier is None:
        return None
    before, publication = earlier
    files = release.files.filter(is_quarantined=False).values_list("has_provenance", "publication")
    own = [source_of(found) for has_provenance, found in files if has_provenance]
    was = source_of(publication)
    if not own:
        return Break("lost", release.version, before, was) if files else None
    other = next((source for source in own if source and was and source.casefold() != was.casefold()), "")
    return Break("changed", release.version, before, was, other) if other else None


def _attested_before(release: Release) -> tuple[str, Mapping[str, Any]] | None:
    """Return version and publication of the newest file with a provenance in a release that was made earlier."""
    rows = attested_before(release.project_id, release.created_at)
    found = rows.order_by("-release__created_at", "-pk").values_list("release__version", "publication")
    return found.first()


def attested_before(project_id: Any, instant: Any) -> QuerySet[File]:
    """Return the files with a provenance in releases of a project that were made before an instant.

    Both may be columns of an outer question.
    """
    attested = File.objects.filter(has_provenance=True, is_quarantined=False)
    return attested.filter(project_id=project_id, release__created_at__lt=instant)


def source_of(publication: Mapping[str, Any]) -> str:
    """Return the repository that a file's attestations name, or an empty string."""
    attested = publication.get("attestations")
    first = attested[0] if isinstance(attested, list) and attested else None
    source = first.get("repository") if isinstance(first, dict) else None
    return source if isinstance(source, str) else ""
