"""`keyhouse mandate simulate`, `diff`, and `explain` under a draft."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_mandate import KEYS, data, done, file, made, run

from keyhouse.audit.models import Record
from keyhouse.mandate.errors import MandateInvalid, MandateMissing
from keyhouse.mandate.models import MandateVersion
from keyhouse.mandate.simulation import running
from keyhouse.mandate.simulation.models import Simulation

__all__ = ["file", "made"]  # fixtures
pytestmark = pytest.mark.django_db
LATER = "2026-12-01T00:00:00Z"


def keep_nothing() -> bool:
    return not Simulation.objects.exists() and not Record.objects.exists()


def test_a_simulation_is_printed_and_kept(file: Path) -> None:
    told = data("simulate", file)
    row = Simulation.objects.get()
    assert told["result"] == row.result
    assert (told["id"], told["mandate"], told["version"]) == (row.pk, "keys", None)
    assert (told["made_by"], told["counts_until"]) == ("host", "2026-06-04T00:00:00Z")
    assert (told["result"]["people"], told["result"]["covered"]["count"]) == (3, 1)
    assert not MandateVersion.objects.filter(name="keys").exists()
    assert data("simulate", file) == told
    assert Simulation.objects.count() == 1


def test_lines_say_it_with_denominators(file: Path) -> None:
    text = done("simulate", file)
    assert text.startswith("keys@1, simulated on 3 people (snapshot ")
    assert "Covered: 1 of 3, of whom 0 comply with what they have now." in text
    assert "now: 0 of 1 refused (0 only by this mandate, 0 exempt)" in text
    assert "last deadline of “In force” of 2026-09-01 UTC: 1 of 1 refused" in text
    assert "first: eve" in text
    assert "Projects: 1 of 1 covered; 1 without an owner who could act at the end" in text
    assert "Live tokens: 2, refused at the end 1" in text
    assert "a launch takes it until 2026-06-04 00:00 UTC." in text


def test_a_mandate_is_named_or_read_from_standard_input(file: Path) -> None:
    done("apply", file)
    by_name = data("simulate", "keys")
    assert (by_name["version"], by_name["result"]["mandate"]["version"]) == (1, 1)
    found = run("simulate", "-", "--json", input=KEYS)
    assert json.loads(found.stdout)["result"] == by_name["result"]
    assert data("simulate", "default")["mandate"] == "default"


def test_another_instant_is_looked_at_and_nothing_is_kept(file: Path) -> None:
    told = data("simulate", file, "--at", "2026-11-15T00:00:00Z")
    assert list(told) == ["result"]
    marks = {one["at"]: one for one in told["result"]["stages"]}
    assert marks["2026-11-15T00:00:00Z"]["what"] == "asked about"
    assert marks["2026-11-15T00:00:00Z"]["refused"] == 1
    assert keep_nothing()


@pytest.mark.parametrize(
    ("body", "error"), [("name = 3", MandateInvalid), ("[", MandateInvalid), ("", MandateInvalid)]
)
def test_a_bad_file_is_refused_with_its_line(body: str, error: type[Exception], tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(body)
    assert isinstance(run("simulate", path).exception, error)
    assert isinstance(run("diff", path, path).exception, error)
    assert keep_nothing()


def test_what_is_not_there_is_refused() -> None:
    assert isinstance(run("simulate", "nothing").exception, MandateMissing)
    assert isinstance(run("diff", "default", "nothing").exception, MandateMissing)
    assert run("simulate").exit_code == 2
    assert keep_nothing()


def test_one_that_is_interrupted_keeps_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running.Stage, "take", stop)
    assert run("simulate", file).exit_code != 0
    assert keep_nothing()


def test_x6_two_files_are_compared(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(KEYS.replace('role = ["project.owner"]', "everyone = true"))
    told = data("diff", file, other)
    assert [one["path"] for one in told["differences"]] == ["who.role", "who.everyone"]
    assert told["covered"]["only_after"] == 2
    assert told["covered"]["first_only_after"] == ["ada", "bob"]
    assert (told["stages"][-1]["refused_before"], told["stages"][-1]["refused_after"]) == (1, 1)
    text = done("diff", file, other)
    assert "who.role" in text
    assert "2 only by the latter (ada, bob)" in text
    assert "They say the same." in done("diff", file, file)
    assert keep_nothing()


def test_x6_one_person_is_explained_on_a_day_under_a_draft(file: Path) -> None:
    asked = ("explain", "--user", "eve", "--action", "release.upload", "--project", "alpha")
    token = ("--with", "token:password")
    strict = file.with_name("strict.toml")
    strict.write_text(KEYS.replace('"security-key", "authenticator-app"', '"security-key"'))
    live = data(*asked, "--with", "token:totp", "--at", LATER)
    assert live["verdict"] == "allow"
    told = data(*asked, "--with", "token:totp", "--at", LATER, "--mandate", strict)
    assert (told["verdict"], told["code"], told["mandate"]) == ("deny", "credential-weak", "keys")
    assert (
        data(*asked, *token, "--at", "2026-06-02T00:00:00Z", "--mandate", "default")["mandate"] == "default"
    )
    assert isinstance(run(*asked, "--mandate", "nothing").exception, MandateMissing)
    assert keep_nothing()


def test_x6_a_deletion_under_a_draft_waits_as_its_mandate_says(file: Path) -> None:
    asked = (
        "explain",
        "--user",
        "eve",
        "--action",
        "project.delete",
        "--project",
        "alpha",
        "--with",
        "session:totp",
    )
    assert data(*asked)["code"] == ""
    assert data(*asked, "--mandate", file)["code"] == "deletion-held"
