"""How a file was published, as its page tells it; what is kept of an identity never becomes a link to elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from tests.web.archives import store, tar_of
from tests.web.rows import make_file, make_owner, make_project, make_release

from keyhouse.credentials.trusted_publishers.places import find_place, repository_in
from keyhouse.projects.models import File
from keyhouse.web.project_pages.publications import Claim, claims_of, ground_of

GITHUB = "https://token.actions.githubusercontent.com"
SHA = "8e2c1f0a" * 5
CLAIMS = {
    "repository": "acme/lantern",
    "ref": "refs/tags/v1.0",
    "sha": SHA,
    "workflow": "acme/lantern/.github/workflows/release.yml@refs/tags/v1.0",
    "run": "4711",
    "environment": "release",
}


def published(provider: str = "github", issuer: str = GITHUB, **claims: Any) -> dict[str, Any]:
    return {"provider": provider, "issuer": issuer, "claims": CLAIMS | claims, "configured": {}}


def test_a_file_from_github_tells_repository_commit_workflow_and_run() -> None:
    home = "https://github.com/acme/lantern"
    assert claims_of(published()) == (
        Claim("Publisher", "GitHub Actions (token.actions.githubusercontent.com)"),
        Claim("Repository", "acme/lantern", home),
        Claim("Commit", SHA, f"{home}/commit/{SHA}"),
        Claim("Branch or tag", "refs/tags/v1.0"),
        Claim(
            "Workflow",
            ".github/workflows/release.yml",
            f"{home}/blob/{SHA}/.github/workflows/release.yml",
        ),
        Claim("Run", "4711", f"{home}/actions/runs/4711"),
        Claim("Environment", "release"),
    )


@pytest.mark.parametrize(
    ("provider", "issuer", "home"),
    [
        ("github", GITHUB, "https://github.com"),
        ("github", "https://github.acme.example/_services/token", "https://github.acme.example"),
        ("github", "https://token.actions.acme.ghe.com", "https://acme.ghe.com"),
        ("gitlab", "https://gitlab.com", "https://gitlab.com"),
        ("gitlab", "https://git.acme.example:8443/gitlab", "https://git.acme.example:8443/gitlab"),
        ("custom", "https://forge.example/api/actions", "https://forge.example"),
        ("custom", "https://acme.example/forge/api/actions/", "https://acme.example/forge"),
        # nothing is known of where these show repositories, or it isn't safe to lead there
        ("custom", "https://jenkins.example/oidc", None),
        ("custom", "https://kubernetes.default.svc", None),
        ("github", "https://elsewhere.example", None),
        ("github", "https://token.actions.evil.example.ghe.com.example", None),
        ("github", "http://github.acme.example/_services/token", None),
        ("gitlab", "https://gitlab.com@evil.example", None),
        ("google", "https://accounts.google.com", None),
        ("gitlab", "javascript:alert(1)", None),
        ("gitlab", "", None),
    ],
)
def test_repositories_are_shown_on_the_issuers_own_host_only(
    provider: str, issuer: str, home: str | None
) -> None:
    place = find_place(provider, issuer)
    assert (place.repository("acme/lantern") if place else None) == (home and f"{home}/acme/lantern")


@pytest.mark.parametrize(
    "claims",
    [
        {"repository": "acme/../evil"},
        {"repository": "acme"},
        {"repository": "acme/lantern?x=1"},
        {"repository": "acme/lantern#x"},
        {"repository": "acme//lantern"},
        {"repository": "/evil.example/lantern"},
        {"repository": "acme/lan tern"},
        {"repository": "acmé/lantern"},
        {"repository": "acme/" + "x" * 101},
        {"repository": "acme/lantern\n"},
        {"repository": "@evil.example/lantern"},
        {"repository": ["acme/lantern"]},
        {"repository": ""},
    ],
)
def test_a_repository_that_could_be_read_otherwise_leads_nowhere(claims: dict[str, Any]) -> None:
    assert repository_in(claims) == ""
    assert not any(one.address for one in claims_of(published(**claims)))
    assert ground_of([("publisher", published(**claims))]) == ()


@pytest.mark.parametrize(
    ("claims", "label"),
    [
        ({"sha": "main"}, "Commit"),
        ({"sha": "../../evil"}, "Commit"),
        ({"run": "1/../../x"}, "Run"),
        ({"run": "-1"}, "Run"),
        ({"workflow": "acme/lantern/../../x.yml@main"}, "Workflow"),
    ],
)
def test_odd_claims_stay_texts(claims: dict[str, Any], label: str) -> None:
    (row,) = [one for one in claims_of(published(**claims)) if one.label == label]
    assert row.address == ""


def test_gitlab_forgejo_and_issuers_without_repositories() -> None:
    gitlab = {
        "provider": "gitlab",
        "issuer": "https://gitlab.example",
        "claims": {
            "repository": "acme/tools/lantern",
            "workflow": "gitlab.example/acme/tools/lantern//.gitlab-ci.yml@refs/heads/main",
            "sha": SHA,
            "run": "77",
        },
    }
    addresses = {one.label: one.address for one in claims_of(gitlab)}
    home = "https://gitlab.example/acme/tools/lantern"
    assert addresses["Workflow"] == f"{home}/-/blob/{SHA}/.gitlab-ci.yml"
    assert addresses["Run"] == f"{home}/-/pipelines/77"
    forgejo = published("custom", "https://forge.example/api/actions", workflow="release.yml")
    assert claims_of(forgejo)[2].address == f"https://forge.example/acme/lantern/commit/{SHA}"
    assert claims_of(forgejo)[-3:-1] == (Claim("Workflow", "release.yml"), Claim("Run", "4711"))
    jenkins = {
        "provider": "custom",
        "issuer": "https://ci.example/oidc",
        "configured": {"sub": "https://ci.example/job/lantern/"},
        "claims": {},
    }
    assert claims_of(jenkins) == (
        Claim("Publisher", "ci.example"),
        Claim("Sub", "https://ci.example/job/lantern/"),
    )
    odd: list[dict[str, Any]] = [{}, {"issuer": ""}, {"issuer": "x", "claims": None, "configured": []}]
    for nothing in odd:
        assert not any(one.address for one in claims_of(nothing))


def test_a_repository_is_a_ground_only_where_every_file_of_the_release_came_from_it() -> None:
    own = ("publisher", published())
    (ground,) = ground_of([own, own])
    assert ground.address == "https://github.com/acme/lantern"
    assert ground_of([own, ("token", {})]) == ()
    assert ground_of([own, ("publisher", published(repository="acme/other"))]) == ()
    assert ground_of([("token", published())]) == ()
    assert ground_of([]) == ()


# ---- on pages

LINKS = {
    "Source": "https://github.com/Acme/lantern",
    "Issues": "https://github.com/acme/lantern/issues",
    "Other": "https://github.com/acme/lanterns",
}


def make_published(**fields: Any) -> File:
    project = make_project("lantern")
    make_owner(project)
    release = make_release(project, metadata={"project_urls": LINKS})
    values = {
        "uploaded_via": "publisher",
        "uploaded_by": "github:acme/lantern",
        "publication": published(),
    }
    members = [("lantern-1.0/lantern.py", b"")]
    return store(release, "lantern-1.0.tar.gz", tar_of(members), **(values | fields))


def page(client: Client, address: str) -> str:
    answer = client.get(address, headers={"Accept": "text/html"})
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.django_db
def test_the_pages_tell_it_and_verify_links_into_the_repository(client: Client) -> None:
    file = make_published()
    shown = page(client, "/project/lantern/")
    assert "by a trusted publisher: acme/lantern" in shown
    verified, others = shown.split("Links, as the release names them")
    assert LINKS["Source"] in verified
    assert LINKS["Issues"] in verified
    assert f'href="{LINKS["Other"]}"' in others
    told = page(client, f"/project/lantern/1.0/files/{file.filename}/")
    assert f'href="https://github.com/acme/lantern/commit/{SHA}"' in told
    assert ".github/workflows/release.yml" in told


@pytest.mark.django_db
def test_a_file_by_a_token_takes_the_verification_away(client: Client) -> None:
    file = make_published()
    make_file(file.release, "lantern-1.0-py3-none-any.whl")
    assert "Verified links" not in page(client, "/project/lantern/")


@pytest.mark.django_db
def test_claims_are_shown_harmlessly(client: Client) -> None:
    file = make_published(
        publication=published(ref="<script>alert(1)</script>", run="9" * 5000, environment="x\u202ey")
    )
    told = page(client, f"/project/lantern/1.0/files/{file.filename}/")
    assert "<script>alert" not in told
    assert "\u202e" not in told
    assert len(told) < 40_000


@pytest.mark.django_db
def test_programs_are_told_too(client: Client) -> None:
    file = make_published()
    make_file(file.release, "lantern-1.0-py3-none-any.whl", is_quarantined=True)
    answer = client.get("/project/lantern/1.0/publications.json")
    (told,) = answer.json()["files"]
    assert told["filename"] == file.filename
    assert told["sha256"] == file.sha256
    assert told["published"] == "publisher"
    assert told["publisher"]["provider"] == "github"
    assert told["publisher"]["issuer"] == GITHUB
    assert told["publisher"]["claims"]["sha"] == SHA
    assert client.get("/project/lantern/2.0/publications.json").status_code == 404
