"""An index of devpi-server, by its own JSON, which tells when and by whom each file was uploaded.

Only what lies in this very index is offered: what it shows of its bases is theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from keyhouse.distfiles.findings import shown
from keyhouse.publishing.importing import pages
from keyhouse.publishing.importing.client import Client
from keyhouse.publishing.importing.errors import SourceEntryInvalid, SourcePageInvalid, SourceUnusable
from keyhouse.publishing.importing.names import require_project_name
from keyhouse.publishing.importing.offers import Offer, Offered
from keyhouse.publishing.importing.sources.simple_index import judged

SIMPLE: Final = "/+simple"
VERSION_HEADER: Final = "x-devpi-api-version"
_JSON: Final = "application/json"
_FILE: Final = "releasefile"
_LONGEST_NAME: Final = 50
_FIX: Final = "Name one index of it: https://HOST/USER/INDEX."


class DevpiIndex:
    """One index, `USER/NAME` of a devpi-server."""

    kind = "devpi"
    root: Path | None = None

    def __init__(self, client: Client) -> None:
        self._client = client
        self._root = client.base.rstrip("/").removesuffix(SIMPLE)
        self.told = self._root

    def names(self) -> list[str]:
        """Return the projects that have files in this very index."""
        found = self._result(self._root, "indexconfig")
        if found.get("type") == "mirror":
            raise SourceUnusable(
                "This is a mirror of another index.", fix="Import from an index that holds files of its own."
            )
        names = found.get("projects")
        if not isinstance(names, list):
            raise SourcePageInvalid("The index of devpi has no list of projects.")
        return [name for name in names if isinstance(name, str)]

    def offered(self, name: str) -> Offered:
        """Return the files of one project."""
        require_project_name(name)
        versions = self._result(f"{self._root}/{name}?ignore_bases=", "projectconfig")
        links = (link for data in versions.values() if isinstance(data, dict) for link in _links(data))
        return Offered(name, tuple(judged(self._client, _offer(link)) for link in links))

    def find_sha256(self, offer: Offer) -> str | None:
        """Return the digest that devpi tells."""
        return offer.hashes.get("sha256")

    def pieces(self, offer: Offer, most: int) -> Iterator[bytes]:
        """Give the bytes of a file."""
        return self._client.pieces(offer.address, most)

    def stop(self) -> None:
        """End whatever is being waited for."""
        self._client.stop()

    def _result(self, url: str, kind: str) -> dict[str, Any]:
        page = self._client.page(url, _JSON)
        if page is None:
            raise SourceUnusable(f"There is no {shown(url, 120)}.")
        document = pages.read_document(page.body)
        if document.get("type") != kind or not isinstance(document.get("result"), dict):
            raise SourcePageInvalid(f"{shown(url, 120)} is no page of devpi.", fix=_FIX)
        result: dict[str, Any] = document["result"]
        return result


def _links(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    links = data.get("+links") or []
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("rel") == _FILE:
            yield link


def _offer(link: Mapping[str, Any]) -> Offer:
    href = link.get("href")
    if not isinstance(href, str):
        return Offer("", problem=SourceEntryInvalid("An entry of devpi has no address."))
    at, who = _upload(link.get("log"))
    return Offer(
        filename=href.partition("#")[0].rpartition("/")[2],
        address=href,
        hashes=pages.read_hashes(link.get("hashes")) or _read_spec(link.get("hash_spec")),
        uploaded_at=at,
        uploaded_by=who,
    )


def _read_spec(spec: object) -> dict[str, str]:
    name, _, digest = str(spec or "").partition("=")
    return pages.read_hashes({name: digest})


def _upload(log: object) -> tuple[datetime | None, str]:
    """Return when the bytes that are there came, and by whom; overwritten ones came last."""
    entries = [entry for entry in log if isinstance(entry, dict)] if isinstance(log, list) else []
    for entry in reversed(entries):
        if str(entry.get("what")) in {"upload", "push", "overwrite"} and (at := _instant(entry.get("when"))):
            return at, str(entry.get("who") or "")[:_LONGEST_NAME]
    return None, ""


def _instant(when: object) -> datetime | None:
    try:
        return datetime(*when[:6], tzinfo=UTC) if isinstance(when, list) else None  # type: ignore[misc]  # six numbers, or TypeError
    except (TypeError, ValueError, OverflowError):
        return None
