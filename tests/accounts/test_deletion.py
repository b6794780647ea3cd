from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from tests.accounts.conftest import (
    PASSWORD,
    START,
    Browser,
    Clock,
    Configure,
    at_once,
    give_project,
    mailed,
    make_person,
    refused,
    signed_in,
)

from keyhouse.accounts import deletion_letters as letters
from keyhouse.accounts import emails, holds, keeping, links, services
from keyhouse.accounts.deletion import ask_deletion, carry_out_due, forget_tombstones, keep_account_by_link
from keyhouse.accounts.errors import AccountHeld, OperatorLast, OwnsAlone, UsernameTaken
from keyhouse.accounts.keeping import Keeper, keep
from keyhouse.accounts.models import Deletion, Email, Hold, OneTimeLink, User
from keyhouse.accounts.queries import is_set_up
from keyhouse.accounts.sessions import actor_of
from keyhouse.audit.models import Personal, Record
from keyhouse.audit.sealing import seal, verify
from keyhouse.audit.services import record
from keyhouse.cli.dev_settle import settle
from keyhouse.core import belongings, clock
from keyhouse.core.actor import Actor, host
from keyhouse.core.errors import GateUnavailable, Refusal, RoleRequired, StepUpRequired
from keyhouse.credentials.tokens.models import Token
from keyhouse.mail.models import SENT, Mail
from keyhouse.projects import services as projects
from keyhouse.projects.errors import OwnerMissing
from keyhouse.projects.models import Project, Role

pytestmark = pytest.mark.django_db
DELETE = "/account/delete/"


def by(user: User) -> Actor:
    return actor_of(signed_in(user)[0])


def ask(user: User, typed: str = "", now: Any = None) -> Deletion:
    return ask_deletion(user, typed or user.username, by=by(user), now=now or clock.now())


def share(project: Project, user: User, kind: str = "owner") -> None:
    Role.objects.create(project=project, user=user, kind=kind, since_at=START)


def mails(kind: str) -> list[str]:
    return list(Mail.objects.filter(kind=kind).order_by("pk").values_list("address", flat=True))


def give_token(user: User) -> Token:
    return Token.objects.create(
        key_id="k",
        user=user,
        description="ci",
        minted_at=START,
        minted_proof_at=START,
        expires_at=START + timedelta(days=99),
        last_used_network="192.0.2.1",
        last_used_client="twine",
    )


@pytest.fixture
def co_owned(ada: User) -> User:
    """Let ada own a project with bob, whom this returns."""
    bob = make_person("bob")
    share(give_project(ada), bob)
    return bob


# ---- at once, for people without authority


def test_an_account_without_authority_is_gone_at_once(ada: User) -> None:
    _, browser = signed_in(ada)
    other = signed_in(ada)[1]
    browser.get(DELETE)
    assert "at once" in browser.text
    page = browser.post(DELETE, {"name": "ada"})
    assert (page.status_code, page["Location"]) == (303, "/account/deleted/")
    assert browser.get("/account/deleted/").status_code == 200
    assert browser.get("/account/")["Location"].startswith("/account/sign-in/")
    assert other.get("/account/")["Location"].startswith("/account/sign-in/")
    assert refused(Browser().sign_in()) == "sign-in-refused"
    ada.refresh_from_db()
    assert (ada.state, ada.username, ada.has_usable_password()) == ("deleted", "ada", False)


def test_a20_a_tombstone_stays_and_the_log_is_whole(ada: User) -> None:
    services.change_password(ada, PASSWORD, "another-anchor-93-tundra", by=by(ada), now=clock.now())
    before = Record.objects.count()
    told = dict(Personal.objects.values_list("record_id", "network"))
    ask(User.objects.get(pk=ada.pk))
    assert User.objects.filter(username="ada", state="deleted").exists()
    assert Record.objects.count() == before + 1
    assert dict(Personal.objects.filter(record_id__in=told).values_list("record_id", "network")) == told
    made = Record.objects.get(action="account.delete")
    assert (made.account_id, made.about_name, made.outcome) == (ada.pk, "ada", "done")
    seal(clock.now())
    assert list(verify()) == []


