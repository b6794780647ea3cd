from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.mandate.visiting import Visit, code_of
from tests.projects.conftest import everything, give_role, make_file
from tests.safety.conftest import person

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.cli import quarantine as command
from keyhouse.core.actor import Actor, host
from keyhouse.core.errors import Refusal, RoleRequired
from keyhouse.mail.models import Mail
from keyhouse.projects import verification
from keyhouse.projects.errors import FileHeld, ProjectNotFound, ProjectQuarantined, ReleaseQuarantined
from keyhouse.projects.life_cycle.restoring import restore_file, restore_release
from keyhouse.projects.life_cycle.services import (
    archive_project,
    delete_file,
    delete_project,
    delete_release,
    unyank_release,
    yank_release,
)
from keyhouse.projects.models import File, IndexPage, Project, Release
from keyhouse.projects.services import publish_file
from keyhouse.projects.several import publish_files
from keyhouse.safety.models import Quarantine
from keyhouse.safety.quarantine.errors import QuarantineMissing, QuarantineReasonRefused
from keyhouse.safety.quarantine.services import lift, quarantine
from keyhouse.storage import blobs
from keyhouse.storage.blobs import key_of
from keyhouse.web.queries import Totals, find_totals

WHEEL, SDIST, LATEST = "alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz", "alpha-2.0-py3-none-any.whl"
TARGETS: dict[str, dict[str, str]] = {
    "project": {},
    "release": {"version": "2.0"},
    "file": {"filename": LATEST},
}


def state() -> dict[str, list[tuple[Any, ...]]]:
    """Return what people and installers see, without the numbers of changes."""
    kept = everything()
    pages = IndexPage.objects.filter(kind="simple", form="html").values_list("name", "is_gone")
    kept.pop("audit.Record"), kept.pop("audit.Personal"), kept.pop("projects.IndexPage")
    kept.pop("projects.Serial"), kept.pop("accounts.Link", None)
    kept["projects.Project"] = sorted(Project.objects.values_list("status", "status_reason", "summary"))
    return kept | {"pages": sorted(pages)}


def files_shown() -> list[str]:
    body = bytes(IndexPage.objects.get(kind="simple", name="alpha", form="json").body)
    return sorted(file["filename"] for file in json.loads(body)["files"])


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_taken_out_comes_back_as_it_was(target: str, alpha: Project, ada: Actor, mod: Actor) -> None:
    archive_project("alpha", "done", by=ada)
    before = state()
    quarantine("alpha", "steals keys", by=mod, **TARGETS[target])
    assert LATEST not in files_shown()
    assert list(verification.verify_pages()) == []
    lift("alpha", by=mod, **TARGETS[target])
    assert state() == before
    assert LATEST in files_shown()
    assert list(verification.verify_pages()) == []
    assert [row.action for row in Record.objects.order_by("-pk")[:2]] == ["quarantine.lift", "quarantine.set"]


def test_what_two_quarantines_hold_comes_back_with_the_second(alpha: Project, mod: Actor) -> None:
    quarantine("alpha", "one file", filename=WHEEL, by=mod)
    quarantine("alpha", "the release", version="1.0", by=mod)
    lift("alpha", version="1.0", by=mod)
    assert files_shown() == [SDIST, LATEST]
    assert File.objects.get(filename=WHEEL).quarantine_reason == "one file"
    quarantine("alpha", "the release", version="1.0", by=mod)
    lift("alpha", filename=WHEEL, by=mod)
    assert files_shown() == [LATEST]
    lift("alpha", version="1.0", by=mod)
    assert files_shown() == [WHEEL, SDIST, LATEST]


def test_of_many_files_a_release_is_taken_out_in_as_few_statements_as_of_one(
    alpha: Project, ada: Actor, mod: Actor
) -> None:
    counts = []
    for version, files in (("3.0", 1), ("4.0", 30)):
        for number in range(files):
            filename = f"alpha-{version}-{number + 1}-py3-none-any.whl"
            publish_file(make_file("alpha", version, filename=filename, content=filename), by=ada)
        with CaptureQueriesContext(connection) as asked:
            quarantine("alpha", "steals keys", version=version, by=mod)
            lift("alpha", version=version, by=mod)
        counts.append(len(asked))
    assert counts[1] == counts[0]


