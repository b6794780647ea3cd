"""Cost of a publish and of a page with ever more projects in the index."""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from pathlib import Path

from bench.load import wrk
from bench.reads import AS_PIP
from bench.servers import keyhouse, seed
from bench.table import markdown, percentile
from bench.uploads import upload_by_form
from bench.wheels import write_wheel

SIZES = (1_000, 10_000, 100_000)


def main(sizes: tuple[int, ...] = SIZES) -> str:
    """Measure each size on an index of its own and return the table."""
    rows = [_one(size) for size in sizes]
    head = ["projects", "publish p50 ms", "publish p99 ms", "pages a second", "root list, MB"]
    return markdown("Cost with the size of the index", head, rows)


def _one(size: int) -> list[object]:
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name:
        folder = Path(name)
        user = {
            "username": "ada",
            "email": "ada@example.org",
            "password": None,
            "verified": True,
            "second_factors": ["totp"],
        }
        projects = [{"name": f"project-{number}", "owners": ["ada"]} for number in range(size)]
        token = {"user": "ada", "projects": "all", "minted_with": "totp"}
        answer = seed(folder / "keyhouse", {"users": [user], "projects": projects, "tokens": [token]})
        with keyhouse(folder / "keyhouse", str(answer["tokens"][0]["token"])) as server:
            times = []
            for number in range(100):
                path = write_wheel(folder, f"fresh{number % 10}", f"1.{number}", secrets.token_bytes(300))
                started = time.perf_counter()
                upload_by_form(server, path)
                times.append(time.perf_counter() - started)
            page = wrk(f"{server.url}/simple/fresh0/", AS_PIP)
            root = wrk(f"{server.url}/simple/", AS_PIP, connections=2)
            megabytes = root.bytes_rate / max(root.rate, 0.001) / 2**20
        return [
            f"{size:,}",
            percentile(times, 0.5) * 1e3,
            percentile(times, 0.99) * 1e3,
            page.rate,
            megabytes,
        ]


if __name__ == "__main__":
    sys.stdout.write(main())