def test_everything_that_opens_something_is_gone(ada: User, co_owned: User, configure: Configure) -> None:
    configure(deletion_days=0)
    token = give_token(ada)
    links.make_link_for(ada, links.NOT_ME, now=clock.now())
    services.invite_user("carl", "carl@example.org", by=host())
    ask(ada)
    token.refresh_from_db()
    assert token.revoked_at == START
    assert (token.last_used_network, token.last_used_client) == ("", "")
    for one in belongings.all_belongings():
        for kept in one.kept:
            assert kept.stays or not kept.rows(ada.pk).exists(), kept.name
    assert not Role.objects.filter(user=ada).exists()
    assert OneTimeLink.objects.filter(purpose=links.INVITATION).count() == 1
    assert Email.objects.filter(user=co_owned).count() == 1


def test_the_last_mail_goes_to_all_verified_addresses_and_says_what_cannot_be_undone(ada: User) -> None:
    services.add_email(ada, "second@example.org", by=host(), is_primary=False, verified_by="host")
    services.add_email(ada, "never@example.org", by=host(), is_primary=False)
    ask(ada)
    assert mails("account-deleted") == ["ada@example.org", "second@example.org"]


# ---- the wait, for people with authority


def test_r9_who_has_authority_waits_and_can_keep_the_account(ada: User, co_owned: User, time: Clock) -> None:
    _, browser = signed_in(ada)
    browser.get(DELETE)
    page = browser.post(DELETE, {"name": "ada"})
    assert page["Location"] == "/account/"
    waiting = Deletion.objects.get()
    assert waiting.due_at == START + timedelta(days=7)
    assert mails("account-deletion-asked") == ["ada@example.org"]
    assert "will be deleted" in (browser.get("/account/") and browser.text)
    assert User.objects.get(pk=ada.pk).state == "active"
    time.go(minutes=20)  # taking it back asks for no fresh proof
    assert browser.post("/account/delete/keep/")["Location"] == "/account/"
    assert not Deletion.objects.exists()
    assert not OneTimeLink.objects.filter(purpose=links.KEEP_ACCOUNT).exists()
    assert carry_out_due(time.go(days=8)) == 0
    assert mails("account-deletion-taken-back") == ["ada@example.org"]


def test_r9_the_wait_ends_in_a_tombstone_and_the_events_are_kept(
    ada: User, co_owned: User, time: Clock
) -> None:
    ask(ada)
    assert carry_out_due(time.go(days=7, seconds=-1)) == 0
    assert keep(time.go(seconds=1))["accounts_deleted"] == 1
    ada.refresh_from_db()
    assert ada.state == "deleted"
    assert not Role.objects.filter(user=ada).exists()
    assert [
        record.actor_kind for record in Record.objects.filter(action="account.delete").order_by("pk")
    ] == [
        "session",
        "job",
    ]
    assert mails("co-owner-gone") == ["bob@example.org"]
    assert carry_out_due(clock.now()) == 0


def test_asked_twice_is_asked_once(ada: User, co_owned: User, time: Clock) -> None:
    first = ask(ada)
    time.go(hours=1)
    assert ask(ada).due_at == first.due_at
    assert Deletion.objects.count() == 1
    assert Record.objects.filter(action="account.delete").count() == 1


def test_the_mailed_link_keeps_the_account_and_opening_it_alone_does_nothing(
    ada: User, co_owned: User, time: Clock, browser: Browser
) -> None:
    with transaction.atomic():
        waiting = Deletion.objects.create(user=ada, asked_at=START, due_at=START + timedelta(days=7))
        path = links.make_link_for(ada, links.KEEP_ACCOUNT, now=START)
    browser.get(path)
    browser.client.head(path)
    assert Deletion.objects.filter(pk=waiting.pk).exists()
    assert browser.post(path)["Location"] == "/keep-account/"
    assert not Deletion.objects.exists()
    assert refused(browser.get(path)) in {"link-used", "link-unknown"}
    assert browser.get("/keep-account/").status_code == 200
    assert refused(browser.get("/keep-account/nothing/")) == "link-unknown"


