"""How many projects one person, or one network, may make in a time.

Counted before the file is sent, so that nobody slips past in parallel; given back when no project came of it.
"""

from __future__ import annotations

from keyhouse.accounts.limits import CREATION, Counted, count_attempt
from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.projects.models import File, Project
from keyhouse.publishing.staging.models import StagedFile


def count_creation(actor: Actor) -> Counted:
    """Count one new project; raises TooManyAttempts with the seconds to wait."""
    return count_attempt(
        now=clock.now(),
        limit=CREATION,
        subject=f"user:{actor.user_id}",
        network=actor.network,
    )


def give_back_creation(counted: Counted, file: File | StagedFile | None = None) -> None:
    """Let a count go: nothing was published, or somebody else's upload made the project meanwhile."""
    if not counted.rows:
        return
    if not isinstance(file, File) or not _was_made_with(file):
        counted.give_back()


def _was_made_with(file: File) -> bool:
    """Tell whether this upload made the project; both rows then carry the same instant."""
    return Project.objects.filter(pk=file.project_id, created_at=file.uploaded_at).exists()
