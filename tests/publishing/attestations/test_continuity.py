"""Releases that are vouched for less than the ones before: shown, and told to owners once."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from tests.web.archives import store, zip_of
from tests.web.rows import make_file, make_owner, make_project, make_release

from keyhouse.accounts.models import Email, User
from keyhouse.core import clock
from keyhouse.mail.models import Mail
from keyhouse.projects.models import File, Project, Role
from keyhouse.publishing.attestations.continuity import Break, find_break
from keyhouse.publishing.attestations.telling import tell_of_break

pytestmark = pytest.mark.django_db
HOME = "https://github.com/o/alpha"


@pytest.fixture
def alpha() -> Project:
    project = make_project("alpha")
    for name, kind in (("ada", "owner"), ("bob", "maintainer"), ("eve", "owner")):
        user = make_owner(project, name)
        Role.objects.filter(user=user).update(kind=kind)
        address = f"{name}@example.org"
        now = clock.now()
        Email.objects.create(user=user, address=address, added_at=now, verified_at=now, is_primary=True)
    return project


def release(project: Project, day: int, *sources: str | None, **facts: Any) -> File:
    """Make a release of some files: from a source, attested without one (""), or not attested (None)."""
    made = make_release(project, f"{day}.0", days=day)
    files = [
        make_file(
            made,
            f"alpha-{day}.0-{number}.whl",
            has_provenance=source is not None,
            publication={"attestations": [{"predicate": "x", "repository": source}]} if source else {},
            **facts,
        )
        for number, source in enumerate(sources)
    ]
    return files[-1]


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ([None], [None], None),
        ([None], [HOME], None),
        ([HOME], [HOME], None),
        ([HOME], [HOME.upper()], None),
        ([HOME], [HOME, None], None),
        ([HOME, None], [HOME], None),
        ([HOME], [None], Break("lost", "2.0", "1.0", HOME)),
        ([""], [None, None], Break("lost", "2.0", "1.0", "")),
        ([HOME], [""], None),
        ([""], [HOME], None),
        ([HOME], [f"{HOME}2"], Break("changed", "2.0", "1.0", HOME, f"{HOME}2")),
        ([HOME], [HOME, f"{HOME}2"], Break("changed", "2.0", "1.0", HOME, f"{HOME}2")),
    ],
)
def test_what_is_odd_is_found(
    before: list[str | None], after: list[str | None], found: Break | None, alpha: Project
) -> None:
    release(alpha, 1, *before)
    assert find_break(release(alpha, 2, *after).release) == found


def test_only_what_came_before_and_can_be_seen_counts(alpha: Project) -> None:
    first = release(alpha, 1, None)
    release(alpha, 3, HOME)
    assert find_break(first.release) is None
    assert find_break(make_release(alpha, "9.0", days=9)) is None  # without files
    last = release(alpha, 5, None)
    assert find_break(last.release) == Break("lost", "5.0", "3.0", HOME)
    release(alpha, 4, f"{HOME}2", is_quarantined=True)
    assert find_break(last.release) == Break("lost", "5.0", "3.0", HOME)
    File.objects.filter(release__version="3.0").update(is_quarantined=True)
    assert find_break(last.release) is None


def test_an_ordinary_release_costs_one_question(
    alpha: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    made = release(alpha, 2, None).release
    with django_assert_num_queries(1):
        find_break(made)


def test_owners_are_told_once(alpha: Project) -> None:
    release(alpha, 1, HOME)
    file = release(alpha, 2, None, None)
    for _ in range(3):
        assert tell_of_break(file)
    assert set(Mail.objects.values_list("kind", "address")) == {
        ("provenance-lost", "ada@example.org"),
        ("provenance-lost", "eve@example.org"),
    }
    assert Mail.objects.count() == 2
    assert tell_of_break(release(alpha, 3, f"{HOME}2"))
    assert Mail.objects.filter(kind="provenance-changed").count() == 2
    assert not tell_of_break(release(alpha, 4, f"{HOME}2"))
    User.objects.update(state="deleted")
    assert Mail.objects.count() == 4


def test_the_page_of_the_release_warns(alpha: Project, client: Client) -> None:
    release(alpha, 1, HOME)
    release(alpha, 2, None)
    release(alpha, 3, f"{HOME}<2")
    pages = {version: client.get(f"/project/alpha/{version}.0/").content.decode() for version in (1, 2, 3)}
    assert "attestations.</strong>" not in pages[1]
    assert "2.0 has no attestations.</strong>" in pages[2]
    assert HOME in pages[2]
    assert "3.0 was built from another repository.</strong>" in pages[3]
    assert f"{HOME}&lt;2" in pages[3]


def test_the_page_of_a_file_shows_what_its_attestations_say(alpha: Project, client: Client) -> None:
    said = {
        "predicate": "https://slsa.dev/provenance/v1",
        "repository": HOME,
        "commit": "c0ffee",
        "ref": "refs/tags/v1",
        "workflow": f"{HOME}/.github/workflows/release.yml@refs/tags/v1",
        "run": f"{HOME}/actions/runs/1/attempts/1",
        "environment": "<pypi>",
    }
    odd = {"predicate": "?", "repository": "javascript:alert(1)", "commit": "1/../..", "run": f"{HOME}x"}
    name, content = "alpha-1.0-py3-none-any.whl", zip_of([("alpha.py", b"")])
    made = make_release(alpha, "1.0")
    file = store(made, name, content, has_provenance=True, publication={"attestations": [said, odd, 7]})
    other = store(made, "alpha-1.0-py2-none-any.whl", content)
    page, plain = (
        client.get(f"/project/alpha/1.0/files/{one.filename}/").content.decode() for one in (file, other)
    )
    assert "<h3>SLSA provenance</h3>" in page
    for address in (HOME, f"{HOME}/commit/c0ffee", f"{HOME}/actions/runs/1/attempts/1"):
        assert f'href="{address}"' in page
    for text in ("refs/tags/v1", "release.yml@refs/tags/v1", "&lt;pypi&gt;", "javascript:alert(1)"):
        assert text in page
    assert 'href="javascript' not in page
    assert f'href="{HOME}x"' not in page
    assert f'href="/integrity/alpha/1.0/{file.filename}/provenance"' in page
    told = client.get("/project/alpha/1.0/publications.json").json()["files"]
    assert {one["filename"]: one["attestations"] for one in told} == {
        file.filename: [said, odd],
        other.filename: [],
    }
    assert "None came with this file." in plain
    assert "/provenance" not in plain