def test_a_link_of_a_deletion_that_was_taken_back_or_done_is_dead(
    ada: User, co_owned: User, time: Clock, browser: Browser
) -> None:
    ask(ada)
    assert OneTimeLink.objects.filter(purpose=links.KEEP_ACCOUNT).count() == 1
    carry_out_due(time.go(days=7))
    assert not OneTimeLink.objects.filter(user=ada).exists()
    assert browser.get("/account/")["Location"].startswith("/account/sign-in/")


def test_nothing_waits_nothing_is_kept(ada: User) -> None:
    _, browser = signed_in(ada)
    browser.get("/account/")
    assert refused(browser.post("/account/delete/keep/")) == "deletion-missing"


@pytest.mark.parametrize("state", ["frozen", "held"])
def test_an_account_that_is_frozen_or_on_hold_waits_on(
    ada: User, co_owned: User, time: Clock, state: str
) -> None:
    ask(ada)
    now = time.go(days=6)
    if state == "frozen":
        User.objects.filter(pk=ada.pk).update(state="frozen")
    else:
        with transaction.atomic():
            holds.place_hold(ada, Hold.Reason.RECOVERY_CODE, now=now, until=now + timedelta(days=3))
    assert carry_out_due(time.go(days=1)) == 0
    User.objects.filter(pk=ada.pk).update(state="active")
    assert carry_out_due(time.go(days=2)) == 1


# ---- refusals


def test_the_sole_owner_of_a_project_stays_and_is_shown_the_way_out(ada: User, time: Clock) -> None:
    project = give_project(ada)
    share(project, make_person("bob"), "maintainer")
    _, browser = signed_in(ada)
    browser.get(DELETE)
    assert 'href="/manage/project/alpha/"' in browser.text
    assert "Delete my account" not in browser.text
    page = browser.post(DELETE, {"name": "ada"})
    assert (page.status_code, refused(page)) == (400, "owns-alone")
    assert not Deletion.objects.exists()
    assert Record.objects.filter(action="account.delete", code="owns-alone").count() == 1
    assert not Mail.objects.exists()
    Project.objects.update(status="archived")
    assert ask(ada).done_at is None


def test_the_last_operator_stays(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_operator=True)
    ada.refresh_from_db()
    with pytest.raises(OperatorLast):
        ask(ada)
    _, browser = signed_in(ada)
    assert "last operator" in (browser.get(DELETE) and browser.text)
    bob = make_person("bob", is_operator=True)
    assert ask(ada).due_at == START + timedelta(days=7)
    User.objects.filter(pk=bob.pk).update(state="frozen")  # a frozen one operates nothing
    assert carry_out_due(START + timedelta(days=8)) == 0
    assert mails("account-deletion-impossible") == ["ada@example.org"]
    assert is_set_up()


def test_who_became_the_sole_owner_while_waiting_stays_and_is_told(
    ada: User, co_owned: User, time: Clock
) -> None:
    ask(ada)
    Role.objects.filter(user=co_owned).delete()
    assert carry_out_due(time.go(days=7)) == 0
    assert not Deletion.objects.exists()
    assert User.objects.get(pk=ada.pk).state == "active"
    assert Role.objects.filter(user=ada, kind="owner").exists()
    assert mails("account-deletion-impossible") == ["ada@example.org"]
    assert mails("account-deleted") == []
    assert Record.objects.filter(action="account.delete", code="owns-alone").count() == 1


@pytest.mark.parametrize("typed", ["", "Ada", "ada2", "ada\x00", "x" * 60])
def test_another_name_deletes_nothing(ada: User, typed: str) -> None:
    _, browser = signed_in(ada)
    browser.get(DELETE)
    page = browser.post(DELETE, {"name": typed})
    assert page.status_code == 400
    assert User.objects.get(pk=ada.pk).state == "active"
    assert not Deletion.objects.exists()


def test_a_deletion_asks_for_a_fresh_proof_by_the_strongest_factor(ada: User, time: Clock) -> None:
    _, browser = signed_in(ada)
    weak = signed_in(ada, "password")[1]
    weak.get(DELETE)
    assert refused(weak.post(DELETE, {"name": "ada"})) == "step-up-required"
    with pytest.raises(StepUpRequired):
        ask_deletion(ada, "ada", by=actor_of(signed_in(ada, "password")[0]), now=clock.now())
    mark = browser.get(DELETE) and browser.mark()
    time.go(minutes=16)
    fields = {"csrfmiddlewaretoken": mark, "name": "ada"}
    page = browser.client.post(DELETE, fields, headers={"accept": "text/html"})
    assert refused(page) == "step-up-required"
    assert User.objects.get(pk=ada.pk).state == "active"


