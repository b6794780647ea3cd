"""GitLab CI/CD, of gitlab.com and of one's own server: a CI file of one project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.providers.rules import (
    ENVIRONMENT_FIELD,
    NAME_FORM,
    Difference,
    Field,
    ProviderRules,
    fold,
    short,
    shown,
)

_FILE: Final = r"[A-Za-z0-9_.][A-Za-z0-9_. +()-]*"
_SUBJECT: Final = "project_path:"


class GitLab(ProviderRules):
    """The claims of GitLab CI/CD; the ids of namespace and project are stored at first use."""

    name = "gitlab"
    title = "GitLab"
    issuer = "https://gitlab.com"
    fields = (
        Field(
            "namespace",
            "Namespace",
            rf"{NAME_FORM}(?:/{NAME_FORM})*",
            "a user or group, with subgroups after a /",
            "acme/tools",
        ),
        Field("repository", "Project", NAME_FORM, "its path, without the namespace", "widget", longest=100),
        Field(
            "workflow",
            "CI file",
            rf"(?:{_FILE}/)*{_FILE}\.ya?ml",
            "the path of a file of the repository that ends in .yml or .yaml",
            ".gitlab-ci.yml",
        ),
        ENVIRONMENT_FIELD,
    )
    needed = ("sub", "project_path", "ci_config_ref_uri", "ref_path", "sha")
    ids: ClassVar[Mapping[str, str]] = {"namespace_id": "namespace_id", "project_id": "project_id"}
    ids_of: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "namespace_id": ("namespace",),
        "project_id": ("namespace", "repository"),
    }
    keeps: ClassVar[Mapping[str, str]] = {
        "repository": "project_path",
        "workflow": "ci_config_ref_uri",
        "ref": "ref_path",
        "sha": "sha",
        "run": "pipeline_id",
        "job": "job_id",
        "event": "pipeline_source",
        "actor": "user_login",
        "namespace_id": "namespace_id",
        "project_id": "project_id",
    }
    known_by = "project_id"
    requires_jti = True

    def _told(self, name: str, claims: Mapping[str, str]) -> str:
        """Return a value as it tells publishers apart: paths of projects have no capital letters."""
        return claims[name] if name == "workflow" else fold(claims[name])

    def lookup_of(self, claims: Mapping[str, str]) -> str:
        """Return the path of the project."""
        return short(_path_of(claims))

    def lookups(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the path of the project."""
        return (short(fold(claims["project_path"])),)

    def more_differences(self, publisher: Publisher, claims: Mapping[str, Any]) -> list[Difference]:
        """Compare the project, what the token is about, and the CI file at the very ref or commit of the run."""
        found, path = [], _path_of(publisher.claims)
        if fold(claims["project_path"]) != path:
            found.append(Difference("repository", path, shown(claims["project_path"])))
        subject = fold(claims["sub"])
        if subject != _SUBJECT + path and not subject.startswith(f"{_SUBJECT}{path}:"):
            found.append(Difference("sub", _SUBJECT + path, shown(claims["sub"])))
        if not _is_workflow(publisher, claims):
            workflow = publisher.claims["workflow"]
            found.append(Difference("workflow", workflow, shown(claims["ci_config_ref_uri"])))
        return found

    def label(self, publisher: Publisher) -> str:
        """Return project, CI file and environment."""
        wanted = publisher.claims
        told = f"{wanted['namespace']}/{wanted['repository']}, {wanted['workflow']}"
        return f"{told}, in {publisher.environment}" if publisher.environment else told


def _path_of(claims: Mapping[str, str]) -> str:
    return fold(f"{claims['namespace']}/{claims['repository']}")


def _is_workflow(publisher: Publisher, claims: Mapping[str, Any]) -> bool:
    """Tell whether `ci_config_ref_uri` is `host/path//file@ref`, with the host of the issuer itself."""
    place, _, at = claims["ci_config_ref_uri"].partition("@")
    project, double, file = place.partition("//")
    if not double or at not in {claims["ref_path"], claims["sha"]} or file != publisher.claims["workflow"]:
        return False
    return fold(project) in {f"{host}/{_path_of(publisher.claims)}" for host in _hosts(publisher.issuer_url)}


def _hosts(issuer: str) -> set[str]:
    """Return what may stand before the path: the issuer's address, its port left out or not."""
    parts = urlsplit(issuer)
    path = fold(parts.path.rstrip("/"))
    return {fold(parts.netloc) + path, fold(parts.hostname or "") + path}
