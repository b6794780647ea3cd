from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.mandate.visiting import Visit, code_of
from tests.projects.conftest import everything, make_file
from tests.safety.conftest import person

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.cli import freeze as freeze_command
from keyhouse.cli import thaw as thaw_command
from keyhouse.core import actions, clock
from keyhouse.core.actor import Actor, Strength, host
from keyhouse.core.errors import Refusal, RoleRequired, StepUpRequired
from keyhouse.core.switches import NAMES, DeletionsFrozen, EverythingFrozen, UploadsFrozen
from keyhouse.projects.life_cycle.services import delete_release, yank_release
from keyhouse.projects.models import File, Project
from keyhouse.projects.services import publish_file
from keyhouse.safety.models import Switch
from keyhouse.safety.switches import queries, rules, services
from keyhouse.safety.switches.errors import SwitchEndRefused, SwitchReasonRefused, SwitchUnknown

HOUR = timedelta(hours=1)
NOW = datetime.fromisoformat("2026-05-01T03:00:00+00:00")


def stale(actor: Actor) -> Actor:
    """Return the same session with a proof that is an hour old."""
    return replace(actor, strength=Strength(actor.strength.methods, clock.now() - HOUR))


@pytest.mark.parametrize(
    ("before", "after", "was_on", "action"),
    [
        (None, NOW + HOUR, False, "switch.set"),
        (None, NOW + rules.SHORT, False, "switch.set"),
        (None, NOW + rules.SHORT + HOUR, False, "switch.set-long"),
        (None, None, False, "switch.set-long"),
        (NOW + HOUR, NOW + 2 * HOUR, True, "switch.set"),
        (NOW + 2 * HOUR, NOW + HOUR, True, "switch.lift"),
        (None, NOW + HOUR, True, "switch.lift"),
        (NOW + HOUR, None, True, "switch.set-long"),
        (NOW - HOUR, NOW + HOUR, False, "switch.set"),
        (None, None, True, "switch.set"),
    ],
)
def test_which_action_a_change_is(
    before: datetime | None, after: datetime | None, was_on: bool, action: str
) -> None:
    assert rules.action_of_change(before, after, NOW, was_on=was_on) == action


