"""Where an issuer's repositories, commits and runs are shown: on the issuer's own https host, and nowhere else. Pure.

A claim becomes part of an address only where it can be read in one way; otherwise it stays a text without a link.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

GITHUB: Final = "https://token.actions.githubusercontent.com"
_FORGE_PATH: Final = "/api/actions"  # Forgejo and Gitea issue from below this path of their own host
_ENTERPRISE_PATH: Final = "/_services/token"
_CLOUD_HOST: Final = re.compile(r"token\.actions\.([a-z0-9-]+\.ghe\.com)")
_REPOSITORY: Final = re.compile(
    r"(?!.*(?:^|/)\.\.?(?:/|$))[A-Za-z0-9_.-]{1,100}(?:/[A-Za-z0-9_.-]{1,100}){1,19}"
)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NUMBER: Final = re.compile(r"[0-9]{1,20}")
_FILE: Final = re.compile(r"(?!.*(?:^|/)\.\.?(?:/|$))[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*")
_LONGEST: Final = 300


@dataclass(frozen=True, slots=True)
class Place:
    """A host of repositories and how it addresses what is in them; `at` begins every address. No `of_run`: no page of it."""

    at: str
    of_run: str
    of_commit: str
    of_file: str

    def repository(self, name: str) -> str:
        """Return the address of a repository, or nothing."""
        return f"{self.at}/{name}" if _is(_REPOSITORY, name) else ""

    def run(self, name: str, number: str) -> str:
        """Return the address of a run, or nothing."""
        home = self.repository(name)
        return f"{home}{self.of_run}{number}" if home and self.of_run and _is(_NUMBER, number) else ""

    def commit(self, name: str, digest: str) -> str:
        """Return the address of a commit, or nothing."""
        home = self.repository(name)
        return f"{home}{self.of_commit}{digest}" if home and _is(_COMMIT, digest) else ""

    def file(self, name: str, digest: str, path: str) -> str:
        """Return the address of a file as it was at a commit, or nothing."""
        home = self.repository(name)
        return (
            f"{home}{self.of_file}{digest}/{path}"
            if home and _is(_COMMIT, digest) and _is(_FILE, path)
            else ""
        )


def find_place(provider: str, issuer: str) -> Place | None:
    """Return where an issuer's repositories are shown, or None where that isn't known or not by https."""
    parts = urlsplit(issuer)
    if parts.scheme != "https" or not parts.netloc or "@" in parts.netloc:
        return None
    own = f"https://{parts.netloc}"
    if provider == "gitlab":
        return Place(own + parts.path.rstrip("/"), "/-/pipelines/", "/-/commit/", "/-/blob/")
    if provider == "github":
        home = _github_home(issuer, parts.netloc, parts.path)
        return Place(home, "/actions/runs/", "/commit/", "/blob/") if home else None
    if provider == "custom" and parts.path.rstrip("/").endswith(_FORGE_PATH):
        below = parts.path.rstrip("/").removesuffix(_FORGE_PATH)
        return Place(
            own + below, "", "/commit/", "/src/commit/"
        )  # its runs have other numbers than their pages
    return None


def _github_home(issuer: str, host: str, path: str) -> str:
    if issuer.rstrip("/") == GITHUB:
        return "https://github.com"
    cloud = _CLOUD_HOST.fullmatch(host)
    if cloud and not path.strip("/"):
        return f"https://{cloud[1]}"
    return f"https://{host}" if path.rstrip("/") == _ENTERPRISE_PATH else ""


def repository_in(claims: Mapping[str, object]) -> str:
    """Return the repository that is kept of an identity, as its host names it, or nothing."""
    name = claims.get("repository")
    return name if isinstance(name, str) and _is(_REPOSITORY, name) else ""


def _is(pattern: re.Pattern[str], text: str) -> bool:
    return len(text) <= _LONGEST and pattern.fullmatch(text) is not None
