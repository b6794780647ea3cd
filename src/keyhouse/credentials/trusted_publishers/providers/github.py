"""GitHub Actions, also of a GitHub Enterprise Server: a workflow file of one repository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from keyhouse.credentials.trusted_publishers.errors import IdentityRefused
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.providers.rules import (
    ENVIRONMENT_FIELD,
    NAME_FORM,
    NUMBER_FORM,
    Difference,
    Field,
    ProviderRules,
    Same,
    fold,
    shown,
)

WORKFLOW_FORM: Final = r"[A-Za-z0-9_.][A-Za-z0-9_. +()-]*\.ya?ml"
_FOLDER: Final = (".github", "workflows")
_PARTS: Final = 5  # owner, repository, two folders, file


class GitHub(ProviderRules):
    """The claims of GitHub Actions.

    `job_workflow_ref` names the workflow file whose job runs. Of a reusable workflow that is the called one: it has to be
    the configured file in the configured repository, so one that lies in another repository is never taken.
    """

    name = "github"
    title = "GitHub"
    issuer = "https://token.actions.githubusercontent.com"
    fields = (
        Field("owner", "Owner", NAME_FORM, "letters, digits, - and _ only", "acme", longest=100),
        Field("owner_id", "Id of the owner", NUMBER_FORM, "a number", "12345", is_required=False, longest=20),
        Field(
            "repository",
            "Repository",
            r"[A-Za-z0-9_.-]+",
            "its name, without the owner",
            "widget",
            longest=100,
        ),
        Field(
            "workflow",
            "Workflow file",
            WORKFLOW_FORM,
            "the name of a file in .github/workflows that ends in .yml or .yaml, without a folder",
            "release.yml",
        ),
        ENVIRONMENT_FIELD,
    )
    needed = (
        "repository",
        "repository_owner",
        "repository_owner_id",
        "job_workflow_ref",
        "ref",
        "sha",
        "event_name",
    )
    same = (Same("repository_owner", "owner", folds=True),)
    ids: ClassVar[Mapping[str, str]] = {"owner_id": "repository_owner_id", "repository_id": "repository_id"}
    ids_of: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "owner_id": ("owner",),
        "repository_id": ("owner", "repository"),
    }
    keeps: ClassVar[Mapping[str, str]] = {
        "repository": "repository",
        "workflow": "job_workflow_ref",
        "ref": "ref",
        "sha": "sha",
        "run": "run_id",
        "run_attempt": "run_attempt",
        "event": "event_name",
        "actor": "actor",
        "owner_id": "repository_owner_id",
        "repository_id": "repository_id",
    }
    known_by = "repository_id"
    requires_jti = True
    folds_environment = True

    def _told(self, name: str, claims: Mapping[str, str]) -> str:
        """Return a value as it tells publishers apart: names of owners and repositories have no capital letters."""
        return claims[name] if name == "workflow" else fold(claims[name])

    def lookup_of(self, claims: Mapping[str, str]) -> str:
        """Return owner and repository."""
        return fold(f"{claims['owner']}/{claims['repository']}")

    def lookups(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the repository."""
        return (fold(claims["repository"]),)

    def require_more(self, claims: Mapping[str, Any]) -> None:
        """Refuse what strangers can start with the rights of the repository."""
        if claims["event_name"] == "pull_request_target":
            raise IdentityRefused("A run for pull_request_target may not publish.")

    def more_differences(self, publisher: Publisher, claims: Mapping[str, Any]) -> list[Difference]:
        """Compare the repository, and the workflow file at the very ref or commit of the run."""
        found, wanted = [], publisher.claims
        if fold(claims["repository"]) != self.lookup_of(wanted):
            found.append(Difference("repository", wanted["repository"], shown(claims["repository"])))
        if not _is_workflow(publisher, claims):
            found.append(Difference("workflow", wanted["workflow"], shown(claims["job_workflow_ref"])))
        return found

    def label(self, publisher: Publisher) -> str:
        """Return repository, workflow and environment."""
        told = f"{publisher.claims['owner']}/{publisher.claims['repository']}, {publisher.claims['workflow']}"
        return f"{told}, in {publisher.environment}" if publisher.environment else told


def _is_workflow(publisher: Publisher, claims: Mapping[str, Any]) -> bool:
    path, _, at = claims["job_workflow_ref"].partition("@")
    parts = path.split("/")
    if len(parts) != _PARTS or at not in {claims["ref"], claims["sha"]}:
        return False
    owner, repository, *folder, file = parts
    wanted = publisher.claims
    return (
        fold(owner) == fold(wanted["owner"])
        and fold(repository) == fold(wanted["repository"])
        and tuple(folder) == _FOLDER
        and file == wanted["workflow"]
    )
