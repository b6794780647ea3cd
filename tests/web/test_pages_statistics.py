from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from tests.web.rows import START, make_project, make_release

from keyhouse.core import clock
from keyhouse.index.sketches import add, encode
from keyhouse.projects.models import ClientSketch, Project, ProjectDownloads, Release, ReleaseDownloads
from keyhouse.web.project_pages.plots import HEIGHT, plot_of

TODAY = START.date()


@pytest.fixture(autouse=True)
def day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: START)


def count(release: Release, ago: int, number: int, installer: str = "pip") -> None:
    day_on = TODAY - timedelta(days=ago)
    project = release.project
    ReleaseDownloads.objects.create(project=project, release=release, day_on=day_on, count=number)
    ProjectDownloads.objects.create(project=project, day_on=day_on, installer=installer, count=number)


@pytest.mark.django_db
def test_downloads_are_shown_by_day_installer_and_release(client: Client) -> None:
    project = make_project("alpha")
    old, new = make_release(project, "1.0"), make_release(project, "2.0")
    count(old, 0, 7)
    count(new, 29, 1200, "uv")
    count(new, 30, 99)
    registers: dict[int, int] = {}
    add(registers, b"12345678")
    ClientSketch.objects.create(project=project, day_on=TODAY, sketch=encode(registers))
    short = client.get("/project/alpha/statistics.json").json()
    assert (short["total"], short["first_on"], short["last_on"]) == (1207, "2026-01-31", "2026-03-01")
    assert short["by_day"][-1] == {"on": "2026-03-01", "downloads": 7, "unique_clients": 1}
    assert short["by_installer"] == [
        {"installer": "uv", "downloads": 1200},
        {"installer": "pip", "downloads": 7},
    ]
    assert short["by_release"][0] == {"version": "2.0", "downloads": 1200}
    assert client.get("/project/alpha/statistics.json?days=90").json()["total"] == 1306
    page = client.get("/project/alpha/statistics/?days=90").content.decode()
    assert "1,306" in page
    assert 'href="?days=90" aria-current="page"' in page
    assert "style=" not in page


@pytest.mark.django_db
@pytest.mark.parametrize("days", ["", "31", "-30", "9" * 40, "30d", "365.0", "%00"])
def test_other_ranges_are_the_shortest(client: Client, days: str) -> None:
    make_release(make_project("alpha"))
    assert client.get(f"/project/alpha/statistics.json?days={days}").json()["days"] == 30
    assert "No downloads" in client.get("/project/alpha/statistics/").content.decode()


@pytest.mark.django_db
def test_a_year_of_many_releases_stays_small_in_few_questions(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    project = make_project("alpha")
    releases = [make_release(project, f"{number}.0") for number in range(60)]
    days = [TODAY - timedelta(days=ago) for ago in range(365)]
    ProjectDownloads.objects.bulk_create(
        ProjectDownloads(project=project, day_on=on, installer=name, count=10**12)
        for on in days
        for name in ("pip", "uv", "poetry", "other")
    )
    ReleaseDownloads.objects.bulk_create(
        ReleaseDownloads(project=project, release=release, day_on=on, count=5)
        for on in days[:90]
        for release in releases
    )
    with django_assert_max_num_queries(7):
        response = client.get("/project/alpha/statistics/?days=365")
    assert response.status_code == 200
    assert len(response.content) < 100_000
    assert "The twenty most downloaded." in response.content.decode()
    told = client.get("/project/alpha/statistics.json?days=365").json()
    assert (len(told["by_release"]), told["by_release_complete"]) == (20, False)
    ReleaseDownloads.objects.exclude(release__in=releases[:20]).delete()
    told = client.get("/project/alpha/statistics.json?days=365").json()
    assert (len(told["by_release"]), told["by_release_complete"]) == (20, True)
    assert "The twenty most" not in client.get("/project/alpha/statistics/?days=365").content.decode()


@pytest.mark.django_db
def test_quarantine_and_other_spellings(client: Client) -> None:
    make_release(make_project("foo-bar"))
    answer = client.get("/project/Foo.Bar/statistics.json?days=90")
    assert (answer.status_code, answer["Location"]) == (301, "/project/foo-bar/statistics.json?days=90")
    Project.objects.update(status="quarantined")
    for address in ("/project/foo-bar/statistics/", "/project/foo-bar/statistics.json"):
        assert client.get(address).status_code == 403
    assert client.get("/project/nothing/statistics.json").status_code == 404


@pytest.mark.parametrize(
    ("values", "highest"),
    [([], 4), ([0], 4), ([1, 4], 4), ([5], 8), ([9], 20), ([999], 2000), ([10**13], 2 * 10**13)],
)
def test_a_plot_ends_at_a_round_number(values: list[int], highest: int) -> None:
    plot = plot_of(values)
    assert plot.lines[-1].value == highest
    assert all(0 <= line.y <= HEIGHT for line in plot.lines)
    assert plot.bars.count("M") == len([value for value in values if value])
