"""Whether what uploaded a staged file is trusted still.

A file may wait for days. Whatever was revoked, removed or closed meanwhile was so for a reason, and that reason holds for
what waits. A token that has merely expired is no reason, nor is one that was minted for minutes.
"""

from __future__ import annotations

import uuid
from typing import Final

from keyhouse.accounts import holds
from keyhouse.accounts.models import User
from keyhouse.core import clock
from keyhouse.core.actions import Thing
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.queries import is_resting, reach_of
from keyhouse.credentials.trusted_publishers.acting import NO_TOKEN
from keyhouse.credentials.trusted_publishers.models import MintedToken, Publisher
from keyhouse.credentials.trusted_publishers.queries import with_reach
from keyhouse.organizations.queries import owner_ids
from keyhouse.projects.models import Project
from keyhouse.projects.rights import find_role_kind
from keyhouse.publishing.staging.models import StagedFile

_REVOKED: Final = "the API token that uploaded it was revoked since"
_MINTED_REVOKED: Final = "the short-lived token that uploaded it was revoked since"
_REMOVED: Final = "the trusted publisher that uploaded it was removed since"
_LEFT: Final = "the project is none that the organization's robot token which uploaded it reaches any more"
_RESTS: Final = "the robot token that uploaded it rests until another owner confirms it"
_PUBLISHER_RESTS: Final = (
    "the organization's publisher that uploaded it rests until another owner confirms it"
)
_NO_ROLE: Final = "whoever stands behind what uploaded it has no role in the project any more"
_CLOSED: Final = "the account of whoever stands behind what uploaded it is not in order"
_PUBLISHERS_ALONE: Final = "the project takes files from trusted publishers only by now"


def find_objection(project: Project, staged: StagedFile) -> str:
    """Return why the file can't be published, as the end of a sentence; empty: nothing is against it."""
    if staged.uploaded_via == "publisher":
        return _of_publisher(project, staged)
    if project.only_publishers:
        return _PUBLISHERS_ALONE
    return _of_token(
        project, Token.objects.filter(pk=_number(staged.credential)).select_related("user").first()
    )


def _of_token(project: Project, token: Token | None) -> str:
    if token is None or token.revoked_at is not None:
        return _REVOKED
    if is_resting(token):
        return _RESTS
    if token.organization_id is not None and project.pk not in reach_of(token):
        return _LEFT
    if holds.effective_state(token.user, clock.now()) == User.State.HELD:
        return _CLOSED  # its tokens publish nothing now; publishers go on while an account is on hold
    return _of_person(project, token.user)


def _of_publisher(project: Project, staged: StagedFile) -> str:
    if MintedToken.objects.filter(pk=_number(staged.credential), revoked_at__isnull=False).exists():
        return _MINTED_REVOKED
    key = staged.description.get("publication", {}).get("publisher")
    rows = Publisher.objects.filter(pk=key if isinstance(key, int) else 0, pending_normalized_name="")
    publisher = rows.select_related("configured_by", "project").first()
    if publisher is not None and project.pk not in with_reach([publisher])[0].reach:
        return _REMOVED
    if publisher is None:
        return _REMOVED
    organization_id = publisher.organization_id
    if organization_id is not None and publisher.configured_by_id not in owner_ids(organization_id):
        return _PUBLISHER_RESTS
    # one that was confirmed by another owner since acts for them
    return _of_person(project, publisher.configured_by)


def _of_person(project: Project, person: User) -> str:
    if person.state != User.State.ACTIVE:
        return _CLOSED
    return "" if find_role_kind(person.pk, Thing("project", project.pk)) else _NO_ROLE


def _number(credential: str) -> uuid.UUID:
    try:
        return uuid.UUID(credential)
    except ValueError:
        return NO_TOKEN
