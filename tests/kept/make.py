"""Keep a data folder as an earlier revision made it: `python tests/kept/make.py NAME REVISION`.

The revision's own code fills an index (people, sessions, tokens, a mandate, an exemption, a file) at one instant, in the
environment for tests. What it left becomes one compressed file beside this one, which `tests/cli/test_kept.py` opens.
Secrets in it belong to nobody: they are made here and open nothing else.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
AT = "2024-01-10T12:00:00Z"
ADA = {"username": "ada", "email": "ada@example.org", "operator": True, "second_factors": ["totp"]}
MANDATE = {
    "name": "everyone-2023",
    "title": "A second factor for everyone who maintains a project",
    "reason": "A stolen password alone must not be able to publish.",
    "who": {"role": ["project.owner", "project.maintainer"]},
    "methods": {"accept": ["authenticator-app"]},
    "stages": [
        {"state": "announced", "at": "2023-05-25T16:00:00Z"},
        {"state": "enforced", "at": "2024-01-01T00:00:00Z", "deny": ["all"]},
    ],
}
# nobody has installed anything yet; later schemas keep sums of this, and those that do count for themselves
COUNTED = (
    "INSERT INTO projects_downloadcount (file_id, day_on, installer, count)"
    " SELECT id, '2024-01-09', 'pip', 5 FROM projects_file"
)
HAS_SUMS = "SELECT 1 FROM sqlite_master WHERE name = 'projects_projectdownloads'"
# two ask for names that people confuse; later schemas find them by a column, which those that have it fill themselves
APPLIED = (
    "INSERT INTO organizations_organizationapplication"
    " (name, reason, asked_by_id, asked_at, decided_by_name, outcome, answer)"
    " SELECT CASE username WHEN 'ada' THEN 'Olive-Oil' ELSE '0live.oi1' END, 'We press together.', id,"
    " '2024-01-10 12:00:00', '', '', '' FROM accounts_user WHERE username IN ('ada', 'carl') ORDER BY username"
)
COLUMNS_OF_APPLICATIONS = "SELECT name FROM pragma_table_info('organizations_organizationapplication')"

VIRTUAL = "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'"


def document(wheel: Path) -> dict[str, Any]:
    """Return what is put into the index, in words that every revision since the first mandate takes."""
    exemption = {"user": "carl", "mandate": "everyone-2023", "until": "2024-01-31T00:00:00Z"}
    return {
        "users": [
            {**ADA, "password": "correct horse battery staple"},
            {**ADA, "username": "bob", "email": "bob@example.org"},
            {"username": "carl", "email": "carl@example.org", "password": "another anchor in the tundra"},
        ],
        "mandates": [{"document": MANDATE, "approved_by": ["ada", "bob"]}],
        "exemptions": [{**exemption, "reason": "The key is in the mail.", "approved_by": "bob"}],
        "projects": [{"name": "alpha", "owners": ["ada"], "maintainers": ["carl"]}],
        "files": [{"path": str(wheel), "by": "ada"}],
        "tokens": [{"user": "ada"}],
        "sessions": [{"user": "ada", "proved": ["password", "totp"]}],
    }


def main(name: str, revision: str) -> None:
    """Fill, pack, and say how big it became."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        code = place / "code"
        subprocess.run(["git", "worktree", "add", "--detach", code, revision], cwd=ROOT, check=True)
        try:
            kept = {"revision": _commit_of(code), "at": AT, "told": _fill(place, code)}
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", code], cwd=ROOT, check=True)
        packed = json.dumps({**kept, **pack(place / "data")}).encode()
    target = HERE / f"{name}.json.gz"
    target.write_bytes(gzip.compress(packed, mtime=0))
    sys.stdout.write(f"{target.name}: {target.stat().st_size} bytes\n")


def _commit_of(code: Path) -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=code, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _fill(place: Path, code: Path) -> Any:
    clock, seed = place / "clock", place / "seed.json"
    sys.path.insert(0, str(ROOT))
    from tests.distfiles.builders import build_wheel  # noqa: PLC0415 - needs the path

    wheel = build_wheel(place)
    clock.write_text(AT)
    seed.write_text(json.dumps(document(wheel)))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KEYHOUSE_")}
    environment |= {
        "PYTHONPATH": str(code / "src"),
        "KEYHOUSE_ENVIRONMENT": "test",
        "KEYHOUSE_DATA": str(place / "data"),
        "KEYHOUSE_CLOCK_FILE": str(clock),
    }
    command = [sys.executable, "-m", "keyhouse", "dev", "seed", str(seed)]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def pack(data: Path) -> dict[str, Any]:
    """Return the database as SQL and all other files in Base64, by their names."""
    with closing(sqlite3.connect(data / "keyhouse.sqlite3")) as database:
        if not database.execute(HAS_SUMS).fetchone():
            database.execute(COUNTED)
        columns = {name for (name,) in database.execute(COLUMNS_OF_APPLICATIONS)}
        if columns and "folded_name" not in columns:
            database.execute(APPLIED)
        sql = "\n".join(_dump(database))
    files = {
        str(path.relative_to(data)): base64.b64encode(path.read_bytes()).decode()
        for path in sorted(data.rglob("*"))
        if path.is_file() and not path.name.startswith("keyhouse.sqlite3") and path.suffix != ".lock"
    }
    return {"sql": sql, "files": files}


def _dump(database: sqlite3.Connection) -> list[str]:
    """Return the database as SQL. Rows of virtual tables stand in the tables that these keep, and go in by no other way."""
    starts = tuple(f'INSERT INTO "{name}" VALUES' for (name,) in database.execute(VIRTUAL))
    return [statement for statement in database.iterdump() if not statement.startswith(starts)]


def unpack(kept: dict[str, Any], data: Path) -> None:
    """Put a kept data folder back."""
    for name, content in kept["files"].items():
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(content))
    (data / "keys.json").chmod(0o600)
    with closing(sqlite3.connect(data / "keyhouse.sqlite3")) as database:
        database.executescript(kept["sql"])


if __name__ == "__main__":
    main(*sys.argv[1:])