ACTS: dict[str, Callable[[Actor], object]] = {
    "yank": lambda by: yank_release("alpha", "2.0", by=by),
    "unyank": lambda by: unyank_release("alpha", "2.0", by=by),
    "delete file": lambda by: delete_file("alpha", LATEST, by=by),
    "delete release": lambda by: delete_release("alpha", "2.0", by=by),
    "delete project": lambda by: delete_project("alpha", by=by),
    "upload": lambda by: publish_file(make_file("alpha", "2.0", kind="sdist"), by=by),
    "upload several": lambda by: publish_files([make_file("alpha", "2.0", kind="sdist")], by=by),
}
HELD: dict[str, dict[str, type[Refusal]]] = {
    "project": dict.fromkeys(ACTS, ProjectQuarantined),
    "release": {
        "yank": ReleaseQuarantined,
        "unyank": ReleaseQuarantined,
        "delete file": FileHeld,
        "delete release": ReleaseQuarantined,
        "delete project": FileHeld,
        "upload": ReleaseQuarantined,
        "upload several": ReleaseQuarantined,
    },
    "file": dict.fromkeys(("delete file", "delete release", "delete project"), FileHeld),
}


@pytest.mark.parametrize(
    ("target", "act", "refusal"),
    [(target, act, refusal) for target, acts in HELD.items() for act, refusal in acts.items()],
)
def test_owners_change_nothing_of_what_is_held(
    target: str, act: str, refusal: type[Refusal], alpha: Project, ada: Actor
) -> None:
    quarantine("alpha", "steals keys", by=host(), **TARGETS[target])
    before = everything()
    with pytest.raises(refusal):
        ACTS[act](ada)
    assert everything() == before


def test_a_release_that_is_held_stands_for_the_project_no_longer(alpha: Project, mod: Actor) -> None:
    quarantine("alpha", "steals keys", version="2.0", by=mod)
    assert Project.objects.get().latest_version == "1.0"
    assert Project.objects.get().summary == "Summary of 1.0"
    assert IndexPage.objects.get(kind="json", name="alpha/2.0").is_gone


def test_everybody_with_a_role_is_told_and_nobody_else(alpha: Project, mod: Actor) -> None:
    give_role("alpha", person("bob"), "maintainer")
    person("eve")
    quarantine("alpha", "steals keys", by=mod)
    quarantine("alpha", "steals keys", by=mod)
    lift("alpha", by=mod)
    told = Mail.objects.order_by("pk").values_list("kind", "address")
    assert sorted(told) == [
        (kind, f"{name}@example.org")
        for kind in ("quarantine-lifted", "quarantine-placed")
        for name in ("ada", "bob")
    ]


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ({"name": "beta"}, ProjectNotFound),
        ({"version": "9.9"}, ProjectNotFound),
        ({"filename": "beta-1.0.tar.gz"}, ProjectNotFound),
        ({"reason": " "}, QuarantineReasonRefused),
        ({"reason": "x" * 301}, QuarantineReasonRefused),
        ({"reason": "two\nlines"}, QuarantineReasonRefused),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: dict[str, str], refusal: type[Refusal], alpha: Project, mod: Actor
) -> None:
    before = everything()
    with pytest.raises(refusal):
        quarantine(**({"name": "alpha", "reason": "x"} | words), by=mod)
    with pytest.raises(QuarantineMissing):
        lift("alpha", by=mod)
    assert everything() == before
    assert (Quarantine.objects.count(), Mail.objects.count()) == (0, 0)


