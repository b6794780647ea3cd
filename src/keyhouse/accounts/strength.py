"""What an account has to prove itself by, and whether a session has proven that."""

from __future__ import annotations

from typing import Literal

from keyhouse.accounts.models import Authenticator, RecoveryCode
from keyhouse.core import clock
from keyhouse.core.actions import STEP_UP_AGE
from keyhouse.core.actor import Actor
from keyhouse.core.errors import StepUpRequired

Proof = Literal["totp", "recovery_code", "password"]


def has_second_factor(user_id: int) -> bool:
    """Whether the account was ever given a second factor; a disabled one counts.

    Otherwise a hundred wrong codes would turn an account into one that a password opens.
    """
    return Authenticator.objects.filter(user_id=user_id).exists()


def strongest_proof(user_id: int) -> Proof:
    """Return what step-up and sign-in ask for: the strongest the account has, never the password once it has more."""
    if Authenticator.objects.filter(user_id=user_id, disabled_at=None).exists():
        return "totp"
    return "recovery_code" if has_second_factor(user_id) else "password"


def codes_left(user_id: int) -> int:
    """Return how many recovery codes are unused."""
    return RecoveryCode.objects.filter(code_set__user_id=user_id, used_at=None).count()


def require_strongest(by: Actor, user_id: int, *, recovery_code_is_enough: bool = False) -> None:
    """Raise StepUpRequired unless the actor proved the strongest factor of the account lately.

    Where `recovery_code_is_enough`, one stands in for the second factor: to enrol a new one (NIST SP 800-63B-4 4.2).
    """
    if by.kind == "host":
        return
    if not by.strength.is_fresh(clock.now(), STEP_UP_AGE):
        raise StepUpRequired
    is_enough = by.strength.has_second_factor or (
        recovery_code_is_enough and "recovery_code" in by.strength.methods
    )
    if has_second_factor(user_id) and not is_enough:
        raise StepUpRequired(
            "Changing this needs your second factor.", fix="Sign in with it, or add a new one."
        )
