"""The calendar of 2022 to 2024 on a small index: a running server, real uploads, every day of the history."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import skip_or_fail
from tests.journeys.conftest import CHROMIUM, ROOT

pytestmark = pytest.mark.by_turns

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
    assert page.count("<svg") == 4
    assert "<script" not in page
    assert "Not exercised" in (report / "calendar.md").read_text("utf-8")
    seen = json.loads((report / "calendar.json").read_text())
    return {one["day"]: one for one in seen} | {one["at"][:13]: one for one in seen}


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


# ---- told, launched, paused


def test_n2_everybody_is_mailed_one_digest_and_nobody_two_at_once(days: dict[str, Any]) -> None:
    mailed = {at: one["mailed"] for at, one in days.items() if "T" in at}
    assert {one["most_each"] for one in mailed.values()} == {0, 1}
    assert all(one["notices"] == one["people"] for one in mailed.values())
    first = mailed["2023-05-25T15"]
    told = first["by_kind"]["announcement"] + first["by_kind"]["compliant"]
    covered = days["2023-05-25"]["covered"]["everyone"]
    # who heard of the first mandate alone is told of the second one, too
    assert told == covered == first["people"] + sum(first["unreached"].values())
    assert first["unreached"]["suppressed"] == 1
    assert mailed["2023-12-13T10"]["by_kind"]["reminder"] < first["people"]
    assert mailed["2024-01-01T00"]["by_kind"]["enforced"] > 0
    # it is never proven complete, so nobody is told that it is
    assert all("completed" not in one["by_kind"] for one in mailed.values())


def test_n6_check_ups_are_asked_on_the_way_without_a_mail_of_their_own(days: dict[str, Any]) -> None:
    asked = days["2022-10-03"]["mailed"]
    assert asked["check_ups"] > 0
    assert asked["by_kind"]["check-up"] > 0
    assert asked["notices"] < asked["by_kind"]["check-up"]


def test_l1_a_campaign_is_launched_by_two_once_it_was_simulated(days: dict[str, Any]) -> None:
    told = notes(days, "2023-05-25")
    assert "refused at first: launch-refused: simulation" in told
    assert "launched by one operator, it waits for another" in told
    assert "it holds from 2023-05-25 15:00 on" in told


def test_l3_a_wave_of_recoveries_pauses_it_and_two_operators_let_it_go_on(days: dict[str, Any]) -> None:
    assert "nothing pauses yet" in notes(days, "2024-01-15")
    paused, resumed = days["2024-01-19T10"], days["2024-01-19T15"]
    assert "pauses by itself (begun by mandate-signals)" in paused["notes"][0]
    assert "answered second-factor-required in the pause" in paused["notes"][1]
    assert "iris stands behind the pause and tomas ends it" in resumed["notes"][0]
    assert paused["mailed"]["by_kind"]["paused"] == resumed["mailed"]["by_kind"]["resumed"] > 10
    assert paused["mailed"]["others"]["mandate-paused"] == 2


def test_organizations_are_covered_and_who_has_nothing_is_not(days: dict[str, Any]) -> None:
    assert days["2023-05-25"]["through_organizations"] > 0
    assert answers(days, "organization") == ["200"] * 8 + ["second-factor-required"] * 5
    assert set(answers(days, "outsider")) == {"200"}


def test_maintainers_see_in_chromium_where_they_are(days: dict[str, Any]) -> None:
    if CHROMIUM is None:
        skip_or_fail("chromium", "no Chromium on this machine")
    seen = {at: one["sights"] for at, one in days.items() if "T" in at}
    assert all(len(one) == 5 for one in seen.values())
    assert all("second-factor-required" not in one["outsider"] for one in seen.values())
    assert "From 2024-01-01" in seen["2023-06-01T00"]["account"]
    assert "From 2024-01-01" not in seen["2022-07-08T00"]["account"]
    for at in ("2024-01-01T00", "2024-01-19T10", "2024-08-02T12"):
        assert seen[at]["project"].startswith("second-factor-required")
        assert "second-factor-required" not in seen[at]["enrolled"]
