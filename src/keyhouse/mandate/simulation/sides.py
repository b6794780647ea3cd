"""The operators' page that lays two versions side by side: what they say differently, and who changes sides (X6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.core import actions, clock
from keyhouse.mandate.documents import Mandate, in_words, read_mandate
from keyhouse.mandate.errors import MandateMissing
from keyhouse.mandate.models import MandateVersion
from keyhouse.mandate.planning import differences
from keyhouse.mandate.simulation import comparing, queries, running, told

AT_ONCE_UP_TO: Final = 5_000  # accounts that are counted while somebody waits for the page


@dataclass(frozen=True, slots=True)
class Compared:
    """Two versions side by side; `found` is empty where they were compared by their words alone."""

    before: MandateVersion
    after: MandateVersion
    found: Mapping[str, Any]

    @property
    def differences(self) -> list[tuple[str, str, str]]:
        """Return field, and what either says."""
        both = self.before.document, self.after.document
        return [
            (in_words(one.as_dict()["path"]), told.value(one.before), told.value(one.after))
            for one in differences(*both)
        ]

    @property
    def stages(self) -> list[dict[str, Any]]:
        """Return how people stand under both at each instant."""
        return [{**mark, "instant": told.instant_of(mark)} for mark in self.found["stages"]]


@actions.classified(GET="mandate.read-all")
def page(request: AskedRequest, name: str) -> HttpResponse:
    """Let two versions be chosen, and show how they differ. Keeps nothing."""
    versions = queries.versions_to_compare(name)
    if not any(row.name == name for row in versions):
        raise MandateMissing
    before, after = _chosen(request, versions)
    is_large = running.count_people() > AT_ONCE_UP_TO
    context = {
        "name": name,
        "versions": versions,
        "before": before,
        "after": after,
        "is_large": is_large,
        "most": AT_ONCE_UP_TO,
        "shown": _compared(before, after, clock.now(), is_large=is_large),
    }
    return render(request, "simulation/compare.html", context)


def _chosen(
    request: AskedRequest, versions: Sequence[MandateVersion]
) -> tuple[MandateVersion, MandateVersion]:
    """Return the two that are asked for; whatever is none of them is the newest, and what it would take the place of."""
    known = {str(row): row for row in versions}
    after = known.get(request.GET.get("after", ""), versions[0])
    others = [row for row in versions if row.name == after.name and row.version < after.version]
    usual = (others or [row for row in versions if row != after] or [after])[0]
    return known.get(request.GET.get("before", ""), usual), after


def _compared(
    before: MandateVersion, after: MandateVersion, now: datetime, *, is_large: bool
) -> Compared | None:
    if before == after:
        return None
    found = {} if is_large else comparing.compare(_read(before), _read(after), now)
    return Compared(before, after, found)


def _read(row: MandateVersion) -> Mandate:
    return read_mandate(row.document)
