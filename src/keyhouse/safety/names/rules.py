"""Which reserved names a name meets. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from keyhouse.distfiles.metadata_rules import is_valid_name
from keyhouse.distfiles.names import fold, normalise

PREFIX: Final = "-*"


class Pattern(NamedTuple):
    """A name or prefix as it is kept."""

    name: str
    folded: str
    is_prefix: bool


def read_pattern(text: str) -> Pattern | None:
    """Read `acme` or `acme-*`; None for what no project could be called."""
    bare = text.removesuffix(PREFIX)
    if not is_valid_name(bare) or len(bare) > 200:  # noqa: PLR2004 - the column
        return None
    name = normalise(bare)
    return Pattern(name, fold(name), is_prefix=bare != text)


def meant_by(text: str) -> str | None:
    """Return what whoever typed `acme*` may write instead, or None where no prefix is meant."""
    kept = read_pattern(text.removesuffix("*").rstrip("-_.")) if text.endswith("*") else None
    if kept is None:
        return None
    return f"A prefix ends at a hyphen: {kept.name}-* keeps {kept.name} and every name that begins with {kept.name}-."


def beginnings(name: str) -> list[str]:
    """Return the folded beginnings of a name up to each of its hyphens, and the whole: what a prefix is compared with.

    So `acme-*` keeps `acme`, `acme-tools` and `ac-me-tools`, and leaves `acmetools` alone.
    """
    parts = normalise(name).split("-")
    return [fold("-".join(parts[:count])) for count in range(1, len(parts) + 1)]
