"""Who may do what, changed by processes that die on the way, and by two at once: whole or not there, and one outcome."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import pytest
import requests
from tests.cli.places import Place, place
from tests.distfiles.builders import build_wheel
from tests.faults.conftest import SECONDS, Index

pytestmark = [pytest.mark.database, pytest.mark.by_turns]
OPERATORS: Final = ("iris", "otto")
PEOPLE: Final = ("bob", "carl", "luis")
PROJECT: Final = "/manage/project/alpha"
MEANWHILE: Final = "meanwhile"


@dataclass
class House:
    """An index, and sessions of the people in it."""

    index: Index
    sessions: dict[str, dict[str, str]]

    def ask(self, who: str, path: str, fields: dict[str, str] | None = None) -> requests.Response:
        """Ask for a page as somebody, or send its form, over a connection of its own."""
        name, _, value = self.sessions[who]["cookie"].partition("=")
        body = None if fields is None else {"csrfmiddlewaretoken": self.sessions[who]["csrf"], **fields}
        return requests.request(
            "GET" if body is None else "POST",
            self.index.url + path,
            data=body,
            cookies={name: value},
            headers={"Connection": "close"},
            allow_redirects=False,
            timeout=SECONDS,
        )

    def sees(self, who: str, path: str) -> str:
        """Return the text of a page, or nothing where somebody is refused it."""
        answer = self.ask(who, path)
        return answer.text if answer.status_code == 200 else ""


@dataclass(frozen=True)
class Act:
    """A form that somebody sends, the point at which its server dies, and how to see whether it was done."""

    fault: str
    who: str
    path: str
    fields: dict[str, str]
    action: str
    is_done: Callable[[House], bool]


def _member(path: str = PROJECT, who: str = "carl") -> Callable[[House], bool]:
    return lambda house: bool(house.sees(who, f"{path}/"))


def _waits(house: House) -> bool:
    return "dora@example.org" in house.sees("ada", f"{PROJECT}/people/")


def _is_archived(house: House) -> bool:
    return "is archived" in house.sees("ada", f"{PROJECT}/")


def _is_stopped(house: House) -> bool:
    return MEANWHILE in house.sees("iris", "/operator/switches/")


def _is_out(who: str) -> Callable[[House], bool]:
    return lambda house: house.ask(who, "/account/").status_code != 200


def _is_no_operator(house: House) -> bool:
    return house.ask("otto", "/operator/proposals/").status_code == 403


WHY: Final = {"reason": MEANWHILE}
INVITED: Final = {"invitee": "dora@example.org", "kind": "owner"}
REVOKED: Final = {**WHY, "office": "operator"}
ACTS: Final = (
    Act("invitation.rows-written", "ada", f"{PROJECT}/people/", INVITED, "collaborator.invite", _waits),
    Act(
        "invitation.accepted", "carl", "/account/invitations/1/accept/", {}, "collaborator.accept", _member()
    ),
    Act(
        "role.ended",
        "ada",
        f"{PROJECT}/people/bob/remove/",
        {},
        "collaborator.remove",
        lambda house: not _member(who="bob")(house),
    ),
    Act(
        "report.rows-written",
        "carl",
        "/project/alpha/report/",
        {"kind": "malware", "text": MEANWHILE},
        "report.file",
        lambda house: "alpha" in house.sees("carl", "/account/reports/"),
    ),
    Act("status.rows-written", "ada", f"{PROJECT}/archive/", WHY, "project.archive", _is_archived),
    Act(
        "switch.rows-written",
        "iris",
        "/operator/switches/deletions/freeze/",
        {**WHY, "lasts": "1h"},
        "switch.set",
        _is_stopped,
    ),
    Act(
        "proposal.rows-written",
        "otto",
        "/operator/proposals/1/approve/",
        {},
        "proposal.approve",
        _member("/manage/project/orphan", "ada"),
    ),
    Act(
        "suspension.rows-written",
        "iris",
        "/operator/people/bob/suspend/",
        WHY,
        "person.suspend",
        _is_out("bob"),
    ),
    Act(
        "office.rows-written",
        "iris",
        "/operator/people/otto/revoke-office/",
        REVOKED,
        "office.revoke",
        _is_no_operator,
    ),
)


def _person(name: str, **more: Any) -> dict[str, Any]:
    return {"username": name, "email": f"{name}@example.org", "second_factors": ["totp"], **more}


def _proposed(made: Place, sessions: dict[str, dict[str, str]]) -> None:
    """Let carl be invited, and ada be proposed as the owner of what nobody looks after."""
    index = Index(made, "", ("", ""), "")
    house = House(index, sessions)
    with index.served():
        for who, path, fields in (
            ("ada", f"{PROJECT}/people/", {"invitee": "carl", "kind": "maintainer"}),
            ("iris", "/operator/projects/orphan/new-owner/", {"username": "ada", **WHY}),
        ):
            assert house.ask(who, path, fields).status_code in {302, 303}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Return an index of two owners, two operators, an invitation and a proposal; only ever copied."""
    folder = tmp_path_factory.mktemp("template")
    signed_in = [{"user": name, "proved": ["password", "totp"]} for name in ("ada", "bob", "carl")]
    officers = [{"user": name, "proved": ["password", "webauthn"]} for name in OPERATORS]
    with place(folder / "data") as made:
        told = made.seed(
            {
                "users": [
                    _person("ada"),
                    *(_person(name, state="suspended" if name == "luis" else "active") for name in PEOPLE),
                    *(_person(name, operator=True, second_factors=["webauthn"]) for name in OPERATORS),
                ],
                "sessions": [*signed_in, *officers],
                "projects": [
                    {"name": "alpha", "owners": ["ada", "bob"]},
                    {"name": "orphan", "owners": ["luis"]},
                ],
                "tokens": [{"user": "ada"}],
                "files": [{"path": str(build_wheel(folder)), "by": "ada"}],
            }
        )
        sessions = {one["user"]: one for one in told["sessions"]}
        _proposed(made, sessions)
        yield made, {"token": told["tokens"][0]["token"], **told["sessions"][0], "people": sessions}


