"""Real files through the real upload: listed, served byte for byte, `.metadata` equal, found by pip with the same hash.

`KEYHOUSE_CORPUS` names the folder with the files; `KEYHOUSE_VECTORS/../corpus/files.tsv` (or `files.tsv` beside them) says
which are to be accepted and which the rules refuse.
"""

from __future__ import annotations

import csv
import hashlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit

from bench.servers import PEERS, ROOT, Server, fetch, keyhouse, seed
from bench.table import markdown
from bench.uploads import form_of

JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True)
class Listed:
    """One line of `files.tsv`."""

    sha256: str
    filename: str
    expect: str


@dataclass(frozen=True)
class Outcome:
    """What became of one file: the answer to the upload, and what was wrong afterwards (empty: nothing)."""

    listed: Listed
    status: int
    line: str
    wrong: str

    @property
    def is_right(self) -> bool:
        """Whether the file met its expectation."""
        accepted = self.status == http.client.OK
        return not self.wrong and accepted == (self.listed.expect == "accept")


def read_list() -> tuple[Path, list[Listed]]:
    """Return the folder and the files that are there; raises SystemExit with what to set where there is none."""
    folder = Path(os.environ.get("KEYHOUSE_CORPUS", ""))
    lists = [folder / "files.tsv", ROOT.parent / "shared" / "corpus" / "files.tsv"]
    found = next((path for path in lists if path.is_file()), None)
    if not os.environ.get("KEYHOUSE_CORPUS") or found is None:
        sys.exit("bench corpus: set KEYHOUSE_CORPUS to a folder of wheels and sdists with a files.tsv")
    with found.open(newline="") as file:
        rows = [
            Listed(row["sha256"], row["file"], row["expect"]) for row in csv.DictReader(file, delimiter="\t")
        ]
    return folder, [row for row in rows if (folder / row.filename).is_file()]


def run() -> list[Outcome]:
    """Take every file through a server of its own and return what became of each."""
    folder, listed = read_list()
    with tempfile.TemporaryDirectory(prefix="keyhouse-corpus-") as name:
        data = Path(name) / "keyhouse"
        user = {
            "username": "ada",
            "email": "ada@example.org",
            "password": None,
            "verified": True,
            "second_factors": ["totp"],
        }
        token = {"user": "ada", "projects": "all", "minted_with": "totp"}
        answer = seed(data, {"users": [user], "tokens": [token]})
        with keyhouse(data, str(answer["tokens"][0]["token"])) as server:
            return [_take(server, folder / row.filename, row) for row in listed]


def _take(server: Server, path: Path, row: Listed) -> Outcome:
    status, line = _upload(server, path)
    wrong = _what_is_wrong(server, path, row) if status == http.client.OK else ""
    return Outcome(row, status, line, wrong)


def _upload(server: Server, path: Path) -> tuple[int, str]:
    parts = urlsplit(server.url)
    body, headers = form_of(server, path)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    connection.request("POST", "/legacy/", body=body, headers=headers)
    answer = connection.getresponse()
    lines = answer.read().decode(errors="replace").splitlines()
    return answer.status, lines[0] if lines else ""


def _what_is_wrong(server: Server, path: Path, row: Listed) -> str:
    base = f"{server.url}/simple/{_project_of(row.filename)}/"
    try:
        page = json.loads(fetch(base, {"Accept": JSON})[0])
        entry = next(item for item in page["files"] if item["filename"] == row.filename)
        body = fetch(urljoin(base, entry["url"]))[0]
    except (HTTPError, StopIteration) as error:
        return f"not listed or not served: {error!r}"
    if body != path.read_bytes() or entry["hashes"]["sha256"] != row.sha256:
        return "served bytes differ"
    if path.suffix == ".whl" and fetch(urljoin(base, entry["url"] + ".metadata"))[0] != _metadata(path):
        return ".metadata differs"
    return _pip_finds(server, path, row)


def _project_of(filename: str) -> str:
    stem = filename.split("-", maxsplit=1)[0] if filename.endswith(".whl") else filename.rsplit("-", 1)[0]
    return stem.lower().replace("_", "-").replace(".", "-")


def _metadata(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        own = (name for name in archive.namelist() if name.count("/") == 1)  # some carry others' as test data
        return archive.read(next(name for name in own if name.endswith(".dist-info/METADATA")))


def _pip_finds(server: Server, path: Path, row: Listed) -> str:
    """Let pip fetch exactly this file by its hash; an sdist's address is given whole, since pip would build it."""
    if path.suffix != ".whl":
        return ""
    name, version, *_, python, abi, platform = path.stem.split("-")
    with tempfile.TemporaryDirectory() as target:
        requirements = Path(target) / "requirements.txt"
        requirements.write_text(f"{name}=={version} --hash=sha256:{row.sha256}\n")
        command = [
            str(PEERS / "pip"), "download", "-q", "--no-deps", "--no-cache-dir", "--only-binary", ":all:",
            "--ignore-requires-python",
            "--index-url", f"{server.url}/simple/", "--require-hashes", "-r", str(requirements), "-d", target,
            *_target(python, abi, platform),
        ]  # fmt: skip
        done = subprocess.run(command, env=_bare(), capture_output=True, text=True, check=False)
        got = Path(target) / row.filename
        if done.returncode or hashlib.sha256(got.read_bytes()).hexdigest() != row.sha256:
            return "pip: " + " ".join(done.stderr.split())[-200:]
    return ""


def _target(python: str, abi: str, platform: str) -> list[str]:
    """Ask for the platform of a wheel; one for any needs no asking."""
    if (abi, platform) == ("none", "any"):
        return []
    words = [word for part in platform.split(".") for word in ("--platform", part)]
    version = python.rsplit(".", maxsplit=1)[-1].removeprefix("py").removeprefix("cp")
    implementation = "cp" if python.startswith("cp") else "py"
    return [*words, "--python-version", version, "--implementation", implementation, "--abi", abi]


def _bare() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def main() -> str:
    """Return the table; raises SystemExit where a file did not meet its expectation."""
    outcomes = run()
    counted = Counter(
        (o.listed.expect, o.status, o.line.split(":")[0] if o.status != http.client.OK else "published")
        for o in outcomes
    )
    rows = [[expect, status, code, count] for (expect, status, code), count in sorted(counted.items())]
    table = markdown(f"{len(outcomes)} real files", ["expected", "status", "code", "files"], rows)
    failed = [f"{o.listed.filename}: {o.status} {o.line} {o.wrong}" for o in outcomes if not o.is_right]
    if failed:
        sys.exit(table + "\nnot as expected:\n" + "\n".join(failed))
    return table


if __name__ == "__main__":
    sys.stdout.write(main())
