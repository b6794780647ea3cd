"""Which kind of source somebody has named."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from keyhouse.publishing.importing import pages
from keyhouse.publishing.importing.client import Client, Patience
from keyhouse.publishing.importing.errors import SourceUnusable
from keyhouse.publishing.importing.offers import Source
from keyhouse.publishing.importing.sources import devpi
from keyhouse.publishing.importing.sources.bandersnatch import BandersnatchTree, is_tree
from keyhouse.publishing.importing.sources.devpi import DevpiIndex
from keyhouse.publishing.importing.sources.folder import Folder
from keyhouse.publishing.importing.sources.simple_index import SimpleIndex

KINDS: Final = ("auto", "folder", "bandersnatch", "devpi", "simple")


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody said of the source beside where it is."""

    kind: str = "auto"
    allowed_hosts: Collection[str] = ()
    has_file_times: bool = False
    ca_file: Path | None = None
    patience: Patience = field(default_factory=Patience)


def open_source(where: str, choice: Choice) -> Source:
    """Return the source at a path or an address; raises a refusal where there is none of that kind."""
    source = _remote(where, choice) if "://" in where else _local(Path(where), choice)
    if choice.kind not in {"auto", source.kind}:
        raise SourceUnusable(f"This is no source of the kind {choice.kind}.")
    return source


def _local(folder: Path, choice: Choice) -> Source:
    if not folder.is_dir():
        raise SourceUnusable("There is no such folder.")
    if choice.kind == "bandersnatch" or (choice.kind == "auto" and is_tree(folder)):
        if not is_tree(folder):
            raise SourceUnusable("This folder has no web/simple and web/packages.")
        return BandersnatchTree(folder)
    return Folder(folder, has_file_times=choice.has_file_times)


def _remote(where: str, choice: Choice) -> Source:
    client = _client(where, choice)
    if choice.kind == "devpi" or (choice.kind == "auto" and _is_devpi(client)):
        return DevpiIndex(client)
    if choice.kind == "auto" and not client.base.rstrip("/").endswith("/simple"):
        below = where.rstrip("/") + "/simple/"
        inner = _client(below, choice)
        if inner.page(inner.base, pages.ACCEPT) is not None:
            return SimpleIndex(inner)
    return SimpleIndex(client)


def _client(where: str, choice: Choice) -> Client:
    return Client(where, allowed_hosts=choice.allowed_hosts, ca_file=choice.ca_file, patience=choice.patience)


def _is_devpi(client: Client) -> bool:
    if client.base.rstrip("/").endswith(devpi.SIMPLE):
        return True
    page = client.page(client.base, "application/json, text/html;q=0.5")
    return page is not None and devpi.VERSION_HEADER in page.headers
