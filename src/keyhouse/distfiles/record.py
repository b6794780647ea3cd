"""RECORD of a wheel: which files it has, with their hashes and sizes (PEP 376, PEP 427)."""

import base64
import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from keyhouse.distfiles.findings import Finding, UnacceptableError, shown
from keyhouse.distfiles.zip_contents import Digest

# PEP 427: SHA-256 or better, of what every Python has
STRONG: Final = frozenset(
    {
        "sha256",
        "sha384",
        "sha512",
        "sha3_256",
        "sha3_384",
        "sha3_512",
        "blake2b",
        "blake2s",
    }
)
_FALLBACK: Final = "sha256"
_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class RecordLine:
    """One line: the hash is `algorithm=value`, the value in base64url without padding."""

    hash: str
    size: str


def parse_record(data: bytes, most: int) -> dict[str, RecordLine]:
    """Read RECORD; raise `UnacceptableError` for a malformed one, a repeated path, over `most` lines."""
    lines: dict[str, RecordLine] = {}
    for path, digest, size in _rows(data):
        if path in lines:
            sentence = f"RECORD lists {shown(path)} more than once."
            raise UnacceptableError("record-surplus", sentence)
        lines[path] = RecordLine(digest, size)
        if len(lines) > most:
            raise UnacceptableError("record-surplus", f"RECORD has more than {most} lines.")
    return lines


def algorithm_for(line: RecordLine | None) -> str:
    """Return the algorithm to hash a file with, so that it is read once only."""
    name = line.hash.partition("=")[0] if line else _FALLBACK
    return name if name in STRONG else _FALLBACK


def compare_record(
    lines: Mapping[str, RecordLine], digests: Mapping[str, Digest], exempt: frozenset[str]
) -> Iterator[Finding]:
    """Yield what differs between RECORD and the files of the wheel.

    `exempt` are RECORD itself and its signatures: nothing that is written before them can hold their hashes, so none may be given.
    """
    for path in sorted(exempt & lines.keys()):
        if lines[path] != RecordLine("", ""):
            yield Finding(
                "record-wrong-hash", f"RECORD gives a hash or a size for {shown(path)}, which can't be right."
            )
    for path, digest in digests.items():
        line = lines.get(path)
        if path in exempt:
            continue
        if line is None:
            yield Finding("record-incomplete", f"The file {shown(path)} is not in RECORD.")
        else:
            yield from _compare_line(path, line, digest)
    for path in lines.keys() - digests.keys() - exempt:
        yield Finding("record-surplus", f"RECORD lists {shown(path)}, which is not in the wheel.")


def _compare_line(path: str, line: RecordLine, digest: Digest) -> Iterator[Finding]:
    algorithm, _, value = line.hash.partition("=")
    if algorithm not in STRONG:
        sentence = f"RECORD has no hash of SHA-256 or better for {shown(path)}."
        yield Finding("record-weak-hash", sentence)
    elif value != _spell(digest.value):
        yield Finding("record-wrong-hash", f"The hash of {shown(path)} in RECORD is wrong.")
    if line.size != str(digest.size):
        sentence = f"The size of {shown(path)} in RECORD is wrong or missing."
        yield Finding("record-wrong-size", sentence)


def _spell(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _rows(data: bytes) -> Iterator[tuple[str, str, str]]:
    try:
        rows = csv.reader(io.StringIO(data.decode(), newline=""), strict=True)
        for row in rows:
            if len(row) != _COLUMNS:
                if not row:
                    continue
                _refuse()
            yield row[0], row[1], row[2]
    except (UnicodeDecodeError, csv.Error):
        _refuse()


def _refuse() -> NoReturn:
    sentence = "RECORD is not UTF-8 text with a path, a hash and a size on each line."
    raise UnacceptableError("record-malformed", sentence)
