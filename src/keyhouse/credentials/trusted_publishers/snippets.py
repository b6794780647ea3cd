"""Lines for a CI system that publish to this very index, ready to copy. Pure: facts in, text out.

Each begins with a question: an identity is exchanged, and `/mandate/check` tells whether the upload would be allowed now and
what it warns of. Identity tokens are taken once, so the upload exchanges another one, or goes on with the token it has.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from string import Template
from typing import Final

FORGEJO: Final = "forgejo"
JENKINS: Final = "jenkins"
KUBERNETES: Final = "kubernetes"
GOOGLE: Final = "google"
_TITLES: Final = {
    "github": "GitHub Actions",
    "gitlab": "GitLab CI",
    FORGEJO: "Forgejo or Gitea",
    JENKINS: "Jenkins",
    KUBERNETES: "Kubernetes",
    GOOGLE: "Google Cloud",
}
_FILES: Final = {
    "github": ".github/workflows/~{workflow}",
    "gitlab": "~{workflow}",
    FORGEJO: ".forgejo/workflows/~{workflow}",
    JENKINS: "Jenkinsfile",
    KUBERNETES: "publish.yaml",
    GOOGLE: "a shell script",
}
_WORKFLOWS: Final = {"gitlab": ".gitlab-ci.yml"}
_WORKFLOW: Final = "release.yml"


@dataclass(frozen=True, slots=True)
class Where:
    """What a snippet is filled in with; `workflow` and `environment` as the publisher has them, or nothing."""

    base_url: str
    audience: str
    project: str
    workflow: str = ""
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Snippet:
    """Lines to copy: for which system, into which file."""

    kind: str
    title: str
    file: str
    text: str


class _Lines(Template):
    """Text with `~{name}` in it, since CI systems use the dollar themselves."""

    delimiter = "~"


def kinds_for(provider: str, issuer: str) -> tuple[str, ...]:
    """Return which systems an issuer may be, the likeliest first; none where nothing is known to copy."""
    if provider in {"github", "gitlab", GOOGLE}:
        return (provider,)
    if provider != "custom":
        return ()
    if issuer.endswith("/api/actions"):
        return (FORGEJO,)
    if issuer.endswith("/oidc"):
        return (JENKINS, KUBERNETES, FORGEJO)
    return (KUBERNETES, JENKINS, FORGEJO)


def snippet_of(kind: str, where: Where) -> Snippet:
    """Return the lines for one system, filled in."""
    workflow = where.workflow or _WORKFLOWS.get(kind, _WORKFLOW)
    words = {
        "base": where.base_url,
        "audience": where.audience,
        "project": where.project,
        "workflow": workflow,
        "variable": variable_of(where.audience),
        "environment": _as_yaml(where.environment),
    }
    parts = {**words, **{name: _filled(text, words) for name, text in _parts_of(kind, where).items()}}
    return Snippet(kind, _TITLES[kind], _filled(_FILES[kind], words), _filled(_TEXTS[kind], parts))


def snippets_for(provider: str, issuer: str, where: Where) -> list[Snippet]:
    """Return the lines for every system that an issuer may be, the likeliest first."""
    return [snippet_of(kind, where) for kind in kinds_for(provider, issuer)]


def variable_of(audience: str) -> str:
    """Return the variable in which clients look for the identity token that GitLab made for an audience."""
    return re.sub(r"[^A-Z0-9_]|^[^A-Z_]", "_", audience.upper()) + "_ID_TOKEN"


def _filled(text: str, words: dict[str, str]) -> str:
    return _Lines(text).substitute(words)


def _parts_of(kind: str, where: Where) -> dict[str, str]:
    """Return the blocks that several snippets share, at the depth at which each has them."""
    depth = _DEPTHS[kind]
    environment = where.environment and _ENVIRONMENTS.get(kind, "")
    return {"ask": _indented(_ASK, depth), "in_environment": environment}


def _as_yaml(text: str) -> str:
    """Return a text as YAML reads it back, in quotes unless it is a plain word."""
    is_plain = _PLAIN.fullmatch(text) is not None and text.lower() not in _YAML_WORDS
    return text if is_plain else json.dumps(text)


def _indented(text: str, depth: int) -> str:
    return text.replace("\n", "\n" + " " * depth)


_DEPTHS: Final = {"github": 10, "gitlab": 6, FORGEJO: 10, JENKINS: 12, KUBERNETES: 14, GOOGLE: 0}
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_YAML_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_ENVIRONMENTS: Final = {
    "github": "\n    environment: ~{environment}",
    "gitlab": "\n  environment: ~{environment}",
}
# neither back-slashes nor lines that begin with blanks: some systems read texts of several lines in their own way
_ASK: Final = """\
told() { python3 -c "import json, sys; told = json.load(sys.stdin); print(told.get('$1') or sys.exit(str(told)))"; }
token=$(curl -sS -H 'Content-Type: application/json' -d '{"token": "'"$identity"'"}' ~{base}/_/oidc/mint-token | told token)
curl -sS -H "Authorization: Bearer $token" '~{base}/mandate/check?action=release.upload&project=~{project}' | python3 -c "import json, sys; told = json.load(sys.stdin); print(*(told.get(part) or '' for part in ('verdict', 'code', 'reason', 'detail', 'until'))); sys.exit(told.get('verdict') not in ('allow', 'warn'))"\
"""
_TEXTS: Final = {
    "github": """\
