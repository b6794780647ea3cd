"""How what will be refused one day is told beside an answer that is still a yes."""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import format_datetime

from keyhouse.core import configuration
from keyhouse.core.actions import Caution


def headers_of(caution: Caution) -> dict[str, str]:
    """Return the headers that programs may heed: `Deprecation`, `Sunset` (RFC 8594) where the day is known, `Link`."""
    base, code = configuration.current().base_url, code_of(caution)
    told = {
        "Deprecation": "true",
        "Link": f'<{base}/help/codes/{code}/>; rel="help", <{base}/mandate/>; rel="sunset"',
    }
    if caution.until is not None:
        told["Sunset"] = format_datetime(caution.until.replace(microsecond=0), usegmt=True)
    return told


def soonest(cautions: Sequence[Caution]) -> Caution:
    """Return the caution whose day comes first; those without a day come last."""
    return min(cautions, key=lambda one: (one.until is None, one.until.timestamp() if one.until else 0.0))


def code_of(caution: Caution) -> str:
    """Return the code that the refusal will have."""
    return caution.line.partition(":")[0]


def text_of(caution: Caution) -> str:
    """Return what is lacking and what to do, without code, mandate and day, which a page shows in its own way."""
    told, _, of_mandate = caution.line.partition(": ")[2].partition(f" Mandate {caution.mandate} ")
    return f"{told} {of_mandate.partition('. ')[2]}".rstrip()