def test_an_account_on_hold_is_not_deleted(ada: User) -> None:
    with transaction.atomic():
        holds.place_hold(ada, Hold.Reason.RECOVERY_CODE, now=START, until=START + timedelta(hours=24))
    with pytest.raises(Refusal) as refusal:
        ask(User.objects.get(pk=ada.pk))
    assert refusal.value.code == AccountHeld.code


def test_nobody_deletes_somebody_else(ada: User) -> None:
    with pytest.raises(RoleRequired):
        ask_deletion(ada, "ada", by=by(make_person("bob")), now=clock.now())


def test_nothing_is_deleted_where_nobody_knows_what_is_kept(ada: User) -> None:
    belongings._wired.clear()  # `wired` of conftest.py puts it back
    with pytest.raises(GateUnavailable):
        ask(ada)
    assert User.objects.get(pk=ada.pk).state == "active"
    assert not Mail.objects.exists()


# ---- the name


def test_the_name_stays_taken_and_is_free_after_the_set_time(ada: User, time: Clock) -> None:
    ask(ada)
    for days in (0, 364):
        time.set(START + timedelta(days=days))
        with pytest.raises(UsernameTaken):
            services.create_user("ADA", by=host())
        assert forget_tombstones(clock.now()) == 0
    time.set(START + timedelta(days=365))
    assert keep(clock.now())["tombstones"] == 1
    assert keep(clock.now())["tombstones"] == 0
    assert User.objects.get(pk=ada.pk).username == f"~{ada.pk}"
    assert services.create_user("ada", by=host()).pk != ada.pk


def test_what_is_personal_in_the_log_goes_with_the_name_and_the_chain_holds(ada: User, time: Clock) -> None:
    bob = make_person("bob")
    for person in (bob, ada):
        services.change_password(person, PASSWORD, "another-anchor-93-tundra", by=by(person), now=clock.now())
    seal(clock.now())
    ask(User.objects.get(pk=ada.pk))
    assert Personal.objects.filter(record__actor_id=ada.pk).exists()
    forget_tombstones(time.go(days=365))
    assert not Personal.objects.filter(record__actor_id=ada.pk).exists()
    assert Record.objects.filter(actor_id=ada.pk).count() == 2
    assert Personal.objects.filter(record__actor_id=bob.pk).exists()
    seal(clock.now())
    assert list(verify()) == []


def test_networks_of_whoever_was_not_signed_in_and_addresses_of_mails_go_as_well(
    ada: User, time: Clock
) -> None:
    bob = make_person("bob")
    nobody = Actor(kind="nobody", network="192.0.2.7", user_agent="a browser")
    for person in (ada, bob):
        with transaction.atomic():
            record("password.ask-reset", by=nobody, account_id=person.pk)
    with transaction.atomic():
        emails.tell(ada, letters.taken_back("ada"), now=clock.now())
    Mail.objects.update(state=SENT, ended_at=clock.now())
    ask(User.objects.get(pk=ada.pk))
    Mail.objects.update(state=SENT, ended_at=clock.now())
    forget_tombstones(time.go(days=365))
    assert Personal.objects.filter(network="192.0.2.7").count() == 1
    assert not Mail.objects.filter(address="ada@example.org").exists()


def test_the_notice_to_co_owners_does_not_stop_their_accounts(
    ada: User, co_owned: User, configure: Configure
) -> None:
    configure(deletion_days=0)
    ask(ada)
    [told] = mailed("co-owner-gone")
    assert "This was not me" not in told
    assert not OneTimeLink.objects.filter(user=co_owned, purpose=links.NOT_ME).exists()


# ---- at the same moment


