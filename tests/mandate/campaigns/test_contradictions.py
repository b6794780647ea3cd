"""Campaigns to start from, edited into contradiction: told with the line, and nothing of them is applied (N1, L1)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.mandate.conftest import SetClock
from tests.mandate.ledger import DAY, NOW, make_operator
from tests.mandate.stored import retire_default

from keyhouse.cli import mandate as commands
from keyhouse.mandate.beginnings import beginnings
from keyhouse.mandate.campaigns import guards
from keyhouse.mandate.documents import DocumentInvalid
from keyhouse.mandate.errors import MandateInvalid
from keyhouse.mandate.models import MandateVersion
from keyhouse.mandate.starting import NAMES, all_points, dated
from keyhouse.mandate.toml_lines import read_written

START = date(2026, 7, 6)


def text_of(name: str) -> str:
    point = next(one for one in all_points() if one.name == name)
    return dated(point, START)


def with_table(text: str, table: str) -> str:
    """Return a file with one more table in front of its stages."""
    before, mark, after = text.partition("[[stages]]")
    return f"{before}{table}\n{mark}{after}"


def without(text: str, table: str) -> str:
    """Return a file without one of its tables, so that it can be written anew."""
    kept, is_out = [], False
    for line in text.splitlines():
        if line.startswith("["):
            is_out = line.startswith((f"[{table}]", f"[{table}."))
        if not is_out:
            kept.append(line)
    return "\n".join(kept) + "\n"


def edited(name: str, table: str, body: str) -> str:
    return with_table(without(text_of(name), table), f"[{table}]\n{body}\n")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("table", "body", "where"),
    [
        ("calendar", 'holidays = ["2026-02-30"]', "calendar.holidays 1"),
        ("calendar", "holidays = [2026-12-25T00:00:00Z]", "calendar.holidays 1"),
        ("calendar", "holidays = [2026-12-25, 2026-12-25]", "calendar.holidays"),
        ("calendar", "holiday = [2026-12-25]", "calendar.holiday"),
        ("calendar", "override = true", "calendar.override"),
        ("launch", 'requires = ["operators", "a miracle"]', "launch.requires"),
        ("launch", "keep_factors_days = 366", "launch.keep_factors_days"),
        ("launch", "pause_when = { bounced_percent = 101 }", "launch.pause_when.bounced_percent"),
        ("launch", "pause_when = { gated_uploads = 1 }", "launch.pause_when.gated_uploads"),
        ("notice", "floor_days = 30\nunreached_cap_days = 29", "notice.unreached_cap_days"),
    ],
)
def test_what_contradicts_itself_is_told_with_its_line(name: str, table: str, body: str, where: str) -> None:
    written = read_written(edited(name, table, body).encode())
    with pytest.raises(MandateInvalid) as raised:
        written.read()
    assert where in raised.value.sentence
    assert raised.value.sentence.startswith("line ")
    cause = raised.value.__cause__
    assert isinstance(cause, DocumentInvalid)
    assert written.line_of(cause.path) is not None


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("wired", "set_clock")
@pytest.mark.parametrize("name", NAMES)
def test_n1_a_stage_moved_onto_a_holiday_is_refused_and_nothing_is_kept(name: str, tmp_path: Path) -> None:
    retire_default()
    make_operator("ops")
    refusing = [one for one in beginnings(read_written(text_of(name).encode()).read()) if one.acts]
    holiday = f"holidays = [{refusing[-1].stage.at.date().isoformat()}]"
    text = edited(name, "calendar", holiday)
    found = plan(tmp_path, text)
    assert found.exit_code == 1
    assert "which is a listed holiday; the next day that will do" in found.output
    rows = MandateVersion.objects.count()
    assert run("apply", str(tmp_path / "campaign.toml")).exit_code == 1
    assert MandateVersion.objects.count() == rows
    better = edited(name, "calendar", f'{holiday}\noverride = "The old index closes."')
    assert "would begin to refuse" not in plan(tmp_path, better).output


@pytest.mark.django_db(transaction=True)
def test_l1_asking_for_what_is_not_there_yet_and_leaving_guards_out_are_both_told(
    tmp_path: Path, wired: None, set_clock: SetClock
) -> None:
    del wired
    set_clock(NOW)
    retire_default()
    make_operator("ops")
    text = edited("public-index-2023", "launch", 'requires = ["rehearsal"]')
    mandate = read_written(text.encode()).read()
    assert [one.guard for one in guards.missing(mandate, NOW)] == ["rehearsal"]
    assert "a launch wouldn't ask for operators, break-glass, methods" in plan(tmp_path, text).output


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("wired", "set_clock")
@pytest.mark.parametrize(
    ("at", "is_refused"),
    [
        ("2028-02-29T00:00:00Z", False),  # a Tuesday
        ("2026-10-25T01:30:00+01:00", True),  # the Sunday on which clocks are turned
        ("2026-10-26T00:30:00+02:00", True),  # still that Sunday in UTC
        ("2026-10-26T01:30:00+01:00", False),
        ("2026-12-31T23:59:59Z", False),  # a Thursday, and a second later it is Friday
        ("2026-12-31T18:59:59-05:00", False),
        ("2026-12-31T19:00:00-05:00", True),
    ],
)
def test_n1_days_are_those_of_utc_also_from_a_file(at: str, is_refused: bool, tmp_path: Path) -> None:
    retire_default()
    make_operator("ops")
    instant = datetime.fromisoformat(at)
    before = (NOW + DAY).isoformat()
    text = without(text_of("forty-five-days"), "calendar").partition("[[stages]]")[0] + (
        f'[[stages]]\nstate = "announced"\nat = {before}\n[[stages]]\nstate = "enforced"\nat = {at}\ndeny = ["all"]\n'
    )
    found = plan(tmp_path, text)
    assert ("would begin to refuse something on" in found.output) is is_refused
    assert instant.utcoffset() is not None
    assert instant - timedelta(days=1) > NOW


def run(*words: str) -> Any:
    return CliRunner().invoke(commands.command, [*words])


def plan(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "campaign.toml"
    path.write_text(text)
    return run("plan", str(path))
