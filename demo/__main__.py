"""`./run demo [--reset] [--port N]`: a believable index on a throw-away folder of its own, and who one can sign in as.

With `--calendar` it is another one: `demo.calendar` lives through the days of the public index's mandates.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from demo import folders
from demo.document import write_document
from demo.people import CAST, PASSWORD
from keyhouse.core import data_folder

ROOT: Final = Path(__file__).parents[1]
MARK: Final = "keyhouse-demo.json"  # what a folder holds that was made here, and nothing else may be touched
REFUSED: Final = 1
LATER: Final = ("demo.later", "demo.adoption")  # what goes on once the document is seeded
LAST: Final = "demo.chronicle"  # where no server seals the audit log meanwhile
SETTINGS: Final = {
    "KEYHOUSE_ORGANIZATIONS": "application",  # so that operators have something to decide
    "KEYHOUSE_MAIL_DOMAINS_TRUSTED": "harbour.example",  # which no name server knows
}
CALENDAR: Final = "--calendar"


def main(words: list[str]) -> int:
    """Fill the folder where it is new, tell who is there, and serve it until it is stopped."""
    if CALENDAR in words:
        from demo.calendar.__main__ import main as live_through  # noqa: PLC0415 - it needs more than a demo does

        return live_through([word for word in words if word != CALENDAR])
    parser = argparse.ArgumentParser(prog="./run demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "demo-data", help="where it lives")
    parser.add_argument("--port", type=int, default=8400)
    parser.add_argument("--reset", action="store_true", help="throw away what was done in it, and begin anew")
    parser.add_argument(
        CALENDAR,
        action="store_true",
        help=f"live through the mandates of 2022 to 2024 instead; see {CALENDAR} --help",
    )
    asked = parser.parse_args(words)
    folder = asked.folder.resolve()
    if not is_ours(folder):
        print(f"{folder} was not made by ./run demo, so nothing in it is touched.", file=sys.stderr)
        return REFUSED
    try:
        with _alone(folder):
            if asked.reset or not _is_made(folder):
                fill(folder)
            _require_free(folder / "data")
    except data_folder.DataFolderBusyError as error:
        print(error, file=sys.stderr)
        return REFUSED
    tell(json.loads((folder / MARK).read_text()), asked.port)
    return _serve(folder, asked.port)


def _serve(folder: Path, port: int) -> int:
    """Become the server, so that Ctrl-C and SIGTERM are its own and it ends as it always does; its exit code is this one's."""
    sys.stdout.flush()
    words = [sys.executable, "-m", "keyhouse", "serve", "--port", str(port)]
    os.execve(sys.executable, words, _surroundings(folder))  # noqa: S606 - it never comes back; no shell is meant


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one demo at a time look at the folder and fill it; raises DataFolderBusyError where another one does."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / MARK).open("a") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise data_folder.DataFolderBusyError(
                f"Another ./run demo is filling {folder}. Wait for it, or name another folder with --folder."
            ) from error
        yield


def _require_free(data: Path) -> None:
    """Raise DataFolderBusyError where a server serves it."""
    if data.is_dir():
        try:
            data_folder.hold(data).release()
        except data_folder.DataFolderBusyError as error:
            raise data_folder.DataFolderBusyError(f"{error} Stop it first.") from error


def is_ours(folder: Path) -> bool:
    """Tell whether the folder is new, empty, or one that was made here."""
    return folders.is_ours(folder, MARK)


def _is_made(folder: Path) -> bool:
    """Tell whether filling the folder came to its end."""
    try:
        return "people" in json.loads((folder / MARK).read_text())
    except (FileNotFoundError, ValueError):
        return False


def fill(folder: Path) -> None:
    """Make the index; the mark names people at the end only, so that a half made folder is made anew.

    Raises DataFolderBusyError while a server serves it.
    """
    _require_free(folder / "data")
    _empty(folder)
    print(
        "Making a made-up index, which takes about half a minute:\n  people, projects and their files …",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as files:
        document = write_document(Path(files), datetime.now(UTC).replace(microsecond=0))
        done = subprocess.run(
            [sys.executable, "-m", "keyhouse", "dev", "seed", "-"],
            input=json.dumps(document),
            env=_surroundings(folder),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    for later in (*LATER, LAST):
        subprocess.run([sys.executable, "-m", later], env=_surroundings(folder), cwd=ROOT, check=True)
    kept = [_kept(one) for one in json.loads(done.stdout)["users"] if one["password"]]
    (folder / MARK).write_text(json.dumps({"people": kept}))


def _empty(folder: Path) -> None:
    """Empty the folder as the one who holds its data, so that nobody serves what is being thrown away."""
    data = folder / "data"
    held = data_folder.hold(data) if data.is_dir() else None
    try:
        folders.empty(folder, MARK)
        (folder / MARK).write_text("{}")
    finally:
        if held is not None:
            held.release()


def _kept(person: dict[str, Any]) -> dict[str, Any]:
    return {name: person.get(name) for name in ("username", "totp_secret", "recovery_codes")}


def tell(made: dict[str, Any], port: int) -> None:
    """Print who one can sign in as, and by which secret."""
    reasons = {person.name: person.told for person in CAST.people}
    print(f"\nSign in at http://localhost:{port}/account/sign-in/ with the password “{PASSWORD}” as\n")
    for person in made["people"]:
        if not reasons[person["username"]]:
            continue
        print(f"  {person['username']:8} {reasons[person['username']]}")
        if person["totp_secret"]:
            print(f"           authenticator secret {person['totp_secret']}")
        if person["recovery_codes"]:
            print(f"           recovery codes       {'  '.join(person['recovery_codes'][:2])}")
    print("\nType the secret into any authenticator app. Begin anew with ./run demo --reset.\n", flush=True)


def _surroundings(folder: Path) -> dict[str, str]:
    """Return the environment of the demo: the test one, so that no real data folder can be opened by it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYHOUSE_")}
    return {
        **kept,
        "KEYHOUSE_ENVIRONMENT": "test",
        "KEYHOUSE_DATA": str(folder / "data"),
        "KEYHOUSE_MAIL_DIR": str(folder / "mails"),
        **SETTINGS,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
