from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from tests.web.rows import START, make_file, make_project, make_release, make_whole

from keyhouse.core import configuration
from keyhouse.core.errors import NotFound
from keyhouse.organizations.models import Organization
from keyhouse.projects.models import Project
from keyhouse.web import queries

pytestmark = pytest.mark.django_db


def text_of(client: Client, address: str) -> str:
    response = client.get(address, headers={"Accept": "text/html"})
    assert response.status_code == 200
    return response.content.decode()


def test_a_project_shows_how_to_install_it_from_here_alone(client: Client) -> None:
    make_whole("alpha")
    page, base = text_of(client, "/project/alpha/"), configuration.current().base_url
    assert f"pip install --index-url {base}/simple/ alpha</pre>" in page
    assert "explicit = true" in page
    assert "extra-index" not in page


def test_a_project_shows_what_its_release_says(client: Client) -> None:
    metadata = {
        "requires_python": ">=3.11",
        "license_expression": "MIT",
        "classifiers": ["Framework :: AsyncIO", "Programming Language :: Python :: 3.13"],
        "project_urls": {"Source": "https://git.example.org/alpha", "Odd": "javascript:alert(1)"},
        "author_email": "Ada Byron <ada@example.org>",
        "requires_dist": ["attrs>=23"],
    }
    make_whole("alpha", metadata=metadata)
    page = text_of(client, "/project/alpha/")
    for part in ("&gt;=3.11", "MIT", "AsyncIO", "https://git.example.org/alpha", "Ada Byron", "attrs&gt;=23"):
        assert part in page
    assert "owner-of-alpha" in page
    assert "javascript:" not in page
    assert "ada@example.org" not in page


def test_an_organization_is_named_among_those_who_maintain(client: Client) -> None:
    project = make_whole("alpha").project
    organization = Organization.objects.create(
        name="Acme.<Works>", normalized_name="acme-works", created_at=START
    )
    assert "organization</span>" not in text_of(client, "/project/alpha/")
    Project.objects.filter(pk=project.pk).update(organization=organization)
    page = text_of(client, "/project/alpha/")
    assert (
        'href="/organization/acme-works/">Acme.&lt;Works&gt;</a> <span class="soft small">organization</span>'
        in page
    )
    assert "owner-of-alpha" in page

    project.roles.all().delete()
    assert "<li>nobody</li>" not in text_of(client, "/project/alpha/")
    Project.objects.filter(pk=project.pk).update(organization=None)
    assert "<li>nobody</li>" in text_of(client, "/project/alpha/")


def test_a_file_shows_size_hash_time_and_how_it_was_published(client: Client) -> None:
    release = make_whole("alpha")
    file = release.files.get()
    page = text_of(client, "/project/alpha/")
    assert f'href="/files/{file.path}"' in page
    assert file.sha256 in page
    assert "12 kB" in page
    assert '<time datetime="2026-03-01T12:30:00Z">2026-03-01 12:30 UTC</time>' in page
    assert "by ada with an API token" in page


def test_the_page_is_about_the_release_that_installers_take(client: Client) -> None:
    project = make_whole("alpha").project
    make_release(project, "2.0a1", days=3)
    Project.objects.filter(pk=project.pk).update(latest_version="1.0")
    page = text_of(client, "/project/alpha/")
    assert "Files of 1.0" in page
    assert page.index('href="/project/alpha/2.0a1/"') < page.index('href="/project/alpha/1.0/"')
    assert "pre-release" in page


def test_an_older_release_names_the_latest_and_pins_itself(client: Client) -> None:
    project = make_whole("alpha").project
    make_release(project, "2.0", days=3)
    page = text_of(client, "/project/alpha/1.0/")
    assert "alpha==1.0</pre>" in page
    assert 'The latest is <a class="name" href="/project/alpha/">2.0</a>' in page


def test_versions_are_ordered_as_versions(client: Client) -> None:
    project = make_whole("alpha", "1.9").project
    make_release(project, "1.10", days=1)
    page = text_of(client, "/project/alpha/releases/")
    assert page.index(">1.10<") < page.index(">1.9<")


