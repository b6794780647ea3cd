"""How a refusal by the gate is told to programs and people: one line that says what to do, and where to read more."""

from __future__ import annotations

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
    since = _decision_of(refusal).get("since")
    return since is not None and clock.parse_instant(str(since)) <= BEGINNING


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


def mandate_of(refusal: Refusal) -> str:
    """Return name, version and since when the mandate behind a denial refuses it."""
    decision = _decision_of(refusal)
    version = f", version {decision['version']}" if decision.get("version") else ""
    since = decision.get("since")
    told = "this index began" if is_from_the_beginning(refusal) else since
    return f"{decision.get('mandate')}{version}" + (f", since {told}" if since else "")


def _decision_of(refusal: Refusal) -> dict[str, Any]:
    return dict(refusal.decision or {})
