"""What hangs on an account: read for features below, which protect people the more the more they may change."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import Q

from keyhouse.accounts.models import User
from keyhouse.accounts.queries import compliant_among
from keyhouse.core import clock
from keyhouse.core.standing import Standing
from keyhouse.credentials.trusted_publishers.queries import all_live
from keyhouse.mandate.models import CriticalProject
from keyhouse.organizations import queries as organizations
from keyhouse.organizations.models import Membership
from keyhouse.projects import rights
from keyhouse.projects.belongings import owned_alone
from keyhouse.projects.collaborators.queries import invitations_of_person
from keyhouse.projects.models import Project
from keyhouse.projects.rules import OWNER

_IN_OFFICE: Final = Q(is_operator=True) | Q(is_moderator=True) | Q(is_auditor=True)


class MandateStandings:
    """Reads roles, criteria and the factors of co-owners, live."""

    def of(self, user_id: int) -> Standing:
        """Return the standing of an account as it is now; an unknown one has authority over nothing."""
        roles = rights.highest(rights.rights_of(user_id))
        owners = {
            (one.project_id, one.user_id)
            for one in rights.rights_in_several(roles)
            if one.kind == OWNER and one.user_id != user_id
        }
        partners = _owners_of_organizations_of(user_id)
        others = sorted({owner for _, owner in owners} | partners)
        compliant = set(compliant_among(others, clock.now()))
        has_office = User.objects.filter(_IN_OFFICE, pk=user_id).exists()
        peers = ({owner for project, owner in owners if roles[project] == OWNER} | partners) & compliant
        return Standing(
            has_authority=bool(roles) or has_office or _can_act_otherwise(user_id, clock.now()),
            has_critical_project=_is_any_critical(list(roles)),
            co_owner_ids=tuple(others),
            compliant_co_owner_ids=() if has_office else tuple(sorted(peers)),
            is_invited=_is_invited(user_id, clock.now()),
            sole_owned=tuple(owned_alone(user_id).values_list("name", flat=True)),
            sole_organizations=tuple(organizations.owned_alone(user_id).values_list("name", flat=True)),
        )

    def speaks_for(self, user_id: int) -> frozenset[int]:
        """Return whose co-owner this one is with a word that counts: who owns what together is so from both sides."""
        if not compliant_among([user_id], clock.now()):
            return frozenset()
        roles = rights.highest(rights.rights_of(user_id))
        owned = [project for project, kind in roles.items() if kind == OWNER]
        owners = {one.user_id for one in rights.rights_in_several(owned) if one.kind == OWNER}
        peers = (owners | _owners_of_organizations_of(user_id)) - {user_id}
        in_office = User.objects.filter(_IN_OFFICE).values_list("pk", flat=True)
        return frozenset(peers.difference(in_office))

    def is_critical(self, normalized_name: str) -> bool:
        """Tell whether a project is critical by any mandate."""
        return CriticalProject.objects.filter(normalized_name=normalized_name).exists()


def _owners_of_organizations_of(user_id: int) -> set[int]:
    """Return who owns an organization together with this person, also one without projects."""
    owners = Membership.objects.filter(kind=Membership.Kind.OWNER)
    mine = owners.filter(user_id=user_id).values("organization_id")
    found = owners.filter(organization_id__in=mine).exclude(user_id=user_id)
    return set(found.values_list("user_id", flat=True))


def _can_act_otherwise(user_id: int, now: datetime) -> bool:
    """Tell whether somebody is in an organization, or answers for a publisher, which may make a project."""
    is_member = Membership.objects.filter(user_id=user_id).exists()
    return is_member or all_live(now).filter(configured_by_id=user_id).exists()


def _is_invited(user_id: int, now: datetime) -> bool:
    into_projects = invitations_of_person(user_id, now)
    return into_projects.exists() or organizations.invitations_of_person(user_id, now).exists()


def _is_any_critical(project_ids: list[int]) -> bool:
    names = Project.objects.filter(pk__in=project_ids).values("normalized_name")
    return CriticalProject.objects.filter(normalized_name__in=names).exists()
