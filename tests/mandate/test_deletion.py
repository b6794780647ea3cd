from __future__ import annotations

import base64
import shutil
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from tests.accounts.conftest import Browser, refused
from tests.distfiles.builders import build_wheel
from tests.mandate.stored import (
    ANNOUNCED,
    ENFORCED,
    document,
    make_project,
    make_user,
    retire_default,
    session_of,
    store,
)
from tests.publishing.driver import upload

from keyhouse.accounts.models import Authenticator, User
from keyhouse.accounts.sessions import start_session
from keyhouse.audit.models import Record
from keyhouse.core import actions, clock, configuration
from keyhouse.core.actor import NOBODY, host
from keyhouse.core.errors import Refusal, RoleRequired, SecondFactorRequired, SignInRequired
from keyhouse.credentials.tokens.services import mint_token
from keyhouse.mandate.criticality import renew_critical_projects
from keyhouse.mandate.deletion import ask_deletion, withdraw_deletion_ask
from keyhouse.mandate.errors import DeletionHeld, DeletionNotHeld
from keyhouse.mandate.models import DeletionAsk, Exemption, MandateVersion
from keyhouse.projects import services
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.life_cycle import deleting, restoring
from keyhouse.projects.models import Project, Removal

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]

DAY = timedelta(days=1)
HOLD = timedelta(days=14)
SetTime = Callable[[datetime], None]


@pytest.fixture(autouse=True)
def at(monkeypatch: pytest.MonkeyPatch) -> SetTime:
    def set_to(instant: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: instant)

    set_to(ANNOUNCED + DAY)
    return set_to


@pytest.fixture
def ada() -> User:
    """Return a compliant owner of alpha, in the middle of a campaign."""
    retire_default()
    store(document())
    ada = make_user("ada")
    Authenticator.objects.create(user=ada, name="app", secret_sealed="x", created_at=ANNOUNCED)
    make_project("alpha", ada)
    return ada


def browser_of(user: User, *methods: str) -> Browser:
    _, cookie = start_session(user, methods or ("password", "totp"))
    browser = Browser()
    browser.carry(cookie)
    return browser


def delete_by_page(user: User) -> Any:
    browser = browser_of(user)
    browser.get("/manage/project/alpha/delete/")
    return browser.post("/manage/project/alpha/delete/", {"name": "alpha"})


def refuses(refusal: type[Refusal], act: Callable[[], object]) -> Refusal:
    before = list(Project.objects.values()), list(DeletionAsk.objects.values()), Record.objects.count()
    with pytest.raises(refusal) as raised:
        act()
    assert (
        list(Project.objects.values()),
        list(DeletionAsk.objects.values()),
        Record.objects.count(),
    ) == before
    return raised.value


# ---- the hold, through the page (A18)


def test_a18_the_page_holds_the_deletion_of_a_covered_project_and_says_what_to_do(ada: User) -> None:
    page = delete_by_page(ada)
    assert (page.status_code, refused(page)) == (403, "deletion-held")
    assert "held for 14 days after you ask for it" in page.content.decode()
    assert Project.objects.filter(name="alpha").exists()
    assert not Record.objects.filter(action="project.delete").exists()


def test_a18_after_asking_and_waiting_it_may_be_done(ada: User, at: SetTime) -> None:
    asked = ask_deletion("alpha", by=session_of(ada))
    at(asked.asked_at + HOLD - timedelta(microseconds=1))
    page = delete_by_page(ada)
    assert refused(page) == "deletion-held"
    assert clock.format_instant(asked.asked_at + HOLD) in page.content.decode()
    at(asked.asked_at + HOLD)
    assert delete_by_page(ada).status_code == 302
    assert not Project.objects.exists()


def test_a18_what_was_made_anew_is_covered_and_held_anew(ada: User, at: SetTime) -> None:
    lineage = Project.objects.get().lineage
    asked = ask_deletion("alpha", by=session_of(ada))
    at(asked.asked_at + HOLD)
    delete_by_page(ada)
    at(asked.asked_at + HOLD + DAY)
    services.create_project("alpha", [ada], by=session_of(ada))
    assert Project.objects.get().lineage == lineage
    assert refused(delete_by_page(ada)) == "deletion-held"
    again = ask_deletion("alpha", by=session_of(ada))
    assert again.asked_at == clock.now()
    assert DeletionAsk.objects.count() == 1


def test_a18_what_was_brought_back_is_covered_and_held_anew(ada: User, at: SetTime) -> None:
    asked = ask_deletion("alpha", by=session_of(ada))
    at(asked.asked_at + HOLD)
    delete_by_page(ada)
    restoring.restore_project(Removal.objects.get().pk, by=session_of(ada))
    assert refused(delete_by_page(ada)) == "deletion-held"


