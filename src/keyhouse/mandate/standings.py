"""What hangs on an account: read for features below, which protect people the more the more they may change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.db.models import Exists, OuterRef, Q

from keyhouse.accounts.models import Authenticator, Email, SecurityKey, User
from keyhouse.core import clock, configuration
from keyhouse.core.standing import Standing
from keyhouse.mandate.models import CriticalProject
from keyhouse.projects.belongings import owned_alone
from keyhouse.projects.models import Role

_OWNER: Final = Role.Kind.OWNER


class MandateStandings:
    """Reads roles, criteria and the factors of co-owners, live."""

    def of(self, user_id: int) -> Standing:
        """Return the standing of an account as it is now; an unknown one has authority over nothing."""
        roles = dict(Role.objects.filter(user_id=user_id).values_list("project_id", "kind"))
        rows = Role.objects.filter(project_id__in=roles, kind=_OWNER).exclude(user_id=user_id)
        owners = set(rows.values_list("project_id", "user_id"))
        others = sorted({owner for _, owner in owners})
        compliant = set(_compliant(others))
        in_office = Q(is_operator=True) | Q(is_moderator=True) | Q(is_auditor=True)
        has_office = User.objects.filter(in_office, pk=user_id).exists()
        helped = {project for project, owner in owners if owner in compliant}
        peers = {owner for project, owner in owners if roles[project] == _OWNER} & compliant
        return Standing(
            has_authority=bool(roles) or has_office,
            has_critical_project=_is_any_critical(list(roles)),
            co_owner_ids=tuple(others),
            compliant_co_owner_ids=() if has_office else tuple(sorted(peers)),
            helped_by_others=bool(roles) and helped == set(roles),
            sole_owned=tuple(owned_alone(user_id).values_list("name", flat=True)),
        )


def _compliant(user_ids: Iterable[int]) -> list[int]:
    """Return which of these people have a verified address and a factor that works, in an open account."""
    mine = {"user": OuterRef("pk")}
    verified = Email.objects.filter(**mine, is_primary=True, verified_at__isnull=False)
    app = Authenticator.objects.filter(**mine, disabled_at=None)
    key = SecurityKey.usable(configuration.current().key_name).filter(**mine)
    people = User.objects.filter(Exists(verified), Exists(app) | Exists(key), pk__in=list(user_ids))
    is_free = Q(held_until=None) | Q(held_until__lte=clock.now())
    return list(people.filter(is_free, state=User.State.ACTIVE).values_list("pk", flat=True))


def _is_any_critical(project_ids: list[int]) -> bool:
    names = Role.objects.filter(project_id__in=project_ids).values("project__normalized_name")
    return CriticalProject.objects.filter(normalized_name__in=names).exists()