def test_owners_and_auditors_take_out_and_put_back_nothing(alpha: Project, ada: Actor) -> None:
    for actor in (ada, person("aud", "auditor")):
        for name in ("alpha", "no-such-project"):
            with pytest.raises(RoleRequired):
                quarantine(name, "x", by=actor)
            with pytest.raises(RoleRequired):
                lift(name, by=actor)
    assert Quarantine.objects.count() == 0


@pytest.mark.parametrize(
    ("target", "left"),
    [("project", Totals(0, 0, 0)), ("release", Totals(1, 1, 2)), ("file", Totals(1, 2, 2))],
)
def test_what_is_held_is_not_counted_on_the_home_page(
    target: str, left: Totals, alpha: Project, mod: Actor
) -> None:
    assert find_totals() == Totals(1, 2, 3)
    quarantine("alpha", "steals keys", by=mod, **TARGETS[target])
    assert find_totals() == left


def test_a_release_that_is_held_holds_its_project_without_any_file(
    alpha: Project, ada: Actor, mod: Actor
) -> None:
    delete_file("alpha", LATEST, by=ada)
    quarantine("alpha", "steals keys", version="2.0", by=mod)
    before = everything()
    with pytest.raises(FileHeld, match=r"alpha 2\.0 is in quarantine"):
        delete_project("alpha", by=ada)
    assert everything() == before


def test_what_the_host_deleted_and_somebody_made_anew_is_taken_out_once_more(
    alpha: Project, ada: Actor, mod: Actor
) -> None:
    quarantine("alpha", "steals keys", version="2.0", by=mod)
    delete_release("alpha", "2.0", by=host())
    anew = "alpha-2.0-1-py3-none-any.whl"
    publish_file(make_file("alpha", "2.0", filename=anew), by=ada)
    assert anew in files_shown()
    quarantine("alpha", "steals keys", version="2.0", by=mod)
    assert files_shown() == [WHEEL, SDIST]
    assert Release.objects.get(version="2.0").is_quarantined


def test_a_file_that_comes_back_is_held_by_what_still_lasts_only(
    alpha: Project, ada: Actor, mod: Actor
) -> None:
    temp, file = blobs().incoming(), File.objects.get(filename=WHEEL)
    temp.write_bytes(WHEEL.encode())
    blobs().keep_all([(temp, key_of(file.blake2, WHEEL))])
    quarantine("alpha", "the release", version="1.0", by=mod)
    removal = delete_file("alpha", WHEEL, by=host())
    lift("alpha", version="1.0", by=mod)
    restore_file("alpha", removal.pk, by=ada)
    assert files_shown() == [WHEEL, SDIST, LATEST]


@pytest.mark.parametrize("target", ["release", "file"])
def test_what_the_host_deleted_is_told_as_held_no_more_and_can_be_lifted(
    target: str, alpha: Project, ada: Actor, mod: Actor
) -> None:
    quarantine("alpha", "steals keys", by=mod, **TARGETS[target])
    delete_release("alpha", "2.0", by=host())
    visit = Visit(User.objects.get(username="mod"))
    assert "holds nothing" in visit.get("/operator/quarantine/").content.decode()
    assert "holds nothing" in CliRunner().invoke(command.command, ["list"]).output
    assert json.loads(CliRunner().invoke(command.command, ["list", "--json"]).output)[0]["holding"] is False
    publish_file(make_file("alpha", "2.0", filename="alpha-2.0-1-py3-none-any.whl"), by=ada)
    assert "holds nothing" in visit.get("/operator/quarantine/").content.decode()
    mails = Mail.objects.count()
    path = f"/operator/quarantine/{Quarantine.objects.get().pk}/lift/"
    assert "puts nothing back" in visit.get(path).content.decode()
    assert visit.post(path).status_code == 303
    assert Quarantine.objects.get().lifted_at is not None
    assert Mail.objects.count() == mails, "nothing is back"
    with pytest.raises(QuarantineMissing):
        lift("alpha", by=mod, **TARGETS[target])


