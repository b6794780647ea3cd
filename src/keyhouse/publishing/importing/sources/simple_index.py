"""Any index that installers can read: PEP 691 where it speaks JSON, else PEP 503."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from keyhouse.distfiles.names import normalise
from keyhouse.publishing.importing import pages
from keyhouse.publishing.importing.client import Client
from keyhouse.publishing.importing.errors import HostNotAllowed, SourcePageInvalid, SourceUnusable
from keyhouse.publishing.importing.names import require_project_name
from keyhouse.publishing.importing.offers import Offer, Offered


class SimpleIndex:
    """The index whose root list stands at the client's address."""

    kind = "simple"
    root: Path | None = None

    def __init__(self, client: Client) -> None:
        self._client = client
        self._root = client.base.rstrip("/") + "/"
        self.told = self._root

    def names(self) -> list[str]:
        """Return the names on the root list; raises SourceUnusable where there is none."""
        page = self._client.page(self._root, pages.ACCEPT)
        if page is None:
            raise SourceUnusable(f"There is no index at {self._root}.")
        self._root = page.url.rstrip("/") + "/"  # of a redirect within the same host
        return pages.read_names(page.body, page.content_type, page.url)

    def offered(self, name: str) -> Offered:
        """Return what the page of a project offers; a project without a page offers nothing."""
        require_project_name(name)
        page = self._client.page(f"{self._root}{normalise(name)}/", pages.ACCEPT)
        if page is None:
            raise SourcePageInvalid("The source lists this project and has no page of it.")
        found = pages.read_project(name, page.body, page.content_type, page.url)
        return replace(found, files=tuple(map(self._judged, found.files)))

    def find_sha256(self, offer: Offer) -> str | None:
        """Return the digest that the page tells."""
        return offer.hashes.get("sha256")

    def pieces(self, offer: Offer, most: int) -> Iterator[bytes]:
        """Give the bytes of a file."""
        return self._client.pieces(offer.address, most)

    def stop(self) -> None:
        """End whatever is being waited for."""
        self._client.stop()

    def _judged(self, offer: Offer) -> Offer:
        return judged(self._client, offer)


def judged(client: Client, offer: Offer) -> Offer:
    """Return an offer with the problem that its address has, if it has one."""
    if offer.problem is not None:
        return offer
    try:
        client.require_allowed(offer.address)
    except HostNotAllowed as problem:
        return replace(offer, problem=problem)
    return offer
