"""The data folder and its mark."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from keyhouse import __version__
from keyhouse.core import configuration, data_folder, instance
from keyhouse.core.configuration import Configuration, ConfigurationError
from keyhouse.core.data_folder import DataFolderBusyError, Holder

POSTGRESQL = "postgresql://localhost/keyhouse"


def settings_of(data: Path, environment: str = "test", *, database_url: str = "") -> Configuration:
    return configuration.read(
        {
            "KEYHOUSE_DATA": str(data),
            "KEYHOUSE_ENVIRONMENT": environment,
            "KEYHOUSE_DATABASE_URL": database_url,
        }
    )


def test_the_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    data_folder.make(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="can't be made"):
        data_folder.make(tmp_path / "file" / "data")


def test_the_second_server_hears_who_holds_the_folder(tmp_path: Path) -> None:
    hold = data_folder.hold(tmp_path)
    hold.tell(Holder(4711, "http://localhost:8400"))
    with pytest.raises(DataFolderBusyError, match=r"process 4711 \(http://localhost:8400\)"):
        data_folder.hold(tmp_path)
    assert data_folder.find_holder(tmp_path) == Holder(4711, "http://localhost:8400")
    hold.release()
    assert data_folder.find_holder(tmp_path) is None
    data_folder.hold(tmp_path).release()


def test_a_server_that_is_just_starting_holds_it_too(tmp_path: Path) -> None:
    hold = data_folder.hold(tmp_path)
    with pytest.raises(DataFolderBusyError, match="just starting"):
        data_folder.hold(tmp_path)
    hold.release()


def test_a_killed_server_holds_nothing(tmp_path: Path) -> None:
    program = (
        "import sys, os, signal, pathlib; from keyhouse.core import data_folder as d; "
        "d.hold(pathlib.Path(sys.argv[1])).tell(d.Holder(os.getpid(), 'http://x')); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert (tmp_path / data_folder.LOCK_NAME).read_text()
    assert data_folder.find_holder(tmp_path) is None
    data_folder.hold(tmp_path).release()


def test_one_at_a_time_does_what_others_wait_for(tmp_path: Path) -> None:
    inside, most = 0, 0

    def act() -> None:
        nonlocal inside, most
        with data_folder.exclusively(tmp_path, "migrate"):
            inside += 1
            most = max(most, inside)
            threading.Event().wait(0.02)
            inside -= 1

    threads = [threading.Thread(target=act) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_folder_is_marked_once(tmp_path: Path) -> None:
    first = instance.ensure_instance(settings_of(tmp_path / "data"))
    assert (first.environment, first.version) == ("test", __version__)
    assert len(first.shown_id) == 8
    assert int(first.id, 16)
    assert instance.ensure_instance(settings_of(tmp_path / "data")) == first
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["instance.json"]


def test_two_that_mark_at_once_end_up_with_one_mark(tmp_path: Path) -> None:
    found = []
    barrier = threading.Barrier(8)

    def mark() -> None:
        barrier.wait()
        found.append(instance.ensure_instance(settings_of(tmp_path)))

    threads = [threading.Thread(target=mark) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["instance.json"]


def test_the_other_environment_is_refused(tmp_path: Path) -> None:
    instance.ensure_instance(settings_of(tmp_path))
    before = (tmp_path / "instance.json").read_bytes()
    with pytest.raises(ConfigurationError, match="belongs to the environment test, and this is production"):
        instance.ensure_instance(settings_of(tmp_path, "production"))
    assert (tmp_path / "instance.json").read_bytes() == before


def test_an_index_on_the_other_kind_of_database_is_refused(tmp_path: Path) -> None:
    for first, other, sentence in (
        ("", POSTGRESQL, "on SQLite, and KEYHOUSE_DATABASE_URL names PostgreSQL; moving an index"),
        (POSTGRESQL, "", "on PostgreSQL, and KEYHOUSE_DATABASE_URL is not set"),
    ):
        data = tmp_path / (first[:4] or "sqlite")
        data.mkdir()
        instance.mark_version(settings_of(data, database_url=first))
        before = (data / "instance.json").read_bytes()
        with pytest.raises(ConfigurationError, match=sentence):
            instance.ensure_instance(settings_of(data, database_url=other))
        with pytest.raises(ConfigurationError, match=sentence):
            instance.mark_version(settings_of(data, database_url=other))
        assert [path.name for path in data.iterdir()] == ["instance.json"]
        assert (data / "instance.json").read_bytes() == before


def test_a_mark_without_a_kind_of_database_gets_one_when_it_has_been_migrated(tmp_path: Path) -> None:
    write_mark(tmp_path, __version__)
    settings = settings_of(tmp_path, database_url=POSTGRESQL)
    assert instance.ensure_instance(settings).database is None
    for stray in (False, True):  # one that somebody asked by mistake is no index
        if stray:
            (tmp_path / "keyhouse.sqlite3").touch()
        with pytest.raises(ConfigurationError, match="on PostgreSQL"):
            instance.mark_version(settings_of(tmp_path))
    instance.mark_version(settings)
    assert instance.ensure_instance(settings).database == "postgresql"
    with pytest.raises(ConfigurationError, match="on PostgreSQL"):
        instance.ensure_instance(settings_of(tmp_path))


def test_a_mark_with_a_kind_that_is_none_is_refused_as_another(tmp_path: Path) -> None:
    for kind in ("oracle", ["sqlite"], 7):
        mark = {"id": "ab" * 16, "environment": "test", "version": __version__, "database": kind}
        (tmp_path / "instance.json").write_text(json.dumps(mark))
        assert not instance.is_at_hand(settings_of(tmp_path))
        with pytest.raises(ConfigurationError):
            instance.ensure_instance(settings_of(tmp_path))


def test_a_folder_without_an_index_yet_takes_either_kind_of_database(tmp_path: Path) -> None:
    assert instance.ensure_instance(settings_of(tmp_path, database_url=POSTGRESQL)).database == ""
    instance.mark_version(settings_of(tmp_path))
    assert instance.ensure_instance(settings_of(tmp_path)).database == "sqlite"


def test_a_newer_versions_folder_is_refused(tmp_path: Path) -> None:
    write_mark(tmp_path, "999.0")
    with pytest.raises(ConfigurationError, match=r"Keyhouse 999\.0, which is newer"):
        instance.ensure_instance(settings_of(tmp_path))


def test_an_older_versions_folder_is_taken_over_when_it_has_been_migrated(tmp_path: Path) -> None:
    write_mark(tmp_path, "0.0.1")
    with closing(sqlite3.connect(tmp_path / "keyhouse.sqlite3")) as database:
        database.execute("CREATE TABLE django_migrations (id INTEGER)")
    settings = settings_of(tmp_path)
    assert instance.ensure_instance(settings).version == "0.0.1"
    instance.mark_version(settings)
    assert instance.ensure_instance(settings) == instance.Instance("ab" * 16, "test", __version__, "sqlite")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"id": "x", "environment": "test", "version": "not one"}']
)
def test_a_mark_that_cannot_be_read_stops_everything(tmp_path: Path, text: str) -> None:
    (tmp_path / "instance.json").write_text(text)
    with pytest.raises(ConfigurationError, match="can't be read"):
        instance.ensure_instance(settings_of(tmp_path))
    assert (tmp_path / "instance.json").read_text() == text


def write_mark(folder: Path, version: str) -> None:
    body = {"id": "ab" * 16, "environment": "test", "version": version}
    (folder / "instance.json").write_text(json.dumps(body))
