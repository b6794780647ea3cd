"""How a refusal by the gate is told to programs and people: one line that says what to do, and where to read more."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from keyhouse.core import clock, configuration
from keyhouse.core.errors import Refusal
from keyhouse.mandate.defaults import BEGINNING
from keyhouse.mandate.rules import FLOOR

LONGEST_LINE: Final = 200  # characters that a status line carries through every client


def line_of(refusal: Refusal) -> str:
    """Return `code: reason fix`: what happened and what to do in one line; the mandate is left out where it won't fit."""
    whole = f"{refusal.line} {refusal.fix}".rstrip()
    if len(whole) <= LONGEST_LINE and not is_from_the_beginning(refusal):
        return whole
    return f"{refusal.code}: {sentence_of(refusal)} {refusal.fix}".rstrip()


def sentence_of(refusal: Refusal) -> str:
    """Return what happened, without which mandate says so since when."""
    name = _decision_of(refusal).get("mandate")
    return refusal.sentence.partition(f" Mandate {name} ")[0] if name else refusal.sentence


def is_from_the_beginning(refusal: Refusal) -> bool:
    """Whether it has been refused for as long as this index exists, so that no day need be told."""
    since = since_of(refusal)
    return since is not None and since <= BEGINNING


def since_of(refusal: Refusal) -> datetime | None:
    """Return since when it is refused, where that is known."""
    since = _decision_of(refusal).get("since")
    return None if since is None else clock.parse_instant(str(since))


def is_by_mandate(refusal: Refusal) -> bool:
    """Whether a mandate stands behind it that can be read about; the operators' floor is none."""
    return _decision_of(refusal).get("mandate") not in {None, FLOOR}


def details_of(refusal: Refusal) -> list[str]:
    """Return further lines: which mandate since when, and where to read and mend it, as full addresses."""
    decision, base = _decision_of(refusal), configuration.current().base_url
    lines = [f"Mandate: {mandate_of(refusal)}"] if is_by_mandate(refusal) else []
    if decision.get("until"):
        lines.append(f"Until: {decision['until']}")
    path = (decision.get("fix") or {}).get("path")
    if path:
        lines.append(f"What to do: {refusal.fix} {base}{path}")
    lines.append(f"What is asked of you: {base}/account/mandate/")
    lines.append(f"What this means: {base}/help/codes/{refusal.code}/")
    return lines


def name_of(refusal: Refusal) -> str:
    """Return the name of the mandate behind a denial; nothing where there is none."""
    return str(_decision_of(refusal)["mandate"]) if is_by_mandate(refusal) else ""


def label_of(refusal: Refusal) -> str:
    """Return name and version of the mandate behind a denial; nothing where there is none."""
    decision = _decision_of(refusal)
    return f"{decision['mandate']}, version {decision['version']}" if is_by_mandate(refusal) else ""


def mandate_of(refusal: Refusal) -> str:
    """Return name, version and since when the mandate behind a denial refuses it."""
    since = since_of(refusal)
    if since is None:
        return label_of(refusal)
    told = "this index began" if is_from_the_beginning(refusal) else clock.format_instant(since)
    return f"{label_of(refusal)}, since {told}"


def _decision_of(refusal: Refusal) -> dict[str, Any]:
    return dict(refusal.decision or {})
