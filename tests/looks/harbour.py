"""A running server with the made-up index of `./run demo`, brought to where every page has something to show."""

from __future__ import annotations

import email
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import policy
from pathlib import Path
from typing import Any, Final

import requests
from demo.distributions import write_release
from demo.document import mandate, write_document
from demo.people import PASSWORD
from demo.shelf import SHELF
from playwright.sync_api import APIResponse, Browser, BrowserContext
from tests.journeys.conftest import ROOT, Server, start_server
from tests.journeys.test_first_hour import code_of, next_code_of

from keyhouse.core import clock

SIGNED_IN: Final = ("iris", "tomas", "noor", "auden", "mara", "jonas", "priya", "felix", "bodil")
WITHOUT_FACTOR: Final = ("priya", "felix", "bodil")
PAUSED, SHADOW, PUT_OFF = "harbour-masters", "night-watch", "writers-of-quill"
DRAFT: Final = "security-keys-for-whoever-publishes-releases"
BOUNCE_TOKEN: Final = "a-token-for-reports-of-bounces"
FRESH: Final = 480  # seconds; acts that can do harm ask for a proof that is at most fifteen minutes old
_WAIT: Final = 150  # tenths of a second that a mail may take


@dataclass
class Harbour:
    """The index, who is signed in (a browser context each), and the mails that left it."""

    server: Server
    told: dict[str, Any]
    browser: Browser
    sessions: list[dict[str, Any]]
    contexts: dict[str, BrowserContext] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)  # what only the setting of the stage could know
    proved_at: float = field(default_factory=time.monotonic)

    def enter(self, who: str) -> BrowserContext:
        """Return the browser of somebody who is signed in by a security key, or of nobody (`""`)."""
        if who not in self.contexts:
            self.contexts[who] = self.browser.new_context(base_url=self.server.url)
            self._give_session(who)
        return self.contexts[who]

    def stay_fresh(self) -> None:
        """Prove anew whoever is signed in, some minutes after the last time: else a slow machine sees no page of an act."""
        if time.monotonic() - self.proved_at < FRESH:
            return
        self.proved_at = time.monotonic()
        if self.sessions:
            self.told["sessions"] = self.server.seed({"sessions": self.sessions})["sessions"]
        for who in self.contexts:
            self._give_session(who)

    def _give_session(self, who: str) -> None:
        cookies = {one["user"]: str(one["cookie"]) for one in self.told["sessions"]}
        if who in cookies:
            name, value = cookies[who].split("=", 1)
            self.contexts[who].add_cookies([{"name": name, "value": value, "url": self.server.url}])

    def send(self, who: str, path: str, **fields: str) -> int:
        """Send a form as somebody, as its page would; returns the status."""
        tokens = {one["user"]: str(one["csrf"]) for one in self.told["sessions"]}
        answer = self.enter(who).request.post(
            path,
            form={"csrfmiddlewaretoken": tokens.get(who, ""), **fields},
            headers={"Origin": self.server.url, "Referer": self.server.url + path},
            max_redirects=0,
        )
        assert answer.status in {302, 303}, _why(answer)
        return answer.status

    def fill_in(self, who: str, path: str, **fields: str) -> APIResponse:
        """Open a page as somebody, signed in or not, and send its form; returns what comes."""
        asked = self.enter(who).request
        page = asked.get(path)
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text())
        assert found, (page.url, page.text()[:2000])
        answer = asked.post(
            page.url,
            form={"csrfmiddlewaretoken": found[1], **fields},
            headers={"Origin": self.server.url, "Referer": page.url},
        )
        assert answer.ok, _why(answer)
        return answer

    def link(self, on: str, who: str, route: str) -> str:
        """Return the first link on a page that fits a route."""
        pattern = re.compile(re.sub(r"\\{\w+?(_id)?\\}", _part, re.escape(route)))
        links = self._links(on, who)
        if found := next(filter(pattern.fullmatch, links), ""):
            return found
        raise AssertionError(f"{on} has no link to {route} for {who or 'nobody'}, but {links}")

    def _links(self, on: str, who: str) -> list[str]:
        answer = self.enter(who).request.get(on)
        return [str(href) for href in re.findall(r'href="([^"#?]+)', answer.text())]

    def secret_of(self, username: str) -> str:
        """Return the secret of somebody's authenticator app."""
        return next(str(one["totp_secret"]) for one in self.told["users"] if one["username"] == username)

    def mailed(self, username: str, purpose: str) -> str:
        """Return the path of the newest mailed link of this kind, once it has come."""
        for _ in range(_WAIT):
            for text in reversed(self._mails_to(f"{username}@harbour.example")):
                found = re.search(rf"^http://[^/]+(/{purpose}/\S+)", text, re.MULTILINE)
                if found:
                    return found[1]
            time.sleep(0.1)
        raise AssertionError(f"no mail to {username} holds a link /{purpose}/")

    def _mails_to(self, address: str) -> list[str]:
        read = [
            email.message_from_bytes(path.read_bytes(), policy=policy.default)
            for path in sorted((self.server.data.parent / "mails").glob("*.eml"))
        ]
        return [
            part.get_content()
            for one in read
            if one["To"] == address and (part := one.get_body(("plain",))) is not None
        ]


