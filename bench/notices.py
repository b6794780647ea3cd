"""A digest of very many people: how long it takes until everybody's mail is queued, and in how much memory, on SQLite.

`./run bench notices` takes 100,000 people; KEYHOUSE_BENCH_PEOPLE takes another number. The people are made in one process,
the digest in another, whose memory is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.servers import ROOT, keyhouse_environment, seed
from bench.table import markdown

PEOPLE = int(os.environ.get("KEYHOUSE_BENCH_PEOPLE", "100000"))
GOAL_SECONDS, GOAL_MB = 60, 300
PREPARE = """
import json, sys
from datetime import UTC, datetime, timedelta
from keyhouse.cli.surroundings import configure, load_features
configure()
load_features()
from keyhouse.accounts.models import Email, User
from keyhouse.core import clock
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.models import Change, MandateVersion
from keyhouse.projects.models import Project, Role
count, now = int(sys.argv[1]), clock.now()
long_ago = now - timedelta(days=900)
for first in range(0, count, 2000):
    numbers = range(first, min(first + 2000, count))
    users = User.objects.bulk_create(User(username=f"person{one}", joined_at=long_ago) for one in numbers)
    Email.objects.bulk_create(
        Email(user=user, address=f"{user.username}@example.org", is_primary=True, verified_at=long_ago, added_at=long_ago)
        for user in users
    )
    projects = Project.objects.bulk_create(
        Project(name=name, normalized_name=name, folded_name=name, created_at=long_ago)
        for name in (f"of-{user.username}" for user in users)
    )
    Role.objects.bulk_create(
        Role(project=project, user=user, kind="owner", since_at=long_ago)
        for project, user in zip(projects, users, strict=True)
    )
for name in ("first", "second"):
    mandate = read_mandate({
        "name": name, "title": "A second factor for everybody", "reason": "A stolen password alone must not be able to publish.",
        "who": {"role": ["project.owner"]}, "methods": {"accept": ["security-key", "passkey", "authenticator-app"]},
        "notice": {"remind_days": [28, 14, 7, 1]},
        "stages": [
            {"state": "announced", "at": now, "warn": ["all"]},
            {"state": "enforced", "at": now + timedelta(days=90), "deny": ["all"]},
        ],
    })
    MandateVersion.objects.create(
        name=name, version=1, document=mandate.as_dict(), digest=mandate.digest, origin="applied", proposed_at=now,
        proposed_by="host", effective_at=now,
    )
Change.objects.update_or_create(pk=1, defaults={"value": 1})
"""
QUEUE = """
import json, resource, time
from keyhouse.cli.surroundings import configure, load_features
configure()
load_features()
from keyhouse.core import clock
from keyhouse.mail.models import SENT, Mail
from keyhouse.mandate.models import Notice
from keyhouse.mandate.notices import following, services
def measured(act):
    began, used = time.perf_counter(), time.process_time()
    found = act()
    return {"found": found, "seconds": time.perf_counter() - began, "cpu": time.process_time() - used,
            "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
now = clock.now()
told = {"queue": measured(lambda: services.queue_due(now))}
services._rested["until"] = 0.0
told["again"] = measured(lambda: services.queue_due(now))
assert Mail.objects.count() == told["queue"]["found"] and told["again"]["found"] == 0
Mail.objects.update(state=SENT, ended_at=now, content_sealed="")
told["follow"] = measured(lambda: following.follow(now))
assert Notice.objects.count() == told["follow"]["found"]
print(json.dumps(told))
"""


def main() -> str:
    """Measure and return the table."""
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name:
        folder = Path(name) / "data"
        seed(folder, {})
        _run(folder, PREPARE, str(PEOPLE))
        told: dict[str, dict[str, Any]] = json.loads(_run(folder, QUEUE))
    rows = [
        ("queue one mail each, of two mandates", *_figures(told["queue"]), f"{GOAL_SECONDS} s, {GOAL_MB} MB"),
        ("look again, with nothing due", *_figures(told["again"]), ""),
        ("note that all of them arrived", *_figures(told["follow"]), ""),
    ]
    head = (f"{PEOPLE:,} people", "how many", "s", "s of processor", "most MB so far", "goal at most")
    return markdown("Notices of mandates", head, rows)


def _figures(told: dict[str, Any]) -> tuple[object, ...]:
    return told["found"], told["seconds"], told["cpu"], told["mb"]


def _run(folder: Path, script: str, *words: str) -> str:
    settings = {"PYTHONPATH": str(ROOT / "src"), "KEYHOUSE_MAIL_DIR": str(folder.parent / "mails")}
    environment = {**keyhouse_environment(folder), **settings}
    done = subprocess.run(
        [sys.executable, "-c", script, *words], env=environment, stdout=subprocess.PIPE, check=True, text=True
    )
    return done.stdout
