"""Inflate and hash the members of a ZIP archive once, in chunks."""

import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from keyhouse.distfiles.findings import UnacceptableError, shown
from keyhouse.distfiles.source import Source
from keyhouse.distfiles.zip_framing import STORED, ZipMember

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Digest:
    """The digest of one file by a `hashlib` algorithm, and its size in bytes."""

    algorithm: str
    value: bytes
    size: int


def hash_members(
    source: Source, members: list[ZipMember], algorithm_of: Callable[[str], str]
) -> dict[str, Digest]:
    """Return the digest of every file by its path; folders are only checked.

    Raises `UnacceptableError` for a corrupt member.
    """
    digests = {member.path: hash_member(source, member, algorithm_of(member.path)) for member in members}
    return {member.path: digests[member.path] for member in members if not member.is_folder}


def hash_member(source: Source, member: ZipMember, algorithm: str) -> Digest:
    """Stream one member through a digest, checking its size and CRC."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for chunk in read_chunks(source, member):
        digest.update(chunk)
    return Digest(algorithm, digest.digest(), member.size)


def hash_bytes(data: bytes, algorithm: str) -> Digest:
    """Hash a file that was read already."""
    digest = hashlib.new(algorithm, data, usedforsecurity=False).digest()
    return Digest(algorithm, digest, len(data))


def read_member(source: Source, member: ZipMember, most: int, code: str) -> bytes:
    """Return a whole small member; raise `UnacceptableError` with `code` beyond `most` bytes."""
    if member.size > most:
        sentence = f"The member {shown(member.path)} is larger than {most} bytes."
        raise UnacceptableError(code, sentence)
    return b"".join(read_chunks(source, member))


def read_chunks(source: Source, member: ZipMember) -> Iterator[bytes]:
    """Yield the contents of one member in chunks of at most 1 MiB.

    Raises `UnacceptableError` at the first byte beyond the size in the header, and at the end
    where size, CRC or the deflate stream are wrong.
    """
    pieces = _stored(source, member) if member.method == STORED else _inflated(source, member)
    crc = size = 0
    for piece in pieces:
        size += len(piece)
        if size > member.size:
            _refuse_corrupt(member, "is longer than its header says")
        crc = zlib.crc32(piece, crc)
        yield piece
    if size != member.size:
        _refuse_corrupt(member, "is shorter than its header says")
    if crc != member.crc:
        _refuse_corrupt(member, "does not have the checksum of its header")


def _stored(source: Source, member: ZipMember) -> Iterator[bytes]:
    return source.chunks(member.data_offset, member.compressed_size)


def _inflated(source: Source, member: ZipMember) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    for chunk in source.chunks(member.data_offset, member.compressed_size):
        if inflater.eof:
            _refuse_corrupt(member, "has data after its end")
        yield from _inflate_chunk(inflater, chunk, member)
    if not inflater.eof or inflater.unused_data:
        _refuse_corrupt(member, "does not end where its header says")


def _inflate_chunk(inflater: "zlib._Decompress", chunk: bytes, member: ZipMember) -> Iterator[bytes]:
    is_pending = True
    while is_pending and not inflater.eof:
        try:
            piece = inflater.decompress(chunk, _CHUNK)
        except zlib.error:
            _refuse_corrupt(member, "is not a deflate stream")
        yield piece
        chunk = inflater.unconsumed_tail
        # a full piece may leave output inside zlib although all input is taken
        is_pending = bool(chunk) or len(piece) == _CHUNK


def _refuse_corrupt(member: ZipMember, what: str) -> NoReturn:
    sentence = f"The member {shown(member.path)} {what}; build the file again."
    raise UnacceptableError("archive-corrupt", sentence)
