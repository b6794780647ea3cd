"""What an account has to prove itself by, and whether a session has proven that."""

from __future__ import annotations

from typing import Final, Literal

from django.db.models import QuerySet

from keyhouse.accounts.errors import SecondFactorLast
from keyhouse.accounts.models import Authenticator, RecoveryCode, SecurityKey, User
from keyhouse.audit.compiled import Compiled, asked_number
from keyhouse.core import actions, clock, configuration
from keyhouse.core.actions import REMOVE_LAST, STEP_UP_AGE, Thing
from keyhouse.core.actor import Actor, Strength
from keyhouse.core.errors import StepUpRequired

Proof = Literal["webauthn", "totp", "recovery_code", "password"]


def has_second_factor(user_id: int) -> bool:
    """Whether the account was ever given a second factor; a disabled one counts.

    Otherwise a hundred wrong codes would turn an account into one that a password opens.
    """
    return (
        Authenticator.objects.filter(user_id=user_id).exists()
        or SecurityKey.objects.filter(user_id=user_id).exists()
    )


def usable_keys(user_id: int) -> QuerySet[SecurityKey]:
    """Return the security keys and passkeys of the account that work under the present name of this site."""
    return SecurityKey.usable(configuration.current().key_name).filter(user_id=user_id)


def keys_in_use(user_id: int) -> list[SecurityKey]:
    """Return the same as a list, the oldest first."""
    return _KEYS.rows(user_id, shape=(configuration.current().key_name,))


_KEYS: Final = Compiled(lambda name: SecurityKey.usable(name).filter(user=asked_number(0)).order_by("pk"))


def has_usable_key(user_id: int) -> bool:
    """Whether a security key or passkey of the account can be used now, also one of a former name for its last days."""
    names = configuration.current().key_names(clock.now())
    return SecurityKey.usable(*names).filter(user_id=user_id).exists()


def has_usable_app(user_id: int) -> bool:
    """Whether an authenticator app of the account can be used."""
    return Authenticator.objects.filter(user_id=user_id, disabled_at=None).exists()


def require_another(user_id: int, by: Actor, *, app_id: int = 0, key_id: int = 0) -> bool:
    """Return whether this is the very last second factor of the account, after asking the gate about that.

    The caller holds the lock of the account. What was switched off, or can't sign its owner in, stands in for nothing:
    with it alone nobody could. Raises SecondFactorLast and what the gate raises.
    """
    apps = Authenticator.objects.filter(user_id=user_id).exclude(pk=app_id)
    keys = SecurityKey.objects.filter(user_id=user_id).exclude(pk=key_id)
    working = usable_keys(user_id).exclude(pk=key_id)
    if not _has_password(user_id):
        if not working.filter(user_verified=True).exists():
            raise SecondFactorLast("This is the only way into this account, which has no password.")
        return False
    if apps.filter(disabled_at=None).exists() or working.exists():
        return False
    if apps.exists() or keys.exists():
        raise SecondFactorLast
    # the host is let through every gate, and must not take from somebody what a mandate asks of them
    by_themselves = Actor("session", user_id, strength=Strength(frozenset({"totp"}), clock.now()))
    asker = by_themselves if by.kind == "host" else by
    actions.require_gate(asker, REMOVE_LAST, Thing("account", user_id))
    return True


def _has_password(user_id: int) -> bool:
    """Whether a password signs in: one that was disabled, or never set, does not."""
    user = User.objects.get(pk=user_id)
    return user.has_usable_password() and user.state != User.State.PASSWORD_DISABLED


def strongest_proof(user_id: int) -> Proof:
    """Return what step-up asks for: the strongest the account has, never the password once it has more."""
    if has_usable_key(user_id):
        return "webauthn"
    if has_usable_app(user_id):
        return "totp"
    return "recovery_code" if has_second_factor(user_id) else "password"


def codes_left(user_id: int) -> int:
    """Return how many recovery codes are unused."""
    return unused_codes(user_id).count()


def unused_codes(user_id: int) -> QuerySet[RecoveryCode]:
    """Return the recovery codes that are unused."""
    return RecoveryCode.objects.filter(code_set__user_id=user_id, used_at=None)


def require_strongest(by: Actor, user_id: int, *, to_enrol: bool = False) -> None:
    """Raise StepUpRequired unless the actor proved the strongest factor of the account lately.

    To enrol a new factor any one that works is enough, and so is a recovery code (NIST SP 800-63B-4 4.2): whoever lost
    their key comes back by what they have left.
    """
    if by.kind == "host":
        return
    now, methods = clock.now(), by.strength.methods
    if to_enrol:
        is_fresh = by.strength.at is not None and now - by.strength.at <= STEP_UP_AGE
        is_enough = by.strength.has_second_factor or "recovery_code" in methods
    else:
        is_fresh = by.is_fresh(now, STEP_UP_AGE)
        is_enough = by.strength.is_phishing_resistant if by.needs_key else by.strength.has_second_factor
    if not is_fresh:
        raise StepUpRequired
    if has_second_factor(user_id) and not is_enough:
        raise StepUpRequired(
            "Changing this needs your second factor.", fix="Prove it, or add a new one by what you have left."
        )
