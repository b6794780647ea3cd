from __future__ import annotations

import json
import re
import signal
import stat
import threading
from pathlib import Path

import psycopg
import pytest
from tests.cli.places import Place, ask, execute
from tests.distfiles.builders import build_wheel

from keyhouse.accounts.sessions import digest_of
from keyhouse.cli.copies import copy_blob, without_password
from keyhouse.storage.local import LocalBlobs

pytestmark = [pytest.mark.database, pytest.mark.by_turns]


def fill(index: Place, *versions: str, name: str = "alpha") -> None:
    folder = index.data.parent
    files = [{"path": str(build_wheel(folder, name, version)), "by": "ada"} for version in versions]
    index.seed({"files": files})


def blobs_of(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and ".incoming" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def restore(backup: Path, to: Place, *words: str | Path) -> dict[str, object]:
    told: dict[str, object] = to.json("restore", backup, *words, "--json")
    return told


def files_of(index: Place) -> list[str]:
    """Return the file names that the rows tell of, by the audit log, which every upload writes to."""
    lines = index.keyhouse("audit", "--json", "--action", "release.upload").splitlines()
    return sorted(json.loads(line)["details"]["filename"] for line in lines)


def test_a_backup_comes_back_whole(filled: Place, elsewhere: Place, tmp_path: Path) -> None:
    told = filled.json("backup", "backup", "--keys", "keys.json", "--json")
    assert (told["files"], told["blobs_copied_now"], told["keys_included"]) == (2, 4, False)
    restored = restore(tmp_path / "backup", elsewhere, "--keys", tmp_path / "keys.json")
    assert restored["files"] == 2
    assert elsewhere.verify() == {"ok": True, "differences": [], "left_over": 0, "pruned": 0}
    assert blobs_of(elsewhere.data / "files") == blobs_of(filled.data / "files")
    assert files_of(elsewhere) == files_of(filled)
    assert [
        json.loads(line)["alive"] for line in elsewhere.keyhouse("token", "list", "--json").splitlines()
    ] == [True]
    assert (elsewhere.data / "keys.json").read_bytes() == (filled.data / "keys.json").read_bytes()
    elsewhere.seed({"sessions": [{"user": "ada", "proved": ["totp"]}]})  # it goes on from there


def test_the_keys_are_not_in_the_backup_and_only_their_owner_reads_the_copy(
    filled: Place, tmp_path: Path
) -> None:
    filled.keyhouse("backup", "backup", "--keys", "keys.json")
    secret = json.loads((filled.data / "keys.json").read_text())["keys"][0]["key"].encode()
    assert all(secret not in content for content in blobs_of(tmp_path / "backup").values())
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o700


def test_the_second_backup_copies_only_what_is_new(filled: Place, elsewhere: Place, tmp_path: Path) -> None:
    filled.keyhouse("backup", "backup")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "backup" / "files").rglob("*.whl")}
    fill(filled, "3.0")
    assert filled.json("backup", "backup", "--json")["blobs_copied_now"] == 2
    assert all(path.stat().st_mtime_ns == was for path, was in before.items())
    assert len(list((tmp_path / "backup").glob("database-*"))) == 1
    restore(tmp_path / "backup", elsewhere, "--keys", filled.data / "keys.json")
    assert elsewhere.verify()["ok"] is True
    assert len(files_of(elsewhere)) == 3


def test_a_restored_postgresql_knows_at_once_what_its_tables_hold(
    filled: Place, elsewhere: Place, tmp_path: Path
) -> None:
    if not elsewhere.database_url:
        pytest.skip("SQLite's copy has what it knew")
    filled.keyhouse("backup", "backup")
    restore(tmp_path / "backup", elsewhere, "--keys", filled.data / "keys.json")
    with psycopg.connect(elsewhere.database_url) as connection:
        known = connection.execute(
            "SELECT relname FROM pg_class WHERE reltuples >= 0 AND relname = ANY(%s)",
            [["projects_project", "projects_file", "audit_record"]],
        ).fetchall()
    assert len(known) == 3


@pytest.mark.parametrize("point", ["backup.database-copied", "backup.blobs-copied"])
def test_a_killed_backup_leaves_the_one_before_it_whole(
    point: str, filled: Place, elsewhere: Place, tmp_path: Path
) -> None:
    filled.keyhouse("backup", "backup")
    manifest = (tmp_path / "backup" / "manifest.json").read_bytes()
    fill(filled, "3.0")
    killed = filled.run("backup", "backup", KEYHOUSE_FAULT=point)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "backup" / "manifest.json").read_bytes() == manifest
    restore(tmp_path / "backup", elsewhere, "--keys", filled.data / "keys.json")
    assert elsewhere.verify()["ok"] is True
    assert len(files_of(elsewhere)) == 2
    filled.keyhouse("backup", "backup")
    assert len(list((tmp_path / "backup").glob("database-*"))) == 1


