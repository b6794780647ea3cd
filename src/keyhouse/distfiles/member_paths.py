"""Rules for the paths inside an archive, the same for ZIP and TAR."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable

from keyhouse.distfiles.findings import UnacceptableError, shown

_SEGMENT_BYTES = 255
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_DRIVE = re.compile(r"[A-Za-z]:")


def check_path(path: str, longest: int) -> str:
    """Return `path` without the slash of a folder.

    Raises `UnacceptableError` unless it is a relative POSIX path in its shortest spelling: an
    installer joins it to a folder, so it must name one place below that folder on every system.
    """
    if len(path) > longest:
        sentence = f"The path {shown(path)} is longer than {longest} characters."
        raise UnacceptableError("archive-path-too-long", sentence)
    bare = path.removesuffix("/")
    if _is_ambiguous(bare) or any(_is_bad_segment(part) for part in bare.split("/")):
        sentence = f"The path {shown(path)} is not a plain relative path."
        raise UnacceptableError("archive-path", sentence)
    return bare


def check_distinct(files: Iterable[str], folders: Iterable[str]) -> None:
    """Raise `UnacceptableError` where two members would land on one place.

    Paths that differ only in Unicode composition are one place on some file systems.
    """
    places: set[str] = set()
    for path in files:
        place = _place(path)
        if place in places:
            _refuse_duplicate(path)
        places.add(place)
    _check_no_file_is_a_folder(places, set(map(_place, folders)))


def _check_no_file_is_a_folder(places: set[str], folders: set[str]) -> None:
    """Look for the first path inside each file; a set of all folders above all paths could fill the memory."""
    everything = sorted(places | folders)
    for place in places:
        inside = place + "/"
        found = bisect_left(everything, inside)
        is_parent = found < len(everything) and everything[found].startswith(inside)
        if is_parent or place in folders:
            _refuse_duplicate(place)


def _refuse_duplicate(path: str) -> None:
    sentence = f"More than one member of the archive is called {shown(path)}."
    raise UnacceptableError("archive-duplicate", sentence)


def _place(path: str) -> str:
    return path if path.isascii() else unicodedata.normalize("NFC", path)


def _is_ambiguous(path: str) -> bool:
    return "\\" in path or bool(_DRIVE.match(path)) or bool(_UNPRINTABLE.search(path))


def _is_bad_segment(segment: str) -> bool:
    return segment in {"", ".", ".."} or len(segment.encode("utf-8", "replace")) > _SEGMENT_BYTES
