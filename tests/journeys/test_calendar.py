"""The calendar of 2022 to 2024 on a small index: a running server, real uploads, every day of the history."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.conftest import ROOT

ENFORCED = ("2024-01-01", "2024-03-02", "2024-08-02", "2024-08-05", "2024-10-02")
ANNOUNCED = ("2023-05-25", "2023-06-01", "2023-08-08", "2023-09-08", "2023-12-06")
BEFORE = ("2022-07-08", "2022-10-03", "2023-05-20")


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory, clients: Path) -> dict[str, Any]:
    """Return what was seen, by day."""
    report = tmp_path_factory.mktemp("calendar")
    words = ("--calendar", "--accounts", "300", "--report", str(report), "--clients", str(clients))
    done = subprocess.run(
        [sys.executable, "-m", "demo", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = (report / "calendar.html").read_text("utf-8")
    assert page.count("<svg") == 3
    assert "<script" not in page
    assert "Not exercised" in (report / "calendar.md").read_text("utf-8")
    return {one["day"]: one for one in json.loads((report / "calendar.json").read_text())}


def answers(days: dict[str, Any], case: str) -> list[str]:
    return [days[day]["answers"][case] for day in (*BEFORE, *ANNOUNCED, *ENFORCED)]


def notes(days: dict[str, Any], day: str) -> str:
    return "\n".join(days[day]["notes"])


def left(days: dict[str, Any], day: str) -> dict[str, int]:
    return {one["code"]: one["count"] for one in days[day]["completion"]["left"]}


def test_m5_it_is_not_called_completed_while_an_old_token_still_uploads(days: dict[str, Any]) -> None:
    assert answers(days, "A5") == ["200"] * 10 + ["credential-weak"] * 3
    assert "still work" in notes(days, "2024-03-02")
    assert "can't be completed yet" in notes(days, "2024-03-02")
    assert "uploads: 200" in notes(days, "2024-03-02")
    assert left(days, "2024-01-01")["weak-tokens"] > 10
    assert not left(days, "2024-10-02").get("weak-tokens")
    assert left(days, "2024-10-02")["people-without-factor"] > 100
    assert all("gate-differs" not in left(days, day) for day in (*ANNOUNCED, *ENFORCED))


def test_n3_whom_no_notice_reached_has_the_cap_longer(days: dict[str, Any]) -> None:
    assert answers(days, "A5, untold") == ["200"] * 12 + ["credential-weak"]


def test_a5_enrolling_does_not_save_an_old_token(days: dict[str, Any]) -> None:
    assert answers(days, "A5, enrolled")[-3:] == ["credential-weak"] * 3


def test_a6_a_token_made_in_the_grace_ends_with_the_day_of_everybody(days: dict[str, Any]) -> None:
    assert answers(days, "A6") == ["not there yet"] * 4 + ["200"] * 4 + ["credential-weak"] * 5
    assert (
        "A25: a microsecond before, a token made in the grace is answered “warn”, at the instant “deny”"
        in (notes(days, "2023-12-06"))
    )


def test_a19_new_accounts_are_gated_for_pages_in_august_and_for_uploads_in_september(
    days: dict[str, Any],
) -> None:
    assert answers(days, "A19")[5:] == ["second-factor-required"] * 8
    assert answers(days, "A19, upload")[5:] == ["200", *["credential-weak"] * 7]


def test_a3_pages_ask_from_2024_on(days: dict[str, Any]) -> None:
    for case in ("A3", "A3, enrolled"):
        assert answers(days, case) == ["200"] * 8 + ["second-factor-required"] * 5


def test_a18_deleting_a_critical_project_is_held_and_making_it_anew_sheds_nothing(
    days: dict[str, Any],
) -> None:
    assert answers(days, "A18")[:9] == ["deletion-held"] * 9
    assert "still critical, and its page of management answers second-factor-required" in notes(
        days, "2024-03-02"
    )


def test_a24_an_operator_alone_opens_nothing(days: dict[str, Any]) -> None:
    assert "waits for another operator" in notes(days, "2024-03-02")


def test_a26_and_passwords_no_other_door_opens_on_any_day(days: dict[str, Any]) -> None:
    assert set(answers(days, "password")) == {"password-not-accepted"}
    assert set(answers(days, "A26")) == {"not-found"}
    assert set(answers(days, "A26, method")) == {"method-not-allowed"}


def test_g3_installing_enrolling_and_revoking_stay_open_on_every_day(days: dict[str, Any]) -> None:
    assert set(answers(days, "G3, install")) == {"200"}
    assert set(answers(days, "G3, enrol")) == {"200"}
    assert set(answers(days, "G3, tokens")) <= {"200", "not there yet"}


def test_the_freeze_of_may_stops_new_projects_and_ends_before_the_announcement(days: dict[str, Any]) -> None:
    assert "new-projects-frozen" in notes(days, "2023-05-20")


def test_n1_a_friday_is_refused_until_somebody_says_why(days: dict[str, Any]) -> None:
    assert "2023-09-08 (UTC), which is a Friday" in notes(days, "2023-05-25")


def test_c1_both_mandates_hold_side_by_side_until_the_first_is_taken_out(days: dict[str, Any]) -> None:
    assert days["2022-07-08"]["live"] == ["critical-projects@1"]
    assert days["2023-12-06"]["live"] == ["critical-projects@1", "everyone@1"]
    assert days["2024-03-02"]["live"] == ["everyone@1"]


def test_real_clients_publish_until_their_token_is_refused(days: dict[str, Any]) -> None:
    for day in (*ANNOUNCED, *ENFORCED):
        assert days[day]["clients"]["uv, strong"] == "published"
        refused = day in {"2024-08-02", "2024-08-05", "2024-10-02"}
        assert days[day]["clients"]["twine, told"] == ("credential-weak" if refused else "published")
