from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.cli.places import Place
from tests.cli.started import environment
from tests.distfiles.builders import build_wheel

from keyhouse.audit.models import Record
from keyhouse.cli import rebuild_pages, storage
from keyhouse.cli.dev_document import read_document
from keyhouse.cli.dev_sowing import sow
from keyhouse.core import configuration
from keyhouse.core.actor import host
from keyhouse.projects.life_cycle.deleting import delete_file, delete_project
from keyhouse.projects.models import File, IndexPage, Project, Removal, UsedFileName
from keyhouse.projects.services import rebuild_pages as rebuild_pages_of_all
from keyhouse.storage import blobs, old
from keyhouse.storage.turns import hold_storage
from keyhouse.web.wiring import wire_all

pytestmark = pytest.mark.django_db
LONG_AGO = time.time() - 2 * old.OLD_SECONDS


@pytest.fixture(autouse=True)
def wheel(tmp_path: Path, db: None) -> File:
    """Publish one wheel into an empty store."""
    wire_all()
    for key in list(blobs().keys()):
        blobs().remove(key)
    path = build_wheel(tmp_path)
    document = {"users": [{"username": "ada"}], "files": [{"path": str(path), "by": "ada"}]}
    sow(read_document(json.dumps(document).encode()))
    return File.objects.get()


def verify(*words: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(storage.command, ["verify", "--json", *words])
    return done.exit_code, json.loads(done.stdout)


def codes(*words: str) -> list[str]:
    status, told = verify(*words)
    assert status == 1
    assert told["ok"] is False
    return [difference["code"] for difference in told["differences"]]


def place_of(key: str) -> Path:
    found = blobs().path_of(key)
    assert found is not None
    return found


def test_an_index_as_it_should_be_has_no_differences() -> None:
    assert verify() == (0, {"ok": True, "differences": [], "left_over": 0, "pruned": 0})
    text = CliRunner().invoke(storage.command, ["verify"])
    assert (text.exit_code, text.stdout) == (0, "Everything agrees.\n")


def test_a_missing_blob_is_found(wheel: File) -> None:
    blobs().remove(wheel.path)
    assert codes() == ["blob-missing"]
    text = CliRunner().invoke(storage.command, ["verify"])
    assert text.stdout.startswith(f"blob-missing: {wheel.filename}: ")


def test_a_flipped_bit_is_found_where_the_bytes_are_read(wheel: File) -> None:
    place = place_of(wheel.path)
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.write_bytes(content)
    assert codes() == ["blob-changed"]
    assert verify("--quick")[0] == 0


def test_a_wrong_size_is_found_without_reading(wheel: File) -> None:
    with place_of(wheel.path).open("ab") as file:
        file.write(b"more")
    assert codes("--quick") == ["blob-size"]
    assert codes() == ["blob-size"]


def test_metadata_that_is_gone_or_changed_is_found(wheel: File) -> None:
    place = place_of(wheel.path + ".metadata")
    place.write_bytes(place.read_bytes() + b"Name: other\n")
    assert codes() == ["metadata-changed"]
    blobs().remove(wheel.path + ".metadata")
    assert codes() == ["metadata-missing"]


@pytest.mark.parametrize(("kind", "form"), [("simple", "json"), ("simple", "html"), ("json", "json")])
def test_a_changed_page_is_found_and_mended(kind: str, form: str) -> None:
    page = IndexPage.objects.filter(kind=kind, form=form, name="alpha")
    right = bytes(page.get().body)
    page.update(body=b"something else")
    assert codes() == ["page-differs"]
    done = CliRunner().invoke(rebuild_pages.command, [])
    assert (done.exit_code, done.stdout) == (0, "1 projects had a page that was not right.\n")
    assert verify()[0] == 0
    assert len(bytes(page.get().body)) == len(right)
    assert CliRunner().invoke(rebuild_pages.command, []).stdout == "Every page was right.\n"


def test_pages_that_are_missing_or_of_nothing_are_found() -> None:
    IndexPage.objects.filter(kind="simple", form="html").delete()
    IndexPage.objects.create(kind="simple", name="ghost", form="json", serial=1, body=b"{}")
    assert codes() == ["page-differs", "page-differs"]
    CliRunner().invoke(rebuild_pages.command, [])
    assert verify()[0] == 0


def test_rows_that_contradict_each_other_are_found() -> None:
    Project.objects.update(size=1)
    UsedFileName.objects.all().delete()
    assert codes() == ["file-name-unregistered", "project-size"]


def test_a_deleted_files_blobs_are_kept_until_they_are_pruned(wheel: File) -> None:
    delete_file("alpha", wheel.filename, by=host())
    Removal.objects.all().delete()  # as after the days of its undoing
    assert verify() == (0, {"ok": True, "differences": [], "left_over": 2, "pruned": 0})
    assert "2 blobs belong to no file" in CliRunner().invoke(storage.command, ["verify"]).stdout
    assert verify("--prune") == (0, {"ok": True, "differences": [], "left_over": 2, "pruned": 0})  # too young
    for key in (wheel.path, wheel.path + ".metadata"):
        os.utime(place_of(key), (LONG_AGO, LONG_AGO))
    assert verify("--prune")[1]["pruned"] == 2
    assert list(blobs().keys()) == []
    assert list(configuration.current().files_folder.glob("*/*/*")) == []
    assert Record.objects.filter(action="host.command", details__removed=2).count() == 1


def test_pruning_never_takes_what_a_row_names(wheel: File, tmp_path: Path) -> None:
    for key in list(blobs().keys()):
        os.utime(place_of(key), (LONG_AGO, LONG_AGO))
    assert verify("--prune") == (0, {"ok": True, "differences": [], "left_over": 0, "pruned": 0})
    document = {"files": [{"path": str(build_wheel(tmp_path, version="2.0")), "by": "ada"}]}
    sow(read_document(json.dumps(document).encode()))
    delete_project("alpha", by=host())
    assert verify("--prune") == (
        0,
        {"ok": True, "differences": [], "left_over": 0, "pruned": 0},
    )  # may come back
    Removal.objects.all().delete()
    assert verify("--prune")[1]["pruned"] == 2  # the older one's; those of 2.0 are young
    assert all("2.0" in key for key in blobs().keys())  # noqa: SIM118 - not a dict


def test_an_upload_under_way_loses_nothing(wheel: File) -> None:
    """Its blob is there before its row; so is that of an upload that failed long ago and is tried again now."""
    delete_file("alpha", wheel.filename, by=host())
    Removal.objects.all().delete()
    for key in (wheel.path, wheel.path + ".metadata"):
        os.utime(place_of(key), (LONG_AGO, LONG_AGO))
    temp = blobs().incoming()
    temp.write_bytes(place_of(wheel.path).read_bytes())

    def tried_again(path: Path) -> bool:
        """Say "old" as the file that was there, and put a new one in its place before it is taken."""
        is_old = time.time() - path.stat().st_mtime > old.OLD_SECONDS
        if temp.exists() and path.name == wheel.filename:
            blobs().keep(temp, wheel.path)
        return is_old

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(old, "is_old", tried_again)
        assert verify("--prune")[1]["pruned"] == 1  # the metadata
    assert place_of(wheel.path).is_file()


def test_pruning_that_is_interrupted_records_what_is_gone_and_goes_on(wheel: File) -> None:
    delete_file("alpha", wheel.filename, by=host())
    Removal.objects.all().delete()
    for key in (wheel.path, wheel.path + ".metadata"):
        os.utime(place_of(key), (LONG_AGO, LONG_AGO))

    def interrupted() -> Iterator[str]:
        yield wheel.path
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.remove_left_over(interrupted())
    assert list(blobs().keys()) == [wheel.path + ".metadata"]
    assert Record.objects.filter(action="host.command", details__removed=1).count() == 1
    assert verify("--prune") == (0, {"ok": True, "differences": [], "left_over": 0, "pruned": 1})
    assert list(blobs().keys()) == []


def test_rebuilding_that_is_interrupted_leaves_whole_pages_and_goes_on(tmp_path: Path) -> None:
    path = build_wheel(tmp_path, "beta")
    sow(read_document(json.dumps({"files": [{"path": str(path), "by": "ada"}]}).encode()))
    pages = IndexPage.objects.filter(kind="simple", form="html", name__in=["alpha", "beta"])
    right = {page.name: bytes(page.body) for page in pages}
    pages.update(body=b"something else")

    def interrupt(done: int) -> None:
        assert done == 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild_pages_of_all(by=host(), progress=interrupt)
    shown = {page.name: bytes(page.body) for page in pages.all()}
    assert (shown["alpha"] != b"something else", shown["beta"]) == (True, b"something else")
    done = CliRunner().invoke(rebuild_pages.command, ["--json"])
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"mended": 1})
    assert verify()[0] == 0
    assert right.keys() == {page.name for page in pages.all()}


