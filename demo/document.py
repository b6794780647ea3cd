"""The document from which `keyhouse dev seed` makes the made-up index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from demo.distributions import write_release
from demo.mandates import MANDATE, seeded_mandates
from demo.people import CAST
from demo.shelf import SHELF, Work

GITHUB: Final = "https://token.actions.githubusercontent.com"
WORKFLOW: Final = {"owner": "harbour", "repository": "lantern", "workflow": "release.yml"}


def write_document(folder: Path, now: datetime) -> dict[str, Any]:
    """Write the distributions into `folder` and return the document that publishes them."""
    return {
        "users": [person.entry(now) for person in CAST.people],
        "projects": [_project(work, now) for work in SHELF],
        "files": [entry for work in SHELF for entry in _files(folder, work, now)],
        "tokens": list(_tokens(now)),
        "publishers": list(_publishers(now)),
        "mandates": seeded_mandates(now),
        "exemptions": [
            {
                "user": "dmitri",
                "mandate": MANDATE,
                "until": (now + timedelta(days=40)).isoformat(),
                "reason": "At sea until spring; gangway is archived and nobody else can release it.",
                "approved_by": "tomas",
            }
        ],
    }


def _project(work: Work, now: datetime) -> dict[str, Any]:
    _, first = next(work.releases(now))
    return {
        "created_at": first.isoformat(),
        "name": work.name,
        "owners": work.owners.split(),
        "maintainers": work.maintainers.split(),
        "archived": work.is_archived,
    }


def _files(folder: Path, work: Work, now: datetime) -> Iterator[dict[str, Any]]:
    people = [*work.owners.split(), *work.maintainers.split()]
    for number, (version, at) in enumerate(work.releases(now)):
        by = people[number % len(people)]
        publication = publication_of(version, number) if _is_from_ci(work, version) else None
        for path in write_release(folder, work, version):
            entry = {"path": str(path), "by": by, "uploaded_at": at.isoformat()}
            yield {**entry, "publication": publication}


def _is_from_ci(work: Work, version: str) -> bool:
    """Tell whether a trusted publisher published a release: those of lantern, since it trusts one."""
    return work.name == "lantern" and version.startswith("2.")


def publication_of(version: str, number: int) -> dict[str, Any]:
    """Return what the files of such a release keep of how they came."""
    return {
        "provider": "github",
        "issuer": GITHUB,
        "configured": WORKFLOW,
        "environment": "release",
        "claims": {
            "repository": "harbour/lantern",
            "workflow": f"harbour/lantern/.github/workflows/release.yml@refs/tags/v{version}",
            "ref": f"refs/tags/v{version}",
            "sha": hashlib.sha256(version.encode()).hexdigest()[:40],
            "run": str(9_120_000 + number * 731),
            "event": "push",
            "environment": "release",
            "owner_id": "40711",
            "repository_id": "508123",
        },
    }


def _publishers(now: datetime) -> Iterator[dict[str, Any]]:
    trusted = (
        ("lantern", "mara", 90, "github", {**WORKFLOW, "owner_id": "40711", "environment": "release"}),
        (
            "ferry",
            "jonas",
            40,
            "gitlab",
            {"namespace": "harbour/data", "repository": "ferry", "workflow": ".gitlab-ci.yml"},
        ),
        ("moor", "mara", 12, "github", {**WORKFLOW, "repository": "moor"}),
    )
    for project, person, age, provider, fields in trusted:
        yield {
            "provider": provider,
            "project": project,
            "configured_by": person,
            "configured_with": "webauthn",
            "configured_at": (now - timedelta(days=age)).isoformat(),
            **fields,
        }


def _tokens(now: datetime) -> Iterator[dict[str, Any]]:
    lines = (
        ("mara", ["lantern"], "webauthn", 60, 90, ["upload"], "lantern: release pipeline"),
        ("mara", ["sextant", "moor"], "totp", 20, 30, ["upload", "yank"], "laptop"),
        ("mara", "all", "password", 200, 365, ["upload"], "old build server"),
        ("jonas", ["ferry"], "totp", 12, 30, ["upload"], "ferry: release pipeline"),
        ("priya", ["quill"], "password", 170, 365, ["upload"], "quill: release pipeline"),
        ("kenji", ["knotwork"], "totp", 3, 30, ["upload"], "wheels"),
        ("ana", "all", "webauthn", 1, 7, ["read"], "reads the index from CI"),
    )
    for user, projects, method, age, life, acts, description in lines:
        yield {
            "user": user,
            "projects": projects,
            "minted_with": method,
            "minted_at": (now - timedelta(days=age)).isoformat(),
            "expires_in_days": life,
            "actions": acts,
            "description": description,
        }
    for user, age, description, networks in (
        ("mara", 12, "nightly wheels", ["192.0.2.0/24"]),
        ("mara", 80, "documentation job", []),
    ):
        yield {
            "user": user,
            "projects": ["lantern"],
            "robot": True,
            "minted_with": "webauthn",
            "minted_at": (now - timedelta(days=age)).isoformat(),
            "expires_in_days": 90,
            "description": description,
            "networks": networks,
        }
