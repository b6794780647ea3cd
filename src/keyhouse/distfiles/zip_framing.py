"""Read the frame of a ZIP archive so strictly that all readers must see the same members.

Installers, scanners and people open an archive with different readers: some trust the central
directory, some the local headers, some scan. An archive is accepted only where the two agree on
everything and every byte belongs to exactly one part. Source: PKWARE APPNOTE 6.3, sections 4.3-4.6.
"""

import re
import stat
import struct
from dataclasses import dataclass
from typing import Final, NamedTuple, NoReturn

from keyhouse.distfiles.findings import UnacceptableError, shown
from keyhouse.distfiles.member_paths import check_distinct, check_path
from keyhouse.distfiles.rules import Bounds
from keyhouse.distfiles.source import Source

STORED: Final = 0
DEFLATED: Final = 8
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR = struct.Struct("<4sIQI")
_END_SIGNATURE = b"PK\x05\x06"
_TAIL = _END.size + 0xFFFF
_FULL16 = 0xFFFF
_FULL32 = 0xFFFFFFFF
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_DESCRIPTOR = 0x8
_UTF8 = 0x800
_KNOWN_FLAGS = 0x6 | _UTF8  # 0x6: how hard the deflating was tried
_ZIP64_EXTRA = 0x0001
_RENAMING_EXTRAS = {0x7075, 0x6375, 0x0008}  # Unicode path, Unicode comment, code page
_NEWEST_NEEDED = 63  # APPNOTE 4.4.3: version 6.3 of the format
_LARGEST_DIRECTORY = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ZipMember:
    """One member; `data_offset` is where its `compressed_size` bytes begin."""

    path: str
    method: int
    crc: int
    compressed_size: int
    size: int
    header_offset: int
    data_offset: int
    is_folder: bool


class _End(NamedTuple):
    """Where the central directory lies, and what should be in it."""

    entries: int
    directory_size: int
    directory_offset: int
    start: int


class _Entry(NamedTuple):
    """One header of the central directory, with its sizes resolved."""

    name: bytes
    flags: int
    method: int
    crc: int
    compressed_size: int
    size: int
    offset: int
    mode: int


def read_zip(source: Source, bounds: Bounds) -> list[ZipMember]:
    """Return the members of a ZIP archive in the order of their data.

    Raises `UnacceptableError` for everything that two readers could understand differently, for
    paths that leave the archive and for members or expansion beyond `bounds`.
    """
    end = _find_end(source)
    if end.entries > bounds.members:
        sentence = f"The archive has more than {bounds.members} members."
        raise UnacceptableError("archive-too-many-members", sentence)
    entries = _read_directory(source, end)
    entries.sort(key=lambda entry: entry.offset)
    members = [_read_member(source, entry, bounds) for entry in entries]
    _check_gapless(members, end)
    _check_paths(members)
    _check_expansion(members, source.size, bounds)
    return members


def looks_like_zip(source: Source) -> bool:
    """Tell whether a lenient reader would find a central directory at the end of the file."""
    tail = source.read_at(source.size - min(source.size, _TAIL), min(source.size, _TAIL))
    start = source.size - len(tail)
    return any(_has_directory(source, start, place, tail) for place in _end_places(tail))


def _has_directory(source: Source, start: int, place: int, tail: bytes) -> bool:
    size, length = struct.unpack_from("<I4xH", tail, place + 12)
    if place + _END.size + length == len(tail):
        return True
    before = start + place - size
    return bool(size) and before >= 0 and source.read_at(before, 4) == b"PK\x01\x02"


def _end_places(tail: bytes) -> list[int]:
    found = [match.start() for match in re.finditer(re.escape(_END_SIGNATURE), tail)]
    return [place for place in found if place + _END.size <= len(tail)]


def _find_end(source: Source) -> _End:
    length = min(source.size, _TAIL)
    tail = source.read_at(source.size - length, length)
    places = _end_places(tail)
    if not places:
        _refuse("archive-malformed", "The file is not a ZIP archive: it has no end record.")
    reaching = [place for place in places if _reaches_end(tail, place)]
    if reaching != places[-1:]:
        _refuse("archive-surplus-data", "The archive has data after its end, or a second end.")
    start = source.size - length + places[-1]
    fields = _END.unpack_from(tail, places[-1])
    return _resolve_end(source, start, fields)


def _reaches_end(tail: bytes, place: int) -> bool:
    (comment,) = struct.unpack_from("<H", tail, place + 20)
    return bool(place + _END.size + comment == len(tail))


def _resolve_end(source: Source, start: int, fields: tuple[int, ...]) -> _End:
    _, disk, directory_disk, here, entries, size, offset, _ = fields
    if here != entries or not {disk, directory_disk} <= {0, _FULL16}:
        _refuse("archive-malformed", "The archive says it is spread over several disks.")
    plain = _End(entries, size, offset, start)
    if start >= _LOCATOR.size:
        locator = source.read_at(start - _LOCATOR.size, _LOCATOR.size)
        if locator.startswith(b"PK\x06\x07"):
            return _read_end64(source, locator, plain)
    if disk or directory_disk:
        _refuse("archive-malformed", "The archive says it is spread over several disks.")
    if offset + size != start:
        _refuse("archive-surplus-data", "The central directory does not end at the end record.")
    return plain