def test_a_first_backup_that_was_killed_is_no_backup(filled: Place, elsewhere: Place) -> None:
    filled.run("backup", "backup", KEYHOUSE_FAULT="backup.blobs-copied")
    refused = elsewhere.run("restore", "backup", "--without-keys")
    assert refused.returncode == 1
    assert refused.stderr.startswith("restore-refused: backup holds no complete backup")
    assert not elsewhere.data.exists()


def test_writers_go_on_during_a_backup_and_the_copy_is_of_one_moment(
    filled: Place, elsewhere: Place, tmp_path: Path
) -> None:
    made: list[str] = []
    is_over = threading.Event()

    def publish() -> None:
        while not is_over.is_set():
            version = f"9.{len(made)}"
            fill(filled, version)
            made.append(version)

    writer = threading.Thread(target=publish)
    writer.start()
    try:
        for _ in range(2):
            filled.keyhouse("backup", "backup")
    finally:
        is_over.set()
        writer.join()
    assert made
    restore(tmp_path / "backup", elsewhere, "--keys", filled.data / "keys.json")
    assert elsewhere.verify()["ok"] is True
    assert 2 <= len(files_of(elsewhere)) <= 2 + len(made)


def test_a_name_too_long_for_the_file_system_is_copied_too(tmp_path: Path) -> None:
    source, target = LocalBlobs(tmp_path / "source"), LocalBlobs(tmp_path / "target")
    key = f"ab/cd/{'e' * 60}/{'a' * 246}.whl.metadata"
    temp = source.incoming()
    temp.write_bytes(b"metadata")
    source.keep(temp, key)
    copy_blob(source, target, key)
    assert list(target.keys()) == [key]
    assert target.open(key).read() == b"metadata"


# ---- restoring


def test_a_folder_that_is_not_empty_is_refused_untouched(
    filled: Place, elsewhere: Place, tmp_path: Path
) -> None:
    filled.keyhouse("backup", "backup")
    elsewhere.data.mkdir()
    (elsewhere.data / "letter.txt").write_text("mine")
    refused = elsewhere.run("restore", "backup", "--keys", filled.data / "keys.json")
    assert refused.returncode == 1
    assert "is not empty" in refused.stderr
    assert [path.name for path in elsewhere.data.iterdir()] == ["letter.txt"]
    again = filled.run("restore", "backup", "--keys", filled.data / "keys.json")
    assert "is not empty" in again.stderr
    assert filled.verify()["ok"] is True


def test_a_database_that_is_not_empty_is_refused_untouched(
    filled: Place, elsewhere: Place, tmp_path: Path
) -> None:
    if not filled.database_url:
        pytest.skip("on SQLite the database is in the folder")
    filled.keyhouse("backup", "backup")
    with psycopg.connect(elsewhere.database_url) as connection:
        connection.execute("CREATE TABLE letters (body text)")
    refused = elsewhere.run("restore", "backup", "--keys", filled.data / "keys.json")
    assert refused.stderr.startswith("restore-refused: The database is not empty.")
    assert list(elsewhere.data.iterdir()) == []
    with psycopg.connect(elsewhere.database_url) as connection:
        assert connection.execute("SELECT count(*) FROM letters").fetchone() == (0,)


def test_an_interrupted_restore_serves_nothing_and_is_run_again(
    filled: Place, elsewhere: Place, tmp_path: Path
) -> None:
    filled.keyhouse("backup", "backup")
    keys = filled.data / "keys.json"
    failed = elsewhere.run(
        "restore", "backup", "--keys", keys, KEYHOUSE_STORAGE_URL="file:///proc/no-such-place"
    )
    assert failed.returncode == 1
    for words in (["serve", "--port", "0"], ["audit"], ["dev", "settle"]):
        refused = elsewhere.run(*words)
        assert refused.returncode == 2, words
        assert "A restore into" in refused.stderr, words
    restore(tmp_path / "backup", elsewhere, "--keys", keys)
    assert elsewhere.verify()["ok"] is True


def test_what_a_damaged_backup_lacks_is_told(filled: Place, elsewhere: Place, tmp_path: Path) -> None:
    filled.keyhouse("backup", "backup")
    lost = next((tmp_path / "backup" / "files").rglob("*2.0*.whl"))
    lost.unlink()
    done = elsewhere.run("restore", "backup", "--keys", filled.data / "keys.json")
    assert done.returncode == 1
    assert f"blob-missing: {lost.name}" in done.stdout
    assert elsewhere.verify()["ok"] is False  # it came back otherwise, and says so


