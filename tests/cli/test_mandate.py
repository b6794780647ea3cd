from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.cli.places import ADA, Place

from keyhouse.accounts.models import User
from keyhouse.accounts.oversight.errors import ProposalOver
from keyhouse.audit.models import Record
from keyhouse.cli import mandate, mandate_words
from keyhouse.cli.dev_document import read_document
from keyhouse.cli.dev_sowing import sow
from keyhouse.core import clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, Strength, host
from keyhouse.core.errors import NotFound
from keyhouse.mandate import previews, queries, services
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.errors import MandateInvalid, MandateMissing
from keyhouse.mandate.models import Exemption, MandateVersion
from keyhouse.mandate.rules import decide
from keyhouse.web.wiring import wire_all

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DOCUMENT = {
    "users": [
        {**ADA, "password": None, "operator": True},
        {
            "username": "bob",
            "email": "bob@example.org",
            "operator": True,
            "second_factors": ["totp"],
            "joined_at": "2020-01-01T00:00:00Z",
        },
        {"username": "eve", "email": "eve@example.org", "joined_at": "2020-01-01T00:00:00Z"},
    ],
    "projects": [{"name": "alpha", "owners": ["eve"]}],
    "tokens": [
        {"user": "eve", "projects": ["alpha"], "minted_with": "password", "description": "weak"},
        {"user": "bob", "description": "strong"},
    ],
}
# Somebody who owns a project must hold a factor: announced now, in force in three months.
KEYS = """name = "keys"
title = "A second factor for owners"
reason = "A stolen password alone must not be able to publish."

[who]
role = ["project.owner"]

[methods]
accept = ["security-key", "authenticator-app"]

[[stages]]
state = "announced"
at = 2026-06-01T00:00:00Z
warn = ["all"]

[[stages]]
state = "enforced"
at = 2026-09-01T00:00:00Z
deny = ["all"]
"""