def test_a18_a_sock_puppet_that_takes_the_name_is_covered_through_the_page(ada: User, at: SetTime) -> None:
    store(
        document(
            name="named",
            who={"project": ["alpha"]},
            stages=[
                {"state": "announced", "at": ANNOUNCED, "warn": ["all"]},
                {"state": "early", "at": ANNOUNCED + DAY, "deny": ["management"]},
            ],
        )
    )
    deleting.delete_project("alpha", by=host())
    eve = make_user("eve", joined_at=clock.now())
    make_project("alpha", eve, since=clock.now())
    page = browser_of(eve, "password").get("/manage/project/alpha/")
    assert (page.status_code, refused(page)) == (403, "second-factor-required")
    assert "named" in page.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a18_a_critical_project_made_anew_by_an_upload_is_critical_at_once(
    ada: User, at: SetTime, tmp_path: Path
) -> None:
    criterion = {"metric": "dependents", "window_days": 30, "at_least": 1}
    stages = [{"state": "enforced", "at": ANNOUNCED, "deny": ["management"]}]
    store(document(name="critical", who={"critical": criterion}, stages=stages), origin="seeded")
    depends = make_project("beta").releases.create(
        version="1", created_at=ANNOUNCED, metadata={"requires_dist": ["alpha"]}
    )
    Project.objects.filter(name="beta").update(latest_version="1")
    renew_critical_projects(clock.now())
    deleting.delete_project("alpha", by=host())
    depends.delete()  # and nobody depends on it any more
    eve = make_user("eve", joined_at=clock.now())
    at(clock.now() + DAY)
    shutil.rmtree(configuration.current().files_folder, ignore_errors=True)
    strength = session_of(eve, "password", "totp").strength
    _, text = mint_token(
        eve,
        description="ci",
        project_ids=None,
        expires_in_days=9,
        actions=["upload"],
        by=host(),
        strength=strength,
    )
    sent = base64.b64encode(f"__token__:{text}".encode()).decode()
    answer = upload(build_wheel(tmp_path), headers={"authorization": f"Basic {sent}"})
    assert (answer.status, Project.objects.filter(name="alpha").count()) == (200, 1)
    page = browser_of(eve, "password").get("/manage/project/alpha/")
    assert refused(page) == "second-factor-required"
    renew_critical_projects(clock.now())
    page = browser_of(eve, "password").get("/manage/project/alpha/")
    assert (page.status_code, refused(page)) == (403, "second-factor-required")
    assert "critical" in page.content.decode()


def test_nothing_is_held_before_the_announcement_after_enforcement_or_elsewhere(
    ada: User, at: SetTime
) -> None:
    store(document(name="other", who={"project": ["beta"]}))
    for instant in (ANNOUNCED - timedelta(microseconds=1), ENFORCED):
        at(instant)
        assert delete_by_page(ada).status_code == 302
        make_project("alpha", ada)
    at(ANNOUNCED + DAY)
    assert refused(delete_by_page(ada)) == "deletion-held"
    store(document(who={"project": ["beta"]}), version=2)
    assert delete_by_page(ada).status_code == 302


def test_a_weak_session_deletes_nothing_by_asking_first(ada: User, at: SetTime) -> None:
    asked = ask_deletion("alpha", by=session_of(ada))
    at(max(asked.asked_at + HOLD, ENFORCED + 61 * DAY))
    weak = session_of(ada, "password")
    refuses(SecondFactorRequired, lambda: deleting.delete_project("alpha", by=weak))


def test_the_service_asks_as_the_page_does(ada: User) -> None:
    refuses(DeletionHeld, lambda: deleting.delete_project("alpha", by=session_of(ada)))


# ---- asking


def test_asking_twice_keeps_the_first_instant(ada: User, at: SetTime) -> None:
    first = ask_deletion("alpha", by=session_of(ada))
    at(first.asked_at + DAY)
    assert ask_deletion("alpha", by=session_of(ada)).asked_at == first.asked_at
    record = Record.objects.get(action="project.ask-deletion")
    assert (record.about_name, record.details, first.asked_by) == ("alpha", {}, "ada")


def test_what_was_asked_can_be_taken_back(ada: User, at: SetTime) -> None:
    first = ask_deletion("alpha", by=session_of(ada))
    assert withdraw_deletion_ask("alpha", by=session_of(ada))
    assert not withdraw_deletion_ask("alpha", by=session_of(ada))
    assert not DeletionAsk.objects.exists()
    records = Record.objects.filter(action="project.ask-deletion").order_by("pk")
    assert [one.details for one in records] == [{}, {"is_withdrawn": True}]
    at(first.asked_at + HOLD)
    assert refused(delete_by_page(ada)) == "deletion-held"


def test_strangers_learn_nothing_and_change_nothing(ada: User) -> None:
    eve = session_of(make_user("eve"))
    lines = {
        refuses(RoleRequired, partial(act, name, by=eve)).line
        for act in (ask_deletion, withdraw_deletion_ask)
        for name in ("alpha", "nothing-there")
    }
    assert len(lines) == 1
    refuses(SignInRequired, lambda: ask_deletion("alpha", by=NOBODY))
    refuses(ProjectNotFound, lambda: ask_deletion("nothing-there", by=host()))


