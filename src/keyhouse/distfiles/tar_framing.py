"""Read a gzip-compressed TAR archive as a stream, refusing what readers understand differently.

Source: POSIX.1-2017 pax (ustar and extended headers), the GNU tar manual (long names), RFC 1952.
Nothing is written to disk and nothing but the metadata file is kept.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn

from keyhouse.distfiles.findings import UnacceptableError, shown
from keyhouse.distfiles.member_paths import check_distinct, check_path
from keyhouse.distfiles.rules import Bounds
from keyhouse.distfiles.source import Source

BLOCK: Final = 512
_CHUNK = 1024 * 1024
_LONGEST_HEADER = 64 * 1024
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_POSIX_MAGIC = b"ustar\x0000"
# mode, owner, group, time and device: of no use here, but an installer's reader stops at a wrong one
_UNUSED_NUMBERS: Final = (
    slice(100, 108),
    slice(108, 116),
    slice(116, 124),
    slice(136, 148),
    slice(329, 337),
    slice(337, 345),
)
_PAX_RECORD = re.compile(rb"([1-9][0-9]{0,5}) ([^=\n]+)=")
_REGULAR = (b"0", b"\0")
_HARD_LINK, _SYMBOLIC_LINK, _FOLDER = b"1", b"2", b"5"
_EXTENDED, _GLOBAL, _LONG_NAME, _LONG_LINK = b"x", b"g", b"L", b"K"
_RENAMING = ("path", "linkpath", "size", "hdrcharset")
_MOST_LINK_STEPS = 40
_MOST_LINK_PARTS = 200_000  # looked at while following all links of one archive
_DEEPEST = 512  # folders inside each other; no system has room for more in a path
_METADATA_NAME = "PKG-INFO"


@dataclass(slots=True)
class TarContents:
    """What is in the archive: paths without trailing slashes, and the sizes of `files` in their order.

    Of contents only the first `{folder}/PKG-INFO` is kept, and the beginning of the file that is `wanted`.
    """

    files: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    symbolic_links: dict[str, str] = field(default_factory=dict)
    hard_links: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, bytes] = field(default_factory=dict)
    wanted: bytes | None = None

    @property
    def top_names(self) -> set[str]:
        """Return the first part of every path."""
        paths = (*self.files, *self.folders, *self.symbolic_links, *self.hard_links)
        return {path.partition("/")[0] for path in paths}

    @property
    def top_files(self) -> set[str]:
        """Return the paths that lie in no folder and are not one."""
        paths = (*self.files, *self.symbolic_links, *self.hard_links)
        return {path for path in paths if "/" not in path}


@dataclass(slots=True)
class _Overrides:
    """What extended headers say about the next member."""

    path: str | None = None
    link: str | None = None
    size: int | None = None
    is_extended: bool = False

    @property
    def is_empty(self) -> bool:
        return self.path is None and self.link is None and not self.is_extended


@dataclass(frozen=True, slots=True)
class _Header:
    """One 512-byte header."""

    path: str
    kind: bytes
    size: int
    link: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file whose first bytes, at most `most`, are to be kept."""

    path: str
    most: int


def read_tar_gz(source: Source, bounds: Bounds, wanted: Wanted | None = None) -> TarContents:
    """Return what is in a `.tar.gz` archive, with the beginning of the file that is `wanted`.

    Raises `UnacceptableError` for devices, FIFOs, sparse files, links that leave the archive,
    unsafe or repeated paths, contradicting headers, surplus data and expansion beyond `bounds`.
    """
    stream = _Stream(_gunzip(source, bounds))
    contents = TarContents()
    reader = _Reader(stream, contents, source.size, bounds)
    reader.wanted = wanted
    while reader.read_next():
        pass
    stream.check_rest_is_zero()
    names = [*contents.files, *contents.symbolic_links, *contents.hard_links]
    if len(set(contents.folders)) != len(contents.folders):
        _refuse("archive-duplicate", "A folder stands in the archive more than once.")
    check_distinct(names, contents.folders)
    _check_links(contents)
    return contents


def looks_like_gzip(source: Source) -> bool:
    """Tell whether the file begins like gzip (RFC 1952)."""
    return source.size > 1 and source.read_at(0, 2) == b"\x1f\x8b"