def _part(found: re.Match[str]) -> str:
    """Return what a part of a path may be: an id has a digit in it, and what is no id is none of these pages."""
    return r"[^/?#]*\d[^/?#]*" if found[1] else "[^/?#]+"


def _why(answer: APIResponse) -> str:
    """Return what a page says for whom it was not meant to refuse."""
    said = re.sub(r"<[^>]+>|\s+", " ", answer.text().partition("<main")[2])
    return f"{answer.url} {answer.status}: {' '.join(said.split())[:1500]}"


@contextmanager
def open_harbour(browser: Browser, folder: Path) -> Iterator[Harbour]:
    """Start a server on a throw-away folder, fill it, set the stage; stop it at the end."""
    server = start_server(
        folder / "data", KEYHOUSE_MAIL_DIR=str(folder / "mails"), KEYHOUSE_MAIL_BOUNCE_TOKEN=BOUNCE_TOKEN
    )
    try:
        harbour = Harbour(server, fill(server), browser, sessions())
        set_stage(harbour)
        yield harbour
    finally:
        server.stop()


def fill(server: Server) -> dict[str, Any]:
    """Seed the made-up index, with a session of everybody whose pages are looked at."""
    with tempfile.TemporaryDirectory() as files:
        document = write_document(Path(files), clock.now().replace(microsecond=0))
        mandates = [*document["mandates"], *({"document": one} for one in _more_mandates(clock.now()))]
        return server.seed({**document, "sessions": sessions(), "mandates": mandates})


def sessions() -> list[dict[str, Any]]:
    """Return a session of everybody whose pages are looked at, as it is seeded."""
    return [session_of(name, has_factor=name not in WITHOUT_FACTOR) for name in SIGNED_IN]


def session_of(name: str, *, has_factor: bool) -> dict[str, Any]:
    """Return a session as it is seeded, of somebody who has proven all that they can."""
    return {"user": name, "proved": ["password", "webauthn"] if has_factor else ["password"]}


def _more_mandates(now: datetime) -> Iterator[dict[str, Any]]:
    """Yield a mandate that is live and will be paused, and one in its shadow."""
    like = {key: value for key, value in mandate(now).items() if key not in {"who", "stages", "notice"}}
    yield {
        **like,
        "name": PAUSED,
        "title": "A security key for whoever looks after the machines of the harbour",
        "who": {"project": ["gangway", "ballast"]},
        "methods": {"accept": ["phishing-resistant"], "prefer": "security-key"},
        "stages": [
            {"state": "announced", "at": _morning(now, -40), "warn": ["all"]},
            {"state": "enforced", "at": _morning(now, 40), "deny": ["management"]},
        ],
    }
    yield {
        **like,
        "name": SHADOW,
        "title": "A security key for everybody",
        "who": {"everyone": True},
        "methods": {"accept": ["phishing-resistant"], "prefer": "security-key"},
        "stages": [
            {"state": "shadow", "at": _morning(now, -6), "deny": ["all"]},
            {"state": "announced", "at": _morning(now, 20), "warn": ["all"]},
        ],
    }


def _morning(now: datetime, days: int) -> str:
    at = now.replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=days)
    return at.isoformat()


def set_stage(harbour: Harbour) -> None:
    """Do what makes pages that show nothing otherwise: yanks, cases, proposals, invitations, half a sign-in."""
    for act in (
        _organize,
        _change_projects,
        _trust,
        _stage,
        _ask_for_accounts,
        _propose,
        _campaign,
        _count,
        _report_bounce,
        _invite,
        _begin_sign_in,
    ):
        act(harbour)


