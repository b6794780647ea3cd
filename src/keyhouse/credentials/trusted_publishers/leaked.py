"""Minted tokens that were found in the open: ended, and the people of their projects told."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Q

from keyhouse.accounts import emails
from keyhouse.accounts.models import User
from keyhouse.audit import services as audit
from keyhouse.core.actions import Thing
from keyhouse.core.actor import job
from keyhouse.credentials.tokens.leak_rules import Leak
from keyhouse.credentials.tokens.leaks import JOB, REASON, details_of
from keyhouse.credentials.tokens.letters import Spot, leaked
from keyhouse.credentials.tokens.services import count_change
from keyhouse.credentials.trusted_publishers.models import MintedToken, Publisher
from keyhouse.organizations.models import Membership
from keyhouse.projects.rights import rights_in_several
from keyhouse.projects.rules import OWNER

REVOKE: Final = "minted-token.revoke"
PROJECTS: Final = "/manage/projects/"


def end_minted(token: MintedToken, leak: Leak, reporter: str, now: datetime) -> bool:
    """End a minted token whose text was found, with its record and mails; again changes nothing."""
    with transaction.atomic():
        ended = MintedToken.objects.filter(pk=token.pk, revoked_at__isnull=True, expires_at__gt=now).update(
            revoked_at=now, revoked_reason=REASON
        )
        if not ended:
            return False
        count_change()
        publishers = list(
            Publisher.objects.filter(pk__in=token.publisher_ids).select_related("project", "organization")
        )
        audit.record(
            REVOKE,
            by=job(JOB),
            about=Thing("minted-token", token.pk.hex, token.provider),
            details={
                **details_of(leak, reporter),
                "projects": sorted({name_of(one) for one in publishers}),
            },
        )
        letter = leaked("token of a CI job", token.provider, Spot(leak.url, leak.source), PROJECTS)
        for person in _people_of(publishers):
            emails.tell(person, letter, now=now)
    return True


def name_of(publisher: Publisher) -> str:
    """Return the name of the project that a publisher speaks for, there or to come, or of its organization."""
    if publisher.is_of_organization and publisher.organization is not None:
        return publisher.organization.normalized_name
    return publisher.project.normalized_name if publisher.project else publisher.pending_normalized_name


def _people_of(publishers: list[Publisher]) -> list[User]:
    """Return the owners of the projects, and whoever waits for one to come."""
    projects = [one.project_id for one in publishers if one.project_id is not None]
    owners = [one.user_id for one in rights_in_several(projects) if one.kind == OWNER]
    waiting = [one.configured_by_id for one in publishers if one.is_pending]
    of = {one.organization_id for one in publishers if one.organization_id is not None}
    owners += Membership.objects.filter(organization_id__in=of, kind=OWNER).values_list("user_id", flat=True)
    return list(User.objects.filter(Q(pk__in=owners) | Q(pk__in=waiting)).order_by("pk"))
