"""Imports as a whole: what comes, what doesn't and why, and the same once more."""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from tests.distfiles.builders import build_sdist, build_wheel, metadata_bytes, zip_bytes
from tests.projects.conftest import make_file
from tests.publishing.importing.conftest import Run
from tests.publishing.importing.site import JSON, Site, breaking_off
from tests.publishing.world import make_project, make_user

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core import clock, configuration
from keyhouse.core.actor import Actor, host
from keyhouse.distfiles.rules import Rules
from keyhouse.mail.models import Mail
from keyhouse.projects.life_cycle.services import delete_file, undeprecate_project, unyank_release
from keyhouse.projects.models import File, IndexPage, Project, Release, Role
from keyhouse.projects.services import publish_file
from keyhouse.publishing.importing import running, services
from keyhouse.publishing.importing.client import Patience
from keyhouse.publishing.importing.errors import ImportStopped, SourceEmpty
from keyhouse.publishing.importing.fetching import Bench, fetch_together
from keyhouse.publishing.importing.judging import Came, Errand, Job, take_all
from keyhouse.publishing.importing.names import Wanted
from keyhouse.publishing.importing.offers import Offer, Offered
from keyhouse.publishing.importing.owners import Line, Owners
from keyhouse.publishing.importing.rows import Row
from keyhouse.publishing.importing.rules import Placed
from keyhouse.publishing.importing.running import Import
from keyhouse.publishing.importing.sources.choosing import Choice, open_source
from keyhouse.publishing.importing.sources.folder import Folder
from keyhouse.publishing.upload.content import Content, IncomingFile, digest_file
from keyhouse.safety.models import Quarantine
from keyhouse.safety.names.services import reserve_name
from keyhouse.safety.quarantine.services import lift, quarantine
from keyhouse.storage import blobs
from keyhouse.storage.local import LocalBlobs

pytestmark = pytest.mark.usefixtures("here")
LONG_AGO = "2019-05-01T10:00:00Z"
QUICK = Choice(patience=Patience(silence=2, page_seconds=5, file_seconds=5, pause=0.0))


def outcomes(rows: list[Row]) -> dict[str, str]:
    return {row.filename or row.project: row.code or row.outcome for row in rows}


def stored(folder: Path | None = None) -> list[Path]:
    root = configuration.current().files_folder
    return [path for path in root.rglob("*") if path.is_file() and ".incoming" not in path.parts]


def offer_json(site: Site, name: str, wheel: Path, **fields: object) -> dict[str, object]:
    """Serve a file and return the entry that an honest index has of it."""
    site.page(f"/files/{wheel.name}", wheel.read_bytes(), "application/octet-stream")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return {
        "filename": wheel.name,
        "url": f"/files/{wheel.name}",
        "hashes": {"sha256": digest},
        "yanked": False,
        **fields,
    }


def serve_index(site: Site, projects: dict[str, list[dict[str, object]]], **said: object) -> str:
    """Serve a JSON index and return its address."""
    listed = [{"name": name} for name in projects]
    site.page("/simple/", json.dumps({"meta": {"api-version": "1.1"}, "projects": listed}), JSON)
    for name, files in projects.items():
        page = {"meta": {"api-version": "1.1"}, "name": name, "files": files, **said}
        site.page(f"/simple/{name}/", json.dumps(page), JSON)
    return f"{site.url}/simple/"


# ---- a folder


def test_a_folder_comes_whole_and_only_once(folder: Path, bring_in: Run) -> None:
    (folder / "deep" / "er").mkdir(parents=True)
    wheel, sdist = build_wheel(folder), build_sdist(folder / "deep" / "er")
    other = build_wheel(folder / "deep", "Beta.Two", "2.0")
    (folder / "README.html").write_text("no distribution")
    work, rows = bring_in(folder)
    assert outcomes(rows) == {wheel.name: "imported", sdist.name: "imported", other.name: "imported"}
    assert work.totals.is_complete
    assert {project.name for project in Project.objects.all()} == {"alpha", "Beta.Two"}
    assert {role.user.username for role in Role.objects.filter(kind="owner")} == {"ada"}
    file = File.objects.get(filename=wheel.name)
    assert (file.sha256, file.uploaded_via) == (hashlib.sha256(wheel.read_bytes()).hexdigest(), "import")
    assert b"alpha-1.0.tar.gz" in bytes(IndexPage.objects.get(kind="simple", name="alpha", form="json").body)
    before = (Record.objects.count(), len(stored()))
    work, rows = bring_in(folder)
    assert set(outcomes(rows).values()) == {"here"}
    assert (Record.objects.count(), len(stored())) == before


def test_what_a_folder_may_hold_beside_files_is_told_and_not_read(
    folder: Path, bring_in: Run, tmp_path: Path
) -> None:
    outside = build_wheel(tmp_path)
    (folder / outside.name).symlink_to(outside)
    (folder / "linked").symlink_to(tmp_path)
    os.mkfifo(folder / "beta-1.0.tar.gz")
    (folder / "gamma-1.0.tar.gz").mkdir()
    (folder / "delta-1.0.tar.gz").write_bytes(b"")
    (folder / "x-1.0.egg").write_bytes(b"x")
    (folder / "un\x1breadable-1.0.tar.gz").write_bytes(b"x")
    work, rows = bring_in(folder)
    assert sorted(row.code for row in rows) == [
        "archive-malformed", "filename-characters", "filename-extension", "source-entry-invalid", "source-entry-invalid"
    ]  # fmt: skip
    assert all(row.filename.isprintable() for row in rows)
    assert (Project.objects.count(), stored()) == (0, [])
    assert not work.totals.is_complete


def test_a_file_that_becomes_a_link_meanwhile_is_not_read(
    folder: Path, bring_in: Run, tmp_path: Path
) -> None:
    wheel = build_wheel(folder)

    class Swapping(Folder):
        def pieces(self, offer: Offer, most: int) -> Iterator[bytes]:
            wheel.unlink()
            wheel.symlink_to("/etc/hostname")
            return super().pieces(offer, most)

    assert outcomes(bring_in(Swapping(folder))[1]) == {wheel.name: "source-entry-invalid"}


