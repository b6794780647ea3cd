"""What is bound to an account, as the audit log keeps it when the rows are gone (NIST SP 800-63B-4 4.1)."""

from __future__ import annotations

from keyhouse.accounts.models import Authenticator, SecurityKey


def properties_of(key: SecurityKey) -> dict[str, str | bool]:
    """Return what a security key was when it was enrolled; the model is the key's own word unless it is attested."""
    return {
        "model": key.aaguid,
        "attested": bool(key.attested_model),
        "device_bound": not key.backup_eligible,
        "user_verified": key.user_verified,
    }


def factors_of(username: str) -> list[str]:
    """Return each second factor of an account in one line, by kind, number and name."""
    apps = Authenticator.objects.filter(user__username=username).order_by("pk")
    keys = SecurityKey.objects.filter(user__username=username).order_by("pk")
    return [
        *(f"authenticator {app.pk} {app.name}".strip() for app in apps),
        *(f"security-key {key.pk} {key.name} ({_words(key)})" for key in keys),
    ]


def _words(key: SecurityKey) -> str:
    return ", ".join(
        f"{name} {value}" if isinstance(value, str) else f"{'' if value else 'not '}{name.replace('_', '-')}"
        for name, value in properties_of(key).items()
        if value != ""
    )