def looks_like_tar(source: Source) -> bool:
    """Tell whether the file begins with a TAR header whose checksum is right."""
    return source.size >= BLOCK and _has_checksum(source.read_at(0, BLOCK))


class _Stream:
    """Exact reads from an iterator of byte chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = b""
        self._place = 0

    def read(self, length: int) -> bytes:
        """Return exactly `length` bytes; refuse an archive that ends before."""
        return b"".join(self.pieces(length))

    def pieces(self, length: int) -> Iterator[bytes]:
        """Yield exactly `length` bytes."""
        while length:
            piece = self._take(length)
            if not piece:
                _refuse("archive-truncated", "The archive ends inside a member.")
            length -= len(piece)
            yield piece

    def check_rest_is_zero(self) -> None:
        """Refuse anything but padding behind the end of the archive."""
        while piece := self._take(_CHUNK):
            if piece.count(0) != len(piece):
                _refuse("archive-surplus-data", "The archive has data after its end.")

    def _take(self, most: int) -> bytes:
        if self._place == len(self._buffer):
            self._buffer = next(self._chunks, b"")
            self._place = 0
        piece = self._buffer[self._place : self._place + most]
        self._place += len(piece)
        return piece


class _Reader:
    """Read members one after another."""

    def __init__(self, stream: _Stream, contents: TarContents, archive_size: int, bounds: Bounds) -> None:
        self._stream = stream
        self._contents = contents
        self._archive_size = archive_size
        self._bounds = bounds
        self._overrides = _Overrides()
        self._files: set[str] = set()
        self._members = 0
        self._expanded = 0
        self.wanted: Wanted | None = None

    def read_next(self) -> bool:
        """Read one header and what belongs to it; return False at the end of the archive."""
        block = self._stream.read(BLOCK)
        if not any(block):
            self._check_end()
            return False
        header = _parse_header(block)
        self._count(header)
        if header.kind in {_EXTENDED, _GLOBAL, _LONG_NAME, _LONG_LINK}:
            self._read_extension(header)
        else:
            self._read_member(header)
        return True

    def _check_end(self) -> None:
        if not self._overrides.is_empty:
            _refuse("archive-pax-header", "The archive ends with a header for no member.")
        if any(self._stream.read(BLOCK)):
            _refuse("archive-malformed", "The archive has an empty header between members.")

    def _count(self, header: _Header) -> None:
        self._members += 1
        if self._members > self._bounds.members:
            sentence = f"The archive has more than {self._bounds.members} members."
            _refuse("archive-too-many-members", sentence)
        self._expanded += BLOCK + header.size
        if not self._bounds.allow_expansion(self._archive_size, self._expanded):
            _refuse("archive-expansion", "The archive expands to more than is allowed.")

    def _read_extension(self, header: _Header) -> None:
        if header.size > _LONGEST_HEADER:
            _refuse("archive-pax-header", "An extended header is larger than 64 KiB.")
        data = self._stream.read(_padded(header.size))[: header.size]
        if header.kind == _GLOBAL:
            _check_global(_parse_pax(data))
        elif header.kind == _EXTENDED:
            self._apply_pax(_parse_pax(data))
        elif header.kind == _LONG_NAME:
            self._set_path(_decode(data.removesuffix(b"\0")))
        else:
            self._set_link(_decode(data.removesuffix(b"\0")))

    def _apply_pax(self, records: dict[str, str]) -> None:
        if self._overrides.is_extended:
            _refuse("archive-pax-header", "A member has two extended headers.")
        self._overrides.is_extended = True
        _check_keys(records)
        if "path" in records:
            self._set_path(records["path"])
        if "linkpath" in records:
            self._set_link(records["linkpath"])
        if "size" in records:
            self._overrides.size = _parse_size(records["size"])

    def _set_path(self, path: str) -> None:
        if self._overrides.path is not None:
            _refuse("archive-pax-header", "A member has two long names.")
        self._overrides.path = path

    def _set_link(self, link: str) -> None:
        if self._overrides.link is not None:
            _refuse("archive-pax-header", "A member has two long link targets.")
        self._overrides.link = link

    def _read_member(self, header: _Header) -> None:
        overrides, self._overrides = self._overrides, _Overrides()
        path = header.path if overrides.path is None else overrides.path
        link = header.link if overrides.link is None else overrides.link
        if overrides.size not in {None, header.size}:
            sentence = f"The headers of {shown(path)} give two sizes."
            _refuse("archive-headers-differ", sentence)
        bare = check_path(path, self._bounds.path_length)
        self._keep(_Header(bare, header.kind, header.size, link), has_slash=path.endswith("/"))

    def _keep(self, header: _Header, *, has_slash: bool) -> None:
        is_file = header.kind in _REGULAR
        if (has_slash and header.kind != _FOLDER) or (header.size and not is_file):
            _refuse("archive-member-kind", f"The member {shown(header.path)} has a wrong header.")
        if is_file:
            self._read_file(header)
        elif header.kind == _FOLDER:
            self._contents.folders.append(header.path)
        elif header.kind == _SYMBOLIC_LINK:
            self._keep_link(header, self._contents.symbolic_links)
        elif header.kind == _HARD_LINK:
            self._check_hard_link(header)
            self._keep_link(header, self._contents.hard_links)
        else:
            sentence = f"The member {shown(header.path)} is a device, a FIFO or a sparse file."
            _refuse("archive-member-kind", sentence)

    def _check_hard_link(self, header: _Header) -> None:
        if header.link not in self._files:
            sentence = f"The hard link {shown(header.path)} does not lead to a file before it."
            _refuse("archive-link", sentence)

    def _keep_link(self, header: _Header, links: dict[str, str]) -> None:
        if header.path in links:
            sentence = f"More than one member of the archive is called {shown(header.path)}."
            _refuse("archive-duplicate", sentence)
        if len(header.link) > self._bounds.path_length:
            _refuse("archive-link", f"The link {shown(header.path)} has too long a target.")
        links[header.path] = header.link

    def _read_file(self, header: _Header) -> None:
        self._contents.files.append(header.path)
        self._contents.sizes.append(header.size)
        self._files.add(header.path)
        if self.wanted is not None and self.wanted.path == header.path:
            self._contents.wanted = self._read_beginning(header.size, self.wanted.most)
            return
        folders, _, name = header.path.rpartition("/")
        pieces = self._stream.pieces(_padded(header.size))
        is_metadata = name == _METADATA_NAME and folders and "/" not in folders
        if not is_metadata or self._contents.metadata:
            for _ in pieces:
                pass
            return
        if header.size > self._bounds.metadata_size:
            _refuse("metadata-too-large", f"The file {shown(header.path)} is too large.")
        self._contents.metadata[header.path] = b"".join(pieces)[: header.size]

    def _read_beginning(self, size: int, most: int) -> bytes:
        kept = bytearray()
        for piece in self._stream.pieces(_padded(size)):
            kept += piece[: most - len(kept)]
        return bytes(kept[:size])


def _gunzip(source: Source, bounds: Bounds) -> Iterator[bytes]:
    """Yield the contents of exactly one gzip member in chunks of at most 1 MiB."""
    if not looks_like_gzip(source):
        _refuse("archive-malformed", "The file is not compressed with gzip.")
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    expanded = 0
    for chunk in source.chunks(0, source.size):
        if inflater.eof:
            _refuse("archive-surplus-data", "There is data after the compressed archive.")
        for piece in _inflate_chunk(inflater, chunk):
            expanded += len(piece)
            if not bounds.allow_expansion(source.size, expanded):
                _refuse("archive-expansion", "The archive expands to more than is allowed.")
            yield piece
    if not inflater.eof:
        _refuse("archive-truncated", "The compressed data ends too early.")
    if inflater.unused_data:
        _refuse("archive-surplus-data", "There is data after the compressed archive.")


def _inflate_chunk(inflater: "zlib._Decompress", chunk: bytes) -> Iterator[bytes]:
    is_pending = True
    while is_pending and not inflater.eof:
        try:
            piece = inflater.decompress(chunk, _CHUNK)
        except zlib.error:
            _refuse("archive-corrupt", "The compressed data is damaged; build the file again.")
        if piece:
            yield piece
        chunk = inflater.unconsumed_tail
        is_pending = bool(chunk) or len(piece) == _CHUNK


def _parse_header(block: bytes) -> _Header:
    if not _has_checksum(block):
        _refuse("archive-malformed", "A header of the archive is damaged or missing.")
    prefix = _until_nul(block[345:500])
    if prefix and not block.startswith(_POSIX_MAGIC, 257):
        # some readers would put it before the path and some would not
        _refuse("archive-headers-differ", "A header that is not POSIX has a prefix.")
    for place in _UNUSED_NUMBERS:
        _check_number(block[place])
    name = _until_nul(block[:100])
    return _Header(
        path=_decode(prefix + b"/" + name if prefix else name),
        kind=block[156:157],
        size=_parse_number(block[124:136]),
        link=_decode(_until_nul(block[157:257])),
    )


def _has_checksum(block: bytes) -> bool:
    match = _OCTAL.fullmatch(block[148:156])
    if match is None or not match[1]:
        return False
    return sum(block[:148]) + sum(block[156:]) + 8 * 0x20 == int(match[1], 8)


def _parse_number(data: bytes) -> int:
    if data[0] == 0x80:  # noqa: PLR2004 - a positive base-256 number follows (GNU and star)
        return int.from_bytes(data[1:], "big")
    match = _OCTAL.fullmatch(data)
    if match is None:
        _refuse("archive-malformed", "A header of the archive has a number that is none.")
    return int(match[1] or b"0", 8)


def _check_number(data: bytes) -> None:
    """Take what other readers can read, also negative numbers (before 1970) in base 256."""
    if data[0] != 0xFF:  # noqa: PLR2004 - the mark of a negative base-256 number
        _parse_number(data)


def _parse_size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):  # noqa: PLR2004 - 64 bits
        _refuse("archive-pax-header", "An extended header has a size that is no number.")
    return int(text)


def _parse_pax(data: bytes) -> dict[str, str]:
    records: dict[str, str] = {}
    place = 0
    while place < len(data):
        match = _PAX_RECORD.match(data, place)
        end = place + int(match[1]) if match else 0
        if match is None or end > len(data) or end <= match.end() or data[end - 1] != 0x0A:  # noqa: PLR2004 - a line feed
            _refuse("archive-pax-header", "An extended header is malformed.")
        key = _decode(match[2])
        if key in records:
            _refuse("archive-pax-header", "An extended header says something twice.")
        records[key] = _decode_value(key, data[match.end() : end - 1])
        place = end
    return records


def _decode_value(key: str, value: bytes) -> str:
    """Only values that are used must be UTF-8: owners' names may be in any encoding."""
    return _decode(value) if key in _RENAMING else ""


