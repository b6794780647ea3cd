"""`keyhouse user invite --from`, `user invited`, `import status`: many people, each once."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.cli.test_host_commands import ADA

from keyhouse.accounts.models import OneTimeLink, User
from keyhouse.accounts.oversight.suspending import suspend_user
from keyhouse.cli import import_, project_people, user
from keyhouse.cli.dev_document import read_document
from keyhouse.cli.dev_sowing import sow
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.mail.models import Mail
from keyhouse.projects.arriving import receive_project
from keyhouse.projects.collaborators.errors import ProjectLeft
from keyhouse.projects.collaborators.keeping import forget_invitations
from keyhouse.projects.collaborators.models import FormerRole, ProjectInvitation
from keyhouse.projects.collaborators.rules import KEPT_FOR
from keyhouse.projects.collaborators.services import invite
from keyhouse.projects.models import Project
from keyhouse.publishing.importing.pending import offered_to_nobody
from keyhouse.web.wiring import wire_all


@pytest.fixture
def made(db: None) -> None:
    wire_all()
    sow(
        read_document(
            json.dumps({"users": [ADA], "projects": [{"name": "alpha", "owners": ["ada"]}]}).encode()
        )
    )


def run(command: object, *words: str | Path) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])  # type: ignore[arg-type]  # each module's own command


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    rows = [f"p{number},p{number}@example.org,{'alpha:owner' if number == 7 else ''}" for number in range(30)]
    path.write_text("name,address,projects\nADA,ada@EXAMPLE.org,\n" + "\n".join(rows))
    return path


def test_a_list_is_invited_once_and_goes_on_where_it_was(made: None, people: Path) -> None:
    tried = run(user.command, "invite", "--from", people, "--dry-run")
    assert (tried.exit_code, OneTimeLink.objects.count(), len(tried.stdout.splitlines())) == (0, 0, 30)
    done = run(user.command, "invite", "--from", people)
    links = [line.split(",") for line in done.stdout.splitlines()]
    assert (done.exit_code, len(links), len({link for *_, link in links})) == (0, 30, 30)
    assert done.stderr.endswith("30 invited, 1 have an account, 0 were invited before, 0 refused.\n")
    [offered] = ProjectInvitation.objects.all()
    assert (offered.address, offered.kind) == ("p7@example.org", "owner")
    OneTimeLink.objects.filter(username="p3").update(expires_at=clock.now() - timedelta(days=1))
    again = run(user.command, "invite", "--from", people)
    assert [line.split(",")[0] for line in again.stdout.splitlines()] == ["p3"]
    assert OneTimeLink.objects.count() == 30
    anew = run(user.command, "invite", "--from", people, "--again", "--mail")
    assert anew.stdout.splitlines()[0] == "p0,p0@example.org"
    assert (OneTimeLink.objects.count(), Mail.objects.filter(kind="account-invitation").count()) == (30, 30)
    assert ProjectInvitation.objects.count() == 1


def test_who_has_not_come_is_listed(made: None) -> None:
    (
        run(user.command, "invite", "bob", "bob@example.org"),
        run(user.command, "invite", "eve", "eve@example.org"),
    )
    OneTimeLink.objects.filter(username="eve").update(expires_at=clock.now() - timedelta(days=1))
    rows = [json.loads(line) for line in run(user.command, "invited", "--json").stdout.splitlines()]
    assert [(row["username"], row["address"], row["is_over"]) for row in rows] == [
        ("bob", "bob@example.org", False), ("eve", "eve@example.org", True)
    ]  # fmt: skip
    OneTimeLink.objects.filter(username="bob").update(used_at=clock.now())
    assert run(user.command, "invited").stdout.startswith("eve  eve@example.org  over since ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,address\nbob,bob@example.org\nBOB,b@example.org\n", "Lines 2 and 3 have the same name"),
        ("name,address\nbob,bob@example.org\neve,Bob@Example.org\n", "Lines 2 and 3 have the same address"),
        ("name,address\nbob,nonsense\n", "Line 2: "),
        ("name,address\n../x,b@example.org\n", "Line 2: "),
        ("name,address,office\nbob,b@example.org,operator\n", "must name the columns name and address"),
        ("name,address,projects\nbob,b@example.org,beta\n", "no such project"),
        (
            "name,address,projects\nbob,b@example.org,alpha:king\n",
            "bob is to have alpha:king: there is no role king",
        ),
    ],
)
def test_a_list_that_is_wrong_invites_nobody(made: None, tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "people.csv"
    path.write_text(text)
    done = run(user.command, "invite", "--from", path)
    assert done.exit_code == 2
    assert told in done.stderr
    assert OneTimeLink.objects.count() == 0


def test_a_list_gives_away_no_project_whose_owners_are_gone(made: None, people: Path) -> None:
    ada = User.objects.get(username="ada")
    suspend_user(ada, "left the company", by=host(), now=clock.now())
    mails = Mail.objects.count()
    done = run(user.command, "invite", "--from", people)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Nobody looks after this project any more" in done.stderr
    assert (OneTimeLink.objects.count(), ProjectInvitation.objects.count(), Mail.objects.count()) == (
        0,
        0,
        mails,
    )


def test_names_and_addresses_of_others_are_refused_and_the_rest_invited(made: None, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("name,address\nada,other@example.org\nbob,ada@example.org\neve,eve@example.org\n")
    done = run(user.command, "invite", "--from", path)
    assert (done.exit_code, len(done.stdout.splitlines())) == (1, 1)
    assert "ada: username-taken" in done.stderr
    assert "bob: address-taken" in done.stderr


@pytest.mark.parametrize("words", [[], ["bob"], ["bob", "b@example.org", "--from", "x.csv"]])
def test_an_invitation_is_of_one_person_or_of_a_list(made: None, words: list[str]) -> None:
    assert run(user.command, "invite", *words).exit_code == 2


def test_the_state_of_an_import_is_shown_also_where_there_is_nothing(made: None) -> None:
    assert run(import_.command, "status").stdout.startswith("Everybody has come")
    assert json.loads(run(import_.command, "status", "--json").stdout) == {"waiting": [], "ownerless": []}
    assert run(import_.command, "remind").stdout == "0 people were mailed.\n"


def test_what_is_over_is_offered_anew_at_the_command_line(made: None) -> None:
    for name in ("bob", "eve"):
        invite("alpha", f"{name}@example.org", "maintainer", by=host(), is_told=False)
    ProjectInvitation.objects.update(expires_at=clock.now() - timedelta(days=1))
    assert "import remind --again" in run(import_.command, "status").stderr
    assert run(import_.command, "remind").stdout == "0 people were mailed.\n"
    tried = run(import_.command, "remind", "--again", "--dry-run")
    assert tried.stdout == "bob@example.org\neve@example.org\n2 people would be mailed.\n"
    assert ProjectInvitation.objects.filter(expires_at__gt=clock.now()).count() == 0
    done = json.loads(run(import_.command, "remind", "--again", "--owner-days", "3", "--json").stdout)
    people = ["bob@example.org", "eve@example.org"]
    nobody = {"told_lately": list[str](), "resting": list[str]()}
    told = {"mailed": 2, "dry_run": False, "people": people, "left": [], "left_out": nobody}
    assert done == {**told, "offered_to_nobody": []}
    [until] = set(ProjectInvitation.objects.values_list("expires_at", flat=True))
    assert until - clock.now() <= timedelta(days=3)
    assert run(import_.command, "remind", "--again").stdout == "0 people were mailed.\n"
    left = "0 people were mailed.\n2 people were left out: mailed about it less than a day ago.\n"
    assert run(import_.command, "remind").stdout == left
    tried = json.loads(run(import_.command, "remind", "--json").stdout)
    assert (tried["people"], tried["left_out"]) == ([], {"told_lately": people, "resting": []})
    ProjectInvitation.objects.update(sent_at=clock.now() - timedelta(days=1))
    tried = run(import_.command, "remind", "--dry-run", "--json")
    assert json.loads(tried.stdout) == done | {"dry_run": True}
    assert Mail.objects.filter(kind="import-projects-wait").count() == 2


def test_what_the_host_may_not_offer_anew_is_told(made: None) -> None:
    invite("alpha", "bob@example.org", "maintainer", by=host(), is_told=False)
    ProjectInvitation.objects.update(expires_at=clock.now() - timedelta(days=1))
    suspend_user(User.objects.get(username="ada"), "left the company", by=host(), now=clock.now())
    done = run(import_.command, "remind", "--again")
    assert (done.exit_code, done.stdout) == (1, "0 people were mailed.\n")
    assert done.stderr.startswith("Not for alpha. Nobody looks after this project any more")


@pytest.mark.parametrize("words", [["--owner-days", "3"], ["--again", "--owner-days", "0"]])
def test_a_deadline_goes_with_offering_anew_only(made: None, words: list[str]) -> None:
    assert run(import_.command, "remind", *words).exit_code == 2


# ---- what was forgotten


@pytest.fixture
def forgotten(made: None) -> None:
    """Projects that came without an owner, whose offers were over for 30 days; ada had owned one of them."""
    for name in ("beta", "gamma", "delta", "had"):
        receive_project(name, (), (), by=host(), created_at=clock.now(), may_lack_owner=True)
    for name in ("beta", "gamma", "delta"):
        invite(name, "bob@example.org", "owner", by=host(), is_told=False)
    had = Project.objects.get(name="had")
    FormerRole.objects.create(
        lineage=had.lineage, normalized_name="had", user=User.objects.get(), kind="owner", how="left", since_at=clock.now(), ended_at=clock.now(),
    )  # fmt: skip
    over = ProjectInvitation.objects.exclude(project__name="delta")
    over.update(expires_at=clock.now() - KEPT_FOR)
    assert forget_invitations(clock.now()) == 2


def test_what_was_forgotten_is_named_with_the_command_that_offers_it(forgotten: None) -> None:
    ProjectInvitation.objects.update(expires_at=clock.now() - timedelta(days=1))
    tried = run(import_.command, "remind", "--again", "--dry-run")
    assert (tried.exit_code, tried.stdout) == (0, "bob@example.org\n1 person would be mailed.\n")
    assert tried.stderr.startswith("Without an owner, and offered to nobody: beta, gamma. `keyhouse project")
    done = json.loads(run(import_.command, "remind", "--again", "--json").stdout)
    assert (done["people"], done["left"], done["offered_to_nobody"]) == (
        ["bob@example.org"],
        [],
        ["beta", "gamma"],
    )
    assert run(import_.command, "remind").stderr == ""
    status = run(import_.command, "status")
    assert [line for line in status.stdout.splitlines() if line.endswith("has no owner")] == [
        f"{name}  has no owner" for name in ("beta", "delta", "gamma", "had")
    ]
    assert "project people invite PROJECT WHOM --role owner" in status.stderr


def test_what_was_forgotten_is_offered_by_the_commands_that_are_named(
    forgotten: None, tmp_path: Path
) -> None:
    done = run(project_people.command, "invite", "beta", "bob@example.org", "--role", "owner")
    assert (done.exit_code, done.exception) == (0, None)
    path = tmp_path / "people.csv"
    path.write_text("name,address,projects\nbob,bob@example.org,beta:owner gamma:owner\n")
    assert run(user.command, "invite", "--from", path, "--mail").exit_code == 0
    offered = ProjectInvitation.objects.filter(kind="owner", expires_at__gt=clock.now())
    assert set(offered.values_list("project__name", flat=True)) == {"beta", "gamma", "delta"}
    assert offered_to_nobody() == []


def test_what_had_an_owner_is_no_ones_to_offer_alone(forgotten: None, tmp_path: Path) -> None:
    done = run(project_people.command, "invite", "had", "bob@example.org", "--role", "owner")
    assert isinstance(done.exception, ProjectLeft)
    path = tmp_path / "people.csv"
    path.write_text("name,address,projects\nbob,bob@example.org,had:owner\n")
    refused = run(user.command, "invite", "--from", path, "--mail")
    assert (refused.exit_code, "keyhouse project new-owner" in refused.stderr) == (2, True)
    assert not ProjectInvitation.objects.filter(project__name="had").exists()
    assert not OneTimeLink.objects.exists()