@pytest.mark.parametrize("target", ["release", "file"])
@pytest.mark.parametrize("is_lifted", [False, True])
def test_a_release_that_comes_back_is_held_by_what_still_lasts_only(
    target: str, is_lifted: bool, alpha: Project, ada: Actor, mod: Actor
) -> None:
    temp, file = blobs().incoming(), File.objects.get(filename=LATEST)
    temp.write_bytes(LATEST.encode())
    blobs().keep_all([(temp, key_of(file.blake2, LATEST))])
    quarantine("alpha", "steals keys", by=mod, **TARGETS[target])
    removal = delete_release("alpha", "2.0", by=host())
    if is_lifted:
        lift("alpha", by=mod, **TARGETS[target])
    restore_release("alpha", removal.pk, by=ada)
    assert (LATEST in files_shown()) is is_lifted
    assert Release.objects.get(version="2.0").is_quarantined is (target == "release" and not is_lifted)
    assert list(verification.verify_pages()) == []


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_quarantine_comes(alpha: Project) -> None:
    failed: list[Exception] = []

    def act() -> None:
        try:
            quarantine("alpha", "steals keys", version="1.0", by=host())
        except Exception as error:  # noqa: BLE001 - told below
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=act, name="quarantines") for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert Quarantine.objects.count() == Record.objects.filter(action="quarantine.set").count() == 1
    assert Release.objects.get(version="1.0").is_quarantined


def test_owners_read_on_each_page_why_they_can_change_nothing(alpha: Project, ada: Actor) -> None:
    visit, release = Visit(User.objects.get(username="ada")), "/manage/project/alpha/release/2.0/"
    for page in (release, f"{release}yank/", f"{release}delete/"):
        assert "quarantine" not in visit.get(page).content.decode()
    quarantine("alpha", "one <file>", filename=LATEST, by=host())
    assert "one &lt;file&gt;" in visit.get(release).content.decode()
    quarantine("alpha", "the <release>", version="2.0", by=host())
    for page in (release, f"{release}yank/", f"{release}delete/"):
        assert "Reason: the &lt;release&gt;" in visit.get(page).content.decode()
    quarantine("alpha", "it <all>", by=host())
    for page in (release, f"{release}yank/", "/manage/project/alpha/", "/manage/project/alpha/delete/"):
        assert visit.get(page).content.decode().count("Reason: it &lt;all&gt;") == 1


def test_pages_take_out_and_put_back(alpha: Project, mod: Actor) -> None:
    visit = Visit(User.objects.get(username="mod"))
    assert 'value="alpha"' in visit.get("/operator/quarantine/place/?project=alpha").content.decode()
    visit.post("/operator/quarantine/place/", project="Alpha", version="2", reason="steals keys")
    assert code_of(visit.answer) == "project-not-found"
    visit.post("/operator/quarantine/place/", project="Alpha", version="2.0", reason="steals <keys>")
    assert visit.answer.status_code == 303
    assert "steals &lt;keys&gt;" in visit.get("/operator/quarantine/").content.decode()
    pk = Quarantine.objects.get().pk
    visit.post(f"/operator/quarantine/{pk}/lift/")
    assert visit.answer.status_code == 303
    assert code_of(visit.post(f"/operator/quarantine/{pk}/lift/")) == "quarantine-missing"


def test_commands_take_out_list_and_put_back(alpha: Project) -> None:
    run = CliRunner()
    words = ["Alpha", "--release", "1.0", "--reason", "steals keys"]
    assert run.invoke(command.command, words).output == "In quarantine: alpha 1.0.\n"
    listed = json.loads(run.invoke(command.command, ["list", "--json"]).output)
    assert [(row["project"], row["version"], row["reason"]) for row in listed] == [
        ("alpha", "1.0", "steals keys")
    ]
    assert "alpha 1.0" in run.invoke(command.command, ["list"]).output
    assert run.invoke(command.command, ["lift", "alpha", "--release", "1.0"]).output == "Back: alpha 1.0.\n"
    assert isinstance(run.invoke(command.command, ["lift", "alpha"]).exception, QuarantineMissing)
    assert run.invoke(command.command, ["alpha"]).exit_code == 2
