"""Many files are made durable by syncing their volume, where that tells of every failure; else each by itself."""

from __future__ import annotations

import errno
import os
import platform
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from keyhouse.storage import volumes
from keyhouse.storage.blobs import key_of
from keyhouse.storage.local import LocalBlobs
from keyhouse.storage.volumes import Volume

MANY = 20


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what is synced and when files get their names, on a volume that can be relied on."""
    seen: list[str] = []
    real_link, real_replace = os.link, os.replace

    def sync(descriptor: int) -> bool:
        seen.append("volume")
        return True

    def link(path: Path, place: Path) -> None:
        real_link(path, place)
        seen.append("name")

    def replace(path: Path, place: Path) -> None:
        real_replace(path, place)
        seen.append("replace")

    monkeypatch.setattr(volumes, "_tells_failures", lambda folder: True)
    monkeypatch.setattr(volumes, "_sync_all_of", sync)
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append("file"))
    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(os, "replace", replace)
    return seen


def keep(store: LocalBlobs, count: int, first: int = 0) -> None:
    pairs = []
    for number in range(first, first + count):
        path = store.incoming()
        path.write_bytes(b"bytes")
        pairs.append((path, key_of(f"{number:064x}", "a-1.tar.gz")))
    store.keep_all(pairs)


def test_many_are_synced_at_once_before_anybody_hears_of_them(tmp_path: Path, events: list[str]) -> None:
    keep(LocalBlobs(tmp_path), MANY)
    assert events == [*["name"] * MANY, "volume"]


def test_what_is_there_is_synced_by_itself_before_it_is_replaced(tmp_path: Path, events: list[str]) -> None:
    store = LocalBlobs(tmp_path)
    keep(store, MANY)
    events.clear()
    keep(store, MANY)
    assert events == [*["file"] * MANY, *["replace"] * MANY, "volume"]


def test_few_files_are_synced_by_themselves(tmp_path: Path, events: list[str]) -> None:
    keep(LocalBlobs(tmp_path), 2)
    assert events[:4] == ["name", "name", "file", "file"]
    assert "volume" not in events


def test_after_a_failure_each_file_is_synced_by_itself_for_good(
    tmp_path: Path, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def sync(descriptor: int) -> bool:
        calls.append(descriptor)
        return False

    monkeypatch.setattr(volumes, "_sync_all_of", sync)
    store = LocalBlobs(tmp_path)
    keep(store, MANY)
    assert events[: MANY * 2] == [*["name"] * MANY, *["file"] * MANY]
    assert set(events[MANY * 2 :]) == {"file"}  # their folders
    keep(store, MANY, MANY)
    assert len(calls) == 1


def test_who_syncs_beside_a_failure_relies_on_nothing_either(
    tmp_path: Path, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel tells of a failure once: of two calls at the same time the other one would hear that all is well."""
    began, goes_on, told = threading.Event(), threading.Event(), [False, True]

    def sync(descriptor: int) -> bool:
        answer = told.pop(0)
        began.set()
        goes_on.wait(30)
        return answer

    monkeypatch.setattr(volumes, "_sync_all_of", sync)
    volume = Volume(tmp_path)
    volume.watch()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(volume.sync)
        assert began.wait(30)
        second = threads.submit(volume.sync)
        goes_on.set()
        assert (first.result(), second.result()) == (False, False)
    assert told == [True]


def test_a_file_that_could_not_be_written_is_not_kept(
    tmp_path: Path, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sync(descriptor: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(volumes, "_sync_all_of", lambda descriptor: False)
    monkeypatch.setattr(os, "fsync", sync)
    store = LocalBlobs(tmp_path)
    with pytest.raises(OSError, match="broken"):
        keep(store, MANY)
    assert events == ["name"] * MANY
    assert list(store.keys()) == []


@pytest.mark.parametrize(
    ("kind", "system", "release", "is_relied_on"),
    [
        ("ext4", "Linux", "5.8.0-1", True),
        ("xfs", "Linux", "6.1.0", True),
        ("fuse", "Linux", "6.1.0", False),
        ("ext4", "Linux", "5.4.0", False),  # tells nobody of bytes that it could not write
        ("ext4", "Linux", "odd", False),
        ("ext4", "Darwin", "23.0.0", False),
    ],
)
def test_only_what_tells_of_failures_is_relied_on(  # noqa: PLR0917 - a table
    kind: str, system: str, release: str, is_relied_on: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mounts"
    own = f"{os.major(device)}:{os.minor(device)}"
    mounts.write_text(
        f"1 0 0:99 / /proc rw - proc proc rw\nshort\n2 1 {own} / / rw,x shared:1 - {kind} /dev/x rw\n"
    )
    monkeypatch.setattr(volumes, "_MOUNTS", mounts)
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "release", lambda: release)
    volume = Volume(tmp_path)
    assert volume.sync() is False  # nobody has begun to listen
    volume.watch()
    assert volume.sync() is is_relied_on


def test_a_volume_that_is_not_named_anywhere_is_not_relied_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (tmp_path / "missing", tmp_path / "empty"):
        (tmp_path / "empty").write_text("")
        monkeypatch.setattr(volumes, "_MOUNTS", path)
        volume = Volume(tmp_path)
        volume.watch()
        assert volume.sync() is False


def test_keeping_many_does_the_same_on_any_volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tellers: list[Callable[[Path], bool]] = [lambda folder: True, lambda folder: False]
    for number, teller in enumerate(tellers):
        monkeypatch.setattr(volumes, "_tells_failures", teller)
        store = LocalBlobs(tmp_path / str(number))
        keep(store, MANY)
        assert len(list(store.keys())) == MANY