def _check_keys(records: dict[str, str]) -> None:
    if "hdrcharset" in records or any(key.startswith("GNU.sparse") for key in records):
        sentence = "An extended header makes a member sparse or changes the encoding."
        _refuse("archive-pax-header", sentence)


def _check_global(records: dict[str, str]) -> None:
    _check_keys(records)
    if any(key in records for key in _RENAMING):
        _refuse("archive-pax-header", "A global header renames or resizes members.")


def _check_links(contents: TarContents) -> None:
    budget = iter(range(_MOST_LINK_PARTS))
    for path in contents.symbolic_links:
        if not _stays_inside(path, contents.symbolic_links, budget):
            sentence = f"The link {shown(path)} leads out of its top folder, or all links together too far."
            _refuse("archive-link", sentence)


def _stays_inside(path: str, links: dict[str, str], budget: Iterator[int]) -> bool:
    """Follow a link part by part, as a file system does, never above the top folder.

    `budget` gives one number for each part that may still be looked at.
    """
    top = path.partition("/")[0]
    waiting = path.split("/")[::-1]
    place: list[str] = []
    steps = 0
    while waiting:
        part = waiting.pop()
        if next(budget, None) is None or len(place) > _DEEPEST:
            return False
        if part == "..":
            if len(place) <= 1:
                return False
            place.pop()
            continue
        target = links.get("/".join([*place, part]))
        steps += target is not None
        if target is None:
            place += [part] if part not in {"", "."} else []
        elif steps > _MOST_LINK_STEPS or target.startswith("/") or not _is_plain(target):
            return False
        else:
            waiting += target.split("/")[::-1]
    return place[:1] == [top]


def _is_plain(target: str) -> bool:
    return bool(target) and "\\" not in target and target.isprintable() and ":" not in target


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _until_nul(data: bytes) -> bytes:
    return data.partition(b"\0")[0]


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        _refuse("archive-path", "A name in the archive is not UTF-8.")


def _refuse(code: str, sentence: str) -> NoReturn:
    raise UnacceptableError(code, sentence)
