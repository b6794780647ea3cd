"""Which version of a mandate is meant by its name alone."""

from __future__ import annotations

from datetime import datetime

from keyhouse.mandate.errors import MandateMissing
from keyhouse.mandate.models import MandateVersion
from keyhouse.mandate.queries import live_policies, policy_of
from keyhouse.mandate.rules import Policy


def find_live(name: str, now: datetime) -> Policy | None:
    """Return the version of a mandate that is live, or None."""
    return next((one for one in live_policies(now) if one.name == name), None)


def get_newest(name: str, now: datetime) -> Policy:
    """Return the newest version that nobody withdrew, a draft too; raises MandateMissing."""
    row = MandateVersion.objects.filter(name=name, withdrawn_at=None).order_by("-version").first()
    live = find_live(name, now)
    if row is not None and (live is None or row.version > live.version):
        return policy_of(row)
    if live is None:
        raise MandateMissing
    return live


def is_draft(policy: Policy) -> bool:
    """Tell whether a version waits for a launch."""
    return MandateVersion.objects.filter(
        name=policy.name, version=policy.version, is_draft=True, effective_at=None
    ).exists()


def get_shown(name: str, now: datetime) -> Policy:
    """Return the live version, or else the newest one; raises MandateMissing."""
    return find_live(name, now) or get_newest(name, now)
