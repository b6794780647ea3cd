"""The projects of the made-up index: what they are, who has them, and when they released what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

PLATFORMS: Final = (
    "manylinux_2_17_x86_64",
    "manylinux_2_17_aarch64",
    "musllinux_1_2_x86_64",
    "macosx_11_0_arm64",
    "win_amd64",
)


@dataclass(frozen=True, slots=True)
class Work:
    """A project. `days`: since its first release; `versions` in their order, spread over the time since."""

    name: str
    summary: str
    owners: str
    versions: str
    days: int
    maintainers: str = ""
    until: int = 3  # days since the newest release
    needs: tuple[str, ...] = ()
    keywords: str = ""
    topic: str = "Software Development :: Libraries :: Python Modules"
    status: str = "5 - Production/Stable"
    licence: str = "MIT"
    why: str = ""
    code: str = ""
    is_native: bool = False
    is_archived: bool = False

    @property
    def module(self) -> str:
        """Return the name that is imported."""
        return self.name.lower().replace("-", "_").replace(".", "_")

    def releases(self, now: datetime) -> Iterator[tuple[str, datetime]]:
        """Yield each version with its instant, the oldest first."""
        versions = self.versions.split()
        step = (self.days - self.until) / max(1, len(versions) - 1)
        for number, version in enumerate(versions):
            days = self.days - step * number
            hours = (len(self.name) * 5 + number * 7) % 11
            yield version, now - timedelta(days=days, hours=hours, minutes=(number * 17) % 60)


SHELF: Final = (
    Work(
        "lantern",
        "Watch a fleet of build machines from one terminal",
        "mara kenji",
        "0.1 0.2 0.3 0.3.1 0.4 0.5 1.0rc1 1.0 1.0.1 1.1 1.2 1.2.1 1.3 1.4 1.4.1 1.5 2.0b1 2.0 2.0.1 2.1",
        1150,
        "jonas",
        0,
        ("httpx>=0.25", "rich>=13", "moor>=1.2", 'tomli; python_version < "3.11"'),
        "build,monitoring,terminal",
        "System :: Monitoring",
        why="Dashboards show yesterday. `lantern` asks the machines themselves, in parallel, and tells which of them are about to run out of disk before a nightly build does.",
        code='from lantern import watch\n\nfor machine in watch("builders/*"):\n    print(machine.name, machine.load, machine.free)',
    ),
    Work(
        "sextant",
        "Finds where a slow test suite spends its time",
        "mara",
        "0.1 0.2 0.3 0.4 0.4.1 0.5 0.6 1.0 1.1 1.2 1.3 1.4 1.4.1 1.4.2",
        900,
        "elena",
        1,
        ("pytest>=8",),
        "testing,profiling,pytest",
        "Software Development :: Testing",
        why="A suite gets slow by a second a week, and nobody sees it. `sextant` keeps the times of every run and names the fixture that did it.",
        code="pytest --sextant\nsextant worst --since last-month",
    ),
    Work(
        "moor",
        "Pins dependencies where the whole team sees them",
        "mara olu",
        "0.8 0.9 1.0 1.1 1.2 1.3 1.3.1",
        760,
        until=9,
        needs=("packaging>=24",),
        keywords="dependencies,lock",
        topic="Software Development :: Build Tools",
        why="A lock file that nobody reads is a lock file that nobody trusts. `moor` writes one that diffs line by line.",
        code="moor pin pyproject.toml\nmoor why urllib3",
    ),
    Work(
        "quill",
        "Turns changelogs into release notes",
        "priya",
        "0.3 0.4 0.5 1.0 1.1 1.2 1.3 1.4 1.4.1 1.4.2",
        700,
        "freya",
        2,
        ("jinja2", "markdown-it-py"),
        "changelog,release,documentation",
        "Documentation",
        code='from quill import notes\n\nprint(notes("CHANGELOG.md", since="1.3"))',
    ),
    Work(
        "ferry",
        "Moves tables between databases without loading them into memory",
        "jonas kenji",
        "0.1.0 0.2.0 0.3.0 0.4.0 0.5.0 0.6.0 0.6.1 0.7.0 0.8.0 0.9.0",
        620,
        "wren hana",
        4,
        ("psycopg>=3.1", "sqlalchemy>=2"),
        "database,migration,streaming",
        "Database",
        "4 - Beta",
        "Apache-2.0",
        code='from ferry import carry\n\ncarry("postgresql://old/orders", "postgresql://new/orders", batch=10_000)',
    ),
    Work(
        "tabled",
        "Tables for terminals that wrap like text",
        "wren",
        "1.0 1.1 1.2 2.0 2.1",
        540,
        until=40,
        keywords="terminal,table",
        topic="Text Processing",
    ),
    Work(
        "windlass",
        "A job queue on PostgreSQL with no other server",
        "olu elena",
        "0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 0.9.1 1.0a1 1.0a2 1.0b1",
        480,
        "lucia",
        6,
        ("psycopg[pool]>=3.1",),
        "queue,jobs,postgresql",
        "System :: Distributed Computing",
        "4 - Beta",
    ),
    Work(
        "knotwork",
        "Graph algorithms in native code, with arrays in and arrays out",
        "kenji",
        "0.9 1.0 1.1 1.2 1.3",
        430,
        until=14,
        needs=("numpy>=1.26",),
        keywords="graph,native,numpy",
        topic="Scientific/Engineering",
        licence="BSD-3-Clause",
        is_native=True,
    ),
    Work(
        "keel-config",
        "Settings from the environment, typed and explained",
        "elena",
        "1.0 1.1 1.2 1.3 1.4 1.5",
        400,
        "mara",
        21,
        keywords="configuration,environment",
    ),
    Work(
        "tidewatch",
        "Tells drift from noise in time series",
        "hana",
        "0.1 0.2 0.3 0.4",
        350,
        until=30,
        needs=("numpy",),
        topic="Scientific/Engineering",
        status="3 - Alpha",
    ),
    Work("chartroom", "Plots that print well, as plain SVG", "ana", "0.1 0.2 0.3 0.4 0.5 0.6", 300, until=5),
    Work(
        "beacon-client",
        "Client of the beacon notification service",
        "freya jonas",
        "2.0 2.1 2.2 2.3 2.4 3.0 3.1",
        290,
        until=11,
    ),
    Work(
        "beacon-server",
        "Sends each notification once, to whom it concerns",
        "freya jonas",
        "2.0 2.1 2.2 2.3 2.4 3.0",
        290,
        until=11,
        needs=("beacon-client>=3", "windlass"),
    ),
    Work("ballast", "Load for services, from a recorded day", "olu", "0.5 0.6 0.7", 260, until=70),
    Work(
        "deckhand",
        "Runs the tasks of a repository, cached by their inputs",
        "wren",
        "1 2 3 4 5",
        240,
        until=8,
    ),
    Work("foghorn", "Alerts that wait until somebody is awake", "lucia ana", "0.1 0.2 0.3", 90, until=2),
    Work(
        "hull-testing",
        "Fixtures for tests that need a real database",
        "jonas",
        "23.1 23.2 24.1 24.2 25.1",
        500,
        until=50,
        topic="Software Development :: Testing",
    ),
    Work("logbook-json", "Structured logs that people can read", "kenji", "1.0 1.1 1.2 1.3", 450, until=60),
    Work("mainsail", "Small parts for web services", "jonas", "4.0 4.1 4.2 4.3 4.4 4.5 4.6", 380, until=7),
    Work(
        "gangway",
        "Tunnels to machines behind a bastion",
        "dmitri",
        "1.0 1.1 1.2",
        540,
        until=410,
        is_archived=True,
    ),
    Work("nightwatch-scan", "Looks for secrets in what is about to be published", "rafael", "0.1 0.2", 30),
    Work("bilge-pump", "Empties build machines before they are full", "mara", "0.1 0.2", 160, until=130),
    Work("rope-lint", "Finds long functions and asks why", "ana", "0.1 0.1.1 0.2", 120, until=16),
    Work("spindrift", "Random but repeatable test data", "bodil", "0.0.1 0.0.2", 55, until=44),
    Work("capstan", "Deploys by pulling, not by pushing", "felix", "0.9 1.0", 200, until=150),
)
