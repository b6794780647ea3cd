"""A running server with the made-up index of `./run demo`, and what lasts a while only: mailed links, steps half done."""

from __future__ import annotations

import email
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import policy
from pathlib import Path
from typing import Any, Final

from demo.__main__ import LATER, SETTINGS
from demo.document import write_document
from demo.people import PASSWORD
from playwright.sync_api import APIResponse, Browser, BrowserContext
from tests import forked, ready
from tests.journeys.conftest import ROOT, Server, start_server
from tests.journeys.test_first_hour import code_of, next_code_of

from keyhouse.core import clock

SIGNED_IN: Final = ("iris", "tomas", "noor", "auden", "mara", "jonas", "hana", "priya", "felix", "bodil")
WITHOUT_FACTOR: Final = ("priya", "felix", "bodil")
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
    """Start a server on a throw-away folder, fill it as `./run demo` does, and begin what lasts a while; stop it at the end."""
    server = start_server(folder / "data", KEYHOUSE_MAIL_DIR=str(folder / "mails"), **SETTINGS)
    try:
        harbour = Harbour(server, fill(server), browser, sessions())
        for act in (_lose_phones, _freeze, _invite, _begin_sign_in):
            act(harbour)
        yield harbour
    finally:
        server.stop()


def fill(server: Server) -> dict[str, Any]:
    """Make the made-up index, with a session of everybody whose pages are looked at."""
    with tempfile.TemporaryDirectory() as files:
        document = write_document(Path(files), clock.now().replace(microsecond=0))
        told = server.seed({**document, "sessions": sessions()})
    for name in LATER:
        done = forked.run(["-m", name], environment=server.environment, seconds=ready.SECONDS, cwd=ROOT)
        assert done.returncode == 0, done.stderr
    return told


def sessions() -> list[dict[str, Any]]:
    """Return a session of everybody whose pages are looked at, as it is seeded."""
    return [session_of(name, has_factor=name not in WITHOUT_FACTOR) for name in SIGNED_IN]


def session_of(name: str, *, has_factor: bool) -> dict[str, Any]:
    """Return a session as it is seeded, of somebody who has proven all that they can."""
    return {"user": name, "proved": ["password", "webauthn"] if has_factor else ["password"]}


def _lose_phones(harbour: Harbour) -> None:
    """Hana lost her phone and wren forgot a password; mara takes new codes, and kenji goes on elsewhere."""
    harbour.send("mara", "/account/recovery-codes/")
    harbour.fill_in("somebody", "/account/recover/", identifier="hana")
    harbour.fill_in("somebody", "/account/recover/", identifier="kenji")
    harbour.fill_in("somebody", "/account/password/forgotten/", username="wren")
    harbour.fill_in("kenji lost", harbour.mailed("kenji", "recovery"))


def _freeze(harbour: Harbour) -> None:
    """Stop what makes projects; in the demo that would be in the way of whoever tries it."""
    why = "Names are being squatted."
    harbour.send("iris", "/operator/switches/new-projects/freeze/", reason=why, lasts="1d")


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
