"""Blobs in a folder of this machine.

A new key gets its name first; then its bytes, its folder and every folder above it that may not be durable yet are
synced, in one wait for the disk. Nobody relies on a key before `keep` has returned, so a crash in between leaves what
nobody reads. Where the key is there already somebody may rely on it, and the bytes are synced before they replace it
(rename is atomic, POSIX). A key always has the same bytes: one that a crash left torn is mended by the next attempt.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final

from keyhouse.storage.blobs import check_key
from keyhouse.storage.volumes import Volume

INCOMING: Final = ".incoming"
_LONGEST_NAME: Final = 255  # bytes of one name, on every file system in use
_SPLIT: Final = 200
_LONG: Final = "~"  # ends the folder that holds the rest of a long name; never part of a key
_SHARED_LEVELS: Final = 2  # `ab/cd`; the folder below holds one blob and what belongs to it
_ATTEMPTS: Final = 40
_PAUSE: Final = 0.001  # seconds, longer at each attempt, so that two who meet don't go on in step
_SYNCERS: Final = 8  # threads that wait for the disk
_MANY: Final = 16  # files from which on the whole volume is synced rather than each of them
# the name is taken, or the file system has no links (each says it in its own way)
_NO_LINK: Final = frozenset({errno.EEXIST, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class LocalBlobs:
    """A folder of blobs; `root` is made when the first one comes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._incoming = root / INCOMING
        self._durable: set[str] = set()  # folders whose names are known to survive a power cut
        self._syncers = ThreadPoolExecutor(_SYNCERS, "blobs-sync")
        self._volume = Volume(root)

    def incoming(self) -> Path:
        """Return a path for a new temporary file on the store's own volume; the caller makes the file."""
        if not self._incoming.is_dir():
            _make_folders(self._incoming)
        self._volume.watch()
        return self._incoming / secrets.token_hex(16)

    def keep(self, temp: Path, key: str) -> None:
        """Move a temporary file to its key; when this returns, no power cut takes it away."""
        self.keep_all([(temp, key)])

    def keep_all(self, pairs: Sequence[tuple[Path, str]]) -> None:
        """Do what `keep` does for several files, syncing each folder once, or the whole volume for many."""
        self.name_all(pairs)()
        for temp, _ in pairs:
            temp.unlink(missing_ok=True)

    def name_all(self, pairs: Sequence[tuple[Path, str]]) -> Callable[[], None]:
        """Give several files their keys and return what makes that durable; temporary files that remain are the caller's.

        It is to be called once, from any thread. This is for those who have many threads: names are given by many short
        calls of the system, after each of which a thread waits for its turn. Here nobody waits for the disk.
        """
        moves = [(temp, self._place(key)) for temp, key in pairs]
        new, taken = list[tuple[Path, Path]](), list[tuple[Path, Path]]()
        try:
            for temp, place in moves:
                (new if _link(temp, place) else taken).append((temp, place))
        except OSError:
            self._take_back(new)
            raise
        return partial(self._make_durable, new, taken, {key.rpartition("/")[0] for _, key in pairs})

    def path_of(self, key: str) -> Path | None:
        """Return where the blob lies, or None where there is no such blob."""
        place = self._place(key)
        return place if place.is_file() else None

    def open(self, key: str) -> BinaryIO:
        """Open a blob for reading; raises FileNotFoundError."""
        return self._place(key).open("rb")

    def size(self, key: str) -> int | None:
        """Return the size in bytes, or None where there is no such blob."""
        try:
            return self._place(key).stat().st_size
        except FileNotFoundError:
            return None

    def keys(self) -> Iterator[str]:
        """Give every key; what a crash of somebody else's tool left in between is passed over."""
        for place in _files_below(self.root):
            key = str(place.relative_to(self.root)).replace(_LONG + "/", "")
            with contextlib.suppress(ValueError):
                yield check_key(key)

    def remove(self, key: str) -> None:
        """Remove a blob and its own folder where that leaves it empty; one that is not there is fine."""
        self._place(key).unlink(missing_ok=True)
        leaf = self.root / key.rpartition("/")[0]
        with contextlib.suppress(OSError):  # not empty, or not there
            self._place(key).parent.rmdir()
            leaf.rmdir()

    def sweep_incoming(self, older_than: timedelta) -> int:
        """Remove temporary files that nobody holds and that are older; return how many."""
        # file times are the machine's, whatever the product's clock says
        before = time.time() - older_than.total_seconds()
        return sum(_sweep(path, before) for path in self._temporary_files())

    def _make_durable(
        self, new: Sequence[tuple[Path, Path]], taken: Sequence[tuple[Path, Path]], leaves: set[str]
    ) -> None:
        try:
            self._replace(taken)
            if len(new) + len(taken) < _MANY or not self._volume.sync():
                parents = {_folder(place) for _, place in chain(new, taken)}
                self._sync_new([str(place) for _, place in new], leaves, parents)
        except OSError:
            self._take_back(new)
            raise

    def _replace(self, moves: Sequence[tuple[Path, Path]]) -> None:
        """Put files over others that may be in use."""
        if not moves:
            return
        self._sync_all([str(temp) for temp, _ in moves])
        with self._alone():
            for temp, place in moves:
                _put(partial(os.replace, temp, place), temp, place)

    def _take_back(self, moves: Sequence[tuple[Path, Path]]) -> None:
        """Remove what was named and couldn't be synced, unless somebody else replaced it meanwhile."""
        for temp, place in moves:
            with contextlib.suppress(OSError), self._alone():
                if place.samefile(temp):
                    place.unlink()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one at a time, of all processes, replace a blob or take one back."""
        descriptor = os.open(self._incoming, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    # Folders are texts here: paths would cost more than what is done with them.

    def _sync_new(self, files: list[str], leaves: set[str], parents: set[str]) -> None:
        """Sync new files, their folders, and upwards; somebody else's new folder may not be synced yet.

        `leaves` are named from the root on; `parents` hold the files, and are others only where names are long.
        """
        shared = {above for leaf in leaves for above in self._above(leaf)}
        own = parents | {f"{self.root}/{leaf}" for leaf in leaves}
        unsure = {os.path.dirname(some) for some in own | (shared - self._durable)}  # noqa: PTH120 - as above
        self._sync_all([*files, *own, *(unsure - own)])
        self._durable |= shared

    def _sync_all(self, paths: Sequence[str]) -> None:
        """Sync several at the same time: the file system writes its journal once for all that wait for it."""
        others = [self._syncers.submit(_sync, path) for path in paths[1:]]
        for path in paths[:1]:  # this thread has nothing else to do
            _sync(path)
        for done in others:
            done.result()

    def _above(self, leaf: str) -> list[str]:
        """Return the folders above a leaf that many blobs share, the root among them; they are never removed."""
        below_root = leaf.split("/")[:_SHARED_LEVELS]
        return ["/".join([str(self.root), *below_root[:level]]) for level in range(len(below_root) + 1)]

    def _temporary_files(self) -> list[Path]:
        try:
            return list(self._incoming.iterdir())
        except FileNotFoundError:
            return []

    def _place(self, key: str) -> Path:
        """Return where a key lies; a name too long for the file system is cut in two."""
        folder, _, name = check_key(key).rpartition("/")
        if len(name) > _LONGEST_NAME:
            return self.root / folder / (name[:_SPLIT] + _LONG) / name[_SPLIT:]
        return Path(f"{self.root}/{folder}/{name}")


def hold(descriptor: int) -> None:
    """Mark an open temporary file as in use until it is closed; a sweep passes it over."""
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _link(temp: Path, place: Path) -> bool:
    """Give a file its name if nobody has it; False also where the file system knows no second names."""
    try:
        _put(partial(os.link, temp, place), temp, place)
    except OSError as error:
        if error.errno in _NO_LINK:
            return False
        raise
    return True


def _put(act: Callable[[], None], temp: Path, place: Path) -> None:
    """Bring a file into its place; the removal of a blob may take the empty folder away in between."""
    for attempt in range(_ATTEMPTS):
        _make_folders(place.parent)
        try:
            act()
        except FileNotFoundError:
            if attempt == _ATTEMPTS - 1 or not temp.exists():
                raise
            time.sleep(_PAUSE * attempt)
        else:
            return


def _folder(place: Path) -> str:
    return os.path.dirname(place)  # noqa: PTH120 - as a text, see `_sync_new`


def _make_folders(folder: Path) -> None:
    """Make a folder and those above it."""
    try:
        folder.mkdir()
    except FileExistsError:
        return
    except FileNotFoundError:
        _make_folders(folder.parent)
        _make_folders(folder)


def _sync(path: str) -> None:
    """Make a file's bytes, or a folder's list of names, durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files_below(root: Path) -> Iterable[Path]:
    for folder, names, files in os.walk(root):
        if Path(folder) == root and INCOMING in names:
            names.remove(INCOMING)
        yield from (Path(folder, name) for name in files)


def _sweep(path: Path, before: float) -> bool:
    """Remove one temporary file unless it is younger than `before` or held by an upload."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if os.fstat(descriptor).st_mtime > before:
                return False
            hold(descriptor)
            path.unlink()
        finally:
            os.close(descriptor)
        return True
    return False
