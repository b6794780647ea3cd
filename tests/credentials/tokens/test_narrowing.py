"""Narrowing a token offline: what a copy can do, what is refused, and that the server holds to it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.credentials.tokens.conftest import MakeToken, make_project

from keyhouse.accounts.models import User
from keyhouse.cli import token as command
from keyhouse.core import clock
from keyhouse.core.errors import CredentialInvalid, Refusal
from keyhouse.credentials.tokens import caveats, macaroons, narrowing
from keyhouse.credentials.tokens.authentication import identify
from keyhouse.credentials.tokens.errors import NarrowingRefused
from keyhouse.credentials.tokens.macaroons import Macaroon
from keyhouse.credentials.tokens.narrowing import Wish, narrow
from keyhouse.projects.models import Project

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = b"k" * 32


def token(*held: bytes) -> Macaroon:
    macaroon = macaroons.mint(KEY, bytes(16), location=b"localhost")
    for one in held:
        macaroon = macaroons.attenuate(macaroon, one)
    return macaroon


FULL = (
    caveats.write_time(NOW - HOUR, NOW + 10 * HOUR),
    caveats.write_actions(["upload", "read"]),
    caveats.write_projects([7, 8]),
    caveats.write_network(["192.0.2.0/24", "2001:db8::/32"]),
)


@pytest.mark.parametrize(
    ("wish", "added"),
    [
        (Wish(project_ids=(7,)), [b'["projects",[7]]']),
        (Wish(project_ids=(8,), version="1.0.0-RC1"), [b'["projects",[8]]', b'["release",8,"1.0.0rc1"]']),
        (Wish(expires=NOW + 10 * HOUR), [b'["time",null,1893535200]']),
        (Wish(expires=NOW + HOUR), [b'["time",null,1893502800]']),
        (Wish(actions=("read",)), [b'["actions",["read"]]']),
        (Wish(actions=("read", "upload")), [b'["actions",["upload","read"]]']),
        (
            Wish(networks=("192.0.2.7", "2001:db8:1::/48")),
            [b'["network",["192.0.2.7/32","2001:db8:1::/48"]]'],
        ),
    ],
)
def test_a_copy_has_what_was_wished_behind_what_it_had(wish: Wish, added: list[bytes]) -> None:
    copy = narrow(token(*FULL), wish, NOW)
    assert copy.caveats == (*FULL, *added)
    assert macaroons.is_signed_by(copy, KEY)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (Wish(), "Say what"),
        (Wish(project_ids=(9,)), "7, 8"),
        (Wish(project_ids=(7, 9)), "7, 8"),
        (Wish(version="1.0"), "by its id"),
        (Wish(version="one", project_ids=(7,)), "version"),
        (Wish(expires=NOW + 11 * HOUR), "2030-01-01T22:00:00Z"),
        (Wish(expires=NOW), "passed"),
        (Wish(actions=("yank",)), "read, upload"),
        (Wish(networks=("192.0.0.0/16",)), "192.0.2.0/24"),
        (Wish(networks=("192.0.2.1", "0.0.0.0/0")), "192.0.2.0/24"),
        (Wish(networks=("::/0",)), "192.0.2.0/24"),
        (Wish(networks=("nowhere",)), "nowhere"),
    ],
)
def test_what_the_token_itself_can_not_do_is_refused_with_what_it_can(wish: Wish, told: str) -> None:
    with pytest.raises(NarrowingRefused) as refused:
        narrow(token(*FULL), wish, NOW)
    assert told in f"{refused.value.sentence} {refused.value.fix}"


def test_a_release_stays_the_one_it_is_and_is_known_from_its_own_condition() -> None:
    held = token(caveats.write_release(7, "1.0"))
    assert narrow(held, Wish(version="1.0"), NOW).caveats[-1] == b'["release",7,"1.0"]'
    for wish in (Wish(version="2.0"), Wish(project_ids=(8,))):
        with pytest.raises(NarrowingRefused):
            narrow(held, wish, NOW)


def test_a_token_for_everything_is_narrowed_to_anything_but_not_without_end() -> None:
    held = token()
    assert narrow(held, Wish(project_ids=(3,), version="1.0", actions=("upload",)), NOW).caveats[2:]
    full = token(*[caveats.write_actions(["upload"])] * macaroons.MAX_CAVEATS)
    for macaroon in (full, token(b'["strange"]'), token(b"x" * 2000)):
        with pytest.raises(NarrowingRefused):
            narrow(macaroon, Wish(actions=("upload",)), NOW)


@pytest.mark.parametrize("prefix", ["keyhouse-", "pypi-", "Ag", "", "a-b_Ag", "ÄgAg"])
def test_a_token_of_any_index_is_read(prefix: str) -> None:
    text = macaroons.text_of(token(*FULL), prefix)
    assert narrowing.read_token(f"\n{text} \n") == (prefix, token(*FULL))


@pytest.mark.parametrize(
    "text", ["", "x", "keyhouse-", "keyhouse-Ag", "keyhouse-AgE", "Ag" * 5000, "keyhouse-AgEA\n"]
)
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(NarrowingRefused):
        narrowing.read_token(text)


# ---- against the ledger


def who(text: str, network: str = "192.0.2.1") -> Any:
    return identify(f"Bearer {text}", network=network, user_agent="", now=clock.now())[0]


def run(*words: str, given: str = "") -> Any:
    return CliRunner().invoke(command.command, words, input=given)


@pytest.mark.django_db
def test_the_server_holds_to_what_a_copy_was_narrowed_to(mint: MakeToken, alpha: Project, ada: User) -> None:
    other = make_project("other", ada)
    _, text = mint(project_ids=[alpha.pk, other.pk])
    done = run(
        "restrict", "--project-id", str(alpha.pk), "--release", "1.0", "--network", "192.0.2.0/24", "--expires", "2h",
        given=text,
    )  # fmt: skip
    copy = done.stdout.strip()
    assert copy != text
    assert "token" not in run("restrict", "--expires", "2h", given=text).stderr
    with pytest.raises(CredentialInvalid):
        who(copy, "198.51.100.1")
    scope = who(copy).restrictions
    assert scope.at_release("1.0.0").allows("release.upload", "project", alpha.pk)
    assert not scope.at_release("1.1").allows("release.upload", "project", alpha.pk)
    assert not scope.at_release("1.0").allows("release.upload", "project", other.pk)
    assert (
        who(text, "198.51.100.1").restrictions.at_release("1.1").allows("release.upload", "project", other.pk)
    )


@pytest.mark.django_db
def test_a_scope_that_was_picked_at_minting_holds_and_stands_in_the_row(
    mint: MakeToken, alpha: Project
) -> None:
    row, text = mint(version="1.0.0-RC1", networks=["192.0.2.0/24", "2001:db8::1"])
    assert (row.version, row.networks) == ("1.0.0rc1", ["192.0.2.0/24", "2001:db8::1/128"])
    bare = macaroons.text_of(macaroons.mint(_key_of(row), row.pk.bytes), "keyhouse-")
    for one in (text, bare):  # the row alone holds it as well
        with pytest.raises(CredentialInvalid):
            who(one, "198.51.100.1")
        scope = who(one).restrictions
        assert scope.at_release("1.0rc1").allows("release.upload", "project", alpha.pk)
        assert not scope.at_release("1.0").allows("release.upload", "project", alpha.pk)
        assert not scope.allows("project.create", "project", None)
    shown = run("show", given=text).stdout
    assert f"release only: 1.0.0rc1 of the project with the id {alpha.pk}" in shown
    assert "192.0.2.0/24, 2001:db8::1/128" in shown


def _key_of(row: Any) -> bytes:
    from keyhouse.credentials.tokens import services  # noqa: PLC0415 - Django is set up by now

    return services.key_of(row)


@pytest.mark.django_db
def test_terms_that_can_not_be_are_refused(mint: MakeToken) -> None:
    for terms in (
        {"project_ids": None, "reason": "x", "version": "1.0"},
        {"version": "one"},
        {"version": "1" * 101},
        {"networks": ["x"]},
        {"networks": ["192.0.2.0/24"] * 21},
    ):
        with pytest.raises(Refusal) as refused:
            mint(**terms)
        assert refused.value.code == "token-terms-invalid"


@pytest.mark.django_db
def test_at_the_host_a_token_is_made_and_printed_once(ada: User, alpha: Project) -> None:
    done = run(
        "mint",
        "ada",
        "--project",
        "Alpha",
        "--description",
        "ci",
        "--release",
        "1.0",
        "--network",
        "192.0.2.1",
    )
    assert who(done.stdout.strip()).strength.methods == frozenset()
    robot = run(
        "mint", "ada", "--project", "alpha", "--robot", "--description", "ci", "--days", "9"
    ).stdout.strip()
    assert who(robot).restrictions.publication == {"class": "robot-token"}
    for words in (
        ["mint", "eve", "--project", "alpha", "--description", "x"],
        ["mint", "ada", "--project", "nothing", "--description", "x"],
        ["mint", "ada", "--description", "x"],
        ["mint", "ada", "--all-projects", "--project", "alpha", "--description", "x"],
        ["mint", "ada", "--all-projects", "--robot", "--description", "x"],
        ["mint", "ada", "--project", "alpha", "--robot", "--days", "91", "--description", "x"],
        ["mint", "ada", "--project", "alpha", "--robot", "--action", "read", "--description", "x"],
    ):
        assert run(*words).exit_code != 0, words


def test_narrowing_needs_no_index_and_no_secret_on_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(macaroons.text_of(token(*FULL[1:]), "keyhouse-"))
    words = [sys.executable, "-m", "keyhouse", "--data", str(tmp_path / "no"), "token", "restrict", str(file)]
    done = subprocess.run(
        [*words, "--action", "read"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert narrowing.read_token(done.stdout)[1].caveats[-1] == b'["actions",["read"]]'
    assert not (tmp_path / "no").exists()
    wider = subprocess.run(
        [*words, "--action", "yank"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (wider.returncode, wider.stdout) == (1, "")
    assert wider.stderr.startswith("narrowing-refused: The token may read, upload only.")