def test_uploads_stop_with_the_next_request_and_go_on_after_the_end_by_the_clock(
    alpha: Project, ada: Actor, mod: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.freeze("uploads", "wave of malware", clock.now() + HOUR, by=mod)
    before = everything()
    with pytest.raises(UploadsFrozen, match="wave of malware"):
        publish_file(make_file("alpha", "3.0"), by=ada)
    assert everything() == before

    later = clock.now() + HOUR
    monkeypatch.setattr(clock, "now", lambda: later)
    publish_file(make_file("alpha", "3.0"), by=ada)
    assert not any(switch.is_on for switch in queries.all_switches(later))


def test_everything_stops_changes_and_leaves_what_protects_people(
    alpha: Project, ada: Actor, op: Actor
) -> None:
    services.freeze("everything", "break-in", clock.now() + HOUR, by=op)
    with pytest.raises(EverythingFrozen):
        yank_release("alpha", "1.0", by=ada)
    with pytest.raises(EverythingFrozen):
        actions.require(ada, "token.mint")
    for name in ("session.revoke", "token.revoke", "account.freeze", "recovery.ask", "session.start"):
        actions.require(ada, name)
    services.thaw("everything", by=op)
    yank_release("alpha", "1.0", by=ada)


def test_deletions_stop_and_the_host_cleans_up(alpha: Project, ada: Actor) -> None:
    services.freeze("deletions", "we look at it", None, by=host())
    with pytest.raises(DeletionsFrozen):
        delete_release("alpha", "1.0", by=ada)
    delete_release("alpha", "1.0", by=host())


def test_the_same_once_more_changes_nothing_and_each_change_has_one_record(op: Actor) -> None:
    end = clock.now() + HOUR
    services.freeze("uploads", "wave", end, by=op)
    services.freeze("uploads", "wave", end, by=op)
    services.freeze("uploads", "bigger wave", end, by=op)
    assert services.thaw("uploads", by=op)
    assert not services.thaw("uploads", by=op)
    told = Record.objects.order_by("pk").values_list("action", "about_name", "details__reason")
    assert list(told) == [
        ("switch.set", "uploads", "wave"),
        ("switch.set", "uploads", "bigger wave"),
        ("switch.lift", "uploads", "bigger wave"),
    ]


def test_long_ends_and_lifting_ask_for_a_fresh_proof(mod: Actor) -> None:
    old = stale(mod)
    services.freeze("uploads", "wave", clock.now() + HOUR, by=old)
    for act in (
        lambda: services.freeze("uploads", "wave", None, by=old),
        lambda: services.freeze("uploads", "wave", clock.now() + timedelta(days=3), by=old),
        lambda: services.freeze("uploads", "wave", clock.now() + timedelta(minutes=1), by=old),
        lambda: services.thaw("uploads", by=old),
    ):
        with pytest.raises(StepUpRequired):
            act()
    assert queries.get_switch("uploads", clock.now()).is_on


@pytest.mark.parametrize(
    ("name", "reason", "ahead", "refusal"),
    [
        ("nothing", "x", HOUR, SwitchUnknown),
        ("uploads", " ", HOUR, SwitchReasonRefused),
        ("uploads", "x" * 91, HOUR, SwitchReasonRefused),
        ("uploads", "two\nlines", HOUR, SwitchReasonRefused),
        ("uploads", "x", timedelta(0), SwitchEndRefused),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(
    name: str, reason: str, ahead: timedelta, refusal: type[Refusal], op: Actor
) -> None:
    with pytest.raises(refusal):
        services.freeze(name, reason, clock.now() + ahead, by=op)
    assert (Switch.objects.count(), Record.objects.count()) == (0, 0)


def test_only_operators_and_moderators_throw_them(ada: Actor) -> None:
    auditor = person("aud", "auditor")
    for actor in (ada, auditor):
        with pytest.raises(RoleRequired):
            services.freeze("uploads", "x", None, by=actor)
        with pytest.raises(RoleRequired):
            services.thaw("uploads", by=actor)
    assert Switch.objects.count() == 0


def test_what_no_switch_stops_asks_no_question_and_the_rest_asks_one(ada: Actor) -> None:
    with CaptureQueriesContext(connection) as none:
        actions.require_open(ada, "site.read")
    with CaptureQueriesContext(connection) as one:
        actions.require_open(ada, "release.upload")
    assert (len(none), len(one)) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_each_is_whole_and_the_last_one_holds() -> None:
    done: list[Any] = []

    def act(reason: str) -> None:
        try:
            done.append(services.freeze("uploads", reason, None, by=host()))
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=(f"reason {number}",), name="throws") for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 4
    last = Record.objects.order_by("-pk")[0]
    assert Switch.objects.get().reason == last.details["reason"]
    assert Record.objects.count() == 4
    assert File.objects.count() == 0


def test_pages_show_throw_and_lift(op: Actor, ada: Actor) -> None:
    visit = Visit(User.objects.get(username="op"))
    visit.post("/operator/switches/new-accounts/freeze/", reason="spam wave", lasts="4h")
    assert visit.answer.status_code == 303
    assert "spam wave" in visit.get("/operator/switches/").content.decode()

    stranger = Visit()
    for path in ("/account/sign-up/", "/account/sign-in/"):
        answer = stranger.get(path)
        assert (code_of(answer) == "new-accounts-frozen") == (path == "/account/sign-up/"), path
    assert "spam wave" in stranger.get("/account/sign-up/").content.decode()

    visit.post("/operator/switches/new-accounts/lift/")
    assert code_of(stranger.get("/account/sign-up/")) != "new-accounts-frozen"
    assert code_of(visit.get("/operator/switches/none/freeze/")) == "switch-unknown"
    assert code_of(Visit(User.objects.get(username="ada")).get("/operator/switches/")) == "role-required"


def test_no_end_is_only_what_somebody_chose_on_the_page(op: Actor) -> None:
    visit = Visit(User.objects.get(username="op"))
    page = visit.get("/operator/switches/uploads/freeze/").content.decode()
    assert re.findall(r'<option value="([^"]+)" selected', page) == ["4h"]
    assert visit.post("/operator/switches/uploads/freeze/", reason="wave").status_code == 200
    assert not queries.get_switch("uploads", clock.now()).is_on


def test_a_form_without_a_reason_is_shown_again(op: Actor) -> None:
    visit = Visit(User.objects.get(username="op"))
    assert visit.post("/operator/switches/uploads/freeze/", lasts="2y").status_code == 200
    assert not queries.get_switch("uploads", clock.now()).is_on


def test_commands_freeze_list_and_thaw(db: None) -> None:
    run = CliRunner()
    wave = ["uploads", "--reason", "wave", "--for", "2h"]
    assert run.invoke(freeze_command.command, wave).output.startswith("Stopped until 2")
    listed = run.invoke(freeze_command.command, ["list", "--json"]).output
    assert '"reason": "wave"' in listed
    assert [line.split()[1] for line in run.invoke(freeze_command.command, ["list"]).output.splitlines()] == [
        "stopped" if name == "uploads" else "open" for name in NAMES
    ]
    assert run.invoke(thaw_command.command, ["uploads"]).output.startswith("Open again")
    assert run.invoke(thaw_command.command, ["uploads"]).output.startswith("It was off")
    for wrong in (
        ["uploads"],
        ["uploads", "--reason", "x", "--for", "2h", "--until-lifted"],
        ["uploads", "--reason", "x", "--for", "2h", "--until", "2099-01-31T06:00:00Z"],
        ["nothing", "--reason", "x", "--until-lifted"],
        ["uploads", "--reason", "x", "--for", "2y"],
    ):
        assert run.invoke(freeze_command.command, wrong).exit_code == 2, wrong
    assert not Switch.objects.filter(since_at__isnull=False).exists()
    before = clock.now()
    assert run.invoke(freeze_command.command, ["uploads", "--reason", "wave"]).exit_code == 0
    end = Switch.objects.get(name="uploads").until_at
    assert end is not None
    assert timedelta(hours=4) <= end - before < timedelta(hours=5)
    endless = ["uploads", "--reason", "wave", "--until-lifted"]
    assert run.invoke(freeze_command.command, endless).output.startswith(
        "Stopped until `keyhouse thaw uploads`"
    )
    assert Switch.objects.get(name="uploads").until_at is None
