"""The first day of five hundred people behind one address.

All of them activate or sign in, enrol an app, save their codes, make a token and upload a first file, at once, with the
limits on attempts in force. Four of five come by an invitation; the rest has an account, and is first denied by the gate. Some mistype.
Somebody among them guesses. Measured is the time from the invitation or the denial to the upload that is done.
"""

from __future__ import annotations

import html
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyotp

from bench.browser import Answer, Client
from bench.servers import ROOT, Server, keyhouse, keyhouse_environment, seed
from bench.table import markdown, median, percentile
from bench.uploads import upload_by_form
from bench.wheels import write_wheel

PEOPLE = 500
AT_ONCE = 50
MINUTES = 10
PASSWORD = "velvet-anchor-93-tundra"  # noqa: S105 - of made-up people
ONE_IN = 5  # has an account without a second factor
MISTYPES = 8  # one in so many
WIDE = "100000/1h"


class WentWrong(Exception):  # noqa: N818 - what happened, not a kind of error
    """Something was answered otherwise than it must be."""


@dataclass
class Person:
    """Somebody's first day: how it went, and how long it took."""

    number: int
    server: Server
    folder: Path
    invitation: str = ""
    seconds: float = 0.0
    enrolled: float = 0.0
    trouble: str = ""
    client: Client = field(init=False)
    started: float = 0.0

    def __post_init__(self) -> None:
        """Open a browser."""
        self.client = Client(self.server.url)

    @property
    def name(self) -> str:
        """Return the user name, which the first project is called after."""
        return f"person{self.number}"

    @property
    def mistypes(self) -> bool:
        """Whether this is one who mistypes."""
        return self.number % MISTYPES == 0

    def go(self) -> None:
        """Go through the whole of it."""
        try:
            (self._activate if self.invitation else self._come_and_be_denied)()
            self.enrolled = time.perf_counter() - self.started
            self._upload(self._token("first"))
            self.seconds = time.perf_counter() - self.started
        except (WentWrong, RuntimeError, OSError) as error:
            self.trouble = str(error)

    # ---- by an invitation

    def _activate(self) -> None:
        self.started = time.perf_counter()
        link = self.invitation
        self._expect(self.client.get(link), 303)
        self.client.get(f"{link}account/")
        self._expect(self.client.post(f"{link}account/", {"password": PASSWORD}), 303)
        page = self._expect(self.client.get(f"{link}authenticator/"), 200)
        self._enter_code(f"{link}authenticator/", page, {})
        page = self._expect(self.client.get(f"{link}recovery-codes/"), 200)
        self._expect(self.client.post(f"{link}recovery-codes/", {"recovery_code": _codes(page)[3]}), 303)

    # ---- with an account

    def _come_and_be_denied(self) -> None:
        self.client.get("/account/sign-in/")
        if self.mistypes:
            self._expect(self._sign_in("velvet-anchor-93-tunrda"), 400)
        self._expect(self._sign_in(PASSWORD), 303)
        token = self._token("weak")
        self.started = time.perf_counter()
        try:
            self._upload(token)
        except RuntimeError as error:
            if ": 403 " not in str(error):
                raise
        else:
            raise WentWrong("a token made without a second factor published a project")
        page = self._expect(self.client.get("/account/second-factors/add/"), 200)
        self._enter_code("/account/second-factors/add/", page, {"name": "phone"})
        self.client.get("/account/recovery-codes/")
        self._expect(self.client.post("/account/recovery-codes/", {}), 303)
        page = self._expect(self.client.get("/account/recovery-codes/new/"), 200)
        answer = self.client.post("/account/recovery-codes/new/", {"recovery_code": _codes(page)[3]})
        self._expect(answer, 303)

    def _sign_in(self, password: str) -> Answer:
        return self.client.post("/account/sign-in/", {"username": self.name, "password": password})

    # ---- what both do

    def _enter_code(self, path: str, page: Answer, more: dict[str, str]) -> None:
        found = re.search(r'<pre class="code secret break" data-copy>([^<]+)<', page.text)
        app = pyotp.TOTP(found[1].replace(" ", "") if found else "")
        if self.mistypes:
            wrong = f"{(int(app.now()) + 1) % 10**6:06}"
            self._expect(self.client.post(path, {"code": wrong, **more}), 400)
        self._expect(self.client.post(path, {"code": app.now(), **more}), 303)

    def _token(self, what: str) -> str:
        self._expect(self.client.get("/account/tokens/new/"), 200)
        fields = {
            "description": what,
            "project": "all",
            "reason": "publishes a new project for the first time",
            "actions": "upload",
            "expires_in_days": "30",
        }
        page = self._expect(self.client.post("/account/tokens/new/", fields), 200)
        found = re.search(r"keyhouse-[A-Za-z0-9_-]{40,}", page.text)
        if not found:
            raise WentWrong("no token on the page")
        return found[0]

    def _upload(self, token: str) -> None:
        path = write_wheel(self.folder, self.name, "1.0")
        server = Server(self.server.url, self.server.process, self.folder, f"__token__:{token}", "/legacy/")
        upload_by_form(server, path)

    def _expect(self, answer: Answer, status: int) -> Answer:
        if answer.status != status:
            raise WentWrong(
                f"{self.name}: {answer.status} {answer.refusal} {answer.location} instead of {status}"
            )
        return answer


def _codes(page: Answer) -> list[str]:
    found = re.search(r'data-copy id="codes">([^<]+)<', page.text)
    return html.unescape(found[1]).split() if found else [""] * 10