def test_a_restore_that_was_killed_after_the_database_came_back_is_run_again(
    filled: Place, elsewhere: Place, tmp_path: Path
) -> None:
    filled.keyhouse("backup", "backup")
    restore(tmp_path / "backup", elsewhere, "--keys", filled.data / "keys.json")
    place = without_password(elsewhere.database_url)[0] if elsewhere.database_url else ""
    (elsewhere.data / "restore-unfinished").write_text(place)  # as if it had been killed before its last step
    fill(filled, "3.0")
    filled.keyhouse("backup", "backup")
    restore(tmp_path / "backup", elsewhere, "--keys", filled.data / "keys.json")
    assert elsewhere.verify()["ok"] is True
    assert len(files_of(elsewhere)) == 3


def test_backups_that_do_not_fit_are_refused(filled: Place, elsewhere: Place, tmp_path: Path) -> None:
    filled.keyhouse("backup", "backup", "--keys", "keys.json")
    path = tmp_path / "backup" / "manifest.json"
    whole = json.loads(path.read_text())
    wrong = {
        "newer than this": {"version": "99.0"},
        "is of the environment": {"environment": "production"},
        "and this would be a": {"database": "sqlite" if filled.database_url else "postgresql"},
        "not the one that its manifest": {"database_sha256": "0" * 64},
        "holds no complete backup": {"database_file": "gone"},
        "lacks keys": {"key_ids": ["0123456789abcdef"]},
    }
    for sentence, change in wrong.items():
        path.write_text(json.dumps(whole | change))
        refused = elsewhere.run("restore", "backup", "--keys", "keys.json")
        assert refused.returncode == 1
        assert sentence in refused.stderr
        assert not elsewhere.data.exists()


def test_wrong_keys_are_refused_and_keys_are_never_overwritten(
    filled: Place, elsewhere: Place, tmp_path: Path
) -> None:
    filled.keyhouse("backup", "backup", "--keys", "keys.json")
    (tmp_path / "nonsense.json").write_text("{}")
    assert "can't be read" in elsewhere.run("restore", "backup", "--keys", "nonsense.json").stderr
    other = tmp_path / "other-keys.json"
    other.write_text((tmp_path / "keys.json").read_text().replace('"made_at"', '"made_at" '))
    elsewhere.settings["KEYHOUSE_KEY_FILE"] = str(other)
    before = other.read_bytes()
    assert "There are other keys in" in elsewhere.run("restore", "backup", "--keys", "keys.json").stderr
    assert (
        "There are keys in" in elsewhere.run("restore", "backup", "--without-keys").stderr or other.exists()
    )
    assert other.read_bytes() == before


def test_the_key_file_may_be_restored_from_its_own_place(
    filled: Place, elsewhere: Place, tmp_path: Path
) -> None:
    filled.keyhouse("backup", "backup", "--keys", "keys.json")
    elsewhere.settings["KEYHOUSE_KEY_FILE"] = str(tmp_path / "keys.json")
    before = (tmp_path / "keys.json").read_bytes()
    restore(tmp_path / "backup", elsewhere, "--keys", tmp_path / "keys.json")
    assert (tmp_path / "keys.json").read_bytes() == before
    assert elsewhere.verify()["ok"] is True


def test_all_sessions_end_at_a_restore(filled: Place, elsewhere: Place, tmp_path: Path) -> None:
    filled.seed({"sessions": [{"user": "ada", "proved": ["totp"]}]})
    filled.keyhouse("backup", "backup")
    told = restore(tmp_path / "backup", elsewhere, "--keys", filled.data / "keys.json")
    assert told["sessions_ended"] == 1
    assert "are_keys_lost=False" in elsewhere.keyhouse("audit", "--action", "host.command")


