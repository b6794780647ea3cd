"""Reading reserved names."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from django.db.models import Prefetch, QuerySet

from keyhouse.audit import rows
from keyhouse.distfiles.names import fold
from keyhouse.projects.sql import placeholders
from keyhouse.safety.names.models import ReservedFor, ReservedName
from keyhouse.safety.names.rules import beginnings, read_pattern


class StoredNames:
    """Implements `core.naming.Names`."""

    def find_objection(self, name: str, people: Collection[int]) -> str | None:
        """Return why none of these people may make a project of this name, or None."""
        folded = beginnings(name)
        statement = _MET.format(placeholders(folded), _kept_for(people))
        for row in rows.read_all(ReservedName, statement, fold(name), *folded, *people):
            return f"The name {name} is reserved on this index ({row})."
        return None


# in plain words, since an import asks it twice for each project
_MET: Final = (
    f"SELECT {rows.columns(ReservedName)} FROM safety_reservedname r"
    " WHERE (NOT is_prefix AND folded_name = %s OR is_prefix AND folded_name IN ({}))"
    " AND NOT {} ORDER BY id LIMIT 1"
)


def _kept_for(people: Collection[int]) -> str:
    if not people:
        return "FALSE"
    kept = "SELECT 1 FROM safety_reservedfor f WHERE f.reserved_id = r.id AND f.user_id IN"
    return f"EXISTS ({kept} ({placeholders([*people])}))"


def reserved_names() -> QuerySet[ReservedName]:
    """Return all reserved names with their people, by name."""
    people = Prefetch("people", ReservedFor.objects.select_related("user"))
    return ReservedName.objects.prefetch_related(people).order_by("name", "is_prefix")


def find_reservation(pattern: str) -> ReservedName | None:
    """Return what is kept under a name or a prefix as one types it, with its people, or None."""
    kept = read_pattern(pattern.strip())
    if kept is None:
        return None
    return reserved_names().filter(folded_name=kept.folded, is_prefix=kept.is_prefix).first()
