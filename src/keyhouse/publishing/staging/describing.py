"""A file to be published as a document, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from keyhouse.core import clock
from keyhouse.projects.models import File
from keyhouse.projects.services import NewFile
from keyhouse.publishing.staging.models import StagedFile

# known when it is published only, or for whoever builds a history at the host
_LEFT_OUT: Final = frozenset({"uploaded_at", "owner_id", "uploaded_by", "takes_reserved", "told"})
_NAMES: Final = tuple(one.name for one in dataclasses.fields(NewFile) if one.name not in _LEFT_OUT)


def written(new: NewFile) -> dict[str, Any]:
    """Return what is to be published as a document for JSON."""
    return {name: _plain(getattr(new, name)) for name in _NAMES}


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def read(staged: StagedFile, published_by: int | str, at: datetime) -> NewFile:
    """Return what publishing takes: who uploaded the file stays beside it, and who published it is told besides.

    `published_by` is the number of an account, since a name may be erased one day, or `host`.
    """
    columns = {name: staged.description[name] for name in _NAMES if name in staged.description}
    publication = {
        **columns.pop("publication", {}),
        "staged_at": clock.format_instant(staged.staged_at),
        "published_by": published_by,
    }
    told = {
        "uploaded_via": staged.uploaded_via,
        "credential": staged.credential,
        "staged_at": clock.format_instant(staged.staged_at),
    }
    return NewFile(
        **columns, publication=publication, uploaded_by=staged.uploaded_by[:50], uploaded_at=at, told=told
    )


def as_file(staged: StagedFile) -> File:
    """Return the file as it would be stored, not stored: what compares bytes with rows takes it."""
    told = staged.description
    return File(
        filename=staged.filename,
        kind=staged.kind,
        size=staged.size,
        md5=told["md5"],
        sha256=staged.sha256,
        blake2=staged.blake2,
        metadata_sha256=told["metadata_sha256"],
    )