def _stage(harbour: Harbour) -> None:
    """Let the pipeline of lantern upload what waits for somebody to publish it."""
    (work,) = (one for one in SHELF if one.name == "lantern")
    with tempfile.TemporaryDirectory() as folder:
        for path in write_release(Path(folder), work, "2.2"):
            content = path.read_bytes()
            answer = requests.post(
                f"{harbour.server.url}/legacy/",
                data={
                    ":action": "file_upload",
                    ":stage": "1",
                    "name": work.name,
                    "version": "2.2",
                    "filetype": "bdist_wheel" if path.suffix == ".whl" else "sdist",
                    "sha256_digest": hashlib.sha256(content).hexdigest(),
                },
                files={"content": (path.name, content)},
                auth=("__token__", str(harbour.told["tokens"][0]["token"])),
                timeout=30,
            )
            assert answer.status_code == 200, answer.text


def _organize(harbour: Harbour) -> None:
    """Let mara found an organization with a team, into which lantern goes; priya has yet to answer."""
    tools = "/manage/organization/harbour-tools/"
    harbour.send("mara", "/manage/organizations/new/", name="harbour-tools", title="What the harbour runs on")
    harbour.send("mara", tools, invitee="jonas", kind="member")
    harbour.send("jonas", "/account/invitations/organization/1/accept/")
    harbour.send("mara", tools, invitee="priya", kind="manager")
    harbour.send("mara", f"{tools}teams/", name="keel")
    harbour.send("mara", f"{tools}teams/keel/", username="jonas")
    harbour.send("mara", "/manage/project/lantern/organization/", organization="harbour-tools")
    harbour.send("mara", "/manage/project/lantern/teams/", team="keel", kind="maintainer")


def _change_projects(harbour: Harbour) -> None:
    harbour.send(
        "mara", "/manage/project/lantern/release/1.2/yank/", reason="Loses machines whose name has a dot."
    )
    harbour.send("jonas", "/manage/project/mainsail/archive/")
    harbour.send("mara", "/manage/project/lantern/people/", invitee="priya", kind="maintainer")
    harbour.send(
        "priya", "/project/lantern/report/", kind="licence", text="It contains a font that isn't free."
    )
    harbour.send("iris", "/operator/names/reserve/", name="harbour-*", people="mara", reason="Ours.")
    harbour.send("iris", "/operator/creators/approve/", username="priya")
    harbour.send(
        "iris",
        "/operator/issuers/add/",
        provider="kubernetes",
        url="https://kubernetes.harbour.example",
        label="Build cluster",
        may_be_private="on",
    )
    harbour.send(
        "iris", "/operator/switches/new-projects/freeze/", reason="Names are being squatted.", lasts="1d"
    )
    tomorrow = clock.now() + timedelta(days=1)
    harbour.send(
        "iris",
        "/operator/announcements/new/",
        text="Uploads rest on Sunday from 6 to 7 in the morning.",
        severity="warn",
        ends_at=tomorrow.strftime("%Y-%m-%dT%H:%M"),
    )


def _trust(harbour: Harbour) -> None:
    """Let a publisher wait for a project."""
    github = "https://token.actions.githubusercontent.com"
    terms = {"issuer": github, "owner": "harbour", "repository": "foghorn", "workflow": "release.yml"}
    harbour.send("mara", "/account/publishers/add/", **terms, project_name="foghorn-light")


def _ask_for_accounts(harbour: Harbour) -> None:
    """Kenji and hana lost their phones, wren forgot a password; mara takes a second address and new codes."""
    harbour.send("mara", "/account/emails/add/", email="mara.second@harbour.example")
    harbour.send("mara", "/account/recovery-codes/")
    for path, who in (
        ("/account/recover/", "kenji"),
        ("/account/recover/", "hana"),
        ("/account/password/forgotten/", "wren"),
    ):
        field = "username" if "password" in path else "identifier"
        harbour.fill_in("somebody", path, **{field: who})
    harbour.fill_in("kenji lost", harbour.mailed("kenji", "recovery"))


def _propose(harbour: Harbour) -> None:
    """Propose what loosens the mandate, and an office: both wait for a second operator."""
    harbour.send(
        "iris", "/operator/people/hana/grant-office/", office="auditor", reason="Reads along this quarter."
    )
    now = clock.now()
    document = mandate(now)
    document["stages"][-1]["at"] = (now + timedelta(days=60)).isoformat()
    document["calendar"] = {"override": "The harbour is shown on any day of the week."}
    path = harbour.server.data.parent / "everyone.json"
    path.write_text(json.dumps(document))
    harbour.server.keyhouse("mandate", "simulate", document["name"])
    harbour.server.keyhouse("mandate", "apply", str(path))
    harbour.server.keyhouse("mandate", "simulate", document["name"])


