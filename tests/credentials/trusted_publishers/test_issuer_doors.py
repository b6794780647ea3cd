"""The list of issuers through its doors: pages, commands, seeding."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result
from django.db import connection
from tests.mandate.visiting import Visit, code_of
from tests.oidc_issuer import GITLAB, ServedIssuer, ec_key
from tests.safety.conftest import person

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.cli import publisher as command
from keyhouse.cli.dev_document import SeedRefused, read_document
from keyhouse.cli.dev_sowing import sow
from keyhouse.core import actions, configuration
from keyhouse.core.actor import host
from keyhouse.core.errors import Refusal
from keyhouse.credentials.trusted_publishers import issuers
from keyhouse.credentials.trusted_publishers.errors import IssuerMissing, IssuerTaken, IssuerUnanswered
from keyhouse.credentials.trusted_publishers.models import Issuer
from keyhouse.web.wiring import wire_all

CI: Final = "https://ci.example"
LIST: Final = "/operator/issuers/"
ADD: Final = "/operator/issuers/add/"
TEST: Final = "/operator/issuers/test/"
REMOVE: Final = "/operator/issuers/remove/"
db = pytest.mark.django_db


@pytest.fixture(autouse=True)
def wired() -> Iterator[None]:
    before = actions._wiring
    actions._wiring = actions._Wiring()
    wire_all()
    yield
    actions._wiring = before


def _visit(name: str, office: str = "") -> Visit:
    person(name, office)
    return Visit(User.objects.get(username=name))


def _records() -> list[str]:
    return list(Record.objects.filter(about_kind="issuer").order_by("pk").values_list("action", flat=True))


@db
def test_operators_add_and_remove() -> None:
    visit = _visit("op", "operator")
    assert GITLAB in visit.get(LIST).content.decode()
    answer = visit.post(ADD, provider="kubernetes", url=CI + "/", label="<b>Cluster</b>", may_be_private="on")
    assert answer.status_code == 303
    row = Issuer.objects.get()
    assert (row.url, row.provider, row.required_claims, row.may_be_private) == (CI, "custom", ["sub"], True)
    page = visit.get(LIST).content.decode()
    assert "&lt;b&gt;Cluster" in page
    assert "not fetched yet" in page
    asked = visit.get(f"{REMOVE}?issuer={CI}")
    assert asked.status_code == 200
    assert "No project has a publisher there" in visit.text
    assert visit.post(REMOVE, issuer=CI).status_code == 303
    assert code_of(visit.post(REMOVE, issuer=CI)) == "issuer-missing"
    assert visit.post(REMOVE, issuer=GITLAB).status_code == 303
    assert GITLAB not in visit.get(LIST).content.decode()
    assert visit.post(ADD, provider="gitlab", url=GITLAB).status_code == 303
    assert visit.post(ADD, provider="custom", url=CI, claims=" sub  pipeline ").status_code == 303
    assert Issuer.objects.get(url=CI).required_claims == ["sub", "pipeline"]
    assert _records() == ["issuer.add", "issuer.remove", "issuer.remove", "issuer.add", "issuer.add"]


@db
def test_what_can_t_be_added_is_said_in_the_form() -> None:
    visit = _visit("op", "operator")
    for fields, code in (
        ({"provider": "gitlab", "url": "http://ci.example"}, "issuer-url-invalid"),
        ({"provider": "gitlab", "url": GITLAB}, "issuer-taken"),
        ({"provider": "custom", "url": CI}, "issuer-terms-invalid"),
        ({"provider": "gitlab", "url": CI, "claims": "sub"}, "issuer-terms-invalid"),
        ({"provider": "custom", "url": CI, "claims": "aud"}, "issuer-terms-invalid"),
        ({"provider": "google", "url": CI}, "issuer-terms-invalid"),
        ({"provider": "other", "url": CI}, ""),
        ({"provider": "gitlab", "url": "a\x00"}, ""),
        ({"provider": "gitlab"}, ""),
        ({}, ""),
    ):
        answer = visit.post(ADD, **fields)
        assert (answer.status_code, code_of(answer)) == (400, code), fields
    for issuer in ("", "x", "https://unknown.example", GITLAB + "#", "x" * 400, "a\x00"):
        assert code_of(visit.client.get(REMOVE, {"issuer": issuer})) == "issuer-missing"
        assert code_of(visit.post(REMOVE, issuer=issuer)) == "issuer-missing"
    assert Issuer.objects.count() == 0
    assert _records() == []


@db
def test_others_may_not_and_who_may_only_read_sees_no_buttons() -> None:
    for name, office, status in (("ada", "", 403), ("mod", "moderator", 200), ("aud", "auditor", 200)):
        visit = _visit(name, office)
        answer = visit.get(LIST)
        assert answer.status_code == status, name
        assert "Add an issuer" not in answer.content.decode()
        for refused in (
            visit.get(ADD),
            visit.get(f"{REMOVE}?issuer={GITLAB}"),
            visit.post(ADD, provider="gitlab", url=CI),
            visit.post(REMOVE, issuer=GITLAB),
        ):
            assert code_of(refused) == "role-required"
    assert Visit().get(LIST).status_code in {302, 303, 401}
    assert Issuer.objects.count() == 0
    assert _records() == []


@db
def test_operators_try_an_issuer(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = dataclasses.replace(configuration.current(), ca_file=certificate[0])
    monkeypatch.setattr(configuration, "_current", settings)
    visit = _visit("op", "operator")
    with ServedIssuer(*certificate) as issuer:
        issuers.add_issuer(issuer.url, "gitlab", by=host())
        assert code_of(visit.get(TEST)) == "issuer-missing"
        assert visit.get(f"{TEST}?issuer={issuer.url}").status_code == 200
        assert issuer.asked == []
        visit.post(TEST, issuer=issuer.url)
        assert "which is not an address of the public internet" in visit.text
        Issuer.objects.update(may_be_private=True)
        visit.post(TEST, issuer=issuer.url)
        assert f"1 key at {issuer.url}/keys, of which 1 can be used" in visit.text
        issuer.keys = {"<b>": ec_key()}
        assert "&lt;b&gt;" in visit.post(TEST, issuer=issuer.url).content.decode()
        issuer.keys = {}
        visit.post(TEST, issuer=issuer.url)
        assert "None of its keys can be used" in visit.text
        asked = len(issuer.asked)
        for name, office in (("ada", ""), ("mod", "moderator"), ("aud", "auditor")):
            other = _visit(name, office)
            assert code_of(other.post(TEST, issuer=issuer.url)) == "role-required"
        assert code_of(visit.post(TEST, issuer="https://unknown.example")) == "issuer-missing"
        assert len(issuer.asked) == asked
    assert Issuer.objects.get().asked_at is None
    assert _records() == ["issuer.add"]


@db
def test_a_fresh_proof_is_asked_for() -> None:
    for name in ("issuer.add", "issuer.remove"):
        action = actions.get_action(name)
        assert (action.step_up, action.gated, action.offices) == (True, True, frozenset({"operator"}))


def _run(*words: str) -> Result:
    return CliRunner().invoke(command.command, ["issuers", *words])


@db
def test_commands_add_list_and_remove() -> None:
    assert f"Added: {CI}." in _run("add", "jenkins", CI, "--label", "Ours", "--private").output
    assert isinstance(_run("add", "jenkins", CI).exception, IssuerTaken)
    assert f"{CI}  custom by sub, keys never fetched, may be private" in _run("list").output
    told = json.loads(_run("list", "--json").output)
    assert [one["url"] for one in told] == [*issuers.BUILT_IN, CI]
    assert told[-1] | {"added_at": ""} == {
        "url": CI,
        "provider": "custom",
        "label": "Ours",
        "required_claims": ["sub"],
        "may_be_private": True,
        "is_public": False,
        "added_at": "",
        "keys": 0,
        "keys_at": None,
        "is_silent": False,
    }
    assert _run("remove", CI).output == "Removed.\n"
    assert isinstance(_run("remove", CI).exception, IssuerMissing)
    assert _run("add", "custom", CI, "--claim", "sub", "--claim", "pipeline").exit_code == 0
    assert isinstance(_run("add", "github", "http://ci.example").exception, Refusal)


@db
def test_a_command_tells_what_an_issuer_answers(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(configuration.current(), ca_file=certificate[0])
    monkeypatch.setattr(configuration, "current", lambda: settings)
    with ServedIssuer(*certificate) as issuer:
        assert "not an address of the public internet" in str(_run("test", issuer.url).exception)
        said = _run("test", issuer.url, "--private")
        assert "1, of which 1 can be used" in said.output
        assert "It works, and is not on the list yet." in said.output
        issuers.add_issuer(issuer.url, "gitlab", may_be_private=True, by=host())
        assert "It works.\n" in _run("test", issuer.url + "/").output
        told = json.loads(_run("test", issuer.url, "--json").output)
        assert told["keys"] == [{"kid": "first", "kind": "RSA"}]
        issuer.mode = "redirecting"
        assert isinstance(_run("test", issuer.url).exception, IssuerUnanswered)
        issuer.mode, issuer.keys = "good", {}
        assert "None of its keys can be used" in str(_run("test", issuer.url).exception)
    row = Issuer.objects.get()
    assert (row.keys, row.keys_at, row.asked_at) == ({}, None, None)


def _sow(*entries: dict[str, Any]) -> list[dict[str, Any]]:
    return sow(read_document(json.dumps({"issuers": entries}).encode()))["issuers"]


@db
def test_seeding() -> None:
    made = _sow(
        {"provider": "github", "url": "https://localhost:9443"},
        {"provider": "custom", "url": "https://localhost:9444/"},
        {"provider": "custom", "url": CI, "claims": ["sub", "pipeline"], "may_be_private": False},
    )
    assert [one["url"] for one in made] == ["https://localhost:9443", "https://localhost:9444", CI]
    rows = {row.pk: row for row in Issuer.objects.all()}
    first, second, third = (rows[one["id"]] for one in made)
    assert (first.provider, first.may_be_private, first.required_claims) == ("github", True, [])
    assert (second.required_claims, third.required_claims, third.may_be_private) == (
        ["sub"],
        ["sub", "pipeline"],
        False,
    )
    assert _records() == ["issuer.add"] * 3


@db
@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([{"provider": "github"}], "the key 'url' is missing"),
        ([{"provider": "github", "url": CI, "x": 1}], "unknown key 'x'"),
        ([{"provider": "other", "url": CI}], "issuers[0]: issuer-terms-invalid"),
        ([{"provider": "github", "url": "http://ci.example"}], "issuers[0]: issuer-url-invalid"),
        ([{"provider": "github", "url": CI}, {"provider": "gitlab", "url": CI}], "issuers[1]: issuer-taken"),
        ([{"provider": "gitlab", "url": GITLAB}], "issuers[0]: issuer-taken"),
        ([{"provider": "github", "url": CI, "claims": ["sub"]}], "issuers[0]: issuer-terms-invalid"),
        ([{"provider": "custom", "url": CI, "claims": []}], "issuers[0]: issuer-terms-invalid"),
    ],
)
def test_what_can_t_be_seeded_is_named(entries: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(SeedRefused) as refusal:
        _sow(*entries)
    assert words in refusal.value.sentence
    assert Issuer.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_of_many_who_do_the_same_at_once_one_does_it() -> None:
    def at_once(act: Any) -> list[str]:
        told: list[str] = []

        def run() -> None:
            try:
                act()
                told.append("done")
            except Refusal as refusal:
                told.append(refusal.code)
            finally:
                connection.close()

        threads = [threading.Thread(target=run, name="issuers") for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(told)

    added = at_once(lambda: issuers.add_issuer(CI, "gitlab", by=host()))
    assert added == ["done", *["issuer-taken"] * 3]
    removed = at_once(lambda: issuers.remove_issuer(GITLAB, by=host()))
    assert removed == ["done", *["issuer-missing"] * 3]
    assert _records() == ["issuer.add", "issuer.remove"]