def test_history_is_forgiven_when_asked_and_written_down(folder: Path, bring_in: Run) -> None:
    odd = build_wheel(
        folder, "Old_Thing", "1.0", filename="Old_Thing-1.0-py3-none-any.whl",
        metadata=metadata_bytes("Old_Thing", extra="Classifier: Once :: Known\nRequires-Python: three", metadata_version="2.0"),
    )  # fmt: skip
    assert outcomes(bring_in(folder)[1]) == {odd.name: "filename-not-canonical"}
    assert Project.objects.count() == 0
    work, [row] = bring_in(folder, is_lenient=True)
    codes = {
        "filename-not-canonical",
        "metadata-version-unsupported",
        "metadata-classifier",
        "metadata-requires-python",
    }
    assert {finding.code for finding in row.forgiven} == codes
    assert set(work.totals.forgiven) == codes
    told = Record.objects.get(action="release.upload").details["forgiven"]
    assert {line.partition(":")[0] for line in told} == codes
    file = File.objects.get()
    assert (file.filename, file.requires_python) == (odd.name, "")
    assert b"three" not in bytes(IndexPage.objects.get(kind="simple", form="html").body)


def test_a_source_distribution_in_a_zip_archive_is_old_enough_to_be_forgiven(
    folder: Path, bring_in: Run
) -> None:
    path = folder / "alpha-1.0.zip"
    path.write_bytes(zip_bytes([("alpha-1.0/PKG-INFO", metadata_bytes()), ("alpha-1.0/setup.py", b"pass")]))
    evil = folder / "beta-1.0.zip"
    evil.write_bytes(zip_bytes([("beta-1.0/PKG-INFO", metadata_bytes("beta")), ("../setup.py", b"pass")]))
    assert set(outcomes(bring_in(folder)[1]).values()) == {"filename-extension"}
    assert outcomes(bring_in(folder, is_lenient=True)[1]) == {
        path.name: "imported",
        evil.name: "archive-path",
    }
    file = File.objects.get()
    assert (file.kind, file.python_tag, file.metadata_sha256) == ("sdist", "source", "")


def zip_sdist(folder: Path, version: str = "1.0", member: str = "setup.py") -> Path:
    path, top = folder / f"alpha-{version}.zip", f"alpha-{version}/"
    path.write_bytes(
        zip_bytes([(f"{top}PKG-INFO", metadata_bytes("alpha", version)), (f"{top}{member}", b"pass")])
    )
    return path


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("is_dry", [False, True])
def test_where_a_tar_is_broken_the_zip_of_its_version_is_taken(
    folder: Path, bring_in: Run, workers: int, is_dry: bool
) -> None:
    for version in ("1.0", "2.0", "3.0", "4.0", "5.0", "6.0", "7.0"):
        build_sdist(folder, version=version)
        zip_sdist(folder, version, "../setup.py" if version == "2.0" else "setup.py")
    for version in ("1.0", "2.0", "4.0", "5.0", "6.0", "7.0"):
        path = folder / f"alpha-{version}.tar.gz"
        path.write_bytes(path.read_bytes()[:-20])
    work, rows = bring_in(folder, is_lenient=True, workers=workers, is_dry=is_dry)
    found = outcomes(rows)
    assert len(rows) == len(found) == 14, "each file has one row"
    broken = {found.pop(f"alpha-{version}.0.tar.gz") for version in (1, 2, 4, 5, 6, 7)}
    assert broken == {"archive-truncated"}
    taken = {f"alpha-{version}.0.zip": "imported" for version in (1, 4, 5, 6, 7)}
    others = {
        "alpha-2.0.zip": "archive-path",
        "alpha-3.0.tar.gz": "imported",
        "alpha-3.0.zip": "second-sdist",
    }
    assert found == taken | others
    assert (work.totals.files["left-out"], work.totals.files["refused"]) == (1, 7)
    if is_dry:
        assert (File.objects.count(), stored()) == (0, [])
        return
    assert set(File.objects.values_list("filename", flat=True)) == {"alpha-3.0.tar.gz", *taken}
    again = outcomes(bring_in(folder, is_lenient=True, workers=workers)[1])
    assert {again[name] for name in (*taken, "alpha-3.0.tar.gz")} == {"here"}
    build_sdist(folder)  # mended there, and too late
    assert outcomes(bring_in(folder, is_lenient=True)[1])["alpha-1.0.tar.gz"] == "second-sdist"


def test_a_zip_does_not_come_for_a_tar_that_did_not_come_or_was_deleted_here(
    folder: Path, bring_in: Run, site: Site
) -> None:
    sdist, archive = build_sdist(folder), zip_sdist(folder)
    url = serve_index(site, {"alpha": [offer_json(site, "alpha", one) for one in (archive, sdist)]})
    site.answers[f"/files/{sdist.name}"] = breaking_off
    found = outcomes(bring_in(url, QUICK, is_lenient=True)[1])
    assert found == {sdist.name: "source-unanswered", archive.name: "second-sdist"}
    assert f"/files/{archive.name}" not in [path for path, _ in site.asked]
    bring_in(folder, is_lenient=True)
    delete_file("alpha", sdist.name, by=host())
    found = outcomes(bring_in(folder, is_lenient=True)[1])
    assert found == {sdist.name: "file-name-used", archive.name: "second-sdist"}


