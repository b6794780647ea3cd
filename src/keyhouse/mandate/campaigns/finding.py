"""Which version of a mandate is meant by its name alone."""

from __future__ import annotations

from datetime import datetime

from keyhouse.mandate.errors import MandateMissing
from keyhouse.mandate.models import MandateVersion
from keyhouse.mandate.queries import ledger, live_policies, policy_of
from keyhouse.mandate.rules import Policy
from keyhouse.mandate.shadowing import Shadowed


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


def shadow_of_version(policy: Policy) -> Shadowed | None:
    """Return the shadow of a version that took effect, or None."""
    if not policy.mandate.shadows:
        return None
    return next((one for one in ledger().shadows if one.policy.label == policy.label), None)


def shadows_beside(policy: Policy, now: datetime) -> list[Shadowed]:
    """Return the shadows of other versions of the same name that lead to something yet: nobody else sees those."""
    return [
        one
        for one in ledger().shadows
        if one.policy.name == policy.name
        and one.policy.label != policy.label
        and not one.is_superseded
        and one.policy.mandate.is_unannounced(now)
    ]


def is_draft(policy: Policy) -> bool:
    """Tell whether a version waits for a launch."""
    return MandateVersion.objects.filter(
        name=policy.name, version=policy.version, is_draft=True, effective_at=None
    ).exists()


def get_shown(name: str, now: datetime) -> Policy:
    """Return the live version, or else the newest one; raises MandateMissing."""
    return find_live(name, now) or get_newest(name, now)
