"""Every row of the claims that each provider knows: the right value passes, each other, missing or typed one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest

from keyhouse.credentials.trusted_publishers import providers
from keyhouse.credentials.trusted_publishers.errors import IdentityRefused
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.publisher_errors import PublisherInvalid

FIELDS: Final[dict[str, dict[str, Any]]] = {
    "github": {"owner": "Acme", "repository": "Widget", "workflow": "release.yml"},
    "gitlab": {"namespace": "Acme/tools", "repository": "Widget", "workflow": "ci/publish.yml"},
    "google": {"email": "publisher@acme.iam.gserviceaccount.com"},
    "activestate": {
        "organization": "acme",
        "project": "widget",
        "actor_id": "00000000-0000-1000-8000-000000000002",
    },
    "custom": {"claims": {"sub": "system:serviceaccount:ci:publisher", "cluster": "one"}},
}
CLAIMS: Final[dict[str, dict[str, Any]]] = {
    "github": {
        "jti": "1",
        "sub": "repo:acme/widget:ref:refs/heads/main",
        "repository": "acme/widget",
        "repository_id": "700",
        "repository_owner": "acme",
        "repository_owner_id": "12",
        "job_workflow_ref": "acme/widget/.github/workflows/release.yml@refs/heads/main",
        "workflow_ref": "acme/widget/.github/workflows/release.yml@refs/heads/main",
        "event_name": "push",
        "ref": "refs/heads/main",
        "sha": "a" * 40,
        "run_id": "99",
        "actor": "ada",
    },
    "gitlab": {
        "jti": "1",
        "sub": "project_path:acme/tools/widget:ref_type:branch:ref:main",
        "project_path": "acme/tools/widget",
        "namespace_id": "3",
        "project_id": "4",
        "ci_config_ref_uri": "gitlab.example.com:8443/acme/tools/widget//ci/publish.yml@refs/heads/main",
        "ref_path": "refs/heads/main",
        "sha": "b" * 40,
        "pipeline_id": "77",
    },
    "google": {"sub": "1122", "email": "publisher@acme.iam.gserviceaccount.com", "email_verified": True},
    "activestate": {
        "sub": "org:acme:project:widget",
        "organization": "acme",
        "project": "widget",
        "actor_id": "00000000-0000-1000-8000-000000000002",
        "builder": "pypi-publisher",
    },
    "custom": {"sub": "system:serviceaccount:ci:publisher", "cluster": "one", "other": 1},
}
ISSUERS: Final = {"gitlab": "https://gitlab.example.com:8443"}
GITHUB: Final = "acme/widget/.github/workflows/"
GITLAB: Final = "gitlab.example.com:8443/acme/tools/widget//"


def publisher(provider: str, **changes: Any) -> Publisher:
    fields = FIELDS[provider] | changes
    configured = providers.get(provider).read(fields)
    issuer = ISSUERS.get(provider, "https://issuer.example.com")
    return Publisher(
        provider=provider,
        issuer_url=issuer,
        claims=configured.claims,
        environment=configured.environment,
        lookup=configured.lookup,
    )


def outcome(one: Publisher, claims: Mapping[str, Any]) -> str:
    """Return what differs, `refused` for what no publisher takes, or nothing: it matches."""
    rules = providers.get(one.provider)
    try:
        rules.require(claims)
    except IdentityRefused as refusal:
        return "refused" if refusal.reason_code == "invalid-token" else refusal.reason_code
    if one.lookup not in rules.lookups(claims):
        return "not found"
    return " ".join(sorted({each.field for each in rules.differences(one, claims)}))


@pytest.mark.parametrize("provider", FIELDS)
def test_what_was_configured_passes(provider: str) -> None:
    assert outcome(publisher(provider), CLAIMS[provider]) == ""


TYPED: Final = (1, True, None, "", ["acme"], {"acme": 1}, 1.5)
NEEDED: Final = [(name, claim) for name in FIELDS for claim in providers.get(name).needed]


@pytest.mark.parametrize(("provider", "claim"), [*NEEDED, ("github", "jti"), ("gitlab", "jti")])
def test_a_claim_that_every_token_has_is_there_and_is_text(provider: str, claim: str) -> None:
    one = publisher(provider)
    left = {name: value for name, value in CLAIMS[provider].items() if name != claim}
    assert outcome(one, left) == "refused"
    for value in TYPED:
        assert outcome(one, CLAIMS[provider] | {claim: value}) == "refused", value


@pytest.mark.parametrize(
    ("claim", "wrong"),
    [
        *(
            ("repository", value)
            for value in (
                "acme/widgets", "evil/widget", "acme/widget2", "xacme/widget", "acme/widget/", "/acme/widget",
                "acme//widget", "acme/../evil", "evil/acme/widget", "acme%2Fwidget", "acme/widge\u0074\u0301",
                "a\u0441me/widget", "\u212Acme/widget",
            )
        ),
        *(("repository_owner", value) for value in ("evil", "acme ", "acm", "acmee", "a%63me")),
        *(
            ("job_workflow_ref", value)
            for value in (
                "evil/widget/.github/workflows/release.yml@refs/heads/main",
                "acme/other/.github/workflows/release.yml@refs/heads/main",
                GITHUB + "other.yml@refs/heads/main",
                GITHUB + "Release.yml@refs/heads/main",
                GITHUB + "release.yml",
                GITHUB + "release.yml@",
                GITHUB + "release.yml@refs/heads/other",
                GITHUB + "release.yml@refs/heads/main@refs/heads/main",
                GITHUB + "release.yml@" + "c" * 40,
                GITHUB + "../workflows/release.yml@refs/heads/main",
                GITHUB + "x/../release.yml@refs/heads/main",
                GITHUB + "x/release.yml@refs/heads/main",
                GITHUB + "/release.yml@refs/heads/main",
                GITHUB + "release%2eyml@refs/heads/main",
                GITHUB + "release.yml.yml@refs/heads/main",
                "github.com/" + GITHUB + "release.yml@refs/heads/main",
                "acme/widget/.GitHub/workflows/release.yml@refs/heads/main",
                "acme/widget/release.yml@refs/heads/main",
                "acme/widget/.github/workflows/release.yml@refs/heads/main ",
            )
        ),
    ],
)  # fmt: skip
def test_github_takes_no_other_repository_owner_or_workflow(claim: str, wrong: str) -> None:
    assert outcome(publisher("github"), CLAIMS["github"] | {claim: wrong}) != ""


def test_github_folds_owner_and_repository_only() -> None:
    shouting = {
        "repository": "ACME/WIDGET",
        "repository_owner": "ACME",
        "job_workflow_ref": "ACME/WIDGET/.github/workflows/release.yml@refs/heads/main",
    }
    assert outcome(publisher("github"), CLAIMS["github"] | shouting) == ""


def test_github_takes_the_workflow_at_the_commit_of_the_run_too() -> None:
    at = {"job_workflow_ref": f"{GITHUB}release.yml@{'a' * 40}"}
    assert outcome(publisher("github"), CLAIMS["github"] | at) == ""


def test_github_refuses_pull_request_target() -> None:
    assert outcome(publisher("github"), CLAIMS["github"] | {"event_name": "pull_request_target"}) == "refused"


def test_github_takes_a_reusable_workflow_of_the_repository_itself_and_of_no_other() -> None:
    """`job_workflow_ref` is the called file; `workflow_ref`, the caller, may be any."""
    claims = CLAIMS["github"] | {"workflow_ref": GITHUB + "all.yml@refs/heads/main"}
    assert outcome(publisher("github"), claims) == ""
    called = {"job_workflow_ref": "shared/flows/.github/workflows/release.yml@refs/heads/main"}
    assert outcome(publisher("github"), claims | called) == "workflow"


@pytest.mark.parametrize("claim", ["repository_owner_id", "repository_id"])
def test_github_compares_ids_once_they_are_known(claim: str) -> None:
    one, name = publisher("github"), "owner_id" if claim == "repository_owner_id" else claim
    rules = providers.get("github")
    one.claims |= rules.immutable(CLAIMS["github"])
    assert outcome(one, CLAIMS["github"]) == ""
    for value in ("13", "012", "12 ", "1"):
        assert outcome(one, CLAIMS["github"] | {claim: value}) == name
    assert all(each.is_immutable for each in rules.differences(one, CLAIMS["github"] | {claim: "13"}))


def test_an_owner_id_that_was_typed_in_is_compared_from_the_first_use_on() -> None:
    assert outcome(publisher("github", owner_id="12"), CLAIMS["github"]) == ""
    assert outcome(publisher("github", owner_id="13"), CLAIMS["github"]) == "owner_id"


@pytest.mark.parametrize(
    ("provider", "environment", "claimed", "is_taken"),
    [
        ("github", "Release", "release", True),
        ("github", "release", "release2", False),
        ("github", "release", None, False),
        ("github", "release", "", False),
        ("github", "", "anything", True),
        ("gitlab", "Release", "Release", True),
        ("gitlab", "Release", "release", False),
        ("gitlab", "Release", None, False),
        ("gitlab", "", "anything", True),
        ("custom", "Release", "Release", True),
        ("custom", "Release", "release", False),
    ],
)
def test_an_environment_is_compared_where_one_is_configured(
    provider: str, environment: str, claimed: str | None, is_taken: bool
) -> None:
    changes: dict[str, Any] = {"environment": environment}
    if provider == "custom":
        changes = {"claims": FIELDS["custom"]["claims"] | {"environment": environment}}
    claims = dict(CLAIMS[provider])
    if claimed is not None:
        claims["environment"] = claimed
    assert (outcome(publisher(provider, **changes), claims) == "") == is_taken


@pytest.mark.parametrize("provider", ["github", "gitlab"])
@pytest.mark.parametrize("value", [1, True, ["release"], {}])
def test_an_environment_of_another_type_is_refused(provider: str, value: Any) -> None:
    assert outcome(publisher(provider), CLAIMS[provider] | {"environment": value}) == "refused"


@pytest.mark.parametrize(
    ("claim", "wrong"),
    [
        *(
            ("project_path", value)
            for value in (
                "acme/tools/other", "evil/tools/widget", "acme/widget", "evil/acme/tools/widget", "acme/tools/widget/x",
                "acme/tools/../widget", "acme//tools/widget", "acme%2Ftools/widget", "acme/tools/widget ",
            )
        ),
        *(
            ("sub", value)
            for value in (
                "project_path:evil/widget:ref_type:branch:ref:main", "project_path:acme/tools/widget2:ref_type:branch",
                "acme/tools/widget", "x:project_path:acme/tools/widget:", "project_path:acme/tools/widge",
            )
        ),
        *(
            ("ci_config_ref_uri", value)
            for value in (
                "gitlab.com/acme/tools/widget//ci/publish.yml@refs/heads/main",
                "evil.gitlab.example.com:8443/acme/tools/widget//ci/publish.yml@refs/heads/main",
                "gitlab.example.com:8444/acme/tools/widget//ci/publish.yml@refs/heads/main",
                "https://gitlab.example.com:8443/acme/tools/widget//ci/publish.yml@refs/heads/main",
                "acme/tools/widget//ci/publish.yml@refs/heads/main",
                "gitlab.example.com:8443/evil/acme/tools/widget//ci/publish.yml@refs/heads/main",
                "gitlab.example.com:8443/acme/tools/widget/ci/publish.yml@refs/heads/main",
                GITLAB + "/ci/publish.yml@refs/heads/main",
                GITLAB + "publish.yml@refs/heads/main",
                GITLAB + "ci/Publish.yml@refs/heads/main",
                GITLAB + "ci/../ci/publish.yml@refs/heads/main",
                GITLAB + "x//ci/publish.yml@refs/heads/main",
                GITLAB + "ci%2Fpublish.yml@refs/heads/main",
                GITLAB + "ci/publish.yml@refs/heads/other",
                GITLAB + "ci/publish.yml@main",
                GITLAB + "ci/publish.yml",
            )
        ),
    ],
)  # fmt: skip
def test_gitlab_takes_no_other_project_subject_or_file(claim: str, wrong: str) -> None:
    assert outcome(publisher("gitlab"), CLAIMS["gitlab"] | {claim: wrong}) != ""


def test_gitlab_folds_the_path_of_the_project_and_takes_the_commit() -> None:
    same = {
        "project_path": "ACME/Tools/widget",
        "sub": "project_path:ACME/Tools/widget:ref_type:branch:ref:main",
        "ci_config_ref_uri": f"gitlab.example.com/ACME/tools/widget//ci/publish.yml@{'b' * 40}",
    }
    assert outcome(publisher("gitlab"), CLAIMS["gitlab"] | same) == ""


@pytest.mark.parametrize("claim", ["namespace_id", "project_id"])
def test_gitlab_compares_ids_once_they_are_known(claim: str) -> None:
    one, rules = publisher("gitlab"), providers.get("gitlab")
    one.claims |= rules.immutable(CLAIMS["gitlab"])
    assert outcome(one, CLAIMS["gitlab"]) == ""
    assert outcome(one, CLAIMS["gitlab"] | {claim: "5"}) == claim


@pytest.mark.parametrize(
    ("provider", "claim"),
    [(name, claim) for name in FIELDS for claim in providers.get(name).ids.values()],
)
def test_an_id_of_another_type_is_refused_and_one_that_is_known_has_to_be_there(
    provider: str, claim: str
) -> None:
    one, rules = publisher(provider), providers.get(provider)
    wrong: tuple[Any, ...] = (3, True, ["3"], {}, 3.0)
    for value in wrong:
        assert outcome(one, CLAIMS[provider] | {claim: value}) == "refused"
    one.claims |= rules.immutable(CLAIMS[provider])
    left = {name: value for name, value in CLAIMS[provider].items() if name != claim}
    assert outcome(one, left) != ""


@pytest.mark.parametrize("value", [False, "true", 1, None, "True", [True]])
def test_google_takes_a_verified_address_only(value: Any) -> None:
    assert outcome(publisher("google"), CLAIMS["google"] | {"email_verified": value}) == "refused"
    assert outcome(publisher("google"), {"email": CLAIMS["google"]["email"], "sub": "1"}) == "refused"


@pytest.mark.parametrize(
    "wrong",
    ["Publisher@acme.iam.gserviceaccount.com", "publisher@acme.iam.gserviceaccount.com.evil.example", "x"],
)
def test_google_takes_no_other_address(wrong: str) -> None:
    assert outcome(publisher("google"), CLAIMS["google"] | {"email": wrong}) != ""


def test_google_compares_the_subject_where_it_is_known() -> None:
    one = publisher("google", sub="1122")
    assert outcome(one, CLAIMS["google"]) == ""
    assert outcome(one, CLAIMS["google"] | {"sub": "1123"}) == "sub"
    assert outcome(one, CLAIMS["google"] | {"sub": 1122}) == "refused"
    assert outcome(one, {name: value for name, value in CLAIMS["google"].items() if name != "sub"}) == "sub"


@pytest.mark.parametrize(
    ("claim", "wrong"),
    [
        ("organization", "Acme"),
        ("organization", "evil"),
        ("project", "widget2"),
        ("project", "Widget"),
        ("actor_id", "00000000-0000-1000-8000-000000000003"),
        ("sub", "org:evil:project:widget"),
        ("sub", "org:acme:project:widget:x"),
        ("builder", "other-publisher"),
    ],
)
def test_activestate_takes_no_other_value(claim: str, wrong: str) -> None:
    assert outcome(publisher("activestate"), CLAIMS["activestate"] | {claim: wrong}) != ""


@pytest.mark.parametrize("claim", ["sub", "cluster"])
@pytest.mark.parametrize("wrong", ["two", "One", "", 1, True, None, ["one"], {"one": 1}])
def test_a_custom_claim_is_equal_as_text_or_refused(claim: str, wrong: Any) -> None:
    assert outcome(publisher("custom"), CLAIMS["custom"] | {claim: wrong}) != ""


@pytest.mark.parametrize("claim", ["sub", "cluster"])
def test_a_custom_claim_that_is_missing_is_refused(claim: str) -> None:
    left = {name: value for name, value in CLAIMS["custom"].items() if name != claim}
    assert outcome(publisher("custom"), left) != ""


def test_a_custom_identity_has_a_bounded_number_of_claims() -> None:
    many = CLAIMS["custom"] | {f"claim{number}": "x" for number in range(300)}
    with pytest.raises(IdentityRefused):
        providers.get("custom").lookups(many)


_CLAIMS_REFUSED: Final[tuple[Any, ...]] = (
    {},
    [],
    "x",
    {"sub": 1},
    {"sub": ""},
    {"sub": "a\nb"},
    {"iss": "x"},
    {"aud": "x"},
    {"a b": "x"},
    {"environment": "x"},
    {str(number): "x" for number in range(11)},
    {"sub": "x" * 201},
)


@pytest.mark.parametrize(
    ("provider", "field", "wrong"),
    [
        *(("github", "owner", value) for value in ("", "a/b", "..", "a cme", "a%62", "a" * 101, "\u0430cme", 1)),
        *(("github", "repository", value) for value in ("", "a/b", "..", "a@b", "acme/widget", "a\nb")),
        *(
            ("github", "workflow", value)
            for value in (
                "", "release", "release.txt", ".github/workflows/release.yml", "../release.yml", "a/b.yml",
                "release.yml@main", "release%2eyml", "..", "a\\b.yml", "rel\nease.yml",
            )
        ),
        *(("github", "owner_id", value) for value in ("0", "x", "-1", "1.5", "01", "1" * 21)),
        *(("github", "environment", value) for value in ("a\x00b", "a" * 201, "a\u2028b")),
        *(("gitlab", "namespace", value) for value in ("", "/acme", "acme/", "a//b", "a/../b", "..", "a b")),
        *(("gitlab", "repository", value) for value in ("", "a/b", "..", "-x")),
        *(("gitlab", "workflow", value) for value in ("", "/ci.yml", "ci//x.yml", "../ci.yml", "a/../x.yml", "x.yaml@y")),
        *(("google", "email", value) for value in ("", "acme", "a@b", "a b@example.com", "@example.com")),
        *(("google", "sub", value) for value in ("x", "1 2", "1" * 41)),
        *(("activestate", "organization", value) for value in ("", "a/b", "-")),
        *(("activestate", "project", value) for value in ("", "a:b")),
        *(("activestate", "actor_id", value) for value in ("", "a b")),
        *(
            ("custom", "claims", value)
            for value in _CLAIMS_REFUSED
        ),
    ],
)  # fmt: skip
def test_a_field_is_refused_by_its_name(provider: str, field: str, wrong: Any) -> None:
    with pytest.raises(PublisherInvalid) as refused:
        providers.get(provider).read(FIELDS[provider] | {field: wrong})
    assert refused.value.field == field
    assert refused.value.sentence.endswith(".")


def test_an_unknown_field_and_an_unknown_provider_are_refused() -> None:
    with pytest.raises(PublisherInvalid) as refused:
        providers.get("github").read(FIELDS["github"] | {"branch": "main"})
    assert refused.value.field == "branch"
    with pytest.raises(PublisherInvalid):
        providers.get("forge")


def test_what_tells_publishers_apart_has_no_capital_letters_where_they_do_not_matter() -> None:
    def identity(provider: str, **changes: Any) -> str:
        return providers.get(provider).read(FIELDS[provider] | changes).identity

    assert identity("github") == identity("github", owner="ACME", repository="WIDGET", owner_id="12")
    assert identity("github", environment="Release") == identity("github", environment="release")
    assert identity("github") != identity("github", workflow="Release.yml")
    assert identity("gitlab") == identity("gitlab", namespace="ACME/Tools")
    assert identity("gitlab", environment="Release") != identity("gitlab", environment="release")


@pytest.mark.parametrize("provider", FIELDS)
def test_what_is_kept_of_a_use_is_text_and_bounded(provider: str) -> None:
    kept = providers.get(provider).kept(CLAIMS[provider] | {"environment": "e" * 5000})
    assert len(kept["environment"]) == 300
    assert all(isinstance(value, str) for value in kept.values())
    assert providers.get(provider).label(publisher(provider))


def test_the_run_of_a_pipeline_is_kept() -> None:
    kept = providers.get("github").kept(CLAIMS["github"])
    assert (kept["run"], kept["ref"], kept["sha"], kept["owner_id"]) == (
        "99",
        "refs/heads/main",
        "a" * 40,
        "12",
    )