@pytest.fixture
def house(index: Index, template: tuple[Place, dict[str, Any]]) -> House:
    return House(index, template[1]["people"])


def die(house: House, act: Act) -> None:
    started = house.index.start(act.fault)
    with pytest.raises(requests.ConnectionError):
        house.ask(act.who, act.path, act.fields)
    assert started.process.wait(20) == -signal.SIGKILL, act.fault


def records_of_acts(index: Index) -> dict[str, int]:
    """Return how many audit records each act has."""
    written = [json.loads(line)["action"] for line in index.place.keyhouse("audit", "--json").splitlines()]
    return {act.action: written.count(act.action) for act in ACTS}


def test_what_is_killed_before_its_commit_never_was_and_works_afterwards(house: House) -> None:
    for act in ACTS:
        die(house, act)
    with house.index.served():
        assert [act.fault for act in ACTS if act.is_done(house)] == []
        before = records_of_acts(house.index)
        assert before == {
            act.action: int(act.action == "collaborator.invite") for act in ACTS
        }  # the template's
        house.index.require_whole()
        for act in ACTS:
            assert house.ask(act.who, act.path, act.fields).status_code in {302, 303}, act.fault
            assert act.is_done(house), act.fault
        assert records_of_acts(house.index) == {action: count + 1 for action, count in before.items()}
        assert house.index.get("/simple/alpha/").status_code == 200
    house.index.require_whole()


def test_a_change_of_state_killed_after_its_commit_is_there_on_every_face(house: House) -> None:
    die(house, Act("status.committed", "ada", f"{PROJECT}/archive/", WHY, "project.archive", _is_archived))
    with house.index.served():
        assert _is_archived(house)
        page = house.index.get("/simple/alpha/", "application/vnd.pypi.simple.v1+json")
        assert page.json()["project-status"] == {"status": "archived", "reason": MEANWHILE}
        assert len(house.index.records("project.archive")) == 1


