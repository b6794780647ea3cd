"""A refusal as programs take it: problem+json (RFC 9457)."""

from __future__ import annotations

from typing import Any, Final

from keyhouse.core import configuration
from keyhouse.core.errors import Refusal

CONTENT_TYPE: Final = "application/problem+json"
CHALLENGE: Final = 'Bearer realm="keyhouse"'
# Answers programs whatever they accept.
_FOR_PROGRAMS: Final = frozenset({"/mandate/check", "/_/mail/bounces", "/.well-known/pytp"})
_FOR_PROGRAMS_BELOW: Final = ("/_/oidc/",)


def is_wanted(path: str, accepted: str) -> bool:
    """Tell whether whoever asks for this path and accepts this is a program that takes JSON."""
    if path in _FOR_PROGRAMS or path.startswith(_FOR_PROGRAMS_BELOW):
        return True
    return "html" not in accepted and ("json" in accepted or path.endswith(".json"))


def problem_of(refusal: Refusal, status: int) -> dict[str, Any]:
    """Return the members of the problem; those about a mandate are null where none stands behind the refusal."""
    decision = refusal.decision or {}
    return {
        "type": help_page_of(refusal.code),
        "title": type(refusal).sentence,
        "status": status,
        "detail": refusal.sentence,
        "code": refusal.code,
        "mandate": decision.get("mandate"),
        "version": decision.get("version"),
        "since": decision.get("since"),
        "until": decision.get("until"),
        "fix": decision.get("fix") or ({"text": refusal.fix, "path": None} if refusal.fix else None),
    }


def help_page_of(code: str) -> str:
    """Return the full address of the page that explains a code."""
    return f"{configuration.current().base_url}/help/codes/{code}/"