def test_every_release_says_how_it_was_published(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    project = make_project("alpha")
    ways: dict[str, list[dict[str, Any]]] = {
        "1.0": [{"uploaded_via": "token"}, {"uploaded_via": "token"}],
        "2.0": [{"uploaded_via": "publisher", "publication": {"class": "publisher"}}],
        "3.0": [{"uploaded_via": "token", "publication": {"class": "robot-token"}}],
        "4.0": [{"uploaded_via": "token"}, {"uploaded_via": "publisher"}],
        "5.0": [{"uploaded_via": "token"}, {"uploaded_via": "publisher", "is_quarantined": True}],
        "6.0": [{"uploaded_via": "import"}],
        "7.0": [],
        "8.0": [{"uploaded_via": "by magic"}],
    }
    for version, files in ways.items():
        release = make_release(project, version)
        for number, fields in enumerate(files):
            make_file(release, f"alpha-{version}-{number}-py3-none-any.whl", **fields)
    with django_assert_max_num_queries(6):
        page = text_of(client, "/project/alpha/releases/")
    line = re.compile(r'href="/project/alpha/([\d.]+)/".*?<span class="soft small">([^<]*)<time')
    told = dict(line.findall(page))
    assert dict(line.findall(text_of(client, "/project/alpha/").partition('id="releases"')[2])) == told
    assert told == {
        "1.0": "with an API token · ",
        "2.0": "by a trusted publisher · ",
        "3.0": "with a robot token · ",
        "4.0": "in different ways · ",
        "5.0": "with an API token · ",
        "6.0": "by an import · ",
        "7.0": "",
        "8.0": "in an unknown way · ",
    }


def test_no_line_to_copy_holds_what_a_shell_reads_as_its_own(client: Client) -> None:
    project = make_whole("alpha", "1!2.0").project
    make_release(project, "1!3.0", days=1)
    page = text_of(client, "/project/alpha/1!2.0/")
    lines = re.findall(r"<pre[^>]*data-copy>([^<]*)</pre>", page)
    naming = [line for line in lines if "1!2.0" in line]
    assert len(naming) == 5
    for line in naming:
        quoted = "&quot;" if "dependencies" in line else "&#x27;"
        assert f"{quoted}alpha==1!2.0{quoted}".replace("&quot;", '"') in line


def test_a_yanked_release_says_so_with_its_reason(client: Client) -> None:
    make_whole("alpha", yanked_at=START + timedelta(days=1), yanked_reason="Eats <data>")
    page = text_of(client, "/project/alpha/1.0/")
    assert "This release was yanked" in page
    assert "Eats &lt;data&gt;" in page


@pytest.mark.parametrize(
    ("status", "word"),
    [("archived", "Archived."), ("deprecated", "Deprecated."), ("quarantined", "Quarantined.")],
)
def test_the_state_of_a_project_is_said_with_its_reason(client: Client, status: str, word: str) -> None:
    project = make_whole("alpha").project
    Project.objects.filter(pk=project.pk).update(status=status, status_reason="Use <beta>")
    page = text_of(client, "/project/alpha/")
    assert word in page
    assert "Use &lt;beta&gt;" in page
    assert ("pip install" in page) == (status != "quarantined")


def test_a_project_without_releases_has_a_page(client: Client) -> None:
    make_project("alpha")
    assert "No release" in text_of(client, "/project/alpha/")
    assert "There is no release" in text_of(client, "/project/alpha/releases/")


@pytest.mark.parametrize(
    ("asked", "right"),
    [
        ("/project/Foo_Bar/", "/project/foo-bar/"),
        ("/project/foo-bar/1.0.0/", "/project/foo-bar/1.0/"),
        ("/project/foo.bar/v1.0/files/", "/project/foo-bar/1.0/files/"),
        ("/project/FOO-bar/releases/", "/project/foo-bar/releases/"),
    ],
)
def test_other_spellings_lead_to_the_one_address(client: Client, asked: str, right: str) -> None:
    make_whole("foo-bar")
    response = client.get(asked)
    assert (response.status_code, response["Location"]) == (301, right)


@pytest.mark.parametrize(
    "address",
    [
        "/project/nothing/",
        "/project/alpha/9.9/",
        "/project/alpha/not-a-version/",
        "/project/alpha/%00/",
        "/project/%00/",
        "/project/%F0%9F%94%91/",
        "/project/..%2f/",
        f"/project/{'a' * 3000}/",
        f"/project/alpha/{'1' * 6000}/",
        "/project/empty/1.0/files/",
        "/project/alpha/9/description/",
    ],
)
def test_what_is_not_there_is_not_found(client: Client, address: str) -> None:
    make_whole("alpha")
    make_project("empty")
    response = client.get(address, headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert "not-found" in response.content.decode()


def test_a_description_is_shown_below_the_headings_of_the_page(client: Client) -> None:
    html = '<h1 id="files">Title</h1><p><a href="#files">up</a><img src="https://x.example/a.png" alt="a badge"></p>'
    make_whole("alpha", description_html=html)
    page = text_of(client, "/project/alpha/")
    assert (
        '<h3 id="text-files">Title</h3><p><a href="#text-files">up</a><span class="picture">a badge</span></p>'
        in page
    )
    assert "x.example" not in page


def test_a_long_description_has_a_page_of_its_own(client: Client) -> None:
    make_whole("alpha", description_html="<p>wordy </p>" * 9000)
    page = text_of(client, "/project/alpha/")
    assert "wordy" not in page
    assert 'href="/project/alpha/1.0/description/"' in page
    for page in ("", "?page=2", "?page=99"):
        text = text_of(client, f"/project/alpha/1.0/description/{page}")
        assert "wordy" in text
        assert len(text.encode()) < 100_000


def test_questions_and_size_do_not_grow_with_files_and_releases(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    release = make_whole("alpha", "5000.0", description_html="<p>0123456789</p>" * 2800)
    for number in range(150):
        make_release(release.project, f"{number}.0")
        make_file(release, f"alpha-5000.0-cp3{number}-cp3{number}-manylinux_2_28_x86_64.whl")
    Project.objects.filter(pk=release.project_id).update(latest_version="5000.0")
    with django_assert_max_num_queries(9):
        page = text_of(client, "/project/alpha/")
    assert len(page.encode()) < 100_000
    assert "All files of 5000.0" in page
    assert "All 151 releases" in page


def test_all_files_and_releases_can_be_paged_through(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    release = make_whole("alpha")
    for number in range(120):
        make_file(release, f"alpha-1.0-cp3{number:03}-none-any.whl")
    with django_assert_max_num_queries(6):
        first = text_of(client, "/project/alpha/1.0/files/")
    assert "alpha-1.0.tar.gz" in first
    assert "cp3099" not in first
    assert len(first.encode()) < 100_000
    assert "cp3119" in text_of(client, "/project/alpha/1.0/files/?page=3")
    assert "There is no file on this page" in text_of(client, "/project/alpha/1.0/files/?page=9")


def test_a_quarantined_file_is_not_named_and_the_page_says_that_there_is_one(client: Client) -> None:
    release = make_whole("alpha")
    release.files.update(is_quarantined=True)
    text = text_of(client, "/project/alpha/")
    assert "Files of this release are in quarantine" in text
    assert "alpha-1.0.tar.gz" not in text


def test_each_installer_gets_its_lines(client: Client) -> None:
    make_whole("alpha")
    page, base = text_of(client, "/project/alpha/"), configuration.current().base_url
    for line in (
        f"poetry source add --priority=explicit keyhouse {base}/simple/",
        "poetry add --source keyhouse alpha</pre>",
        "include_packages = [&quot;alpha&quot;]".replace("&quot;", '"'),
        "pdm add alpha</pre>",
        'href="/project/alpha/1.0/requirements.txt"',
    ):
        assert line in page
    assert "__token__" not in page


def test_a_private_index_says_how_credentials_are_given(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = {"is_private": True, "base_url": "https://index.example"}
    text = render_to_string("site/install.html", {"site": site})
    assert "poetry config http-basic.keyhouse __token__" in text
    assert "@" not in text


@pytest.mark.parametrize("fields", [{"yanked_at": START}, {}])
def test_what_installers_would_not_take_is_pinned(client: Client, fields: dict[str, object]) -> None:
    make_whole("alpha", "1.0" if fields else "2.0b1", **fields)
    assert ("alpha==1.0</pre>" if fields else "alpha==2.0b1</pre>") in text_of(client, "/project/alpha/")


def test_the_requirements_file_names_every_file_that_is_not_in_quarantine(client: Client) -> None:
    release = make_whole("alpha")
    kept, wheel = release.files.get(), make_file(release, "alpha-1.0-py3-none-any.whl")
    gone = make_file(release, "alpha-1.0-cp39-none-any.whl", is_quarantined=True)
    answer = client.get("/project/Alpha/1.0.0/requirements.txt")
    assert (answer.status_code, answer["Location"]) == (301, "/project/alpha/1.0/requirements.txt")
    answer = client.get("/project/alpha/1.0/requirements.txt")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    base = configuration.current().base_url
    assert answer.content.decode().splitlines()[1:] == [
        f"--index-url {base}/simple/",
        "alpha==1.0 \\",
        f"    --hash=sha256:{wheel.sha256} \\",
        f"    --hash=sha256:{kept.sha256}",
    ]
    assert gone.sha256 not in answer.content.decode()
    release.files.update(is_quarantined=True)
    assert client.get("/project/alpha/1.0/requirements.txt").status_code == 404
    Project.objects.update(status="quarantined")
    assert client.get("/project/alpha/1.0/requirements.txt").status_code == 403


@pytest.mark.parametrize(
    ("status", "version", "badges"),
    [
        ("active", "1.0", []),
        ("archived", "1.0", ["archived"]),
        ("deprecated", "2.0rc1", ["deprecated", "pre-releases only"]),
        ("quarantined", "", ["quarantined", "no releases"]),
    ],
)
def test_badges_say_the_state_in_words_beside_a_picture(
    client: Client, status: str, version: str, badges: list[str]
) -> None:
    project = make_project("alpha", status=status)
    if version:
        make_release(project, version)
    page = text_of(client, "/project/alpha/")
    head = page[page.index("<h1>") : page.index("</div>", page.index("<h1>"))]
    assert re.findall(r"</svg> ([^<]+)</li>", head) == badges
    assert head.count("<svg") == head.count('aria-hidden="true"') == len(badges)


def test_feeds_are_named_for_readers_of_feeds(client: Client) -> None:
    make_whole("alpha")
    assert 'type="application/rss+xml"' in text_of(client, "/project/alpha/")
    assert 'href="/rss/updates.xml"' in text_of(client, "/")


def test_a_release_leads_to_what_changed(client: Client) -> None:
    project = make_whole("alpha").project
    make_release(project, "2.0", days=1)
    assert 'href="/project/alpha/compare/1.0/2.0/"' in text_of(client, "/project/alpha/")
    assert "/compare/1.0/" not in text_of(client, "/project/alpha/1.0/")


def worst_metadata(sign: str) -> dict[str, object]:
    return {
        "summary": sign * 100_000,
        "license": sign * 79,
        "requires_python": sign * 100_000,
        "author": ",".join(f"{sign * 300}{number}" for number in range(900)),
        "keywords": [f"{sign * 300}{number}" for number in range(3000)],
        "classifiers": [f"{sign * 90}{number} :: {sign * 900}" for number in range(3000)],
        "requires_dist": [f"{sign * 900}{number}" for number in range(3000)],
        "provides_extra": [f"{sign * 900}{number}" for number in range(3000)],
        "project_urls": {
            f"{sign * 100}{number}": f"https://x.example/{number}{'&' * 480}" for number in range(3000)
        },
    }


MOST = 100_000
FURNITURE = 5_000  # three announcements, the tabs and the warning that somebody who is signed in may get


@pytest.mark.parametrize("sign", ["'", "\u202e", "\U0001f511"])
def test_whatever_a_project_holds_its_pages_stay_small(client: Client, sign: str) -> None:
    text = f"<p>{'é' * 17_000}</p>"
    long = "1." + "0" * 150 + "1"
    release = make_whole("a" * 40, long, metadata=worst_metadata(sign), description_html=text)
    for number in range(2, 62):
        make_release(release.project, f"{number}.{'0' * 150}1", yanked_at=START, yanked_reason=sign * 500)
        make_file(release, f"{'a' * 40}-{number}-{'x' * 150}.whl", python_tag="x" * 80, uploaded_by="o" * 50)
    Project.objects.update(latest_version=long, status="deprecated", status_reason=sign * 500)
    for rest in ("", "releases/", f"{long}/files/", "compare/"):
        page = text_of(client, f"/project/{'a' * 40}/{rest}")
        assert len(page.encode()) < MOST - FURNITURE, rest
        assert "\u202e" not in page


@pytest.mark.parametrize("ask", [queries.get_release, queries.metadata_of, queries.description_of])
def test_a_release_that_is_deleted_while_its_page_is_made_is_not_found(ask: Callable[[int], object]) -> None:
    with pytest.raises(NotFound):
        ask(123_456)