def test_a_name_is_reserved_and_released_whole_or_not_at_all(index: Index) -> None:
    fault, killed = {"KEYHOUSE_FAULT": "name.rows-written"}, -signal.SIGKILL
    assert index.place.run("names", "reserve", "acme-*", "--for", "ada", **fault).returncode == killed
    assert index.place.json("names", "list", "--json") == []
    index.place.keyhouse("names", "reserve", "acme-*", "--for", "ada")
    assert index.place.run("names", "release", "acme-*", **fault).returncode == killed
    assert [row["people"] for row in index.place.json("names", "list", "--json")] == [["ada"]]
    log = index.place.keyhouse("audit", "--json")
    assert (log.count("name.reserve"), log.count("name.release")) == (1, 0)


def test_what_was_stopped_is_opened_whole_or_not_at_all(index: Index) -> None:
    killed, why = -signal.SIGKILL, ("--reason", MEANWHILE)
    index.place.keyhouse("freeze", "uploads", "--until-lifted", *why)
    index.place.keyhouse("user", "suspend", "bob", *why)
    for fault, words in (
        ("switch.rows-written", ("thaw", "uploads")),
        ("suspension.rows-written", ("user", "reinstate", "bob", *why)),
    ):
        assert index.place.run(*words, KEYHOUSE_FAULT=fault).returncode == killed
    assert [one["name"] for one in index.place.json("freeze", "list", "--json") if one["is_on"]] == [
        "uploads"
    ]
    assert index.place.json("user", "show", "bob", "--json")["state"] == "suspended"
    log = index.place.keyhouse("audit", "--json")
    assert (log.count('"switch.lift"'), log.count('"person.reinstate"')) == (0, 0)
    index.place.keyhouse("thaw", "uploads")
    assert index.place.json("user", "reinstate", "bob", *why, "--json")["done"] == "reinstated"


def test_an_address_is_verified_whole_or_not_at_all(index: Index) -> None:
    index.place.seed({"users": [{"username": "nell", "email": "nell@example.org", "verified": False}]})
    words = ("user", "verify-address", "nell", "--reason", "came to my desk")
    assert index.place.run(*words, KEYHOUSE_FAULT="address.rows-written").returncode == -signal.SIGKILL
    assert '"email.verify"' not in index.place.keyhouse("audit", "--json")
    index.place.keyhouse(*words)  # which refuses one that is verified
    assert "address-verified" in index.place.run(*words).stderr
    assert index.place.keyhouse("audit", "--json").count('"email.verify"') == 1
    index.require_whole()


# ---- two at once, in two processes


def at_once(*acts: Callable[[], requests.Response]) -> list[int]:
    with ThreadPoolExecutor(len(acts)) as pool:
        answers = list(pool.map(lambda act: act(), acts))
    return sorted(answer.status_code for answer in answers)


def test_of_two_at_once_one_stays_and_nothing_happens_twice(house: House) -> None:
    leave: dict[str, str] = {"kind": ""}
    with house.index.served("--workers", "2"):
        accept = [lambda: house.ask("carl", "/account/invitations/1/accept/", {})] * 4
        assert at_once(*accept) == [303] * 4
        assert len(house.index.records("collaborator.accept")) == 1

        left, stayed = at_once(
            *(lambda who=who: house.ask(who, f"{PROJECT}/people/leave/", leave) for who in ("ada", "bob"))
        )
        assert (left, stayed) == (303, 400)
        owners = [who for who in ("ada", "bob") if _member(who=who)(house)]
        assert len(owners) == 1
        assert _member()(house)
        assert len(house.index.records("collaborator.leave")) == 1

        pairs = (("iris", "otto"), ("otto", "iris"))
        told = at_once(
            *(
                lambda by=by, whom=whom: house.ask(by, f"/operator/people/{whom}/revoke-office/", REVOKED)
                for by, whom in pairs
            )
        )
        assert told == [303, 403]
        assert len([one for one in OPERATORS if house.sees(one, "/operator/proposals/")]) == 1
        assert len(house.index.records("office.revoke")) == 1
    house.index.require_whole()
