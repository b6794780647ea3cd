"""Reading who is approved to make projects."""

from __future__ import annotations

from django.db.models import QuerySet

from keyhouse.accounts.models import User
from keyhouse.safety.creators.models import Creator


class StoredCreators:
    """Implements `core.creators.Creators`; nothing is kept between two questions."""

    def is_operator(self, user_id: int) -> bool:
        """Tell whether this account is an operator's now."""
        return User.objects.filter(pk=user_id, is_operator=True).exists()

    def is_approved(self, user_id: int) -> bool:
        """Tell whether operators approved this account."""
        return Creator.objects.filter(user_id=user_id).exists()


def approved_people() -> QuerySet[Creator]:
    """Return who is approved, by name."""
    return Creator.objects.select_related("user").order_by("user__username")
