"""The made-up index: it keeps to its own folder, and what it is made of can be published."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from demo import __main__ as demo
from demo import chronicle, folders
from demo.ago import standing
from demo.document import write_document
from demo.people import CAST
from demo.shelf import SHELF
from tests.looks import pictures

from keyhouse.audit import sealing
from keyhouse.audit.models import Record
from keyhouse.audit.services import record
from keyhouse.cli.dev_document import read_document
from keyhouse.core import data_folder
from keyhouse.core.actor import host

pytestmark = pytest.mark.by_turns

NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("words", [[], ["--reset"]])
def test_a_folder_that_it_did_not_make_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    kept = tmp_path / "data" / "keyhouse.sqlite3"
    kept.parent.mkdir()
    kept.write_bytes(b"of somebody")
    assert demo.main(["--folder", str(kept.parent), *words]) == demo.REFUSED
    assert list(kept.parent.iterdir()) == [kept]
    assert kept.read_bytes() == b"of somebody"
    assert "nothing in it is touched" in capsys.readouterr().err


def test_it_takes_a_new_folder_an_empty_one_and_its_own(tmp_path: Path) -> None:
    assert demo.is_ours(tmp_path / "new")
    assert demo.is_ours(tmp_path)
    (tmp_path / demo.MARK).write_text("{}")
    (tmp_path / "data").mkdir()
    assert demo.is_ours(tmp_path)


def test_a_folder_that_is_served_is_not_thrown_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / demo.MARK).write_text('{"people": []}')
    data = tmp_path / "data"
    data.mkdir()
    (data / "kept").write_text("of the one who serves it")
    server = data_folder.hold(data)
    server.tell(data_folder.Holder(17, "http://localhost:8400"))
    try:
        assert demo.main(["--folder", str(tmp_path), "--reset"]) == demo.REFUSED
    finally:
        server.release()
    assert (data / "kept").exists()
    assert "held by process 17 (http://localhost:8400). Stop it first." in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--reset"]])
def test_two_at_once_do_not_fill_one_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    (tmp_path / demo.MARK).write_text("{}")
    (tmp_path / "data").mkdir()
    with (tmp_path / demo.MARK).open() as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        assert demo.main(["--folder", str(tmp_path), *words]) == demo.REFUSED
    assert list((tmp_path / "data").iterdir()) == []
    said = capsys.readouterr()
    assert (said.out, "Another ./run demo is filling" in said.err) == ("", True)


def test_one_that_runs_already_is_named_and_nobody_is_told_to_sign_in_at_the_other_port(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / demo.MARK).write_text('{"people": []}')
    (tmp_path / "data").mkdir()
    server = data_folder.hold(tmp_path / "data")
    server.tell(data_folder.Holder(17, "http://localhost:8400"))
    try:
        assert demo.main(["--folder", str(tmp_path), "--port", "8401"]) == demo.REFUSED
    finally:
        server.release()
    said = capsys.readouterr()
    assert (said.out, "held by process 17 (http://localhost:8400). Stop it first." in said.err) == ("", True)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_as_the_server_does(tmp_path: Path, sign: signal.Signals) -> None:
    (tmp_path / demo.MARK).write_text('{"people": []}')
    words = [sys.executable, "-m", "demo", "--folder", str(tmp_path), "--port", "0"]
    served = subprocess.Popen(
        words, cwd=demo.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert served.stdout is not None
    said = ""
    for line in served.stdout:
        said += line
        if "Keyhouse is at" in line:
            break
    served.send_signal(sign)
    rest, _ = served.communicate(timeout=60)
    assert served.returncode == 0, said + rest
    assert "Traceback" not in rest


def test_what_is_emptied_is_ours_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    ours = tmp_path / "ours"
    (ours / "data" / "deep").mkdir(parents=True)
    (ours / demo.MARK).touch()
    (ours / "link").symlink_to(tmp_path / "elsewhere")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda path: (_ for _ in ()).throw(PermissionError(path)))
        with pytest.raises(PermissionError):
            folders.empty(ours, demo.MARK)
    assert demo.is_ours(ours)
    folders.empty(ours, demo.MARK)
    assert list(ours.iterdir()) == [ours / demo.MARK]
    assert (tmp_path / "elsewhere" / "kept").exists()


@pytest.mark.parametrize("kept", ["thesis.tex", "index.html"])
def test_pictures_go_into_no_folder_of_somebody_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: str
) -> None:
    (tmp_path / kept).write_text("of somebody")
    assert pictures.main([str(tmp_path), "--only", "no such page"]) == 1
    assert (tmp_path / kept).read_text() == "of somebody"
    assert list(tmp_path.iterdir()) == [tmp_path / kept]
    assert "nothing in it is touched" in capsys.readouterr().err
    assert pictures.main([str(tmp_path / kept)]) == 1, "a file is no folder"


def test_pictures_take_a_new_folder_and_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    assert folders.is_ours(folder, pictures.MARK)
    folders.empty(folder, pictures.MARK)
    (folder / "old.png").touch()
    assert folders.is_ours(folder, pictures.MARK)
    folders.empty(folder, pictures.MARK)
    assert list(folder.iterdir()) == [folder / pictures.MARK]


def test_nothing_of_the_surroundings_leads_it_to_other_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYHOUSE_DATABASE_URL", "postgresql://somewhere/real")
    monkeypatch.setenv("KEYHOUSE_DATA", "/srv/keyhouse")
    found = demo._surroundings(tmp_path)
    ours = {name: value for name, value in found.items() if name.startswith("KEYHOUSE_")}
    assert ours == {
        "KEYHOUSE_ENVIRONMENT": "test",
        "KEYHOUSE_DATA": str(tmp_path / "data"),
        "KEYHOUSE_MAIL_DIR": str(tmp_path / "mails"),
        **demo.SETTINGS,
    }


def test_its_document_can_be_seeded(tmp_path: Path) -> None:
    document = read_document(json.dumps(write_document(tmp_path, NOW)).encode())
    names = {person.name for person in CAST.people}
    assert {name for work in SHELF for name in (*work.owners.split(), *work.maintainers.split())} <= names
    assert len(document.files) > 300
    assert all(file.uploaded_at and file.uploaded_at < NOW for file in document.files)
    assert all(Path(file.path).stat().st_size > 500 for file in document.files)


def test_releases_come_in_the_order_of_their_versions() -> None:
    for work in SHELF:
        instants = [at for _, at in work.releases(NOW)]
        assert instants == sorted(instants), work.name


@pytest.mark.slow
def test_what_happens_in_it_is_what_its_services_allow(tmp_path: Path) -> None:
    demo.fill(tmp_path / "made")
    assert {"iris", "priya"} <= {
        one["username"] for one in json.loads((tmp_path / "made" / demo.MARK).read_text())["people"]
    }
    for words in (["audit", "verify"], ["storage", "verify"]):
        subprocess.run(
            [sys.executable, "-m", "keyhouse", *words], env=demo._surroundings(tmp_path / "made"), check=True
        )


@pytest.mark.django_db
def test_the_audit_log_is_put_in_the_order_of_time_before_it_is_sealed() -> None:
    for days in (1, 3, 2):
        with standing(NOW - timedelta(days=days)):
            record("switch.set", by=host(), details={"days": days})
    chronicle.put_in_order()
    rows = Record.objects.order_by("pk").select_related("personal")
    assert [(row.details["days"], row.personal.record_id == row.pk) for row in rows] == [
        (3, True),
        (2, True),
        (1, True),
    ]
    assert sealing.seal(NOW) == len(rows)
    with pytest.raises(RuntimeError, match="sealed already"):
        chronicle.put_in_order()