def test_a_run_that_is_stopped_over_zips_leaves_nothing_and_goes_on(
    folder: Path, bring_in: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_TOGETHER", 1)
    for number in range(9):
        build_sdist(folder, version=f"{number}.0").write_bytes(b"broken")
        zip_sdist(folder, f"{number}.0")
    orders = bring_in(folder, is_lenient=True, is_dry=True)[0]._orders
    rows = list[Row]()

    def tell(row: Row) -> None:
        rows.append(row)
        if row.outcome == "imported":
            work.stop()

    work = Import(Folder(folder), replace(orders, is_dry=False), by=host(), tell=tell)
    with pytest.raises(ImportStopped):
        work.run()
    assert 0 < File.objects.count() < 9
    assert incoming() == []
    bring_in(folder, is_lenient=True)
    assert File.objects.filter(filename__endswith=".zip").count() == 9


def test_what_harms_is_refused_with_leniency_too(folder: Path, bring_in: Run) -> None:
    build_wheel(folder, "aa", record=b"")
    build_wheel(folder, "bb", suffix=b"more")
    build_wheel(folder, "cc", metadata=metadata_bytes("other"))
    build_wheel(folder, "dd", extra_members=[("../dd.py", b"")])
    build_wheel(folder, "ee", metadata_extra="Requires-Dist: x @ https://evil.example/x.whl")
    build_wheel(folder, "json")
    build_wheel(folder, "keyh0use")
    build_sdist(folder, "ff", top="gg-1.0")
    found = {row.project: row.code for row in bring_in(folder, is_lenient=True)[1]}
    assert found == {
        "aa": "record-incomplete", "bb": "archive-surplus-data", "cc": "metadata-name", "dd": "archive-path",
        "ee": "metadata-direct-url", "ff": "sdist-top-folder", "json": "name-refused", "keyh0use": "name-refused",
    }  # fmt: skip
    assert (Project.objects.count(), File.objects.count(), stored()) == (0, 0, [])


def test_a_folder_with_nothing_in_it_is_hardly_the_one_that_was_meant(folder: Path, bring_in: Run) -> None:
    (folder / "README.txt").write_text("not mounted")
    with pytest.raises(SourceEmpty, match="No project is there"):
        bring_in(folder)
    build_wheel(folder)
    with pytest.raises(SourceEmpty, match="None of the 1 projects there is wanted"):
        bring_in(folder, wanted=Wanted(include=["alphabet-*"]))
    assert Project.objects.count() == 0


def test_a_project_needs_an_owner_unless_it_is_said_that_it_has_none(folder: Path, bring_in: Run) -> None:
    wheel = build_wheel(folder)
    assert outcomes(bring_in(folder, owners=Owners())[1]) == {wheel.name: "owner-missing"}
    assert Project.objects.count() == 0
    work, _ = bring_in(folder, owners=Owners(ownerless=True))
    assert (work.ownerless, Role.objects.count()) == (["alpha"], 0)


def test_a_reserved_name_comes_for_its_people_or_where_it_is_said(folder: Path, bring_in: Run) -> None:
    wheel, bob = build_wheel(folder), make_user("bob")
    reserve_name("alpha", ["bob"], by=host())
    assert outcomes(bring_in(folder, owners=Owners(ownerless=True))[1]) == {wheel.name: "name-refused"}
    assert Project.objects.count() == 0
    bring_in(folder, owners=Owners([Line("*", bob.username)]))
    assert Role.objects.get().user == bob
    build_wheel(folder, name="beta")
    reserve_name("beta", by=host())
    bring_in(folder, owners=Owners(ownerless=True, takes_reserved=True))
    assert Project.objects.count() == 2


def test_owners_and_maintainers_come_from_patterns_and_existing_projects_keep_theirs(
    folder: Path, bring_in: Run
) -> None:
    bob = make_user("bob")
    make_project("alpha", bob)
    build_wheel(folder), build_wheel(folder, "acme-one"), build_wheel(folder, "other")
    owners = Owners([Line("ACME.*", "ada"), Line("*", "bob", "maintainer"), Line("alpha", "ada")])
    found = {row.project: row.code for row in bring_in(folder, owners=owners)[1]}
    assert found == {"alpha": "", "acme-one": "", "other": "owner-missing"}
    roles = {(role.project.name, role.user.username, role.kind) for role in Role.objects.all()}
    assert roles == {
        ("alpha", "bob", "owner"),
        ("acme-one", "ada", "owner"),
        ("acme-one", "bob", "maintainer"),
    }


def test_what_is_here_already_stands(folder: Path, bring_in: Run) -> None:
    wheel, gone, again = build_wheel(folder), build_wheel(folder, version="2.0"), build_sdist(folder)
    bring_in(folder)
    delete_file("alpha", gone.name, by=host())
    build_wheel(folder, metadata_extra="Keywords: other")
    other = build_wheel(folder, filename="Alpha-1.0-py3-none-any.whl", metadata_extra="Keywords: third")
    found = outcomes(bring_in(folder, is_lenient=True)[1])
    assert found == {
        wheel.name: "file-exists", gone.name: "file-name-used", again.name: "here", other.name: "file-exists"
    }  # fmt: skip
    assert File.objects.count() == 2


def test_one_file_that_cannot_be_beside_the_others_stays_away_alone(folder: Path, bring_in: Run) -> None:
    one, two = build_wheel(folder), build_wheel(folder, version="2.0")
    twin = folder / "alpha-1.0-1-py3-none-any.whl"
    twin.write_bytes(one.read_bytes())
    names = {outcome: name for name, outcome in outcomes(bring_in(folder)[1]).items() if name != two.name}
    assert set(names) == {
        "imported",
        "content-exists",
    }  # which of the twins came first is the order of their names
    assert set(File.objects.values_list("filename", flat=True)) == {names["imported"], two.name}
    assert Record.objects.filter(action="release.upload").count() == 2
    page = json.loads(bytes(IndexPage.objects.get(kind="simple", form="json").body))
    assert {one["filename"] for one in page["files"]} == {names["imported"], two.name}


def test_limits_and_states_hold(folder: Path, bring_in: Run) -> None:
    build_wheel(folder)
    make_project("beta", status="archived"), build_wheel(folder, "beta")
    make_project("gamma", file_limit=10), build_wheel(folder, "gamma")
    make_project("delta", project_limit=10), build_wheel(folder, "delta")
    found = {row.project: row.code for row in bring_in(folder)[1]}
    assert found == {
        "alpha": "", "beta": "project-archived", "gamma": "file-too-large", "delta": "project-too-large"
    }  # fmt: skip
    assert len(stored()) == 2  # the wheel of alpha, and its metadata


def test_a_dry_run_says_the_same_and_changes_nothing(folder: Path, bring_in: Run) -> None:
    build_wheel(folder), build_sdist(folder, "beta", metadata=b"nonsense")
    work, rows = bring_in(folder, is_dry=True)
    assert (Project.objects.count(), Record.objects.count(), stored()) == (0, 0, [])
    assert work.totals.made_projects == 1
    assert [row.as_json() for row in bring_in(folder)[1]] == [row.as_json() for row in rows]


def incoming() -> list[Path]:
    return list((configuration.current().files_folder / ".incoming").iterdir())


@pytest.mark.parametrize("is_dry", [True, False])
def test_processes_copy_and_judge_as_threads_do(folder: Path, bring_in: Run, is_dry: bool) -> None:
    build_wheel(folder), build_sdist(folder, "beta", metadata=b"nonsense")
    for number in range(20):
        build_wheel(folder, "gamma", f"1.{number}", record=b"" if number == 7 else None)
    make_project("delta", file_limit=10), build_wheel(folder, "delta")
    (folder / "un\x1breadable-1.0.tar.gz").write_bytes(b"x")
    _, rows = bring_in(folder, is_dry=True)
    assert bring_in(folder, workers=2, is_dry=is_dry)[1] == rows
    assert {row.code for row in rows if row.project == "gamma" and row.outcome == "refused"} == {
        "record-incomplete"
    }
    assert (File.objects.count(), incoming()) == (0 if is_dry else 20, [])
    if not is_dry:
        assert len(stored()) == 40
        assert all(row.outcome != "imported" for row in bring_in(folder, workers=2)[1])


def test_what_a_tree_promises_is_held_against_it_in_the_processes_too(tmp_path: Path, bring_in: Run) -> None:
    web = tmp_path / "web"
    for name in ("simple/alpha", "packages"):
        (web / name).mkdir(parents=True)
    good, bad, gone = (build_wheel(web / "packages", version=f"{number}.0") for number in range(1, 4))
    digest = hashlib.sha512(good.read_bytes()).hexdigest()
    outside = build_wheel(tmp_path, version="4.0")
    (web / "packages" / outside.name).symlink_to(outside)
    links = [(good, digest), (bad, digest), (gone, digest), (outside, digest)]
    (web / "simple" / "alpha" / "index.html").write_text(
        "".join(f"<a href='../../packages/{path.name}#sha512={told}'>x</a>" for path, told in links)
    )
    gone.unlink()
    expected = {
        good.name: "imported", bad.name: "source-digest-differs", gone.name: "source-entry-invalid",
        outside.name: "source-entry-invalid",
    }  # fmt: skip
    assert outcomes(bring_in(tmp_path, workers=2)[1]) == expected
    assert (File.objects.count(), incoming()) == (1, [])


def test_what_waits_to_be_taken_over_outlives_a_sweep(folder: Path) -> None:
    wheel, temp = build_wheel(folder), blobs().incoming()
    job = Job(str(folder), 2**20, Rules.public(), (Errand(wheel.name, str(wheel), None, {}, str(temp)),))
    (came,) = take_all(job)
    assert isinstance(came, Came)
    assert blobs().sweep_incoming(timedelta(minutes=-1)) == 0  # as if a minute had passed
    held = IncomingFile.taken_over(Content(temp, came.size, came.md5, came.sha256, came.blake2), blobs())
    assert temp.stat().st_mtime <= time.time()
    held.discard()
    assert incoming() == []


@pytest.mark.parametrize("workers", [1, 2])
def test_names_that_no_database_takes_are_refused(folder: Path, bring_in: Run, workers: int) -> None:
    good = build_wheel(folder)
    for name in (b"foo-1.0-\xff.whl", b"\xff-1.0-py3-none-any.whl", b"a\xff.tar.gz", b"alpha-\xff.whl"):
        Path(os.fsdecode(bytes(folder) + b"/" + name)).write_bytes(b"x")
    told = outcomes(bring_in(folder, workers=workers)[1])
    assert told.pop(good.name) == "imported"
    assert [*told.values()] == ["filename-characters"] * 4


@pytest.mark.parametrize("name", ["alpha-\0.whl", "alpha-\ud800.whl"])
def test_an_index_may_name_what_no_database_takes(
    site: Site, bring_in: Run, tmp_path: Path, name: str
) -> None:
    wheel = build_wheel(tmp_path)
    entry = offer_json(site, "alpha", wheel)
    bad = {**entry, "filename": name}
    _, rows = bring_in(serve_index(site, {"alpha": [bad, entry], f"be{name[6]}ta": [bad]}))
    assert outcomes(rows)[wheel.name] == "imported"
    assert {row.outcome for row in rows if row.filename != wheel.name} == {"refused"}


def test_a_large_file_is_a_job_of_its_own(
    folder: Path, bring_in: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def fetch_and_count(root: Path, placed: Sequence[Placed], limit: int, bench: Bench) -> object:
        sizes.append(len(placed))
        return fetch_together(root, placed, limit, bench)

    monkeypatch.setattr(running, "fetch_together", fetch_and_count)
    for number in range(20):
        build_wheel(folder, version=f"1.{number}")
    bring_in(folder, workers=2, is_dry=True)
    monkeypatch.setattr(running, "_BYTES_A_JOB", 1)
    bring_in(folder, workers=2, is_dry=True)
    assert sizes == [16, 4, *[1] * 20]


def test_where_a_process_that_judges_dies_the_import_stops_and_goes_on_later(
    folder: Path, bring_in: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_TOGETHER", 4)
    monkeypatch.setattr(running, "_FILES_A_JOB", 2)  # most are not judged yet when the first ones are told of
    for number in range(200):
        build_wheel(folder, version=f"1.{number}")
    orders = replace(bring_in(folder, is_dry=True)[0]._orders, is_dry=False, workers=2)

    def kill(row: Row) -> None:
        for process in multiprocessing.active_children():
            process.kill()

    with pytest.raises(ImportStopped, match="died"):
        Import(Folder(folder), orders, by=host(), tell=kill).run()
    came = File.objects.count()
    assert 0 < came < 200
    assert incoming() == []
    _, rows = bring_in(folder)
    assert sorted(row.outcome for row in rows) == ["here"] * came + ["imported"] * (200 - came)


def test_what_is_put_into_quarantine_meanwhile_takes_no_more_files(
    folder: Path, bring_in: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_TOGETHER", 4)
    wheels = [build_wheel(folder, version=f"{number}.0") for number in range(10, 40)]
    orders, rows = bring_in(folder, is_dry=True)[0]._orders, list[Row]()

    def tell(row: Row) -> None:
        if not rows:
            quarantine("alpha", "looks bad", by=host())
        rows.append(row)

    Import(Folder(folder), replace(orders, is_dry=False), by=host(), tell=tell).run()
    came = [row.filename for row in rows if row.outcome == "imported"]
    assert came == [wheel.name for wheel in wheels[: len(came)]]
    assert 4 <= len(came) < 30
    assert {row.code for row in rows if row.outcome != "imported"} == {"project-quarantined"}
    assert (File.objects.count(), Project.objects.get().status) == (len(came), "quarantined")
    page = json.loads(bytes(IndexPage.objects.get(kind="simple", name="alpha", form="json").body))
    assert page["files"] == []
    assert incoming() == []


def test_a_run_that_is_stopped_leaves_whole_files_and_goes_on_later(folder: Path, bring_in: Run) -> None:
    for number in range(200):
        build_wheel(folder, version=f"1.{number}")
    orders = bring_in(folder, is_dry=True)[0]._orders
    work = Import(Folder(folder), replace(orders, is_dry=False), by=host(), tell=lambda row: work.stop())
    with pytest.raises(ImportStopped):
        work.run()
    came = File.objects.count()
    assert 0 < came < 200
    assert threading.active_count() < 40
    _, rows = bring_in(folder)
    assert sorted(row.outcome for row in rows) == ["here"] * came + ["imported"] * (200 - came)


@pytest.mark.parametrize("fails", ["names", "sync"])
def test_a_disk_that_fails_ends_the_run_behind_what_is_whole(
    folder: Path, bring_in: Run, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    monkeypatch.setattr(running, "_TOGETHER", 4)
    for number in range(40):
        build_wheel(folder, version=f"1.{number}")
    orders = bring_in(folder, is_dry=True)[0]._orders
    calls, step = list[tuple[Any, ...]](), {"names": "name_all", "sync": "_sync_new"}[fails]
    real = getattr(LocalBlobs, step)

    def until_it_is_full(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, "no space is left")
        return real(*given)

    monkeypatch.setattr(LocalBlobs, step, until_it_is_full)
    with pytest.raises(OSError, match="no space"):
        Import(Folder(folder), replace(orders, is_dry=False), by=host(), tell=lambda row: None).run()
    came = File.objects.count()
    assert came in ({12} if fails == "names" else {0, 4, 8, 12})  # which of them are synced fourth is chance
    names = [Path(place) for place in calls[3][1]] if fails == "sync" else []
    assert not any(name.exists() for name in names), "new names are taken back"
    assert incoming() == []
    _, rows = bring_in(folder)
    assert sorted(row.outcome for row in rows) == ["here"] * came + ["imported"] * (40 - came)


def test_files_on_their_way_count_against_the_limit_of_a_project(
    folder: Path, bring_in: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = sum(build_wheel(folder, version=f"1.{number}").stat().st_size for number in range(6))
    make_project("alpha", project_limit=size - 1)
    monkeypatch.setattr(running, "_TOGETHER", 2)
    predicted = [row.code or row.outcome for row in bring_in(folder, is_dry=True)[1]]
    assert predicted == ["imported"] * 5 + ["project-too-large"]
    assert [row.code or row.outcome for row in bring_in(folder)[1]] == predicted
    assert File.objects.count() == 5


def test_somebody_uploads_the_same_and_other_files_meanwhile(
    folder: Path, bring_in: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came between the comparison and the writing is judged once more, file by file."""
    wheels = [build_wheel(folder, version=f"{number}.0") for number in range(1, 5)]
    make_project("alpha")
    find = services.find_objections

    def find_and_be_overtaken(*given: object) -> object:
        found = find(*given)  # type: ignore[arg-type]  # handed on
        same = digest_file(wheels[0])
        for path, content in (
            (wheels[0], same),
            (wheels[1], replace(same, sha256="0" * 64, blake2="1" * 64)),
        ):
            new = make_file("alpha", path.name.split("-")[1], filename=path.name)
            publish_file(replace(new, sha256=content.sha256, blake2=content.blake2), by=host())
        return found

    monkeypatch.setattr(services, "find_objections", find_and_be_overtaken)
    assert outcomes(bring_in(folder)[1]) == {
        wheels[0].name: "here", wheels[1].name: "file-exists", wheels[2].name: "imported", wheels[3].name: "imported"
    }  # fmt: skip
    assert File.objects.count() == 4
    page = json.loads(bytes(IndexPage.objects.get(kind="simple", name="alpha", form="json").body))
    assert [one["filename"] for one in page["files"]] == [wheel.name for wheel in wheels]


# ---- an index


def test_an_index_comes_with_its_history(site: Site, bring_in: Run, tmp_path: Path) -> None:
    wheel, sdist, new = build_wheel(tmp_path), build_sdist(tmp_path), build_wheel(tmp_path, version="2.0")
    files = [
        offer_json(site, "alpha", new),
        offer_json(site, "alpha", wheel, yanked="broken", **{"upload-time": LONG_AGO}),
        offer_json(site, "alpha", sdist, yanked="broken", **{"upload-time": "2999-01-01T00:00:00Z"}),
    ]
    url = serve_index(
        site, {"alpha": files}, **{"project-status": {"status": "archived", "reason": "finished"}}
    )
    _, rows = bring_in(url, QUICK)
    at = datetime(2019, 5, 1, 10, tzinfo=UTC)
    assert {row.filename: (row.uploaded_at, row.yanked) for row in rows} == {
        wheel.name: (at, "broken"), sdist.name: (None, "broken"), new.name: (None, None)
    }  # fmt: skip
    file, release = File.objects.get(filename=wheel.name), Release.objects.get(version="1.0")
    project = Project.objects.get()
    assert not Mail.objects.filter(kind="release-yanked").exists()  # it came so: nobody needs to be told
    assert (file.uploaded_at, release.created_at, project.created_at) == (at, at, at)
    kept = {one.filename: one.publication for one in File.objects.all()}
    assert clock.parse_instant(kept[wheel.name]["imported_at"]).year > 2025
    assert kept[sdist.name] == kept[new.name] == {}  # no source told what could be true
    told = Client().get("/project/alpha/1.0/publications.json").json()["files"]
    assert {one["filename"]: (one["at"][:4], one["imported_at"]) for one in told}[wheel.name] == (
        "2019",
        kept[wheel.name]["imported_at"],
    )
    assert {one["imported_at"] for one in told if one["filename"] != wheel.name} == {None}
    says = "as the index tells from which it came"
    shown = {
        name: Client().get(f"/project/alpha/1.0/files/{name}/").content.decode()
        for name in (wheel.name, sdist.name)
    }
    assert says in shown[wheel.name]
    assert "<dt>Here since</dt>" in shown[wheel.name]
    assert says not in shown[sdist.name]
    assert Client().get("/project/alpha/1.0/").content.decode().count("as its source tells") == 1
    assert (release.yanked_reason, project.status, project.status_reason) == (
        "broken",
        "archived",
        "finished",
    )
    page = json.loads(bytes(IndexPage.objects.get(kind="simple", form="json").body))
    assert {one["filename"]: (one["yanked"], one["upload-time"][:4]) for one in page["files"]}[
        wheel.name
    ] == ("broken", "2019")
    assert Role.objects.get().since_at.year > 2025
    assert Record.objects.filter(action="release.upload").first().details["uploaded_at"] == LONG_AGO  # type: ignore[union-attr]  # there are three
    asked = len(site.asked)
    assert set(outcomes(bring_in(url, QUICK)[1]).values()) == {"here"}
    assert not [path for path, _ in site.asked[asked:] if path.startswith("/files/")]


def test_a_deprecated_project_stays_one_until_somebody_here_decides(
    site: Site, bring_in: Run, tmp_path: Path
) -> None:
    said = {"project-status": {"status": "deprecated", "reason": "Use beta."}}
    url = serve_index(site, {"alpha": [offer_json(site, "alpha", build_wheel(tmp_path))]}, **said)
    bring_in(url, QUICK)
    assert Project.objects.values_list("status", "status_reason").get() == ("deprecated", "Use beta.")
    assert b"deprecated" in bytes(IndexPage.objects.get(kind="simple", form="json").body)
    undeprecate_project("alpha", by=host())
    bring_in(url, QUICK)
    assert Project.objects.get().status == "active"


def test_what_the_source_yanks_later_is_yanked_by_the_next_run_until_somebody_here_decides(
    site: Site, bring_in: Run, tmp_path: Path
) -> None:
    old, new = build_wheel(tmp_path), build_wheel(tmp_path, version="1.1")

    def offer(**yanked: str) -> str:
        files = [offer_json(site, "alpha", old, **yanked), offer_json(site, "alpha", new)]
        return serve_index(site, {"alpha": files})

    bring_in(offer(), QUICK)
    work, rows = bring_in(offer(yanked="broken"), QUICK)
    assert set(outcomes(rows).values()) == {"here"}
    assert work.yanked == ["alpha 1.0"]
    stand = Release.objects.order_by("pk").values_list("version", "yanked_reason", "yanked_at")
    assert [(version, reason, at is not None) for version, reason, at in stand] == [
        ("1.0", "broken", True),
        ("1.1", "", False),
    ]
    page = json.loads(bytes(IndexPage.objects.get(kind="simple", form="json").body))
    assert [one["yanked"] for one in page["files"]] == ["broken", False]
    assert bring_in(offer(yanked="broken"), QUICK)[0].yanked == []
    unyank_release("alpha", "1.0", by=host())
    assert bring_in(offer(yanked="broken"), QUICK)[0].yanked == []
    assert not Release.objects.exclude(yanked_at=None).exists()


def test_no_release_is_yanked_by_a_source_that_has_files_of_its_people(
    site: Site, bring_in: Run, tmp_path: Path
) -> None:
    wheel = build_wheel(tmp_path)
    bring_in(tmp_path)
    File.objects.update(uploaded_via="token")
    url = serve_index(site, {"alpha": [offer_json(site, "alpha", wheel, yanked="broken")]})
    assert bring_in(url, QUICK)[0].yanked == []
    assert Release.objects.get().yanked_at is None


def test_a_dry_run_yanks_nothing(site: Site, bring_in: Run, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    bring_in(serve_index(site, {"alpha": [offer_json(site, "alpha", wheel)]}), QUICK)
    url = serve_index(site, {"alpha": [offer_json(site, "alpha", wheel, yanked="broken")]})
    bring_in(url, QUICK, is_dry=True)
    assert Release.objects.get().yanked_at is None


def test_what_its_people_published_here_is_not_archived_by_a_source(
    site: Site, bring_in: Run, tmp_path: Path
) -> None:
    wheel = build_wheel(tmp_path)
    bring_in(tmp_path)
    File.objects.update(uploaded_via="token")
    said = {"project-status": {"status": "archived"}}
    url = serve_index(site, {"alpha": [offer_json(site, "alpha", wheel)]}, **said)
    assert outcomes(bring_in(url, QUICK)[1]) == {wheel.name: "here"}
    assert Project.objects.get().status == "active"


def test_a_project_in_quarantine_there_is_never_open_here(
    site: Site, bring_in: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_TOGETHER", 2)
    ada = User.objects.get(username="ada")
    ada.emails.create(address="ada@keyhouse.example", verified_at=clock.now(), added_at=clock.now())
    wheels = [build_wheel(tmp_path, version=f"{number}.0") for number in range(1, 6)]
    said = {"project-status": {"status": "quarantined", "reason": "malware"}}
    url = serve_index(site, {"alpha": [offer_json(site, "alpha", wheel) for wheel in wheels]}, **said)
    seen: list[str] = []
    publish = services.publish

    def publish_and_look(*given: object, by: Actor) -> object:
        came = publish(*given, by=by)  # type: ignore[arg-type]  # handed on
        seen.append(Project.objects.get().status)
        return came

    monkeypatch.setattr(services, "publish", publish_and_look)
    assert set(outcomes(bring_in(url, QUICK)[1]).values()) == {"imported"}
    assert seen == ["quarantined"] * 3
    assert "malware" in Project.objects.get().status_reason
    page = json.loads(bytes(IndexPage.objects.get(kind="simple", name="alpha", form="json").body))
    assert (page["files"], page["project-status"]["status"]) == ([], "quarantined")
    assert File.objects.count() == 5
    # its people are told once, and the ledger and the log say it once, however many batches there were
    assert Quarantine.objects.count() == Record.objects.filter(action="quarantine.set").count() == 1
    assert not Record.objects.filter(action="quarantine.lift").exists()
    assert not Mail.objects.filter(kind="quarantine-lifted").exists()
    assert Mail.objects.filter(kind="quarantine-placed").count() == 1
    lift("alpha", by=host())
    assert Project.objects.get().status == "active"
    assert set(outcomes(bring_in(url, QUICK)[1]).values()) == {"here"}
    assert Project.objects.get().status == "active"


def test_two_runs_at_once_leave_in_quarantine_what_the_source_holds_there(
    site: Site, bring_in: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one writes nothing: all of its files came meanwhile."""
    wheels = [build_wheel(tmp_path, version=f"{number}.0") for number in range(1, 4)]
    said = {"project-status": {"status": "quarantined", "reason": "malware"}}
    url = serve_index(site, {"alpha": [offer_json(site, "alpha", wheel) for wheel in wheels]}, **said)
    find = services.find_objections

    def find_and_be_overtaken(*given: object) -> object:
        found = find(*given)  # type: ignore[arg-type]  # handed on
        monkeypatch.setattr(services, "find_objections", find)
        bring_in(url, QUICK)
        return found

    monkeypatch.setattr(services, "find_objections", find_and_be_overtaken)
    assert set(outcomes(bring_in(url, QUICK)[1]).values()) == {"here"}
    assert Project.objects.get().status == "quarantined"
    page = json.loads(bytes(IndexPage.objects.get(kind="simple", name="alpha", form="json").body))
    assert page["files"] == []


def test_what_was_lifted_here_stays_open_for_what_comes_later(
    site: Site, bring_in: Run, tmp_path: Path
) -> None:
    wheels = [build_wheel(tmp_path, version=f"{number}.0") for number in range(1, 3)]
    said = {"project-status": {"status": "quarantined", "reason": "malware"}}
    offers = [offer_json(site, "alpha", wheel) for wheel in wheels]
    bring_in(serve_index(site, {"alpha": offers[:1]}, **said), QUICK)
    lift("alpha", by=host())
    came = outcomes(bring_in(serve_index(site, {"alpha": offers}, **said), QUICK)[1])
    assert came == {wheels[0].name: "here", wheels[1].name: "imported"}
    assert Project.objects.get().status == "active"


def test_an_index_in_html_behind_its_front_page_comes_too(site: Site, bring_in: Run, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    site.page("/", "<h1>Welcome</h1><a href='/simple/'>simple</a>")
    site.page("/simple/", "<a href='alpha/'>alpha</a>")
    digest = hashlib.md5(wheel.read_bytes(), usedforsecurity=False).hexdigest()
    site.page("/simple/alpha/", f"<a href='/packages/{wheel.name}#md5={digest}'>x</a>")
    site.page(f"/packages/{wheel.name}", wheel.read_bytes())
    assert outcomes(bring_in(site.url, QUICK)[1]) == {wheel.name: "imported"}
    assert outcomes(bring_in(site.url, QUICK)[1]) == {wheel.name: "here"}


def test_a_page_to_sign_in_at_is_no_index(site: Site, bring_in: Run) -> None:
    site.page("/simple/", "<title>Sign in</title><form action='/login'><input name='password'></form>")
    with pytest.raises(SourceEmpty, match="No project is there"):
        bring_in(f"{site.url}/simple/", QUICK)


def test_an_index_that_lies_is_not_believed(site: Site, bring_in: Run, tmp_path: Path) -> None:
    good, bad, big = build_wheel(tmp_path), build_sdist(tmp_path), build_wheel(tmp_path, version="3.0")
    other, outside = build_wheel(tmp_path, "beta"), build_wheel(tmp_path, version="4.0")
    short = build_wheel(tmp_path, version="5.0")
    files: list[dict[str, object]] = [
        offer_json(site, "alpha", good),
        offer_json(site, "alpha", bad, hashes={"sha512": "0" * 128}),
        offer_json(site, "alpha", big, size=10**12),
        offer_json(site, "alpha", other),
        offer_json(site, "alpha", outside, url="http://127.0.0.1:1/x"),
        offer_json(site, "alpha", short, size=5),
        {"filename": "../../alpha-6.0.tar.gz", "url": "/x"},
        {"filename": "alpha-7.0.tar.gz", "url": "/gone"},
        {"filename": "alpha-8.0.tar.gz", "url": "file:///etc/passwd"},
    ]
    url = serve_index(site, {"alpha": files, "-": [], "gone": []})
    del site.answers["/simple/gone/"]
    found = outcomes(bring_in(url, QUICK)[1])
    assert found == {
        good.name: "imported", bad.name: "source-digest-differs", big.name: "file-too-large",
        other.name: "source-project-differs", outside.name: "host-not-allowed", short.name: "source-digest-differs",
        "../../alpha-6.0.tar.gz": "filename-characters", "alpha-7.0.tar.gz": "source-unanswered",
        "alpha-8.0.tar.gz": "host-not-allowed", "-": "source-entry-invalid", "gone": "source-page-invalid",
    }  # fmt: skip
    assert File.objects.count() == 1


def test_a_download_that_breaks_off_is_begun_anew(site: Site, bring_in: Run, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    url = serve_index(site, {"alpha": [offer_json(site, "alpha", wheel)]})
    whole, tries = site.answers[f"/files/{wheel.name}"], list[int]()

    def breaking(handler: BaseHTTPRequestHandler) -> None:
        tries.append(1)
        (breaking_off if len(tries) < 3 else whole)(handler)

    site.answers[f"/files/{wheel.name}"] = breaking
    assert outcomes(bring_in(url, QUICK)[1]) == {wheel.name: "imported"}
    assert len(tries) == 3


def test_files_on_an_allowed_host_come(site: Site, bring_in: Run, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    elsewhere = site.url.replace("127.0.0.1", "localhost")
    entry = offer_json(site, "alpha", wheel, url=f"{elsewhere}/files/{wheel.name}")
    url = serve_index(site, {"alpha": [entry]})
    assert outcomes(bring_in(url, QUICK)[1]) == {wheel.name: "host-not-allowed"}
    allowed = Choice(allowed_hosts=["localhost"], patience=QUICK.patience)
    assert outcomes(bring_in(url, allowed)[1]) == {wheel.name: "imported"}


# ---- devpi, bandersnatch


def test_devpi_tells_when_and_by_whom(site: Site, bring_in: Run, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    site.page("/team/prod", json.dumps({"type": "indexconfig", "result": {"type": "stage", "projects": ["alpha"]}}),
              "application/json", X_Devpi_API_Version="2")  # fmt: skip
    link = {"rel": "releasefile", "href": f"{site.url}/team/prod/+f/{wheel.name}", "hash_spec": f"sha256={digest}",
            "log": [{"what": "upload", "who": "eve", "when": [2018, 2, 3, 4, 5, 6], "dst": "team/prod"},
                    {"what": ["upload"], "when": [2020]}]}  # fmt: skip
    doc = {"rel": "doczip", "href": "x"}
    result = {"1.0": {"name": "alpha", "+links": [link, doc, 7]}, "2.0": {"+links": "none"}}
    site.page(
        "/team/prod/alpha?ignore_bases=",
        json.dumps({"type": "projectconfig", "result": result}),
        "application/json",
    )
    site.page(f"/team/prod/+f/{wheel.name}", wheel.read_bytes())
    assert open_source(f"{site.url}/team/prod/+simple/", QUICK).kind == "devpi"
    work, _ = bring_in(f"{site.url}/team/prod", QUICK)
    assert (work._source.kind, work.totals.is_complete) == ("devpi", True)
    file = File.objects.get()
    assert (file.uploaded_at, file.uploaded_by) == (datetime(2018, 2, 3, 4, 5, 6, tzinfo=UTC), "eve")


def test_a_bandersnatch_tree_tells_what_its_json_knows(tmp_path: Path, bring_in: Run) -> None:
    web = tmp_path / "mirror" / "web"
    for below in ("simple/alpha", "simple/b/beta", "json", "packages/aa"):
        (web / below).mkdir(parents=True)
    wheel = build_wheel(web / "packages" / "aa")
    sdist = build_sdist(tmp_path, version="9.0")
    (web / "packages" / "aa" / sdist.name).symlink_to(sdist)
    (web / "simple" / "alpha" / "index.html").write_text(
        f"<a href='../../packages/aa/{wheel.name}'>x</a><a href='../../../../{sdist.name}'>x</a>"
        f"<a href='../../packages/aa/{sdist.name}'>x</a><a href='../../packages/../../../alpha-8.0.tar.gz'>x</a>"
        "<a href='https://files.example/packages/aa/alpha-7.0.tar.gz'>x</a>"
        "<a href='http://[bad/packages/aa/alpha-6.0.tar.gz'>x</a>"
    )
    beta = build_wheel(web / "packages" / "aa", "beta")
    page = {
        "meta": {"api-version": "1.0"},
        "files": [{"filename": beta.name, "url": f"https://x.example/packages/aa/{beta.name}"}],
    }
    (web / "simple" / "b" / "beta" / "index.v1_json").write_text(json.dumps(page))
    told = {
        "filename": wheel.name,
        "upload_time_iso_8601": LONG_AGO,
        "yanked": True,
        "yanked_reason": "old",
        "size": wheel.stat().st_size,
    }
    (web / "json" / "alpha").write_text(json.dumps({"releases": {"1.0": [told], "x": 3}}))
    work, rows = bring_in(tmp_path / "mirror")
    assert work._source.kind == "bandersnatch"
    assert outcomes(rows) == {
        wheel.name: "imported", beta.name: "imported", sdist.name: "source-entry-invalid",
        "alpha-8.0.tar.gz": "source-entry-invalid", "alpha-7.0.tar.gz": "source-entry-invalid",
        "alpha": "source-entry-invalid",  # an address without a name of a file
    }  # fmt: skip
    assert Release.objects.get(project__name="alpha").yanked_reason == "old"
    assert File.objects.get(filename=wheel.name).uploaded_at.year == 2019


def test_what_no_reader_expects_costs_one_project(folder: Path, bring_in: Run) -> None:
    class Odd(Folder):
        def offered(self, name: str) -> Offered:
            if name == "beta":
                raise KeyError(name)
            return super().offered(name)

    alpha, _ = build_wheel(folder), build_wheel(folder, "beta")
    work, rows = bring_in(Odd(folder))
    assert {(row.project, row.outcome, row.code) for row in rows} == {
        ("alpha", "imported", ""), ("beta", "refused", "source-page-invalid"),
    }  # fmt: skip
    assert [file.filename for file in File.objects.all()] == [alpha.name]
    assert not work.totals.is_complete
