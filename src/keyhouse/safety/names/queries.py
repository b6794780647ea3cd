"""Reading reserved names."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Exists, OuterRef, Q, QuerySet

from keyhouse.distfiles.names import fold
from keyhouse.safety.names.models import ReservedFor, ReservedName
from keyhouse.safety.names.rules import beginnings


class StoredNames:
    """Implements `core.naming.Names`."""

    def find_objection(self, name: str, people: Collection[int]) -> str | None:
        """Return why none of these people may make a project of this name, or None."""
        met = Q(is_prefix=False, folded_name=fold(name)) | Q(is_prefix=True, folded_name__in=beginnings(name))
        named = ReservedFor.objects.filter(reserved=OuterRef("pk"), user_id__in=list(people))
        for row in ReservedName.objects.filter(met, ~Exists(named)).order_by("pk")[:1]:
            return f"The name {name} is reserved on this index ({row})."
        return None


def reserved_names() -> QuerySet[ReservedName]:
    """Return all reserved names with their people, by name."""
    return ReservedName.objects.prefetch_related("people__user").order_by("name", "is_prefix")
