from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from keyhouse.core import configuration
from keyhouse.storage import blobs
from keyhouse.storage.blobs import METADATA_SUFFIX, Blobs, check_key, key_of, metadata_key_of
from keyhouse.storage.errors import StorageBroken, StorageFull, StorageReadOnly, refusal_of
from keyhouse.storage.local import LocalBlobs, hold
from keyhouse.storage.memory import MemoryBlobs

DIGEST = "0123456789abcdef" * 4
KEY = key_of(DIGEST, "alpha-1.0-py3-none-any.whl")
LONG = key_of(DIGEST, "a" * 242 + "-1.0.whl")
NEW = timedelta(0)


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return LocalBlobs(tmp_path / "files") if request.param == "local" else MemoryBlobs()


def write_incoming(store: Blobs, content: bytes = b"bytes") -> Path:
    path = store.incoming()
    path.write_bytes(content)
    return path


def test_a_kept_blob_is_found_under_its_key_and_its_temporary_file_is_gone(store: Blobs) -> None:
    temp = write_incoming(store)
    store.keep(temp, KEY)
    assert store.open(KEY).read() == b"bytes"
    assert store.size(KEY) == 5
    assert list(store.keys()) == [KEY]
    assert not temp.exists()


def test_keeping_the_same_bytes_again_changes_nothing(store: Blobs) -> None:
    for _ in range(2):
        store.keep(write_incoming(store), KEY)
    assert list(store.keys()) == [KEY]
    assert store.open(KEY).read() == b"bytes"


def test_several_files_are_kept_together(store: Blobs) -> None:
    other = metadata_key_of(DIGEST, "alpha-1.0-py3-none-any.whl")
    store.keep_all([(write_incoming(store), KEY), (write_incoming(store, b"m"), other)])
    assert sorted(store.keys()) == sorted([KEY, other])
    assert other == KEY + ".metadata"


def test_a_removed_blob_is_gone_and_can_come_back(store: Blobs) -> None:
    store.keep(write_incoming(store), KEY)
    for _ in range(2):
        store.remove(KEY)
    assert list(store.keys()) == []
    assert store.size(KEY) is None
    with pytest.raises(FileNotFoundError):
        store.open(KEY)
    store.keep(write_incoming(store), KEY)
    assert store.open(KEY).read() == b"bytes"


def test_removing_a_wheel_leaves_the_metadata_beside_it(store: Blobs) -> None:
    other = metadata_key_of(DIGEST, "alpha-1.0-py3-none-any.whl")
    store.keep_all([(write_incoming(store), KEY), (write_incoming(store), other)])
    store.remove(KEY)
    assert list(store.keys()) == [other]


def test_the_longest_file_name_and_its_metadata_fit(store: Blobs) -> None:
    filename = LONG.rpartition("/")[2]
    assert len(filename) == 250
    other = metadata_key_of(DIGEST, filename)
    store.keep_all([(write_incoming(store), LONG), (write_incoming(store, b"m"), other)])
    assert sorted(store.keys()) == sorted([LONG, other])
    assert store.open(other).read() == b"m"
    store.remove(other)
    store.remove(LONG)
    assert list(store.keys()) == []


@pytest.mark.parametrize(
    "key",
    [
        "",
        "../../etc/passwd",
        f"01/23/{DIGEST[4:]}/../x",
        f"01/23/{DIGEST[4:]}/.hidden",
        f"01/23/{DIGEST[4:]}/a/b",
        f"01/23/{DIGEST[4:]}/a\n",
        f"01/23/{DIGEST[4:]}/",
        f"01/23/{DIGEST[5:]}/a",
        f"/01/23/{DIGEST[4:]}/a",
        f"01/23/{DIGEST[4:]}/{'a' * 301}",
        f"01/23/{DIGEST[4:].upper()}/a",
    ],
)
def test_a_key_that_could_leave_its_place_is_refused(store: Blobs, key: str) -> None:
    with pytest.raises(ValueError, match="not the key"):
        check_key(key)
    for ask in (store.open, store.size, store.path_of, store.remove):
        with pytest.raises(ValueError, match="not the key"):
            ask(key)