@dataclass
class Guesser:
    """Somebody who guesses passwords from the same address: first one person's, then everybody's."""

    url: str
    people: int
    judged: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    is_in: bool = False
    over: threading.Event = field(default_factory=threading.Event)

    def go(self) -> None:
        """Guess until it is over; waits a little each time, as a program that hopes not to be noticed."""
        chance = random.Random(1)
        while not self.over.is_set():
            self.guess("person0" if chance.random() < 0.5 else f"person{chance.randrange(self.people)}")
            self.over.wait(0.05)

    def guess(self, name: str) -> None:
        """Guess once."""
        client = Client(self.url)
        client.get("/account/sign-in/")
        answer = client.post(
            "/account/sign-in/", {"username": name, "password": "correct horse battery staple"}
        )
        self.is_in |= answer.status == 303
        self.refused += answer.status == 429
        self.judged[name] += answer.refusal == "sign-in-refused"


@dataclass
class Day:
    """How it went for all of them."""

    people: list[Person]
    guesser: Guesser | None
    seconds: float

    @property
    def troubles(self) -> list[str]:
        """Return what went wrong."""
        return [person.trouble for person in self.people if person.trouble]

    @property
    def too_many(self) -> int:
        """Return how many of the people's requests were answered 429."""
        return sum(person.client.seen.count(429) for person in self.people)


def live(server: Server, folder: Path, invitations: dict[int, str], count: int, *, with_guesser: bool) -> Day:
    """Let all of them have their first day at once."""
    people = [Person(number, server, folder, invitations.get(number, "")) for number in range(count)]
    guesser = Guesser(server.url, count) if with_guesser else None
    started = time.perf_counter()
    with _guessing(guesser), ThreadPoolExecutor(min(AT_ONCE, count)) as pool:
        list(pool.map(Person.go, people))
    return Day(people, guesser, time.perf_counter() - started)


@contextmanager
def _guessing(guesser: Guesser | None) -> Iterator[None]:
    if guesser is None:
        yield
        return
    thread = threading.Thread(target=guesser.go)
    thread.start()
    try:
        yield
    finally:
        guesser.over.set()
        thread.join()


def people_with_accounts(count: int) -> dict[str, object]:
    """Return the document that seeds those who have an account."""
    users = [
        {"username": f"person{number}", "email": f"person{number}@example.org", "password": PASSWORD}
        for number in range(0, count, ONE_IN)
    ]
    return {"users": users}


def invite_others(count: int, environment: Mapping[str, str]) -> dict[int, str]:
    """Invite everybody else at the host; returns the links by number."""
    names = [f"person{number}" for number in range(count) if number % ONE_IN]
    done = subprocess.run(
        [str(ROOT / ".venv" / "bin" / "python"), "-c", _INVITE_ALL],
        input="".join(f"{name} {name}@example.org\n" for name in names),
        env={**environment, "DJANGO_SETTINGS_MODULE": "keyhouse.settings.base"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    links = dict(line.split() for line in done.stdout.splitlines())
    return {int(name.removeprefix("person")): link for name, link in links.items()}


_INVITE_ALL = """
import sys, django
django.setup()
from keyhouse.accounts.services import invite_user
from keyhouse.core.actor import host
for line in sys.stdin:
    name, address = line.split()
    print(name, invite_user(name, address, by=host()))
"""


def main() -> str:
    """Run both days and return the table."""
    rows = [_day("listed as shared", with_guesser=True), _day("not listed", with_guesser=False)]
    head = [
        "the address is", "people", "done", "429", "all done after s", "to the enrolment p50 s", "to the upload p50 s",
        "p99 s", "guesses judged, one name in 5 min at most", "guesses told to wait", "guesser got in",
    ]  # fmt: skip
    goal = f"{PEOPLE} people behind one address (goal: within {MINUTES} minutes, no 429)"
    return markdown(goal, head, rows)


def _day(title: str, *, with_guesser: bool) -> list[object]:
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name:
        folder = Path(name)
        seed(folder / "keyhouse", people_with_accounts(PEOPLE))
        invitations = invite_others(PEOPLE, keyhouse_environment(folder / "keyhouse"))
        settings = {"KEYHOUSE_RATE_LIMITS": "on"}
        if with_guesser:
            settings["KEYHOUSE_SHARED_NETWORKS"] = "127.0.0.0/8"
        else:  # new projects of a network are counted also where all is well
            settings["KEYHOUSE_PROJECT_CREATE_NETWORK_LIMIT"] = WIDE
        with keyhouse(folder / "keyhouse", **settings) as server:
            day = live(server, folder, invitations, PEOPLE, with_guesser=with_guesser)
    for trouble in day.troubles[:5]:
        print(trouble, file=sys.stderr)
    done = [person for person in day.people if not person.trouble]
    return [
        title, PEOPLE, len(done), day.too_many, day.seconds, median(one.enrolled for one in done),
        median(one.seconds for one in done), percentile([one.seconds for one in done], 0.99),
        *_told(day.guesser, day.seconds),
    ]  # fmt: skip


def _told(guesser: Guesser | None, seconds: float) -> list[object]:
    if guesser is None:
        return ["", "", ""]
    windows = max(1, -(-int(seconds) // 300))
    return [max(guesser.judged.values()) / windows, guesser.refused, "yes" if guesser.is_in else "no"]


if __name__ == "__main__":
    sys.stdout.write(main())
