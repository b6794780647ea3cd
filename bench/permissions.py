"""What a check of a right costs in a project of a large organization, beside one by a role of one's own, on SQLite."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.servers import ROOT, keyhouse_environment, seed
from bench.table import markdown, median, percentile

MEMBERS = 1_000
TEAMS = 200
IN_A_TEAM = 20
ASKED = 3_000
GOAL_MS = 2
GOAL_QUESTIONS = 2
# the look-up as authority does it, for members one after the other; times in nanoseconds and the statements of one
ASK = """
import json, sys, time
from keyhouse.cli.surroundings import configure, load_features
configure()
load_features()
from django.db import connection
from django.test.utils import CaptureQueriesContext
from keyhouse.accounts.models import User
from keyhouse.core import actions
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import RoleRequired
order, found = json.loads(sys.argv[1]), {}
ids = dict(User.objects.values_list("username", "pk"))
def ask(name, thing):
    try:
        actions.require_authority(Actor("session", ids[name]), "release.upload", thing)
    except RoleRequired:
        return False
    return True
for what, people in order["people"].items():
    thing = Thing("project", None, order["projects"][what])
    told = {ask(name, thing) for name in people}
    assert told == {what != "stranger"}, what
    times = []
    for number in range(order["asked"]):
        began = time.perf_counter_ns()
        ask(people[number % len(people)], thing)
        times.append(time.perf_counter_ns() - began)
    with CaptureQueriesContext(connection) as asked:
        ask(people[0], thing)
    found[what] = {"times": times, "questions": len(asked)}
print(json.dumps(found))
"""


def main() -> str:
    """Measure and return the table."""
    members = [f"member-{number}" for number in range(MEMBERS)]
    teams = [
        {
            "name": f"team-{number}",
            "members": [members[(number * 7 + place) % MEMBERS] for place in range(IN_A_TEAM)],
            "projects": {"alpha": "maintainer"},
        }
        for number in range(TEAMS)
    ]
    document = {
        "users": [{"username": name} for name in ("ada", "sam", *members)],
        "organizations": [{"name": "acme", "owners": ["ada"], "members": members, "teams": teams}],
        "projects": [{"name": "alpha", "organization": "acme"}, {"name": "beta", "owners": ["sam"]}],
    }
    people = {
        "own role": ["sam"],
        "owner of the organization": ["ada"],
        "members": members,
        "stranger": ["sam"],
    }
    projects = dict.fromkeys(people, "alpha") | {"own role": "beta"}
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name:
        folder = Path(name) / "keyhouse"
        seed(folder, document)
        found = _ask(folder, {"people": people, "projects": projects, "asked": ASKED})
    return _table(found)


def _ask(folder: Path, order: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(order)],
        env={**keyhouse_environment(folder), "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        check=True,
        capture_output=True,
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _table(found: dict[str, Any]) -> str:
    own = median(found["own role"]["times"])
    rows = []
    for what, one in found.items():
        times = one["times"]
        p50, p99 = median(times), percentile(times, 0.99)
        rows.append((what, one["questions"], GOAL_QUESTIONS, p50 / 1e6, p99 / 1e6, GOAL_MS, p50 / own))
    title = f"Rights in a project of an organization with {MEMBERS:,} members and {TEAMS} teams"
    head = ("who asks", "questions", "at most", "p50 ms", "p99 ms", "goal", "to a role of one's own")
    return markdown(title, head, rows)
