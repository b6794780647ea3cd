"""Real attestations that others published, and who published them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from keyhouse.publishing.attestations.identities import Expected
from keyhouse.publishing.attestations.verifying import Subject

GITHUB = Expected(
    "github", claims={"owner": "trailofbits", "repository": "pypi-attestations", "workflow": "release.yml"}
)
MODELS = Expected(
    "github",
    claims={"owner": "trailofbits", "repository": "pypi-attestation-models", "workflow": "release.yml"},
)
GITLAB = Expected(
    "gitlab",
    claims={"namespace": "facutuesca", "repository": "gitlab-oidc-project", "workflow": ".gitlab-ci.yml"},
)
PERSON = Expected("google", claims={"email": "william@yossarian.net"})
PUBLISHERS = {"github": GITHUB, "models": MODELS, "gitlab": GITLAB, "person": PERSON}

_ATTESTED = "pypi_attestations-0.0.19.tar.gz"
# file of the attestation: its distribution, and the one publisher by whom it holds; the last ones are of a test instance
ALL: dict[str, tuple[str, str | None]] = {
    f"{_ATTESTED}.publish.attestation": (_ATTESTED, "github"),
    f"{_ATTESTED}.slsa.attestation": (_ATTESTED, "github"),
    f"{_ATTESTED}.provenance": (_ATTESTED, "github"),
    "pypi_attestation_models-0.0.4a2.tar.gz.attestation": (
        "pypi_attestation_models-0.0.4a2.tar.gz",
        "models",
    ),
    "gitlab_oidc_project-0.0.3.tar.gz.publish.attestation": ("gitlab_oidc_project-0.0.3.tar.gz", "gitlab"),
    "rfc8785-0.1.2-py3-none-any.whl.attestation": ("rfc8785-0.1.2-py3-none-any.whl", None),
    "rfc8785-0.1.2-py3-none-any.whl.publish.attestation": ("rfc8785-0.1.2-py3-none-any.whl", None),
    "spt3g-1.0-cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64.whl.publish.attestation": (
        "spt3g-1.0-cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        None,
    ),
}


def subject_of(folder: Path, filename: str) -> Subject:
    path = folder / filename
    return Subject(filename, hashlib.sha256(path.read_bytes() if path.is_file() else b"").hexdigest())


def load(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / name).read_text())
    return found