def _read_end64(source: Source, locator: bytes, plain: _End) -> _End:
    _, disk, offset, disks = _LOCATOR.unpack(locator)
    expected = plain.start - _LOCATOR.size - _END64.size
    if disk or disks != 1 or offset != expected:
        _refuse("archive-zip64", "The ZIP64 locator does not point at the record before it.")
    fields = _END64.unpack(source.read_at(offset, _END64.size))
    signature, length, _, _, this, first, here, entries, size, start = fields
    if signature != b"PK\x06\x06" or length != _END64.size - 12 or this or first:
        _refuse("archive-zip64", "The ZIP64 end record is malformed.")
    if here != entries or start + size != offset:
        _refuse("archive-zip64", "The ZIP64 end record does not fit the central directory.")
    pairs = [
        (plain.entries, entries, _FULL16),
        (plain.directory_size, size, _FULL32),
        (plain.directory_offset, start, _FULL32),
    ]
    if any(short not in {full, limit} for short, full, limit in pairs):
        _refuse("archive-zip64", "The two end records say different things.")
    return _End(entries, size, start, offset)


def _read_directory(source: Source, end: _End) -> list[_Entry]:
    if end.directory_size > _LARGEST_DIRECTORY:
        _refuse("archive-too-many-members", "The central directory is larger than 64 MiB.")
    directory = source.read_at(end.directory_offset, end.directory_size)
    entries: list[_Entry] = []
    place = 0
    while place < len(directory):
        if len(entries) == end.entries:
            _refuse("archive-headers-differ", "The directory has more entries than it says.")
        entry, place = _read_entry(directory, place)
        entries.append(entry)
    if len(entries) != end.entries:
        _refuse("archive-headers-differ", "The directory has fewer entries than it says.")
    return entries


def _read_entry(directory: bytes, place: int) -> tuple[_Entry, int]:
    if place + _CENTRAL.size > len(directory):
        _refuse("archive-malformed", "The central directory is cut off.")
    fields = _CENTRAL.unpack_from(directory, place)
    signature, _, needed, flags, method, _, _, crc, compressed, size = fields[:10]
    name_length, extra_length, comment_length, disk, _, attributes, offset = fields[10:]
    after_name = place + _CENTRAL.size + name_length
    following = after_name + extra_length + comment_length
    if signature != b"PK\x01\x02" or following > len(directory):
        _refuse("archive-malformed", "The central directory is malformed.")
    _check_needed(needed)
    if disk or comment_length:
        _refuse("archive-malformed", "A member has a comment or lies on another disk.")
    name = directory[place + _CENTRAL.size : after_name]
    extra = directory[after_name : after_name + extra_length]
    compressed, size, offset = _resolve_sizes(extra, compressed, size, offset)
    entry = _Entry(name, flags, method, crc, compressed, size, offset, mode=attributes >> 16)
    return entry, following


def _resolve_sizes(
    extra: bytes, compressed: int, size: int, offset: int | None = None
) -> tuple[int, int, int]:
    """Replace the sizes that are too small for their field (APPNOTE 4.5.3)."""
    if not extra and _FULL32 not in {compressed, size, offset}:
        return compressed, size, offset or 0
    zip64 = _read_extras(extra)
    wanted = [value == _FULL32 for value in (size, compressed, offset)]
    if not any(wanted):
        _check_idle_zip64(zip64, compressed)
        return compressed, size, offset or 0
    if zip64 is None or len(zip64) != 8 * sum(wanted):
        _refuse("archive-zip64", "A member has a wrong ZIP64 extra field.")
    values = iter(struct.unpack(f"<{sum(wanted)}Q", zip64))
    size, compressed, large = (
        next(values) if is_wanted else plain
        for is_wanted, plain in zip(wanted, (size, compressed, offset or 0), strict=True)
    )
    return compressed, size, large


def _check_idle_zip64(zip64: bytes | None, compressed: int) -> None:
    """Refuse a ZIP64 field that no size asks for and that would move the end of the data."""
    if zip64 and (len(zip64) < 16 or struct.unpack_from("<8xQ", zip64) != (compressed,)):  # noqa: PLR2004 - two sizes
        _refuse("archive-zip64", "A member has a ZIP64 extra field that contradicts its sizes.")


def _read_extras(extra: bytes) -> bytes | None:
    """Walk all extra fields and return the ZIP64 one."""
    found: dict[int, bytes] = {}
    place = 0
    while place < len(extra):
        if place + 4 > len(extra):
            _refuse("archive-extra-field", "An extra field of a member is cut off.")
        kind, length = struct.unpack_from("<HH", extra, place)
        data = extra[place + 4 : place + 4 + length]
        if len(data) != length or kind in found or kind in _RENAMING_EXTRAS:
            _refuse("archive-extra-field", "A member has a malformed or renaming extra field.")
        found[kind] = data
        place += 4 + length
    return found.get(_ZIP64_EXTRA)