def test_a_mail_that_waited_goes_out_with_a_link_that_works_and_who_needs_one_is_told(
    filled: Place, elsewhere: Place, tmp_path: Path
) -> None:
    def invite(*words: str) -> None:
        filled.keyhouse("user", "invite", *words)

    invite("bob", "bob@example.org", "--mail")
    invite("carl", "carl@example.org")
    for name in ("dora", "eve"):  # a role in a project, by mails of which only eve's has left
        filled.keyhouse("project", "people", "invite", "alpha", f"{name}@example.org")
    filled.seed({"organizations": [{"name": "acme", "owners": ["ada"]}]})
    filled.keyhouse("organization", "people", "invite", "acme", "fay@example.org")
    filled.keyhouse("user", "recover", "ada")
    execute(
        filled,
        "UPDATE mail_mail SET state = 'sent', content_sealed = '' WHERE address LIKE 'eve%' OR address LIKE 'fay%'",
    )
    filled.keyhouse("backup", "backup")
    done = elsewhere.keyhouse("restore", tmp_path / "backup", "--keys", filled.data / "keys.json")
    needed = [line for line in done.splitlines() if line.startswith("Without their link now: 1 ")]
    commands = (
        "user invite --from people.csv --mail",
        "import remind",
        "organization people remind NAME",
    )
    for line, told in zip(needed, (*commands, "user recover NAME"), strict=True):
        assert f"`keyhouse {told}`" in line
    assert needed[-1].endswith("prints a new one: ada.")
    rows = [json.loads(line) for line in elsewhere.keyhouse("user", "invited", "--json").splitlines()]
    over = {row["address"].partition("@")[0]: row["is_over"] for row in rows}
    assert over == {"bob": False, "carl": True, "dora": False, "eve": True, "fay": True}
    tried = json.loads(elsewhere.keyhouse("import", "remind", "--dry-run", "--json"))
    left = {"told_lately": ["dora@example.org"], "resting": []}
    assert (tried["people"], tried["left_out"]) == (["eve@example.org"], left)
    tried = json.loads(elsewhere.keyhouse("organization", "people", "remind", "acme", "--dry-run", "--json"))
    assert tried["people"] == ["fay@example.org"]
    elsewhere.keyhouse("dev", "settle")
    sent = {path: path.read_text().replace("=\n", "") for path in (elsewhere.data / "mail").glob("*.eml")}
    links = {secret for text in sent.values() for secret in re.findall(r"/invitation/([\w-]{43})/", text)}
    alive = ask(elsewhere, "SELECT digest FROM accounts_onetimelink WHERE purpose = 'invitation'")
    assert len(links) == 2
    assert {digest_of(secret) for secret in links} <= set(alive)
    (tmp_path / "people.csv").write_text("name,address\nbob,bob@example.org\ncarl,carl@example.org\n")
    again = elsewhere.run("user", "invite", "--from", tmp_path / "people.csv", "--mail")
    assert again.stdout == "carl,carl@example.org\n"


def test_without_the_keys_no_mail_that_waited_goes_out_and_its_person_needs_a_link(
    filled: Place, elsewhere: Place, tmp_path: Path
) -> None:
    filled.keyhouse("user", "invite", "bob", "bob@example.org", "--mail")
    filled.seed({"users": [{"username": "eve", "second_factors": ["totp"]}, {"username": "zoe"}]})
    for name in ("eve", "zoe"):
        filled.keyhouse("user", "recover", name)
    filled.keyhouse("backup", "backup")
    told = restore(tmp_path / "backup", elsewhere, "--without-keys")
    assert told["mails_lost"] == 1
    assert told["new_links_needed"] == {
        "invited": 1, "offered_projects": 0, "offered_organizations": 0, "enrolling": ["zoe"]
    }  # fmt: skip
    elsewhere.keyhouse("dev", "settle")
    assert not list((elsewhere.data / "mail").glob("*.eml"))


def test_without_the_keys_tokens_and_apps_die_and_everybody_has_a_way_back(
    filled: Place, elsewhere: Place, tmp_path: Path
) -> None:
    people = [
        {"username": "bob", "email": "bob@example.org", "second_factors": ["totp"]},
        {"username": "eve", "password": "correct horse battery staple"},
        {"username": "gone", "second_factors": ["totp"], "state": "deleted"},
    ]
    filled.seed({"users": people})
    filled.keyhouse("backup", "backup")
    told = restore(tmp_path / "backup", elsewhere, "--without-keys")
    assert told["tokens_revoked"] == 1
    ways = {way["username"]: way["link"] for way in told["ways_back"]}  # type: ignore[attr-defined]  # JSON
    assert set(ways) == {"ada", "bob"}  # eve had no factor that could die
    assert ways["ada"] is None
    assert "/enrolment/" in ways["bob"]
    assert elsewhere.verify()["ok"] is True
    assert elsewhere.keyhouse("token", "list") == ""
    assert "its key was lost" in elsewhere.keyhouse("audit", "--action", "token.revoke")
    assert "enrolment.link account bob by host (host) reason=keys lost" in elsewhere.keyhouse("audit")


def test_what_a_wrong_command_line_means_is_said(filled: Place, elsewhere: Place) -> None:
    filled.keyhouse("backup", "backup")
    assert elsewhere.run("restore", "backup").returncode == 2
    both = elsewhere.run("restore", "backup", "--without-keys", "--keys", filled.data / "keys.json")
    assert both.returncode == 2
    assert not elsewhere.data.exists()


@pytest.mark.parametrize(
    ("url", "bare", "password"),
    [
        ("postgresql://ada:s%40cret@db:5433/keyhouse", "postgresql://ada@db:5433/keyhouse", "s@cret"),
        ("postgresql://db/keyhouse?sslmode=require", "postgresql://db/keyhouse?sslmode=require", ""),
        ("postgresql://a%20b:x@[::1]/k", "postgresql://a%20b@[::1]/k", "x"),
    ],
)
def test_no_password_stands_in_the_words_of_a_command(url: str, bare: str, password: str) -> None:
    assert without_password(url) == (bare, password)