def test_files_that_are_no_blobs_are_not_listed(tmp_path: Path) -> None:
    store = LocalBlobs(tmp_path)
    store.keep(write_incoming(store), KEY)
    write_incoming(store)
    (tmp_path / "notes.txt").write_text("hello")
    assert list(store.keys()) == [KEY]


def test_the_path_of_a_blob_is_given_only_where_it_is(tmp_path: Path) -> None:
    store = LocalBlobs(tmp_path)
    assert store.path_of(KEY) is None
    store.keep(write_incoming(store), KEY)
    path = store.path_of(KEY)
    assert path is not None
    assert path.read_bytes() == b"bytes"
    assert MemoryBlobs().path_of(KEY) is None


def test_a_sweep_takes_what_nobody_holds_and_leaves_what_is_young_or_held(tmp_path: Path) -> None:
    store = LocalBlobs(tmp_path)
    assert store.sweep_incoming(NEW) == 0
    left, held = write_incoming(store), write_incoming(store)
    descriptor = os.open(held, os.O_RDWR)
    hold(descriptor)
    assert store.sweep_incoming(timedelta(hours=1)) == 0
    assert store.sweep_incoming(NEW) == 1
    assert held.exists()
    assert not left.exists()
    os.close(descriptor)
    assert store.sweep_incoming(NEW) == 1


