"""Two small indexes beside the harbour: one that only its people read, and one on its first day.

The cove is private and lets people sign up; there something was deleted,
frozen, suspended and put on hold. Nobody has an account at the shore yet.
"""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from demo.distributions import write_release
from demo.document import GITHUB
from demo.people import ALL_FACTORS, PASSWORD
from demo.shelf import SHELF
from playwright.sync_api import Browser
from tests.journeys.conftest import start_server
from tests.journeys.test_first_hour import code_of
from tests.looks.harbour import Harbour, session_of, shown_secret, walk_to

from keyhouse.core import clock

TOOLS: Final = "harbour-works"
LONG: Final = 20  # seconds
PRIVATE: Final = {
    "KEYHOUSE_READS": "private",
    "KEYHOUSE_SIGN_UP": "open",
}
# who, and what each of them holds
PEOPLE: Final[Mapping[str, tuple[str, ...]]] = {
    "iris": ALL_FACTORS,
    "tomas": ALL_FACTORS,
    "mara": ALL_FACTORS,
    "jonas": ("totp", "recovery_codes"),
    "hana": ("webauthn",),
    "wren": ("totp",),
    "olu": ("totp",),
    "priya": (),
    "felix": (),
    "rafael": ("webauthn",),
    "ana": ("webauthn",),
    "dora": ("webauthn",),
    "greta": ALL_FACTORS,
    "pavel": ("totp",),
    "kenji": ("totp",),
}
STEPS: Final = ("account", "authenticator", "recovery-codes")
LOST: Final = ("olu", "wren", "pavel")
NEW_PASSWORD: Final = "nine geese followed the slow yellow tram"
GOING: Final = ("greta", "dora", "rafael")  # they have no session for long
OPERATORS: Final = ("iris", "tomas")
WITHOUT_SESSION: Final = ("wren", "olu", "pavel", "kenji")
OWNERS: Final[Mapping[str, str]] = {
    "lantern": "mara",
    "ferry": "mara",
    "moor": "mara",
    "sextant": "mara",
    "quill": "priya mara dora",
    "windlass": "wren mara",
    "knotwork": "felix mara",
}


@contextmanager
def open_cove(browser: Browser, folder: Path) -> Iterator[Harbour]:
    """Start the private index, fill it, set its stage; stop it at the end."""
    server = start_server(folder / "data", KEYHOUSE_MAIL_DIR=str(folder / "mails"), **PRIVATE)
    try:
        with tempfile.TemporaryDirectory() as files:
            told = server.seed(_document(Path(files), clock.now().replace(microsecond=0)))
        cove = Harbour(
            server, told, browser, sessions=[one for one in _sessions() if one["user"] not in GOING]
        )
        for act in (_take_back, _trust, _enrol, _change_addresses, _lose, _begin_accounts):
            act(cove)
        yield cove
    finally:
        server.stop()


@contextmanager
def open_shore(browser: Browser, folder: Path) -> Iterator[Harbour]:
    """Start an index in which there is nobody and nothing."""
    server = start_server(folder / "data", KEYHOUSE_MAIL_DIR=str(folder / "mails"))
    try:
        yield Harbour(server, {"sessions": [], "users": []}, browser, sessions=[])
    finally:
        server.stop()


def _sessions() -> list[dict[str, Any]]:
    return [
        session_of(name, has_factor=bool(factors))
        for name, factors in PEOPLE.items()
        if name not in WITHOUT_SESSION
    ]


def _document(folder: Path, now: datetime) -> dict[str, Any]:
    long_ago = (now - timedelta(days=700)).isoformat()
    return {
        "users": [
            {
                "username": name,
                "email": f"{name}@harbour.example",
                "password": PASSWORD if name in {*WITHOUT_SESSION, "priya", "felix"} else None,
                "second_factors": list(factors),
                "operator": name in OPERATORS,
                "joined_at": long_ago,
                "last_seen_at": (now - timedelta(days=1)).isoformat(),
            }
            for name, factors in PEOPLE.items()
        ],
        "sessions": _sessions(),
        "organizations": [
            {
                "name": TOOLS,
                "owners": ["mara"],
                "members": ["jonas"],
                "teams": [{"name": "releases", "members": ["jonas"]}],
            }
        ],
        "projects": [
            {
                "name": name,
                "owners": [] if name == "lantern" else owners.split(),
                "organization": TOOLS if name == "lantern" else None,
                "created_at": long_ago,
            }
            for name, owners in OWNERS.items()
        ],
        "files": list(_files(folder)),
        "tokens": [
            {
                "user": "mara",
                "projects": ["lantern"],
                "robot": True,
                "minted_with": "webauthn",
                "expires_in_days": 90,
            }
        ],
        "publishers": [
            {
                "provider": "github",
                "project": project,
                "configured_by": "mara",
                "configured_with": "webauthn",
                "owner": "harbour",
                "repository": project,
                "workflow": "release.yml",
            }
            for project in ("lantern", "moor")
        ],
    }


