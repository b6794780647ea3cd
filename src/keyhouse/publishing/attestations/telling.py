"""Telling owners, once for each release, that it is vouched for less or otherwise than the one before."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from django.db import transaction

from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.core import clock
from keyhouse.projects import sql
from keyhouse.projects.models import File
from keyhouse.projects.rights import owners_of
from keyhouse.publishing.attestations.continuity import find_break
from keyhouse.publishing.attestations.letters import break_told


def tell_of_break(file: File) -> bool:
    """Write to the owners where the release of a file that was just published is odd, and return whether it is.

    Called again for the same release it writes nothing more, so that an upload which was cut off behind its last commit
    makes up for it when it is tried again.
    """
    if sql.find_value(_VOUCHED, file.project_id) is None:
        return False  # as in most projects; then this is all that an upload asks
    found = find_break(file.release)
    if found is None:
        return False
    project = file.project
    path = f"/project/{project.normalized_name}/{quote(found.version, safe='')}/"
    letter = break_told(project.name, path, found, file.uploaded_by)
    with transaction.atomic():
        owners = owners_of(project.pk)
        tell_others(owners, letter, clock.now(), key=f"{letter.kind}:{file.release_id}")
    return True


_VOUCHED: Final = "SELECT 1 FROM projects_file WHERE has_provenance AND project_id = %s LIMIT 1"
