"""What protects an account, as one digest: whatever was begun before any of it changed is dead after it."""

from __future__ import annotations

import hashlib
import json

from keyhouse.accounts.models import Authenticator, Email, RecoveryCodeSet, SecurityKey, User


def protection_of(user_id: int) -> str:
    """Return a digest over state, password, verified addresses and factors of an account, as they are now.

    Using a factor changes nothing, and neither does a better hash of the same password.
    """
    state, changed_at = User.objects.filter(pk=user_id).values_list("state", "password_changed_at").get()
    verified = Email.objects.filter(user_id=user_id, verified_at__isnull=False)
    parts = [
        state,
        changed_at.isoformat() if changed_at else "",
        sorted(verified.values_list("pk", "address", "is_primary")),
        *(
            sorted(model.objects.filter(user_id=user_id).values_list("pk", flat=True))
            for model in (Authenticator, SecurityKey, RecoveryCodeSet)
        ),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
