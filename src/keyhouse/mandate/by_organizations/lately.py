"""What was published in an organization lately that it would refuse if it asked for something: the last days, asked once more.

Each upload is asked by the token or publisher that brought it, as strong as that is today. Nothing is written.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Max

from keyhouse.core.actor import Strength
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.mandate.declarations import Declared, Demand, policy_of
from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.facts import Asking
from keyhouse.mandate.rules import is_accepted
from keyhouse.organizations.models import Organization
from keyhouse.projects.models import File

LATELY: Final = timedelta(days=30)
MOST_NAMED: Final = 50
_IS_KEY: Final = re.compile(r"[0-9a-f]{32}")
_TOKEN, _PUBLISHER = "token", "publisher"


@dataclass(frozen=True, slots=True)
class Stopped:
    """Uploads to one project by one token or publisher that would have been refused."""

    project: str
    what: str
    files: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many files came by tokens and publishers lately, and which of them would have been refused, the latest first."""

    files: int
    stopped: tuple[Stopped, ...]

    @property
    def refused(self) -> int:
        """Return how many files would have been refused."""
        return sum(one.files for one in self.stopped)


def replay(organization: Organization, demand: Demand, now: datetime) -> Replayed:
    """Return what of the last 30 days a demand would have refused in the projects that stand there now."""
    would = Declared(1, demand.text, False, now, now, now)
    mandate = policy_of(would, organization.normalized_name).mandate
    rows = File.objects.filter(
        project__organization=organization,
        uploaded_at__gt=now - LATELY,
        uploaded_via__in=(_TOKEN, _PUBLISHER),
    )
    columns = ("project__normalized_name", "uploaded_via", "credential", "publication__publisher")
    found = list(rows.values_list(*columns).annotate(files=Count("pk"), last=Max("uploaded_at")).order_by())
    tokens = _tokens(key for _, way, key, _, _, _ in found if way == _TOKEN)
    publishers = Publisher.objects.in_bulk({key for *_, key, _, _ in found if isinstance(key, int)})
    stopped: dict[tuple[str, str], Stopped] = {}
    for project, way, key, publisher, files, last_at in found:
        what = (
            _of_token(tokens.get(key), mandate)
            if way == _TOKEN
            else _of_publisher(publishers.get(publisher), mandate)
        )
        if what:
            before = stopped.get((project, what), Stopped(project, what, 0, last_at))
            latest = max(before.last_at, last_at)
            stopped[project, what] = Stopped(project, what, before.files + files, latest)
    ordered = sorted(stopped.values(), key=lambda one: (one.last_at, one.project), reverse=True)
    return Replayed(sum(files for *_, files, _ in found), tuple(ordered))


def _tokens(keys: Iterable[str]) -> Mapping[str, Token]:
    wanted = [uuid.UUID(key) for key in set(keys) if _IS_KEY.fullmatch(key)]  # what was seeded names none
    known = Token.objects.select_related("user").in_bulk(wanted)
    return {key.hex: one for key, one in known.items()}


def _of_token(token: Token | None, mandate: Mandate) -> str:
    """Name a token that would be refused; one that is gone stops nothing. What people call their own ones is theirs alone."""
    if token is None or (mandate.takes_tokens and _is_enough(mandate, _TOKEN, token.strength)):
        return ""
    if token.is_robot:
        return f"the robot token “{token.description}” of {token.user.username}"
    return f"a token of {token.user.username}"


def _of_publisher(publisher: Publisher | None, mandate: Mandate) -> str:
    if publisher is None or _is_enough(mandate, _PUBLISHER, publisher.strength):
        return ""
    return f"the trusted publisher {publisher}"


def _is_enough(mandate: Mandate, kind: str, strength: Strength) -> bool:
    return is_accepted(mandate, Asking.of(kind, strength))