name: release
on:
  push:
    tags: ["v*"]
permissions: {}
jobs:
  publish:
    runs-on: ubuntu-latest~{in_environment}
    permissions:
      contents: read
      id-token: write
    steps:
      - name: Ask whether it would be allowed
        run: |
          set -eu
          identity=$(curl -sS -H "Authorization: Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=~{audience}" | python3 -c "import json, sys; print(json.load(sys.stdin)['value'])")
          ~{ask}
      - uses: actions/checkout@v4
        with:
          persist-credentials: false
      - uses: astral-sh/setup-uv@v6
      - run: uv build
      - run: uv publish --trusted-publishing always --publish-url ~{base}/legacy/
""",
    "gitlab": """\
publish:
  image: ghcr.io/astral-sh/uv:python3.13-bookworm~{in_environment}
  rules:
    - if: $CI_COMMIT_TAG
  id_tokens:
    ASKING_ID_TOKEN:
      aud: ~{audience}
    ~{variable}:
      aud: ~{audience}
  script:
    - |
      set -eu
      identity=$ASKING_ID_TOKEN
      ~{ask}
    - uv build
    - uv publish --trusted-publishing always --publish-url ~{base}/legacy/
""",
    FORGEJO: """\
name: release
on:
  push:
    tags: ["v*"]
enable-openid-connect: true
jobs:
  publish:
    runs-on: docker
    steps:
      - name: Ask whether it would be allowed
        run: |
          set -eu
          identity=$(curl -sS -H "Authorization: Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=~{audience}" | python3 -c "import json, sys; print(json.load(sys.stdin)['value'])")
          ~{ask}
      - uses: actions/checkout@v4
      - uses: https://github.com/astral-sh/setup-uv@v6
      - run: uv build
      - run: uv publish --trusted-publishing always --publish-url ~{base}/legacy/
""",
    JENKINS: """\
pipeline {
  agent { docker { image 'ghcr.io/astral-sh/uv:python3.13-bookworm' } }
  stages {
    stage('publish') {
      when { buildingTag() }
      steps {
        sh 'uv build'
        withCredentials([string(credentialsId: 'index-identity', variable: 'IDENTITY')]) {
          sh '''
            set +x -eu
            identity=$IDENTITY
            ~{ask}
            UV_PUBLISH_TOKEN=$token uv publish --trusted-publishing never --publish-url ~{base}/legacy/
          '''
        }
      }
    }
  }
}
""",
    KUBERNETES: """\
apiVersion: batch/v1
kind: Job
metadata:
  name: publish
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      serviceAccountName: publisher
      containers:
        - name: publish
          image: ghcr.io/astral-sh/uv:python3.13-bookworm
          command:
            - sh
            - -euc
            - |
              identity=$(cat /var/run/identity/token)
              ~{ask}
              UV_PUBLISH_TOKEN=$token uv publish --trusted-publishing never --publish-url ~{base}/legacy/ /dist/*
          volumeMounts:
            - {name: identity, mountPath: /var/run/identity, readOnly: true}
            - {name: dist, mountPath: /dist, readOnly: true}
      volumes:
        - name: identity
          projected:
            sources:
              - serviceAccountToken: {audience: "~{audience}", expirationSeconds: 600, path: token}
        - name: dist
          persistentVolumeClaim: {claimName: dist}
""",
    GOOGLE: """\
set -eu
identity=$(gcloud auth print-identity-token --include-email --audiences=~{audience})
~{ask}
UV_PUBLISH_TOKEN=$token uv publish --trusted-publishing never --publish-url ~{base}/legacy/
""",
}
