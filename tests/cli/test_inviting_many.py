"""Five hundred people invited from one list, killed and stopped in the middle: nobody is mailed twice, nobody is missed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.cli.places import Place, ask, execute
from tests.cli.started import environment

pytestmark = [pytest.mark.database, pytest.mark.by_turns]
COUNT = 500


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    rows = [f"n{one},n{one}@example.org,{'alpha' if one % 5 == 0 else ''}" for one in range(COUNT)]
    path.write_text("name,address,projects\n" + "\n".join(rows) + "\n")
    return path


def stored(place: Place) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Return how many mails went to whom, how many links they have, and how often they were offered the project."""
    return (
        Counter(ask(place, "SELECT address FROM mail_mail WHERE kind = 'account-invitation'")),
        Counter(ask(place, "SELECT address FROM accounts_onetimelink WHERE purpose = 'invitation'")),
        Counter(ask(place, "SELECT address FROM projects_projectinvitation")),
    )


def interrupted(place: Place, people: Path, number: int, after: int, *words: str) -> tuple[int, str, str]:
    """Invite, and send that signal once so many were; return exit code, output and errors."""
    command = [sys.executable, "-m", "keyhouse", "user", "invite", "--from", str(people), *words]
    with subprocess.Popen(
        command, env=environment(**place.environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    ) as running:  # fmt: skip
        until = time.monotonic() + 60
        while len(ask(place, "SELECT id FROM accounts_onetimelink")) < after:
            assert time.monotonic() < until
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    return running.returncode, out, err


def test_nobody_is_mailed_twice_and_nobody_missed(filled: Place, people: Path) -> None:
    tried = filled.run("user", "invite", "--from", people, "--mail", "--dry-run")
    assert (tried.returncode, len(tried.stdout.splitlines())) == (0, COUNT)
    assert tried.stderr == f"{COUNT} would be invited, 0 have an account, 0 were invited before, 0 refused.\n"
    assert stored(filled) == (Counter(), Counter(), Counter())
    assert not list((filled.data / "mail").glob("*"))

    code, _, _ = interrupted(filled, people, signal.SIGKILL, 150, "--mail")
    assert code == -signal.SIGKILL
    done = require_once(filled, at_least=150)
    code, _, err = interrupted(
        filled, people, signal.SIGINT, done + 1, "--mail"
    )  # early: the rest takes a second or two
    assert (code != 0, "Traceback" in err) == (True, False), err
    require_once(filled, at_least=done + 1)

    before = sum(stored(filled)[1].values())
    assert before < COUNT  # else it was not the middle
    rest = filled.run("user", "invite", "--from", people, "--mail")
    assert (rest.returncode, len(rest.stdout.splitlines())) == (0, COUNT - before)
    assert rest.stderr.endswith(f"{before} were invited before, 0 refused.\n")
    assert require_once(filled) == COUNT
    again = filled.run("user", "invite", "--from", people, "--mail")
    assert (again.returncode, again.stdout) == (0, "")
    assert require_once(filled) == COUNT


def test_every_link_that_was_made_is_printed_also_where_it_is_stopped(filled: Place, people: Path) -> None:
    said = []
    for after in (20, 60, 110):
        code, out, err = interrupted(filled, people, signal.SIGINT, after)
        assert (code != 0, "Traceback" in err) == (True, False), err
        said += out.splitlines()
    assert Counter(line.split(",")[1] for line in said) == stored(filled)[1]
    assert len(said) < COUNT  # else it was not the middle


def require_once(place: Place, at_least: int = 0) -> int:
    """Whoever has a link has one, one mail with it, and the role that the list names; return how many they are."""
    mails, links, offered = stored(place)
    assert mails == links
    assert set(links.values()) == {1}
    assert offered == {address: 1 for address in links if int(address[1:].partition("@")[0]) % 5 == 0}
    assert len(links) >= at_least
    return len(links)


def test_offers_are_sent_anew_once_also_killed_and_by_two_at_once(filled: Place) -> None:
    people = [f"n{one}@example.org" for one in range(5)]
    for one in people:
        filled.keyhouse("project", "people", "invite", "alpha", one)
    execute(filled, "UPDATE projects_projectinvitation SET expires_at = '2020-01-01 00:00:00'")
    mailed = "SELECT address FROM mail_mail WHERE kind = 'import-projects-wait'"
    killed = filled.run("import", "remind", "--again", KEYHOUSE_FAULT="invitation.rows-written")
    assert (killed.returncode, ask(filled, mailed)) == (-signal.SIGKILL, [])
    with ThreadPoolExecutor(2) as pool:
        tries = [pool.submit(filled.json, "import", "remind", "--again", "--json") for _ in range(2)]
    assert sum(one.result()["mailed"] for one in tries) == len(people)
    assert sorted(ask(filled, mailed)) == people
    assert filled.json("import", "remind", "--again", "--json")["mailed"] == 0
