"""What a publisher takes, claim by claim, as people read it before and after they set it up. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from keyhouse.credentials.trusted_publishers.providers.rules import Configured

_FIRST: Final = "what the first run brings, and nothing else from then on"
_FOLDED: Final = "capital letters make no difference"


@dataclass(frozen=True, slots=True)
class Row:
    """A claim of an identity, what it has to be, and what else is to know. `is_open`: it may be anything."""

    claim: str
    value: str
    note: str = ""
    is_open: bool = False


def rows_of(provider: str, issuer: str, audience: str, configured: Configured) -> tuple[Row, ...]:
    """Return everything that an identity has to claim."""
    return (
        Row("iss", issuer, "signed with its keys, and valid now"),
        Row("aud", audience, "this index and no other"),
        *_ROWS.get(provider, _custom)(issuer, configured.claims),
        *_environment(provider, configured.environment),
    )


def _environment(provider: str, environment: str) -> Iterator[Row]:
    if environment:
        yield Row("environment", environment)
    elif provider in {"github", "gitlab"}:
        yield Row(
            "environment", "any, or none", "name one, and only jobs that run in it can publish", is_open=True
        )


def _github(issuer: str, claims: Mapping[str, str]) -> Iterator[Row]:
    del issuer
    repository = f"{claims['owner']}/{claims['repository']}"
    yield Row("repository", repository, _FOLDED)
    yield from _numbers(claims, owner_id="repository_owner_id", repository_id="repository_id")
    path = f"{repository}/.github/workflows/{claims['workflow']}"
    yield Row("job_workflow_ref", f"{path}@…", "at the very branch, tag or commit of the run")
    yield Row("ref", "any branch or tag", is_open=True)
    yield Row("event_name", "anything but pull_request_target", "strangers can start that one", is_open=True)


def _gitlab(issuer: str, claims: Mapping[str, str]) -> Iterator[Row]:
    path = f"{claims['namespace']}/{claims['repository']}"
    parts = urlsplit(issuer)
    yield Row("project_path", path, _FOLDED)
    yield from _numbers(claims, namespace_id="namespace_id", project_id="project_id")
    file = f"{parts.netloc}{parts.path}/{path}//{claims['workflow']}"
    yield Row("ci_config_ref_uri", f"{file}@…", "at the very branch, tag or commit of the run")
    yield Row("ref_path", "any branch or tag", is_open=True)


def _google(issuer: str, claims: Mapping[str, str]) -> Iterator[Row]:
    del issuer
    yield Row("email", claims["email"])
    yield Row("email_verified", "true")
    yield from _numbers(claims, sub="sub")


def _activestate(issuer: str, claims: Mapping[str, str]) -> Iterator[Row]:
    del issuer
    yield from (Row(name, claims[name]) for name in ("organization", "project", "actor_id"))
    yield Row("sub", f"org:{claims['organization']}:project:{claims['project']}")
    yield Row("builder", "pypi-publisher")


def _custom(issuer: str, claims: Mapping[str, str]) -> Iterator[Row]:
    del issuer
    yield from (Row(name, value, "exactly this text") for name, value in sorted(claims.items()))


def _numbers(claims: Mapping[str, str], **ids: str) -> Iterator[Row]:
    """Yield the numbers that names never pass on, by the claims that bring them."""
    for name, claim in ids.items():
        known = claims.get(name)
        yield (
            Row(claim, known, "a name may get another owner, a number never does")
            if known
            else Row(claim, _FIRST)
        )


_ROWS: Final = {"github": _github, "gitlab": _gitlab, "google": _google, "activestate": _activestate}