def test_an_old_file_is_swept_by_its_age(tmp_path: Path) -> None:
    store = LocalBlobs(tmp_path)
    path = write_incoming(store)
    old = time.time() - 7200
    os.utime(path, (old, old))
    assert store.sweep_incoming(timedelta(hours=1)) == 1


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is done to the disk from here on, in its order: `sync PATH`, `link`, `replace`."""
    seen: list[str] = []
    real_sync, real_link, real_replace = os.fsync, os.link, os.replace

    def sync(descriptor: int) -> None:
        seen.append("sync " + str(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(tmp_path)))
        real_sync(descriptor)

    def link(source: Path, target: Path) -> None:
        real_link(source, target)
        seen.append("link")

    def replace(source: Path, target: Path) -> None:
        real_replace(source, target)
        seen.append("replace")

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(os, "replace", replace)
    return seen


FOLDERS = [
    f"sync files/{KEY.rpartition('/')[0]}",
    "sync files/01/23",
    "sync files/01",
    "sync files",
    "sync .",
]


def test_a_new_name_its_bytes_and_all_its_folders_are_synced(tmp_path: Path, events: list[str]) -> None:
    store = LocalBlobs(tmp_path / "files")
    store.keep(write_incoming(store), KEY)
    assert events[0] == "link"
    assert sorted(events[1:]) == sorted([f"sync files/{KEY}", *FOLDERS])


def test_bytes_are_synced_before_they_replace_what_somebody_may_rely_on(
    tmp_path: Path, events: list[str]
) -> None:
    store = LocalBlobs(tmp_path / "files")
    store.keep(write_incoming(store), KEY)
    events.clear()
    again = LocalBlobs(tmp_path / "files")  # another process, which doesn't know what is durable
    temp = write_incoming(again)
    again.keep(temp, KEY)
    assert events[:2] == [f"sync files/.incoming/{temp.name}", "replace"]
    assert sorted(events[2:]) == sorted(FOLDERS)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
def test_where_the_file_system_has_no_links_bytes_are_synced_before_they_get_their_name(
    tmp_path: Path, events: list[str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def link(*_: object) -> None:
        raise OSError(number, "no links here")

    monkeypatch.setattr(os, "link", link)
    store = LocalBlobs(tmp_path / "files")
    temp = write_incoming(store)
    store.keep(temp, KEY)
    assert events[:2] == [f"sync files/.incoming/{temp.name}", "replace"]
    assert sorted(events[2:]) == sorted(FOLDERS)
    assert store.open(KEY).read() == b"bytes"
    assert not temp.exists()


def test_a_disk_that_fails_for_one_of_several_fails_the_keeping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalBlobs(tmp_path / "files")
    monkeypatch.setattr(os, "fsync", failing_for((KEY + METADATA_SUFFIX).rpartition("/")[2]))
    with pytest.raises(OSError, match="broken"):
        store.keep_all([(write_incoming(store), KEY), (write_incoming(store, b"m"), KEY + METADATA_SUFFIX)])
    assert store.path_of(KEY) is None
    assert store.path_of(KEY + METADATA_SUFFIX) is None


def test_a_disk_that_is_full_after_some_names_keeps_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalBlobs(tmp_path / "files")
    real_link = os.link

    def link(source: Path, target: Path) -> None:
        if str(target).endswith(METADATA_SUFFIX):
            raise OSError(errno.ENOSPC, "full")
        real_link(source, target)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(OSError, match="full"):
        store.keep_all([(write_incoming(store), KEY), (write_incoming(store, b"m"), KEY + METADATA_SUFFIX)])
    assert store.path_of(KEY) is None


def test_a_failure_does_not_take_back_what_somebody_else_has_kept_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = LocalBlobs(tmp_path / "files"), LocalBlobs(tmp_path / "files")
    real_sync = os.fsync
    name = KEY.rpartition("/")[2]

    def sync(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().name == name:
            monkeypatch.setattr(os, "fsync", real_sync)
            other.keep(write_incoming(other), KEY)
            raise OSError(errno.EIO, "broken")
        real_sync(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(OSError, match="broken"):
        store.keep(write_incoming(store), KEY)
    assert other.open(KEY).read() == b"bytes"


def failing_for(name: str) -> Callable[[int], None]:
    """Return an `fsync` that fails for files of that name."""
    real_sync = os.fsync

    def sync(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().name == name:
            raise OSError(errno.EIO, "broken")
        real_sync(descriptor)

    return sync


def test_folders_known_to_be_durable_are_not_synced_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalBlobs(tmp_path)
    store.keep(write_incoming(store), KEY)
    counted: list[int] = []
    monkeypatch.setattr(os, "fsync", counted.append)
    store.keep(write_incoming(store), key_of("0123" + "f" * 60, "b-1.tar.gz"))
    assert len(counted) == 3  # the file, its own folder, the folder that one is new in


def test_keeping_while_another_removes_succeeds(tmp_path: Path) -> None:
    store = LocalBlobs(tmp_path)
    rounds = 60
    failures: list[BaseException] = []

    def keep() -> None:
        try:
            for _ in range(rounds):
                store.keep(write_incoming(store), KEY)
        except OSError as error:
            failures.append(error)

    def remove() -> None:
        for _ in range(rounds * 4):
            store.remove(metadata_key_of(DIGEST, "alpha-1.0-py3-none-any.whl"))

    threads = [threading.Thread(target=keep), threading.Thread(target=remove)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.open(KEY).read() == b"bytes"


def test_a_file_left_torn_by_a_crash_is_mended_by_the_next_attempt(tmp_path: Path) -> None:
    store = LocalBlobs(tmp_path)
    store.keep(write_incoming(store, b"by"), KEY)
    store.keep(write_incoming(store, b"bytes"), KEY)
    assert store.open(KEY).read() == b"bytes"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EROFS, StorageReadOnly),
        (errno.EACCES, StorageReadOnly),
        (errno.EIO, StorageBroken),
    ],
)
def test_an_error_of_the_machine_is_told_without_its_paths(number: int, expected: type) -> None:
    refusal = refusal_of(OSError(number, "no", "/secret/place"))
    assert type(refusal) is expected
    assert "/secret" not in refusal.line


def test_the_configured_folder_is_used() -> None:
    store = blobs()
    assert isinstance(store, LocalBlobs)
    assert store.root == configuration.current().files_folder
    assert blobs() is store