def _campaign(harbour: Harbour) -> None:
    """Pause a mandate, write a draft that waits for its guards, let people ask for a way out of another."""
    why = "The keys that were ordered are late."
    harbour.send("tomas", f"/operator/mandates/{PAUSED}/pause/", reason=why)
    for document in (_draft(clock.now()), _put_off(clock.now())):
        path = harbour.server.data.parent / f"{document['name']}.json"
        path.write_text(json.dumps(document))
        harbour.server.keyhouse("mandate", "apply", str(path))
    exemption = {"mandate": "everyone", "reason": "The key that was ordered is late.", "days": "20"}
    exemption |= {"evidence": "Order 4711 of the office.", "control": "Releases come from the pipeline only."}
    harbour.send("bodil", "/account/mandate/exits/exemption/", **exemption)
    harbour.send("iris", "/operator/mandates/requests/1/propose/", days="20")
    harbour.send("priya", "/account/mandate/exits/exemption/", **exemption)
    harbour.send("felix", "/account/mandate/exits/key/", reason="No shop sends keys to the island.")


def _draft(now: datetime) -> dict[str, Any]:
    return {
        **mandate(now),
        "name": DRAFT,
        "title": "A security key or a passkey for whoever publishes releases that others depend on",
        "methods": {"accept": ["phishing-resistant"], "prefer": "security-key"},
        "calendar": {"override": "The harbour is shown on any day of the week."},
        "launch": {},
        "stages": [
            {"state": "announced", "at": _morning(now, 3), "warn": ["all"]},
            {"state": "enforced", "at": _morning(now, 80), "deny": ["all"]},
        ],
    }


def _count(harbour: Harbour) -> None:
    """Count who complies, and make up the months before."""
    words = [sys.executable, "-m", "demo.adoption"]
    subprocess.run(words, env=harbour.server.environment, cwd=ROOT, check=True)


def _put_off(now: datetime) -> dict[str, Any]:
    """Return a mandate of which people may put their deadlines off."""
    return {
        **{key: value for key, value in _draft(now).items() if key != "launch"},
        "name": PUT_OFF,
        "title": "A second factor for whoever writes quill",
        "who": {"project": ["quill"]},
        "notice": {"floor_days": 30, "snooze": {"days": 7, "times": 2}},
        "stages": [
            {"state": "announced", "at": _morning(now, -1), "warn": ["all"]},
            {"state": "enforced", "at": _morning(now, 70), "deny": ["management"]},
        ],
    }


def _report_bounce(harbour: Harbour) -> None:
    body = [
        {
            "address": "felix@harbour.example",
            "kind": "permanent",
            "at": clock.format_second(clock.now()),
        }
    ]
    answer = harbour.enter("").request.post(
        "/_/mail/bounces", data=body, headers={"Authorization": f"Bearer {BOUNCE_TOKEN}"}
    )
    assert answer.status == 204, answer.text()


def _invite(harbour: Harbour) -> None:
    """Invite three people who stop at different steps."""
    for number, step in enumerate(("account", "authenticator", "recovery-codes")):
        name = f"nils{number}"
        told = harbour.server.keyhouse("user", "invite", name, f"{name}@harbour.example")
        found = re.search(r"http://[^/]+(/invitation/[^/\s]+/)", told)
        assert found, told
        harbour.paths[f"/invitation/{{secret}}/{step}/"] = f"{found[1]}{step}/"
        walk_to(harbour, f"at {step}", found[1], step)


def walk_to(harbour: Harbour, who: str, path: str, step: str, **entered: str) -> None:
    """Make an account by a one-time link, up to the step that is named."""
    if step == "account":
        return
    harbour.fill_in(who, f"{path}account/", password=PASSWORD, **entered)
    if step == "recovery-codes":
        secret = shown_secret(harbour, who, f"{path}authenticator/")
        harbour.fill_in(who, f"{path}authenticator/", code=code_of(secret))


def shown_secret(harbour: Harbour, who: str, path: str) -> str:
    """Return the secret for an authenticator app that a page shows."""
    found = re.search(r'<pre class="code secret[^>]*>([^<]+)', harbour.enter(who).request.get(path).text())
    assert found, path
    return re.sub(r"\s", "", found[1])


def _begin_sign_in(harbour: Harbour) -> None:
    """Lucia has typed her password; in a browser that nobody knows she has proven her app, too."""
    codes = {"lucia at home": code_of, "lucia elsewhere": next_code_of}
    for who in ("lucia at home", "lucia", "lucia elsewhere"):
        harbour.fill_in(who, "/account/sign-in/", username="lucia", password=PASSWORD)
        if who in codes:
            harbour.fill_in(who, "/account/second-factor/", code=codes[who](harbour.secret_of("lucia")))