@pytest.mark.django_db(transaction=True)
def test_a_deletion_that_is_taken_back_as_it_is_due_is_one_or_the_other(time: Clock) -> None:
    ada, bob = make_person("ada"), make_person("bob")
    share(give_project(ada), bob)
    ask(ada)
    time.go(days=40)
    with transaction.atomic():
        path = links.make_link_for(ada, links.KEEP_ACCOUNT, now=clock.now())
    secret = path.split("/")[2]
    visitor = Actor(kind="nobody")
    acts: list[Callable[[], Any]] = [
        partial(keep_account_by_link, secret, by=visitor, now=clock.now()),
        partial(carry_out_due, clock.now()),
    ]
    kept, done = at_once(acts)
    is_gone = User.objects.get(pk=ada.pk).state == "deleted"
    assert (done == 1) == is_gone == (kept is not None)


def states() -> list[str]:
    return sorted(User.objects.values_list("state", flat=True))


def asking(user: User) -> Callable[[], Deletion]:
    return partial(ask_deletion, user, user.username, by=by(user), now=clock.now())


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_go_at_once_one_stays(configure: Configure) -> None:
    configure(deletion_days=0)
    ada, bob = make_person("ada"), make_person("bob")
    share(give_project(ada), bob)
    results = at_once([asking(ada), asking(bob)])
    assert sorted(type(one).__name__ for one in results) == ["Deletion", "OwnsAlone"]
    assert states() == ["active", "deleted"]
    assert Role.objects.get().user.state == "active"


@pytest.mark.django_db(transaction=True)
def test_of_two_last_operators_who_go_at_once_one_stays(configure: Configure) -> None:
    configure(deletion_days=0)
    people = [make_person(name, is_operator=True) for name in ("ada", "bob")]
    results = at_once([asking(one) for one in people])
    assert sorted(type(one).__name__ for one in results) == ["Deletion", "OperatorLast"]
    assert is_set_up()


@pytest.mark.django_db(transaction=True)
def test_a_deletion_and_a_first_upload_at_once_leave_no_project_without_an_owner(
    configure: Configure,
) -> None:
    configure(deletion_days=0)
    ada = make_person("ada")
    found: Callable[[], object] = partial(projects.create_project, "alpha", [ada], by=host())
    results = at_once([asking(ada), found])
    gone = User.objects.get(pk=ada.pk).state == "deleted"
    if gone:
        assert not Project.objects.exists()
        assert any(isinstance(one, OwnerMissing) for one in results)
    else:
        assert Role.objects.get().user_id == ada.pk
        assert any(isinstance(one, OwnsAlone) for one in results)


@pytest.mark.django_db(transaction=True)
def test_several_keepers_carry_out_each_deletion_once(time: Clock) -> None:
    ada, bob = make_person("ada"), make_person("bob")
    share(give_project(ada), bob)
    ask(ada)
    now = time.go(days=7)
    assert sorted(map(str, at_once([partial(carry_out_due, now)] * 3))) == ["0", "0", "1"]
    assert len(mails("account-deleted")) == 1


@pytest.mark.django_db(transaction=True)
def test_settling_an_index_deletes_what_is_due(time: Clock) -> None:
    ada, bob = make_person("ada"), make_person("bob")
    share(give_project(ada), bob)
    ask(ada)
    assert settle()["accounts_deleted"] == 0
    time.go(days=7)
    assert settle()["accounts_deleted"] == 1
    assert User.objects.get(pk=ada.pk).state == "deleted"


def test_a_project_is_given_to_nobody_who_is_gone(ada: User) -> None:
    ask(ada)
    with pytest.raises(OwnerMissing):
        projects.create_project("alpha", [User.objects.get(pk=ada.pk)], by=host())
    assert not Project.objects.exists()


def test_a_failing_work_does_not_keep_the_other_from_being_done(
    ada: User, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(now: Any) -> int:
        raise RuntimeError

    ask(ada)
    monkeypatch.setattr(keeping, "WORKS", {"first": fail, "tombstones": forget_tombstones})
    with pytest.raises(RuntimeError):
        keep(time.go(days=366))
    assert User.objects.get(pk=ada.pk).username == f"~{ada.pk}"


def test_the_keeper_works_beside_requests_and_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def fail(now: datetime) -> dict[str, int]:
        done.append(now)
        raise RuntimeError

    monkeypatch.setattr(keeping, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(keeping, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(keeping, "keep", fail)
    keeper = Keeper()
    keeper.start()
    while len(done) < 2:
        pass
    keeper.stop()
