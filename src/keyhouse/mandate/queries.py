"""Facts that decisions rest on."""

from __future__ import annotations

from keyhouse.accounts.models import Authenticator


def has_second_factor(user_id: int | None) -> bool:
    """Tell whether a person has a second factor enrolled now."""
    return user_id is not None and Authenticator.objects.filter(user_id=user_id).exists()