def _read_member(source: Source, entry: _Entry, bounds: Bounds) -> ZipMember:
    path = _decode_name(entry)
    _check_entry(entry, path)
    bare = check_path(path, bounds.path_length)
    is_folder = path.endswith("/")
    _check_kind(entry, path, is_folder=is_folder)
    return ZipMember(
        path=bare,
        method=entry.method,
        crc=entry.crc,
        compressed_size=entry.compressed_size,
        size=entry.size,
        header_offset=entry.offset,
        data_offset=_check_local_header(source, entry, path),
        is_folder=is_folder,
    )


def _decode_name(entry: _Entry) -> str:
    try:
        return entry.name.decode("utf-8" if entry.flags & _UTF8 else "ascii")
    except UnicodeDecodeError:
        _refuse("archive-path", "The path of a member is not UTF-8 marked as such.")


def _check_entry(entry: _Entry, path: str) -> None:
    _check_flags(entry.flags, path)
    if entry.method not in {STORED, DEFLATED}:
        sentence = f"The member {shown(path)} is neither stored nor deflated."
        _refuse("archive-compression", sentence)


def _check_needed(version: int) -> None:
    if version > _NEWEST_NEEDED:
        _refuse("archive-malformed", "A member asks for a newer reader than there is.")


def _check_flags(flags: int, path: str) -> None:
    if flags & _ENCRYPTED:
        _refuse("archive-encrypted", f"The member {shown(path)} is encrypted.")
    if flags & _DESCRIPTOR:
        sentence = f"The member {shown(path)} has a data descriptor; write its sizes before it."
        _refuse("archive-data-descriptor", sentence)
    if flags & ~_KNOWN_FLAGS:
        _refuse("archive-malformed", f"The member {shown(path)} has unknown flags.")


def _check_kind(entry: _Entry, path: str, *, is_folder: bool) -> None:
    allowed = {0, stat.S_IFDIR} if is_folder else {0, stat.S_IFREG}
    if stat.S_IFMT(entry.mode) not in allowed:
        _refuse("archive-member-kind", f"The member {shown(path)} is not a regular file.")
    if is_folder and (entry.size or entry.compressed_size > 2):  # noqa: PLR2004 - an empty deflate stream
        _refuse("archive-member-kind", f"The folder {shown(path)} has contents of its own.")


def _check_local_header(source: Source, entry: _Entry, path: str) -> int:
    """Compare a local header with its central one; return where the data begins."""
    length = _LOCAL.size + len(entry.name)
    header = source.read_at(entry.offset, length)
    fields = _LOCAL.unpack_from(header)
    signature, needed, flags, method, _, _, crc, compressed, size, name_length, extra_length = fields
    name = header[_LOCAL.size :]
    if signature != b"PK\x03\x04" or name_length != len(name) or name != entry.name:
        _refuse("archive-headers-differ", f"The local header of {shown(path)} is another one.")
    _check_needed(needed)
    _check_flags(flags, path)
    extra = source.read_at(entry.offset + length, extra_length) if extra_length else b""
    compressed, size, _ = _resolve_sizes(extra, compressed, size)
    local = (flags, method, crc, compressed, size)
    if local != (entry.flags, entry.method, entry.crc, entry.compressed_size, entry.size):
        _refuse("archive-headers-differ", f"The two headers of {shown(path)} differ.")
    return int(entry.offset + length + extra_length)


def _check_gapless(members: list[ZipMember], end: _End) -> None:
    expected = 0
    for member in members:
        if member.header_offset != expected:
            sentence = f"The archive has unlisted or shared data before {shown(member.path)}."
            _refuse("archive-surplus-data", sentence)
        expected = member.data_offset + member.compressed_size
    if expected != end.directory_offset:
        _refuse("archive-surplus-data", "The archive has data that no member owns.")


def _check_paths(members: list[ZipMember]) -> None:
    files = [member.path for member in members if not member.is_folder]
    folders = [member.path for member in members if member.is_folder]
    if len(set(folders)) != len(folders):
        _refuse("archive-duplicate", "A folder stands in the archive more than once.")
    check_distinct(files, folders)


def _check_expansion(members: list[ZipMember], archive_size: int, bounds: Bounds) -> None:
    if not bounds.allow_expansion(archive_size, sum(member.size for member in members)):
        _refuse("archive-expansion", "The archive expands to more than is allowed.")
    for member in members:
        if not bounds.allow_member(member.compressed_size, member.size):
            sentence = f"The member {shown(member.path)} expands to more than is allowed."
            _refuse("archive-expansion", sentence)


def _refuse(code: str, sentence: str) -> NoReturn:
    raise UnacceptableError(code, sentence)
