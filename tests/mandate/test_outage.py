"""Facts that can't be gathered: whatever is privileged is refused with a code of its own, and installing goes on (G7)."""

from __future__ import annotations

import base64
import logging
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from tests.distfiles.builders import build_wheel
from tests.index.conftest import Client as Reader
from tests.mandate.conftest import SetClock
from tests.mandate.stored import ANNOUNCED, make_project, make_user
from tests.mandate.visiting import PROBLEM, Visit, code_of, token_of
from tests.publishing.driver import upload

from keyhouse import storage
from keyhouse.accounts.models import Authenticator, User
from keyhouse.audit.models import Record
from keyhouse.core import configuration, keys
from keyhouse.core.errors import GateUnavailable
from keyhouse.index.asgi import ReadPlane
from keyhouse.mandate import queries
from keyhouse.mandate.models import Change, MandateVersion
from keyhouse.projects.models import File, Project

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wired")]

WHEEL = "alpha-1.0-py3-none-any.whl"


@pytest.fixture
def ada(set_clock: SetClock, tmp_path: Path) -> User:
    """Return somebody strong, with a project that has a release."""
    keys.ensure_ring(configuration.current().key_file)
    shutil.rmtree(configuration.current().files_folder, ignore_errors=True)
    storage._local.cache_clear()
    set_clock(ANNOUNCED)
    ada = make_user("ada")
    make_project("alpha", ada)
    Authenticator.objects.create(user=ada, name="phone", secret_sealed="x", created_at=ANNOUNCED)
    assert push(token_of(ada), build_wheel(tmp_path)).status == 200
    return ada


@pytest.fixture
def reader(ada: User) -> Iterator[Reader]:
    client = Reader(ReadPlane(configuration.current()))
    yield client
    client.close()


def push(token: str, path: Path) -> Any:
    credentials = base64.b64encode(f"__token__:{token}".encode()).decode()
    return upload(path, headers={"authorization": f"Basic {credentials}"})


@pytest.fixture
def token(ada: User) -> str:
    return token_of(ada, minted_at=ANNOUNCED - timedelta(days=1))


@pytest.fixture(params=["the person", "their standing", "the change", "the ledger", "the connection"])
def outage(request: pytest.FixtureRequest, token: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let one of the gate's questions fail, and that one only."""

    def fail(*given: Any, **more: Any) -> Any:
        if request.param == "the connection":
            raise InterfaceError("the database is away")  # what Django has beside DatabaseError
        raise OperationalError("the database is away")

    part = {
        "the person": "_read_person",
        "the connection": "_read_person",
        "their standing": "_read_standing",
        "the change": "ledger",
        "the ledger": "_versions",
    }
    if request.param == "the ledger":
        MandateVersion.objects.create(
            name="x",
            version=1,
            document={},
            digest="",
            origin="applied",
            proposed_at=ANNOUNCED,
            proposed_by="x",
        )
        queries._read["last"] = queries._EMPTY
        monkeypatch.setattr(queries, "read_change", lambda: 7)
        Change.objects.update_or_create(pk=1, defaults={"value": 7})
    monkeypatch.setattr(queries, part[str(request.param)], fail)
    return str(request.param)


def test_privileged_acts_are_refused_by_a_code_of_their_own_and_loudly(
    ada: User, token: str, outage: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    before = File.objects.count(), Record.objects.filter(outcome="done").count()
    page = Visit(ada)
    with caplog.at_level(logging.ERROR, logger="keyhouse.mandate"):
        for path in ("/manage/project/alpha/", "/account/tokens/new/", "/manage/project/alpha/delete/"):
            assert (page.get(path).status_code, code_of(page.answer)) == (503, "gate-unavailable"), path
        page.post("/manage/project/alpha/delete/", name="alpha")
        assert (page.answer.status_code, code_of(page.answer)) == (503, "gate-unavailable")
        program = Visit(ada, accept="application/json")
        assert program.get("/manage/project/alpha/")["Content-Type"] == PROBLEM
        assert program.data["code"] == "gate-unavailable"
        answer = push(token, build_wheel(tmp_path, version="2.0"))
    assert (answer.status, answer.code) == (503, "gate-unavailable")
    assert GateUnavailable.sentence in answer.text
    assert caplog.text.count("the gate can't gather facts") >= 6
    assert "the database is away" not in page.page + answer.text
    assert (File.objects.count(), Record.objects.filter(outcome="done").count()) == before
    assert Project.objects.filter(name="alpha").exists()


def test_installing_and_what_is_never_gated_go_on(ada: User, outage: str, reader: Reader) -> None:
    assert b"alpha-1.0" in reader.ask("/simple/alpha/").body
    stored = File.objects.get().blake2
    assert reader.ask(f"/files/{stored[:2]}/{stored[2:4]}/{stored[4:]}/{WHEEL}").status == 200
    assert reader.ask("/pypi/alpha/json").status == 200
    page = Visit(ada)
    for path in (
        "/project/alpha/",
        "/help/codes/gate-unavailable/",
        "/account/sessions/",
        "/account/tokens/",
    ):
        assert page.get(path).status_code == 200, path


def test_the_dry_run_says_that_it_cannot_be_found_out(ada: User, outage: str) -> None:
    page = Visit(ada, accept="application/json")
    page.get("/mandate/check?action=project.manage&project=alpha")
    assert (page.answer.status_code, page.data["code"]) == (503, "gate-unavailable")


def test_what_was_away_comes_back_by_itself(
    token: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*given: Any) -> Any:
        raise OperationalError("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(queries, "_read_person", fail)
        assert push(token, build_wheel(tmp_path, version="2.0")).code == "gate-unavailable"
    assert push(token, build_wheel(tmp_path, version="2.0")).status == 200