@pytest.fixture(autouse=True)
def made(db: None, tmp_path: Path) -> Iterator[None]:
    wire_all()
    (tmp_path / "clock").write_text(clock.format_instant(NOW))
    clock.follow_file(tmp_path / "clock")
    sow(read_document(json.dumps(DOCUMENT).encode()))
    Record.objects.all().delete()
    yield
    clock.follow_file(None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mandate.toml"
    path.write_text(KEYS)
    return path


def run(*words: str | Path, **options: Any) -> Result:
    return CliRunner().invoke(mandate.command, [str(word) for word in words], **options)


def done(*words: str | Path) -> str:
    found = run(*words)
    assert found.exit_code == 0, (found.output, found.exception)
    return found.stdout


def data(*words: str | Path) -> Any:
    return json.loads(done(*words, "--json"))


def at(instant: datetime, tmp_path: Path) -> None:
    (tmp_path / "clock").write_text(clock.format_instant(instant))


def nothing_applied() -> bool:
    return not MandateVersion.objects.exclude(origin="default").exists() and not Record.objects.exists()


def looser_default(tmp_path: Path) -> Path:
    """Write the default down as a file, without the organizations' people."""
    body = json.loads(done("show", "default", "--document"))
    del body["who"]["any"][1]
    path = tmp_path / "default.json"
    path.write_text(json.dumps(body))
    Record.objects.all().delete()
    return path


# ---- plan, apply


def test_a_plan_tells_what_changes_and_changes_nothing(file: Path) -> None:
    text = done("plan", file)
    assert text.startswith("keys@1, a new mandate\n  + name: keys\n")
    assert (
        "2026-09-01 00:00 UTC  In force (refuses everything that changes something): 1 of 3 people covered, 0 compliant"
        in text
    )
    assert (
        "last deadline of “In force” of 2026-09-01 UTC: 1 of 3 people covered, 0 compliant, 0 exempt, 1 refused: eve"
        in text
    )
    assert text.endswith("It loosens nothing.\n")
    told = data("plan", file)
    assert (told["is_loosening"], told["people"], told["refusals"]) == (False, 3, [])
    assert nothing_applied()


def test_what_loosens_nothing_is_in_effect_at_once(file: Path) -> None:
    text = done("apply", file)
    assert text.endswith("keys@1 is in effect.\n")
    assert [one.name for one in queries.live_policies(NOW)] == ["default", "keys"]
    assert Record.objects.get().action == "mandate.propose"
    again = done("apply", file)
    assert again.endswith("Nothing changes: keys@1 says the same.\n")
    assert data("apply", file)["is_changed"] is False
    assert Record.objects.count() == 1


def test_a_file_is_planned_once_to_be_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = []
    preview = previews.preview

    def counted(*arguments: Any) -> Any:
        plans.append(arguments)
        return preview(*arguments)

    monkeypatch.setattr(previews, "preview", counted)
    done("apply", looser_default(tmp_path))
    assert len(plans) == 1


def test_what_loosens_waits_for_an_operator(tmp_path: Path) -> None:
    path = looser_default(tmp_path)
    text = done("apply", path)
    assert "It loosens: what is refused now would be allowed, for example\n  somebody (" in text
    assert text.endswith(
        "default@2 waits for approval, at /mandate/proposals/. To be approved by 2 of: ada, bob.\n"
    )
    assert "default@2 waits for approval already, at /mandate/proposals/." in done("apply", path)
    told = data("apply", path)
    assert (told["effective_at"], told["is_changed"], told["is_loosening"]) == (None, False, True)
    assert "Waiting: default@2, proposed by host" in done("status")
    assert [one.version for one in queries.live_policies(NOW)] == [1]


def test_with_one_operator_it_takes_effect_a_day_later_and_can_be_withdrawn(tmp_path: Path) -> None:
    User.objects.filter(username="ada").update(is_operator=False)
    assert done("apply", looser_default(tmp_path)).endswith(
        "default@2 takes effect on 2026-06-02 00:00 UTC, and can be withdrawn until then.\n"
    )
    assert "Coming: default@2 takes effect on 2026-06-02 00:00 UTC" in done("status")
    assert done("withdraw", "default", "2") == "default@2 is withdrawn.\n"
    assert [one.version for one in queries.live_policies(NOW + timedelta(days=2))] == [1]
    assert isinstance(run("withdraw", "default", "2").exception, ProposalOver)
    assert isinstance(run("withdraw", "default", "7").exception, MandateMissing)


def test_a_file_that_would_lock_out_the_last_operator_is_refused_by_its_line(file: Path) -> None:
    text = KEYS.replace('role = ["project.owner"]', 'role = ["operator"]')
    file.write_text(text.replace(', "authenticator-app"', ""))
    for word in ("plan", "apply"):
        found = run(word, file)
        assert found.exit_code == 1
        assert "Refused: line 9: methods.accept: no operator could act any more" in found.stdout
    told = json.loads(run("apply", file, "--json").stdout)
    assert told["refusals"][0]["line"] == 9
    assert nothing_applied()


def test_a_file_that_leaves_no_time_is_refused(file: Path) -> None:
    services.seed_version(read_mandate(_nobody()), approved_by=[], by=host())
    Record.objects.all().delete()
    file.write_text(KEYS.replace("2026-06-01", "2025-06-01").replace("2026-09-01", "2025-09-01"))
    found = run("apply", file)
    assert found.exit_code == 1
    assert (
        "Refused: line 11: stages: 1 of 3 people would be refused from 2026-06-01 00:00 UTC on"
        in found.stdout
    )
    assert "Warning: line 13: stage 1, at: 2025-06-01 00:00 UTC is past" in found.stdout
    assert not MandateVersion.objects.filter(name="keys").exists()
    assert not Record.objects.exists()


def test_a_weak_token_of_somebody_who_complies_is_not_cut_off_without_notice(file: Path) -> None:
    dan = {
        **ADA,
        "username": "dan",
        "email": "dan@example.org",
        "password": None,
        "joined_at": "2020-01-01T00:00:00Z",
    }
    token = {"user": "dan", "minted_with": "password", "minted_at": "2026-05-20T00:00:00Z"}
    sow(read_document(json.dumps({"users": [dan], "tokens": [token]}).encode()))
    services.seed_version(read_mandate(_nobody()), approved_by=[], by=host())
    file.write_text(
        KEYS.replace("2026-06-01", "2026-05-30")
        .replace("2026-09-01", "2026-05-31")
        .replace('role = ["project.owner"]', 'user = ["dan"]')
        + "[notice]\nfloor_days = 20\nunreached_cap_days = 20\n"
    )
    found = run("plan", file)
    assert found.exit_code == 1
    assert "1 of 4 people would be refused from 2026-06-20 00:00 UTC on" in found.stdout
    assert "20 days after their notice: dan" in found.stdout


def _nobody() -> dict[str, Any]:
    return {
        "name": "nobody",
        "title": "x",
        "reason": "x",
        "who": {"user": ["nobody-here"]},
        "methods": {"accept": ["passkey"]},
        "stages": [{"state": "announced", "at": "2020-01-01T00:00:00Z"}],
    }


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (KEYS.replace('"project.owner"', '"boss"'), "line 6: who.role: there is no role 'boss'"),
        (KEYS.replace("2026-09-01T00:00:00Z", "2026-09-01T00:00:00"), "line 18: stage 2, at: "),
        (KEYS.replace('title = "', "title = "), "line 2: "),
        (KEYS.replace("[methods]", "[method]"), "line 8: method: unknown key"),
        ("", "name: is missing"),
        (KEYS + "#" * 300_000, "The file holds "),
        (
            KEYS.replace('["project.owner"]', json.dumps([f"name{number}" for number in range(10_000)])),
            "line 6: who.role: holds 10,000 names; at most 1,000 are allowed",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_its_line(file: Path, wrong: str, told: str) -> None:
    file.write_text(wrong)
    for word in ("plan", "apply"):
        error = run(word, file).exception
        assert isinstance(error, MandateInvalid)
        assert error.sentence.startswith(told)
    assert nothing_applied()


def test_a_file_comes_from_standard_input_too(tmp_path: Path) -> None:
    assert run("plan", "-", input=KEYS).exit_code == 0
    assert run("plan", tmp_path / "nowhere.toml").exit_code == 2
    assert run("plan", tmp_path).exit_code == 2


# ---- what is in the ledger


def test_the_status_counts_people_with_their_denominator() -> None:
    assert "default@1" in done("status")
    told = data("status")
    (live,) = told["live"]
    assert (live["mandate"], live["version"], live["people"]) == ("default", 1, 3)
    assert (live["forecasts"][0]["covered"], live["forecasts"][0]["compliant"]) == (3, 2)
    assert live["forecasts"][0]["first_refused"] == ["eve"]
    assert (told["waiting"], told["coming"]) == ([], [])


def test_a_version_is_shown_with_who_answers_for_it(file: Path) -> None:
    done("apply", file)
    text = done("show", "keys")
    assert text.startswith("keys@1: A second factor for owners\n")
    assert "Proposed by host on 2026-06-01 00:00 UTC" in text
    told = data("show", "keys", "--version", "1")
    assert read_mandate(told["document"]) == read_mandate(json.loads(done("show", "keys", "--document")))
    assert told["plan"]["mandate"] == "keys"
    assert isinstance(run("show", "keys", "--version", "2").exception, MandateMissing)
    assert isinstance(run("show", "nothing").exception, MandateMissing)
    assert "the beginning" in done("show", "default")


# ---- to whom


def test_a_check_tells_who_is_refused_at_each_stage(file: Path) -> None:
    done("apply", file)
    told = data("check", "keys")
    refused = {one["at"]: (one["refused"], one["first_refused"]) for one in told["forecasts"]}
    assert refused["2026-06-01T00:00:00Z"] == (0, [])
    assert refused["2026-10-31T00:00:00Z"] == (1, ["eve"])
    assert "1 refused: eve" in done("check", "keys")


def test_a_check_of_a_person_tells_what_is_asked_of_them(file: Path) -> None:
    done("apply", file)
    text = done("check", "EVE")
    assert text.startswith("eve: something is to be done\n")
    assert "keys@1: A second factor for owners (not met)" in text
    assert "refused since the beginning: " in text
    assert " acts more\n" in text
    told = data("check", "bob")
    assert (told["user"], told["is_met"]) == ("bob", True)
    assert isinstance(run("check", "nobody-here").exception, NotFound)


def test_a_check_of_somebody_exempt_does_not_say_that_all_is_well() -> None:
    asked = {"mandate": "keys", "version": 1, "title": "A key", "is_met": False, "effects": []}
    told = {"user": "eve", "is_met": False, "next": None}
    exempt = asked | {"exempt_until": "2026-10-31T00:00:00Z"}
    assert mandate_words.standing(told | {"asked": [exempt]}).startswith("eve: exempt, and not complying")
    both = [exempt, asked | {"exempt_until": None}]
    assert mandate_words.standing(told | {"asked": both}).startswith("eve: something is to be done")


def test_a_check_of_an_operator_tells_of_the_floor() -> None:
    sow(read_document(b'{"users": [{"username": "olga", "operator": true}]}'))
    text = done("check", "olga")
    assert "  operators-floor: A second factor for operators, moderators and auditors (not met)" in text


def test_a_persons_name_may_be_that_of_a_mandate() -> None:
    sow(read_document(b'{"users": [{"username": "default"}]}'))
    assert "mandate" in data("check", "default")
    assert data("check", "default", "--user")["user"] == "default"


@pytest.mark.parametrize("asking", ["session:password", "session:totp", "token:password", "token:passkey"])
@pytest.mark.parametrize(
    "action", ["release.upload", "project.manage", "project.delete", "token.mint", "site.read"]
)
def test_an_explanation_is_the_decision_itself(file: Path, asking: str, action: str) -> None:
    done("apply", file)
    eve = User.objects.get(username="eve")
    kind, proof = asking.split(":")
    methods = frozenset({proof} if proof == "passkey" else {"password", proof})
    for instant in (NOW, NOW + timedelta(days=92), NOW + timedelta(days=500)):
        actor = Actor(
            "session" if kind == "session" else "token", eve.pk, "eve", strength=Strength(methods, instant)
        )
        thing = Thing("project", None, "alpha")
        facts, policies = queries.gather(actor, action, thing, instant)
        words = ("--user", "eve", "--action", action, "--project", "Alpha", "--with", asking)
        told = data("explain", *words, "--at", clock.format_instant(instant))
        expected = decide(facts, policies, instant).as_dict()
        assert {key: told[key] for key in expected} == expected
    assert not Record.objects.filter(action__startswith="release").exists()


def test_an_explanation_is_readable() -> None:
    text = done("explain", "--user", "eve", "--action", "release.upload", "--with", "token:password")
    assert text.startswith(
        "“Upload a file of a release” (release.upload) by eve, 2026-06-01 00:00 UTC: refused\n  credential-weak: "
    )
    assert "by default@1" in text
    assert "/account/tokens/" in text
    allowed = done("explain", "--user", "bob", "--action", "project.manage", "--with", "session:totp")
    assert (
        allowed == "“See the settings of a project” (project.manage) by bob, 2026-06-01 00:00 UTC: allowed\n"
    )


def test_a_key_that_stays_on_its_device_is_asked_about_by_name() -> None:
    bound = KEYS.replace('"security-key", "authenticator-app"', '"device-bound"').replace("06-01", "05-01")
    document = tomllib.loads(bound.replace("2026-09-01", "2026-05-20"))
    services.seed_version(read_mandate({**document, "replaces": ["default"]}), approved_by=[], by=host())
    asked = ("explain", "--user", "eve", "--action", "release.upload", "--project", "alpha", "--with")
    found = {
        words: data(*asked, *words.split())["verdict"]
        for words in (
            "token:webauthn",
            "token:webauthn --device-bound",
            "token:passkey --device-bound",
            "token:totp --device-bound",
        )
    }
    assert found == {
        "token:webauthn": "deny",
        "token:webauthn --device-bound": "allow",
        "token:passkey --device-bound": "allow",
        "token:totp --device-bound": "deny",
    }


def test_a_question_that_is_none_is_wrong_use() -> None:
    asked = ("explain", "--user", "eve", "--action")
    assert run(*asked, "release.fly").exit_code == 2
    assert run(*asked, "release.upload", "--with", "ghost:password").exit_code == 2
    assert run(*asked, "release.upload", "--with", "token:sms").exit_code == 2
    assert run(*asked, "release.upload", "--at", "2026-06-01T00:00:00").exit_code == 2
    assert isinstance(run("explain", "--user", "x", "--action", "release.upload").exception, NotFound)


def test_tokens_are_counted_by_strength() -> None:
    assert data("tokens") == {"live": 2, "accepted": 1, "weak_before": 0, "weak_in_grace": 1}
    assert done("tokens").startswith("1 of 2 live API tokens are strong enough")


# ---- exemptions


def exempt(*changes: str) -> Result:
    words = ["--until", "2026-07-01T00:00:00Z", "--reason", "The key is in the mail."]
    words += ["--evidence", "Order 17", "--control", "Publishes from CI only."]
    return run("exempt", "eve", "default", *words, *changes)


def test_an_exemption_is_proposed_listed_and_withdrawn() -> None:
    assert "eve from default@1  waits for approval at /mandate/proposals/" in exempt().stdout
    row = Exemption.objects.get()
    (told,) = data("exemptions")
    assert (told["id"], told["user"], told["effective_at"]) == (row.pk, "eve", None)
    assert done("withdraw-exemption", str(row.pk)) == "Withdrawn.\n"
    assert data("exemptions") == []
    assert "withdrawn on 2026-06-01 00:00 UTC" in done("exemptions", "--all")


def test_exemptions_that_can_not_be_change_nothing() -> None:
    for words in (("--reason", " "), ("--until", "2027-06-01T00:00:00Z")):
        assert exempt(*words).exception is not None
    assert run("exempt", "eve", "default", "--until", "2026-07-01T00:00:00Z").exit_code == 2
    assert not Exemption.objects.exists()
    assert not Record.objects.exists()


# ---- the command itself


def test_the_command_stands_on_a_new_index_with_its_default(index: Place, tmp_path: Path) -> None:
    index.seed({"users": [{**ADA, "operator": True}]})
    (live,) = index.json("mandate", "status", "--json")["live"]
    assert (live["mandate"], live["version"], live["people"]) == ("default", 1, 1)
    audited = [json.loads(line) for line in index.keyhouse("audit", "--json").splitlines()]
    assert audited[0]["action"] == "mandate.propose"
    assert audited[0]["actor"]["kind"] == "job"
    path = tmp_path / "mandate.toml"
    path.write_text(KEYS.replace('"project.owner"', '"boss"'))
    refused = index.run("mandate", "apply", path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("mandate-invalid: line 6: who.role: there is no role 'boss'")
    assert index.run("mandate", "apply").returncode == 2
    assert "Examples:" in index.keyhouse("mandate", "plan", "--help")
