from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pytest_django import DjangoAssertNumQueries
from tests.web.rows import make_file, make_project, make_release

from keyhouse.projects.models import Project
from keyhouse.web.project_pages.comparing import MOST_SHOWN, compare


def changes(before: dict[str, Any], after: dict[str, Any]) -> Any:
    return compare(before, after, [], [])


def test_requirements_are_compared_as_requirements() -> None:
    before = ["attrs >=23, <25", "Foo_Bar[B,a]==1", "old", "x; python_version<'3.9'", "same>=1,<2"]
    after = ["attrs<26,>=23", "foo-bar[a,b]==1", "new>1", 'x>2; python_version < "3.9"', "same (<2,>=1)"]
    found = changes({"requires_dist": before}, {"requires_dist": after}).requirements
    assert (found.added, found.removed) == (("new >1",), ("old",))
    (spelt,) = changes({}, {"requires_dist": ["x>1; extra == 'y'"]}).requirements.added
    assert spelt == 'x >1 ; extra == "y"'
    assert [(one.label, one.before, one.after) for one in found.changed] == [
        ("attrs", "<25,>=23", "<26,>=23"),
        ('x ; python_version < "3.9"', "any", ">2"),
    ]


def test_what_is_required_beside_a_change_of_the_same_project_is_told_with_it() -> None:
    found = changes(
        {"requires_dist": ["x>1", "Y>1", "same", "twice>1", "z ; extra == 'a'"]},
        {"requires_dist": ["x>1", "X <3", "y>1", "same", "twice>1", "twice>1", "z ; extra == 'a'", "z"]},
    ).requirements
    assert [(one.label, one.before, one.after) for one in found.changed] == [
        ("twice", ">1", ">1, >1"),
        ("x", ">1", "<3, >1"),
    ]
    assert (found.added, found.removed) == (("z",), ())


def test_requirements_are_compared_as_they_are_written_where_too_many_were_rewritten() -> None:
    def of(count: int, sign: str) -> dict[str, Any]:
        return {"requires_dist": ["same>1", *(f"p{number}{sign}>{'1' * 90}" for number in range(count))]}

    few = changes(of(200, ""), of(200, " ")).requirements
    assert not few
    many = changes(of(400, ""), of(400, " ")).requirements
    assert (len(many.added), many.hidden, many.changed) == (MOST_SHOWN, 2 * 400 - 2 * MOST_SHOWN, ())


REQUIREMENTS = st.lists(
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["a", "A", "b-c", "B_c", "("]),
        st.sampled_from(["", " "]),
        st.sampled_from(["", ">1", ">1,<2", "<2,>1"]),
        st.sampled_from(["", "; extra=='x'", ' ; extra == "x"']),
    ),
    max_size=12,
)


@given(old=REQUIREMENTS, new=REQUIREMENTS)
def test_reading_some_requirements_tells_what_reading_all_would(old: list[str], new: list[str]) -> None:
    found = changes({"requires_dist": old}, {"requires_dist": new}).requirements
    read = [{key: sorted(values) for key, values in _read(texts).items()} for texts in (old, new)]
    differing = {key for key in read[0].keys() | read[1].keys() if read[0].get(key) != read[1].get(key)}
    assert len(found.added) + len(found.removed) + len(found.changed) == len(differing)
    assert {one.label for one in found.changed} == differing & read[0].keys() & read[1].keys()


