"""What is inside one stored archive, for people to look at. Nothing is unpacked to disk.

The parsers are those that judge uploads, with narrower bounds: a page waits for this. So an archive that came before
today's rules, and that two readers could understand differently, isn't listed; the refusal says why.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, Literal

from keyhouse.distfiles.findings import UnacceptableError
from keyhouse.distfiles.rules import Bounds
from keyhouse.distfiles.source import Source
from keyhouse.distfiles.tar_framing import TarContents, Wanted, read_tar_gz
from keyhouse.distfiles.zip_contents import read_chunks
from keyhouse.distfiles.zip_framing import ZipMember, read_zip

Kind = Literal["file", "folder", "link"]

_MIB: Final = 1024 * 1024
BOUNDS: Final = Bounds(
    members=20_000, path_length=1024, expanded_size=1024 * _MIB, free_expansion=64 * _MIB, total_ratio=50
)
LONGEST_TEXT: Final = 64 * 1024  # bytes of a member that are shown


class SlowError(Exception):
    """Reading took longer than a page may wait."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an archive; `target` is where a link leads."""

    path: str
    kind: Kind
    size: int = 0
    target: str = ""


@dataclass(frozen=True, slots=True)
class MemberText:
    """The beginning of a member as text, or that it is none."""

    text: str
    is_binary: bool
    is_cut: bool


@dataclass(frozen=True, slots=True)
class TimedSource(Source):
    """Another source that gives up at an instant of the monotonic clock (`ends`)."""

    inner: Source
    ends: float

    @classmethod
    def around(cls, inner: Source, seconds: float) -> TimedSource:
        """Return the source with that much time left."""
        return cls(inner.descriptor, inner.size, inner, time.monotonic() + seconds)

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes; raises `SlowError` when the time is over."""
        if time.monotonic() >= self.ends:
            raise SlowError
        return self.inner.read_at(offset, length)


def list_members(source: Source, filename: str) -> tuple[Member, ...]:
    """Return all members in the order of their paths.

    Raises `UnacceptableError` for an archive that today's rules refuse or that is larger than can be listed, and
    `SlowError`.
    """
    if is_zip(filename):
        members = [_zip_member(member) for member in read_zip(source, BOUNDS)]
    else:
        members = _tar_members(read_tar_gz(source, BOUNDS))
    return tuple(sorted(members, key=lambda member: member.path))


def read_text(source: Source, filename: str, path: str) -> MemberText:
    """Return the beginning of the file at `path` as text; raises what `list_members` raises, also where it is none."""
    if is_zip(filename):
        found = next((member for member in read_zip(source, BOUNDS) if member.path == path), None)
        if found is None or found.is_folder:
            raise UnacceptableError("archive-malformed", "The archive has no such file.")
        return _as_text(_beginning(source, found), found.size)
    contents = read_tar_gz(source, BOUNDS, Wanted(path, LONGEST_TEXT))
    if contents.wanted is None:
        raise UnacceptableError("archive-malformed", "The archive has no such file.")
    return _as_text(contents.wanted, contents.sizes[contents.files.index(path)])


def is_zip(filename: str) -> bool:
    """Tell whether a distribution of that name is a ZIP archive; all others are compressed TARs."""
    return filename.endswith((".whl", ".zip", ".egg"))


def _zip_member(member: ZipMember) -> Member:
    return Member(member.path, "folder" if member.is_folder else "file", member.size)


def _tar_members(contents: TarContents) -> list[Member]:
    links = contents.symbolic_links | contents.hard_links
    return [
        *(Member(path, "file", size) for path, size in zip(contents.files, contents.sizes, strict=True)),
        *(Member(path, "folder") for path in contents.folders),
        *(Member(path, "link", target=target) for path, target in links.items()),
    ]


def _beginning(source: Source, member: ZipMember) -> bytes:
    kept = bytearray()
    for piece in read_chunks(source, member):
        kept += piece[: LONGEST_TEXT - len(kept)]
        if len(kept) == LONGEST_TEXT:
            break
    return bytes(kept)


def _as_text(data: bytes, size: int) -> MemberText:
    """Read UTF-8; a character that was cut at the end is dropped."""
    is_cut = size > len(data)
    for dropped in range(4 if is_cut else 1):
        try:
            text = data[: len(data) - dropped].decode()
        except UnicodeDecodeError:
            continue
        return (
            MemberText("", is_binary=True, is_cut=False) if "\0" in text else MemberText(text, False, is_cut)
        )
    return MemberText("", is_binary=True, is_cut=False)
