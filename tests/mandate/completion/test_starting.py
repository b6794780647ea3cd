"""Campaigns to start from: each reads, plans without refusal, and is dated on working days."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, date, datetime, timedelta

import pytest
from click.testing import CliRunner
from tests.mandate.conftest import SetClock
from tests.mandate.ledger import NOW
from tests.mandate.stored import make_project, make_user

from keyhouse.accounts.models import Authenticator, SecurityKey
from keyhouse.cli.mandate_template import template, templates
from keyhouse.core import configuration
from keyhouse.core.errors import NotFound
from keyhouse.mandate import services
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.previews import preview
from keyhouse.mandate.starting import NAMES, all_points, dated, find_point, first_day
from keyhouse.mandate.toml_lines import read_written

MONDAY = date(2027, 1, 11)


def body(name: str, start: date = MONDAY) -> dict[str, object]:
    point = find_point(name)
    assert point is not None
    return tomllib.loads(dated(point, start))


@pytest.mark.parametrize("name", NAMES)
def test_reads_as_it_is_shipped_and_dated_anew(name: str) -> None:
    point = find_point(name)
    assert point is not None
    shipped = read_mandate(tomllib.loads(point.text))
    moved = read_mandate(body(name))
    assert len(moved.stages) == len(shipped.stages)
    assert moved.announced_at.date() == MONDAY
    assert moved.who.as_dict().keys() == shipped.who.as_dict().keys()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("start", [MONDAY + timedelta(days=number) for number in range(7)])
def test_n1_no_stage_falls_on_a_friday_or_weekend_and_none_comes_closer(name: str, start: date) -> None:
    point = find_point(name)
    assert point is not None
    shipped, moved = read_mandate(tomllib.loads(point.text)), read_mandate(body(name, start))
    assert all(stage.at.weekday() < 4 for stage in moved.stages)
    for before, after in zip(shipped.stages, moved.stages, strict=True):
        assert after.at - moved.announced_at >= before.at - shipped.announced_at
        assert after.at - moved.announced_at <= before.at - shipped.announced_at + timedelta(days=5)


def test_what_fell_together_still_does() -> None:
    moved = body("public-index-2023", date(2027, 1, 13))
    stages = moved["stages"]
    assert isinstance(stages, list)
    assert stages[1]["at"] == stages[1]["who"]["joined_from"] == stages[2]["who"]["joined_from"]


@pytest.mark.parametrize("name", NAMES)
def test_every_file_tells_its_sources_and_keeps_the_days_of_the_history_in_comments(name: str) -> None:
    point = find_point(name)
    assert point is not None
    assert "# Sources:" in point.text or "Sources:" in point.text
    said = [line for line in point.text.splitlines() if line.startswith("#")]
    moved = [line for line in dated(point, MONDAY).splitlines() if line.startswith("#")]
    assert said == moved


@pytest.fixture
def seeded(set_clock: SetClock) -> None:
    del set_clock
    iris = make_user("iris", is_operator=True)
    ada, ben = make_user("ada"), make_user("ben")
    for user in (iris, ada):
        Authenticator.objects.create(user=user, name="phone", secret_sealed="x", created_at=NOW)
    SecurityKey.objects.create(
        user=iris, name="key", rp_id=configuration.current().key_name, credential_id="k", public_key=b"p", algorithm=-7,
        backup_eligible=False, created_at=NOW,
    )  # fmt: skip
    make_project("alpha", ada)
    make_project("beta", ben)
    services.store_default()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("wired", "seeded")
@pytest.mark.parametrize("name", NAMES)
def test_plans_without_refusal_on_an_index_with_people(name: str) -> None:
    point = find_point(name)
    assert point is not None
    text = dated(point, first_day(NOW))
    plan = preview(read_written(text.encode()).read(), NOW)
    assert [str(one) for one in plan.refusals] == []


def test_begins_on_a_working_day_after_today() -> None:
    friday = datetime(2027, 1, 15, 12, tzinfo=UTC)
    assert first_day(friday) == date(2027, 1, 18)
    assert first_day(datetime(2027, 1, 11, tzinfo=UTC)) == date(2027, 1, 12)


def test_the_command_line_lists_and_prints_them() -> None:
    run = CliRunner()
    assert [one["name"] for one in json.loads(run.invoke(templates, ["--json"]).output)] == list(NAMES)
    assert all(name in run.invoke(templates).output for name in NAMES)
    told = run.invoke(template, ["npm-2022", "--from", "2027-01-11"])
    assert read_written(told.output.encode()).read().announced_at == datetime(2027, 1, 11, 9, tzinfo=UTC)
    assert isinstance(run.invoke(template, ["nothing"]).exception, NotFound)
    assert run.invoke(template, ["npm-2022", "--from", "soon"]).exit_code == 2


def test_headlines_differ() -> None:
    assert len({one.headline for one in all_points()}) == len(NAMES)
