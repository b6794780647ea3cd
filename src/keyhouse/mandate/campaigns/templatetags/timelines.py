"""Time lines on pages: `{% load timelines %}{% timeline policy %}`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template

from keyhouse.core import clock
from keyhouse.mandate.campaigns.drawing import draw
from keyhouse.mandate.campaigns.finding import shadow_of_version
from keyhouse.mandate.campaigns.timeline import timeline_of
from keyhouse.mandate.rules import Policy

register = template.Library()


@register.inclusion_tag("campaigns/timeline.html", name="timeline")
def show_timeline(policy: Policy, now: datetime | None = None) -> dict[str, Any]:
    """Draw the time line of a version, with the list that says the same; names of people stand in neither."""
    line = timeline_of(policy, now or clock.now(), shadow_of_version(policy))
    rows = [{"event": one, "is_past": one.is_past(line.now)} for one in line.events]
    place = 0
    for row in rows:
        event = row["event"]
        if getattr(event, "kind", "") == "stage":
            place += 1
            row["place"] = place
    return {"line": line, "drawing": draw(line), "rows": rows, "id": f"{policy.name}-{policy.version}"}