def _read(texts: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in texts:
        try:
            one = Requirement(text)
        except InvalidRequirement:
            found.setdefault(text, []).append("")
            continue
        marker = f" ; {one.marker}" if one.marker else ""
        key = f"{canonicalize_name(one.name)}{marker}"
        found.setdefault(key, []).append(",".join(sorted(map(str, one.specifier))))
    return found


def test_lists_are_compared_as_sets_and_links_by_their_labels() -> None:
    found = changes(
        {"classifiers": ["A", "B"], "project_urls": {"Source": "https://a", "Old": "https://o"}},
        {"classifiers": ["C", "A"], "project_urls": {"Source": "https://b"}},
    )
    classifiers, links = found.lists
    assert (classifiers.added, classifiers.removed) == (("C",), ("B",))
    assert links.removed == ("Old https://o",)
    assert [(one.before, one.after) for one in links.changed] == [("https://a", "https://b")]


def test_fields_are_told_without_addresses_of_people() -> None:
    found = changes({"author_email": "Ada <a@x.example>"}, {"author_email": "c@x.example", "summary": "New"})
    assert [(one.label, one.before, one.after) for one in found.fields] == [
        ("Summary", "", "New"),
        ("Author's address", "Ada", "an address"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("Ann <ann@example.org>", "Ann <mallory@evil.example>", ("Ann", "Ann (another address)")),
        (
            "Ann <a@x.example>, Bob <b@x.example>",
            "Ann <m@x.example>, Bob <b@x.example>, Eve <e@x.example>",
            ("Ann, Bob", "Ann (another address), Bob, Eve"),
        ),
        ("a@x.example", "m@x.example", ("an address", "an address (another address)")),
        ("Ann <a@x.example>, b@x.example", "Ann <a@x.example>", ("Ann, an address", "Ann")),
        ("Ann <a@x.example>", "Bob <a@x.example>", ("Ann", "Bob")),
        ("Ann", "Ann <a@x.example>", ("Ann", "Ann (another address)")),
        ("", "Ann <a@x.example>", ("", "Ann")),
        ("Ann <a@x.example>", '"Ann" <a@x.example>', ("Ann", "Ann (another text, which reads alike here)")),
    ],
)
def test_another_address_is_told_though_no_address_is_shown(
    before: str, after: str, shown: tuple[str, str]
) -> None:
    (change,) = changes({"maintainer_email": before}, {"maintainer_email": after}).fields
    assert (change.before, change.after) == shown
    assert "@" not in change.before + change.after


def test_what_differs_behind_the_part_that_is_shown_is_told_to_differ() -> None:
    long = "x" * 500
    found = changes(
        {"summary": f"{long}a{long}", "project_urls": {"Source": f"https://{long}/a/{long}"}},
        {"summary": f"{long}b{long}", "project_urls": {"Source": f"https://{long}/b/{long}"}},
    )
    for change in (*found.fields, *found.lists[0].changed):
        assert change.after == change.before + " (another text, which reads alike here)"


def test_the_same_is_empty() -> None:
    same = {"requires_dist": ["a>1"], "description": "text", "version": "1"}
    assert changes(same, {**same, "version": "2"}).is_empty


def hostile(sign: str) -> dict[str, Any]:
    return {
        "summary": sign * 100_000,
        "license": sign * 100_000,
        "requires_python": "\u202e" * 1000,
        "requires_dist": [f"{sign}{'(' * 300}{number}" for number in range(3000)] + [f"{sign * 9}" * 20_000],
        "classifiers": [f"{sign * 50}\"'&{number}" * 5 for number in range(3000)],
        "keywords": [f"{sign}'{number}" * 40 for number in range(3000)],
        "project_urls": {f"{sign}{number}": "\"'<&>" * 1000 for number in range(300)},
        "description": "\n".join(f"{sign}\"'{number % 7}" * 20 for number in range(3000)),
        "platforms": [f'{sign}&"{number}' * 60 for number in range(100)],
        "provides_extra": [f'{sign}&"{number}' * 60 for number in range(100)],
        "license_files": [f'{sign}&"{number}' * 60 for number in range(100)],
        "dynamic": [f'{sign}&"{number}' * 60 for number in range(100)],
        "obsoletes_dist": None,
    }


@pytest.mark.django_db
def test_whatever_two_releases_hold_the_page_stays_small(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    project = make_project("alpha")
    for version, sign in (("1.0", '"'), ("2.0", "'")):
        release = make_release(project, version, metadata=hostile(sign))
        for number in range(120):
            make_file(release, f"alpha-{version}-cp{number}{version[0]}-{'x' * 180}.whl", size=number)
    with django_assert_max_num_queries(8):
        response = client.get("/project/alpha/compare/1.0/2.0/")
    assert response.status_code == 200
    assert len(response.content) < 100_000
    assert "\u202e" not in response.content.decode()


@pytest.mark.django_db
def test_two_releases_are_compared_on_a_page(client: Client) -> None:
    project = make_project("alpha")
    old = make_release(
        project, "1.0", metadata={"description": "one\ntwo <b>\n", "requires_dist": ["beta>1"]}
    )
    new = make_release(project, "1.1", metadata={"description": "one\nthree\n", "requires_dist": ["beta>2"]})
    make_file(old)
    make_file(new, size=99)
    make_file(new, "alpha-1.1-py3-none-any.whl")
    page = client.get("/project/alpha/compare/1.0/1.1/").content.decode()
    for part in ("two &lt;b&gt;", "added: </span>three", "py3-none-any.whl", "12 kB", "99 bytes", "&gt;2"):
        assert part in page
    assert page.count('<span class="badge ok">added</span>') == 1
    assert "Nothing differs" in client.get("/project/alpha/compare/1.1/1.1/").content.decode()


@pytest.mark.django_db
def test_the_form_leads_to_the_comparison(client: Client) -> None:
    project = make_project("foo-bar")
    make_release(project, "1.0")
    make_release(project, "2.0+local", days=1)
    page = client.get("/project/foo-bar/compare/").content.decode()
    assert 'name="from" value="1.0"' in page
    answer = client.get("/project/foo-bar/compare/", {"from": " v1 ", "to": "2.0+LOCAL"})
    assert (answer.status_code, answer["Location"]) == (302, "/project/foo-bar/compare/1.0/2.0%2Blocal/")
    answer = client.get("/project/Foo.Bar/compare/1.0.0/2.0+local/")
    assert answer["Location"] == "/project/foo-bar/compare/1.0.0/2.0%2Blocal/"
    answer = client.get("/project/foo-bar/compare/1.0.0/2.0+local/")
    assert answer["Location"] == "/project/foo-bar/compare/1.0/2.0%2Blocal/"


@pytest.mark.django_db
@pytest.mark.parametrize("version", ["9", "x", "%00", "%2e%2e", "1" * 5000, "<b>"])
def test_releases_that_are_not_there(client: Client, version: str) -> None:
    make_release(make_project("alpha"))
    assert client.get(f"/project/alpha/compare/1.0/{version}/").status_code == 404
    assert client.get(f"/project/alpha/compare/?from=1.0&to={version}").status_code == 404


@pytest.mark.django_db
def test_quarantine_compares_nothing(client: Client) -> None:
    make_release(make_project("alpha"))
    Project.objects.update(status="quarantined")
    for address in ("compare/", "compare/1.0/1.0/"):
        assert client.get(f"/project/alpha/{address}").status_code == 403


def test_no_more_is_named_than_is_shown() -> None:
    found = changes({}, {"keywords": [str(number) for number in range(100)]}).lists[0]
    assert (len(found.added), found.hidden) == (MOST_SHOWN, 100 - MOST_SHOWN)