def _files(folder: Path) -> Iterator[dict[str, Any]]:
    for work in SHELF:
        if work.name in OWNERS:
            for version in ("1.0", "1.1"):
                yield from (
                    {"path": str(path), "by": "mara"} for path in write_release(folder, work, version)
                )


def _take_back(cove: Harbour) -> None:
    """Delete, deprecate and quarantine what can be had back; suspend somebody."""
    cove.send("mara", "/manage/project/sextant/delete/", name="sextant")
    cove.send("mara", "/manage/project/moor/release/1.0/delete/", name="1.0")
    release = "/manage/project/moor/release/1.1/"
    file = cove.link(release, "mara", f"{release}file/{{filename}}/delete/")
    cove.send("mara", file, name=file.split("/")[-3])
    cove.send(
        "mara", "/manage/project/ferry/deprecate/", reason="Harbours have bridges now.", successor="moor"
    )
    cove.send(
        "iris", "/operator/quarantine/place/", project="knotwork", version="1.0", reason="It opens a port."
    )
    cove.send("iris", "/operator/people/rafael/suspend/", reason="He left the harbour in spring.")


def _trust(cove: Harbour) -> None:
    """Let the organization have a publisher and a token; wrong codes have switched mara's app off."""
    terms = {
        "issuer": GITHUB,
        "owner": "harbour",
        "repository": "tools",
        "workflow": "release.yml",
        "reach": "now",
    }
    cove.send("mara", f"/manage/organization/{TOOLS}/publishing/add/", **terms)
    cove.fill_in(
        "mara",
        f"/manage/organization/{TOOLS}/robot-tokens/new/",
        description="nightly",
        expires_in_days="30",
        reach="now",
    )
    with closing(sqlite3.connect(cove.server.data / "keyhouse.sqlite3", timeout=LONG)) as database, database:
        # what a row of wrong codes does, of which the limits let through a few in an hour
        database.execute(
            "UPDATE accounts_authenticator SET disabled_at = ?, failures = 100 WHERE user_id ="
            " (SELECT id FROM accounts_user WHERE username = 'mara')",
            (clock.now().replace(tzinfo=None).isoformat(" "),),
        )


def _enrol(cove: Harbour) -> None:
    """Felix proves his address and enrols a first second factor, as priya is about to."""
    for who in ("priya", "felix"):
        cove.fill_in(who, "/account/second-factors/proof/")
    cove.fill_in("felix", cove.mailed("felix", "enrolment-proof"))
    add = "/account/second-factors/add/"
    cove.fill_in("felix", add, name="Phone", code=code_of(shown_secret(cove, "felix", add)))


def _change_addresses(cove: Harbour) -> None:
    """Mara and hana take a second address, and hana makes hers the first; dora leaves."""
    for who in ("mara", "hana"):
        cove.send(who, "/account/emails/add/", email=f"{who}.second@harbour.example")
        cove.send(who, cove.mailed(f"{who}.second", "verify-address"))
    cove.send("hana", cove.link("/account/emails/", "hana", "/account/emails/{email_id}/primary/"))
    cove.send("dora", "/account/delete/", name="dora")


def _lose(cove: Harbour) -> None:
    """Nobody reaches kenji by mail; greta froze her account and has typed a new password for it."""
    told = {"username": "kenji", "reason": "He called from the lighthouse.", "hands_over": "on"}
    cove.send("iris", "/operator/recovery/new/", **told)
    cove.fill_in("greta", "/account/freeze/")  # answers with a page
    cove.fill_in("greta", "/account/recover/", identifier="greta")
    cove.fill_in("greta", cove.mailed("greta", "recovery") + "password/", password=NEW_PASSWORD)


def _begin_accounts(cove: Harbour) -> None:
    """Three people sign up and three are set up anew, and each stops at another step."""
    for number, step in enumerate(STEPS):
        who = f"nils{number}"
        cove.fill_in(f"sign-up at {step}", "/account/sign-up/", email=f"{who}@harbour.example")
        path = cove.paths[f"/sign-up/{{secret}}/{step}/"] = cove.mailed(who, "sign-up")
        walk_to(cove, f"sign-up at {step}", path, step, username=who)
    for who, step in zip(LOST, STEPS, strict=True):
        path = cove.paths[f"/enrolment/{{secret}}/{step}/"] = path_in(
            cove.server.keyhouse("user", "recover", who), "enrolment"
        )
        walk_to(cove, f"enrolment at {step}", path, step)
    for path in [*cove.paths]:
        cove.paths[path] += f"{path.split('/')[-2]}/"


def path_in(told: str, purpose: str) -> str:
    """Return the path of the link of this kind in what a command printed."""
    found = re.search(rf"http://[^/]+(/{purpose}/[^/\s]+/)", told)
    assert found, told
    return found[1]