def test_who_interrupts_verify_is_told_so_and_nothing_is_pruned(filled: Place) -> None:
    before = sorted((filled.data / "files").rglob("*.whl"))
    command = [sys.executable, "-m", "keyhouse", "storage", "verify", "--prune"]
    # where the tests themselves run in the background, interrupts are ignored, and children inherit that
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)
    with (
        hold_storage(dataclasses.replace(configuration.current(), data=filled.data)),
        subprocess.Popen(
            command,
            env=environment(**filled.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as running,
    ):
        signal.signal(signal.SIGINT, ours)
        until = time.monotonic() + 60
        while time.monotonic() < until and not waits_for(running.pid, "storage.lock"):
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (1, "", "\nStopped.\n")
    assert sorted((filled.data / "files").rglob("*.whl")) == before
    assert filled.run("storage", "verify", "--prune").returncode == 0


def waits_for(pid: int, name: str) -> bool:
    """Tell whether a process has the file open."""
    try:
        return any(one.readlink().name == name for one in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def test_what_can_be_brought_back_is_verified_as_well(wheel: File) -> None:
    delete_file("alpha", wheel.filename, by=host())
    assert verify()[0] == 0
    place_of(wheel.path).unlink()
    assert codes() == ["blob-missing"]


def test_two_that_prune_or_back_up_take_turns() -> None:
    with hold_storage(configuration.current()):
        descriptor = os.open(configuration.current().data / "storage.lock", os.O_RDWR)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)
