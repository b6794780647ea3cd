"""`keyhouse announce`: a line for everybody, from the host."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result

from keyhouse.accounts.models import Announcement
from keyhouse.accounts.oversight.announcing import live_announcements
from keyhouse.accounts.oversight.errors import AnnouncementMalformed, AnnouncementMissing
from keyhouse.audit.models import Record
from keyhouse.cli import announce
from keyhouse.core import clock
from keyhouse.web.wiring import wire_all

pytestmark = pytest.mark.django_db
LINE = "Uploads rest on Sunday."


@pytest.fixture(autouse=True)
def wired() -> None:
    wire_all()


def run(*words: str) -> Result:
    return CliRunner().invoke(announce.command, words)


def test_a_line_is_announced_listed_and_ended() -> None:
    assert run(LINE, "--severity", "warn", "--for", "2h").stdout.startswith("Announced as number ")
    row = Announcement.objects.get()
    assert (row.text, row.severity, row.made_by) == (LINE, "warn", "host")
    assert row.ends_at - row.begins_at == timedelta(hours=2)
    assert [one["text"] for one in json.loads(run("list", "--json").stdout)] == [LINE]
    assert LINE in run("list").stdout
    for _ in range(2):
        assert run("end", str(row.pk)).stdout == f"Number {row.pk} is over.\n"
    assert live_announcements(clock.now()) == []
    assert not run("list").stdout
    assert [one.action for one in Record.objects.order_by("pk")] == [
        "announcement.publish",
        "announcement.end",
    ]


def test_one_to_come_is_listed_and_not_shown_yet() -> None:
    begins = clock.now() + timedelta(days=2)
    run(LINE, "--from", clock.format_instant(begins))
    assert live_announcements(clock.now()) == []
    assert [one["text"] for one in json.loads(run("list", "--json").stdout)] == [LINE]
    assert Announcement.objects.get().ends_at - begins == timedelta(days=1)


def test_what_makes_no_sense_is_refused_and_nothing_is_announced() -> None:
    assert isinstance(run("two\x00lines").exception, AnnouncementMalformed)
    assert isinstance(run("x" * 301).exception, AnnouncementMalformed)
    assert isinstance(run(LINE, "--until", "2001-01-01T00:00:00Z").exception, AnnouncementMalformed)
    assert run(LINE, "--for", "2h", "--until", "2099-01-01T00:00:00Z").exit_code == 2
    assert run(LINE, "--for", "soon").exit_code == 2
    assert isinstance(run("end", "7").exception, AnnouncementMissing)
    assert (Announcement.objects.count(), Record.objects.count()) == (0, 0)
