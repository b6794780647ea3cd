"""The fields of the upload form, as sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

_UNKNOWN: Final = "UNKNOWN"

ACTION: Final = ":action"
STAGE: Final = ":stage"
DIGESTS: Final = MappingProxyType({"md5_digest": 32, "sha256_digest": 64, "blake2_256_digest": 64})

# Fields that say one thing; a second one could be read differently by somebody else.
SINGLE: Final = frozenset(
    {
        ACTION,
        STAGE,
        "protocol_version",
        "filetype",
        "pyversion",
        *DIGESTS,
        "metadata_version",
        "name",
        "version",
        "summary",
        "description",
        "description_content_type",
        "author",
        "author_email",
        "maintainer",
        "maintainer_email",
        "license",
        "license_expression",
        "home_page",
        "download_url",
        "requires_python",
        "attestations",
    }
)
REPEATED: Final = frozenset({"requires_dist", "provides_extra", "license_file", "license_files"})
KNOWN: Final = SINGLE | REPEATED


class Form:
    """The known fields of a form. Values that are empty or `UNKNOWN` (older tools) count as not sent."""

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in fields:
            if value and value != _UNKNOWN:
                self._values.setdefault(name, []).append(value)

    def one(self, name: str) -> str:
        """Return the value of a field, or an empty string where it wasn't sent."""
        values = self._values.get(name)
        return values[0] if values else ""

    def repeated(self) -> list[str]:
        """Return the names of fields that must stand once and don't."""
        return [name for name, values in self._values.items() if name in SINGLE and len(values) > 1]

    def as_mapping(self) -> Mapping[str, list[str]]:
        """Return every field with its values."""
        return self._values


def is_known(name: str) -> bool:
    """Tell whether a field means anything to an upload; the rest of what is served comes from the file."""
    return name in KNOWN
