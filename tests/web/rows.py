"""Rows that pages show, made directly: what the pages read is tested here, not how it came about."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from keyhouse.accounts.models import User
from keyhouse.projects.models import File, Project, Release, Role

START = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def make_project(name: str = "alpha", **fields: Any) -> Project:
    normalized = name.lower().replace(".", "-").replace("_", "-")
    values = {"created_at": START, "summary": f"What {name} does", **fields}
    return Project.objects.create(name=name, normalized_name=normalized, folded_name=normalized, **values)


def make_release(project: Project, version: str = "1.0", *, days: int = 0, **fields: Any) -> Release:
    metadata = {"name": project.name, "version": version, "summary": project.summary}
    values: dict[str, Any] = {"created_at": START + timedelta(days=days), **fields}
    values["metadata"] = metadata | fields.get("metadata", {})
    release = Release.objects.create(project=project, version=version, **values)
    if not values.get("yanked_at"):
        project.latest_version = version
        project.save()
    return release


def make_file(release: Release, filename: str = "", **fields: Any) -> File:
    filename = filename or f"{release.project.normalized_name}-{release.version}.tar.gz"
    digest = hashlib.sha256(filename.encode()).hexdigest()
    values = {
        "kind": "sdist" if filename.endswith(".tar.gz") else "bdist_wheel",
        "python_tag": "source" if filename.endswith(".tar.gz") else "py3",
        "size": 12345,
        "md5": digest[:32],
        "sha256": digest,
        "blake2": digest[::-1],
        "uploaded_at": START,
        "uploaded_by": "ada",
        "uploaded_via": "token",
    }
    return File.objects.create(
        release=release, project=release.project, filename=filename, **(values | fields)
    )


def make_owner(project: Project, username: str = "ada") -> User:
    user = User.objects.create(username=username, joined_at=START)
    Role.objects.create(project=project, user=user, kind="owner", since_at=START)
    return user


def make_whole(name: str = "alpha", version: str = "1.0", **fields: Any) -> Release:
    project = make_project(name)
    make_owner(project, f"owner-of-{name}")
    release = make_release(project, version, **fields)
    make_file(release)
    return release
