"""The exchange: what a mint costs with kept keys, durable, and an upload with a minted token beside one with an API token."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from bench.servers import ROOT, Server, keyhouse, keyhouse_environment, seed
from bench.table import markdown, median, paired, percentile
from bench.uploads import upload_by_form
from bench.wheels import write_wheel

MINTS = 300
PAIRS = 60
WARM_UP = 20
GOAL_MS = 5
GOAL_RATIO = 1.05
ISSUER = "https://token.actions.githubusercontent.com"
USER = {
    "username": "ada",
    "email": "ada@example.org",
    "password": None,
    "verified": True,
    "second_factors": ["totp"],
}
FIELDS = {"owner": "acme", "repository": "anvil", "workflow": "release.yml"}
# keys as if they had been fetched just now, and two publishers: nothing here asks an issuer
TRUST = """
import json, sys
from keyhouse.cli.surroundings import configure, load_features
configure()
load_features()
from keyhouse.accounts.models import User
from keyhouse.core import clock
from keyhouse.core.actor import Strength, host
from keyhouse.credentials.trusted_publishers.models import Issuer
from keyhouse.credentials.trusted_publishers.services import Told, add_publisher
order, now = json.loads(sys.argv[1]), clock.now()
Issuer.objects.create(
    url=order["issuer"], provider="github", added_at=now, keys=order["keys"], keys_at=now, asked_at=now
)
ada = User.objects.get(username="ada")
told = Told(ada, Strength(frozenset({"password", "totp"}), now), now)
add_publisher("alpha", "github", order["issuer"], order["fields"], by=host(), told=told)
"""


def main() -> str:
    """Measure and return the table."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name:
        folder = Path(name) / "keyhouse"
        token = {"user": "ada", "projects": "all", "minted_with": "totp"}
        document = {
            "users": [USER], "tokens": [token], "projects": [{"name": "alpha", "owners": ["ada"]}],
        }  # fmt: skip
        text = str(seed(folder, document)["tokens"][0]["token"])
        _trust(folder, key)
        with keyhouse(folder, text) as server:
            audience = str(_ask(server, "/_/oidc/audience")["audience"])
            times = [_mint(server, _identity(key, audience))[0] for _ in range(MINTS + WARM_UP)][WARM_UP:]
            minted = _mint(server, _identity(key, audience))[1]
            ours, theirs = _uploads(server, minted, Path(name))
    return _table(times, ours, theirs)


def _trust(folder: Path, key: RSAPrivateKey) -> None:
    told = {**json.loads(RSAAlgorithm.to_jwk(key.public_key())), "kid": "k1", "alg": "RS256", "use": "sig"}
    order = {"issuer": ISSUER, "keys": {"keys": [told]}, "fields": FIELDS}
    subprocess.run(
        [sys.executable, "-c", TRUST, json.dumps(order)],
        env={**keyhouse_environment(folder), "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        check=True,
    )


def _identity(key: RSAPrivateKey, audience: str) -> str:
    now = int(time.time())
    ref = "refs/tags/v1.0"
    claims = {
        "iss": ISSUER, "aud": audience, "iat": now, "nbf": now, "exp": now + 300, "jti": secrets.token_hex(16),
        "sub": f"repo:acme/anvil:ref:{ref}", "repository": "acme/anvil", "repository_id": "5",
        "repository_owner": "acme", "repository_owner_id": "7", "ref": ref, "sha": "ab" * 20, "run_id": "47",
        "job_workflow_ref": f"acme/anvil/.github/workflows/release.yml@{ref}", "event_name": "push",
    }  # fmt: skip
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": "k1"})


def _ask(server: Server, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body))
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {text[:300]!r}")
    found: dict[str, Any] = json.loads(text)
    return found


def _mint(server: Server, identity: str) -> tuple[float, str]:
    """Return how long one exchange took, connection and all, and the token."""
    started = time.perf_counter()
    told = _ask(server, "/_/oidc/mint-token", {"token": identity})
    return time.perf_counter() - started, str(told["token"])


def _uploads(server: Server, minted: str, folder: Path) -> tuple[list[float], list[float]]:
    """Upload small wheels to one project by turns, with either token; returns the times of each."""
    by_minted = replace(server, login=f"__token__:{minted}")
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(PAIRS):
        for side in ((0, 1), (1, 0))[turn % 2]:
            wheel = write_wheel(folder, "alpha", f"{turn}.{side}")
            started = time.perf_counter()
            upload_by_form((by_minted, server)[side], wheel)
            times[side].append(time.perf_counter() - started)
            wheel.unlink()
    return times[0][3:], times[1][3:]


def _table(times: list[float], ours: list[float], theirs: list[float]) -> str:
    rows = [
        ["a mint, p50 ms", median(times) * 1e3, GOAL_MS],
        ["a mint, p99 ms", percentile(times, 0.99) * 1e3, ""],
        ["an upload with a minted token, ms", median(ours) * 1e3, ""],
        ["an upload with an API token, ms", median(theirs) * 1e3, ""],
        ["ratio of the two", paired(ours, theirs), GOAL_RATIO],
    ]
    return markdown("The exchange", ["what", "found", "goal"], rows)


if __name__ == "__main__":
    sys.stdout.write(main())
