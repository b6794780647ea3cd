"""What staged releases keep about people."""

from __future__ import annotations

from typing import Final

from django.db.models import QuerySet

from keyhouse.core.belongings import Belongings, Kept
from keyhouse.publishing.staging.models import StagedFile


def _files(user_id: int) -> QuerySet[StagedFile]:
    return StagedFile.objects.filter(person_id=user_id).order_by("pk")


BELONGINGS: Final = Belongings(
    "staging",
    (
        Kept(
            "staged_files",
            "staging.StagedFile",
            _files,
            (
                "filename",
                "release__version",
                "size",
                "sha256",
                "staged_at",
                "uploaded_by",
                "uploaded_via",
                "credential",
            ),
            {
                "id": "a row number",
                "person": "the account itself",
                "kind": "follows from the name",
                "blake2": "another digest of the same bytes",
                "description": "about the file, and public once it is published",
            },
            stays="it is the project's; nobody can publish it once the account is gone, and it is discarded soon",
        ),
    ),
)