def test_maintainers_do_not_ask(ada: User) -> None:
    bob = make_user("bob")
    project = Project.objects.get()
    project.roles.create(user=bob, kind="maintainer", since_at=ANNOUNCED)
    refuses(RoleRequired, lambda: ask_deletion("alpha", by=session_of(bob)))


@pytest.mark.django_db(transaction=True)
def test_two_at_once_ask_once(ada: User) -> None:
    actor, barrier, found = session_of(ada), threading.Barrier(3), []

    def ask() -> None:
        barrier.wait()
        try:
            found.append(ask_deletion("alpha", by=actor).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len(set(found)) == 1
    assert Record.objects.filter(action="project.ask-deletion").count() == 1


# ---- what the hold counts from, and whom it binds (S5)


def campaign_of(name: str, announced: datetime, **changes: Any) -> None:
    stages = [
        {"state": "announced", "at": announced, "warn": ["all"]},
        {"state": "enforced", "at": announced + 90 * DAY, "deny": ["all"]},
    ]
    store(document(name=name, stages=stages, **changes))


def test_s5_nothing_can_be_asked_before_something_holds_it(ada: User, at: SetTime) -> None:
    at(ANNOUNCED - DAY)
    told = refuses(DeletionNotHeld, lambda: ask_deletion("alpha", by=session_of(ada)))
    assert told.code == "deletion-not-held"
    browser = browser_of(ada)
    page = browser.get("/mandate/deletion/alpha/").content.decode()
    assert "there is nothing to ask for" in page
    answer = browser.post("/mandate/deletion/alpha/")
    assert (answer.status_code, refused(answer)) == (409, "deletion-not-held")


def test_s5_an_ask_from_before_the_announcement_uses_up_nothing(ada: User, at: SetTime) -> None:
    project = Project.objects.get()
    DeletionAsk.objects.create(
        lineage=project.lineage,
        normalized_name="alpha",
        asked_at=ANNOUNCED - timedelta(microseconds=1),
        asked_by="ada",
    )
    at(ANNOUNCED + HOLD + DAY)
    assert refused(delete_by_page(ada)) == "deletion-held"
    ask_deletion("alpha", by=session_of(ada))
    assert DeletionAsk.objects.get().asked_at == ANNOUNCED + HOLD + DAY
    at(ANNOUNCED + HOLD + DAY + HOLD)
    assert delete_by_page(ada).status_code == 302


def test_s5_a_further_announcement_is_asked_about_anew(ada: User, at: SetTime) -> None:
    asked = ask_deletion("alpha", by=session_of(ada))
    second = asked.asked_at + 13 * DAY
    campaign_of("second", second)
    at(second)
    page = browser_of(ada).get("/mandate/deletion/alpha/").content.decode()
    assert "second" in page
    assert "held for 14 days after you ask for it" in page
    at(second + DAY)
    assert refused(delete_by_page(ada)) == "deletion-held"
    assert ask_deletion("alpha", by=session_of(ada)).asked_at == second + DAY
    at(second + DAY + HOLD - timedelta(microseconds=1))
    assert refused(delete_by_page(ada)) == "deletion-held"
    at(second + DAY + HOLD)
    assert delete_by_page(ada).status_code == 302


def test_a18_a_co_owner_whom_the_mandate_does_not_cover_waits_as_well(ada: User, at: SetTime) -> None:
    store(document(stages=[{"state": "retired", "at": ANNOUNCED}]), version=2)
    campaign_of("chosen", ANNOUNCED, who={"user": ["ada"]})
    bob = make_user("bob")
    Authenticator.objects.create(user=bob, name="app", secret_sealed="x", created_at=ANNOUNCED)
    project = Project.objects.get()
    project.roles.create(user=bob, kind="owner", since_at=ANNOUNCED)
    page = delete_by_page(bob)
    assert (page.status_code, refused(page)) == (403, "deletion-held")
    refuses(DeletionHeld, lambda: deleting.delete_project("alpha", by=session_of(bob)))
    asked = ask_deletion("alpha", by=session_of(bob))
    at(asked.asked_at + HOLD)
    assert delete_by_page(bob).status_code == 302
    make_project("beta", bob)
    at(ANNOUNCED + DAY)
    deleting.delete_project("beta", by=session_of(bob))  # nobody there is covered


def test_a18_an_exemption_frees_nobody_from_the_hold_nor_from_keeping_the_last_factor(
    ada: User, at: SetTime
) -> None:
    del at
    version = MandateVersion.objects.get(name="campaign")
    facts = {"proposed_at": ANNOUNCED, "effective_at": ANNOUNCED, "until": ENFORCED}
    Exemption.objects.create(user=ada, version=version, reason="…", **facts)
    refuses(DeletionHeld, lambda: deleting.delete_project("alpha", by=session_of(ada)))
    with pytest.raises(Refusal) as raised:
        actions.require_gate(session_of(ada), actions.REMOVE_LAST)
    assert raised.value.code == "second-factor-last"
