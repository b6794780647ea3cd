"""Mail domains that are gone: judged by what a real name server on this machine answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import dns.resolver
import pytest
from click.testing import CliRunner
from tests.accounts.addresses.mailbox import code_in, letter_to, path_in
from tests.accounts.addresses.name_server import NameServer, name_server
from tests.accounts.conftest import (
    Browser,
    Clock,
    Configure,
    at_once,
    give_project,
    make_person,
    refused,
    signed_in,
)

from keyhouse.accounts import services as account_services
from keyhouse.accounts.addresses import looking_up, queries, watching
from keyhouse.accounts.addresses.looking_up import Lookup, lookup_by
from keyhouse.accounts.addresses.watching import go_on, watch_domains
from keyhouse.accounts.models import Email, MailDomain, OneTimeLink, User
from keyhouse.accounts.queries import find_recoverable, find_verified_email, may_recover_by
from keyhouse.accounts.sessions import actor_of
from keyhouse.audit.models import Record
from keyhouse.cli.mail import command as mail_commands
from keyhouse.core import actions, clock
from keyhouse.core.actor import NOBODY, host
from keyhouse.core.errors import Refusal
from keyhouse.mail.models import Mail
from keyhouse.web import readiness

pytestmark = pytest.mark.django_db

THERE = {"MX": "10 mail.gone-one.dev."}
DOMAIN = "gone-one.dev"


@pytest.fixture
def server() -> Iterator[NameServer]:
    with name_server() as found:
        yield found


@pytest.fixture
def lookup(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> Lookup:
    monkeypatch.setattr(looking_up, "SECONDS", 0.5)
    return lookup_by(server.resolver())


@pytest.fixture
def ada(db: None) -> User:
    return person_at(DOMAIN)


def person_at(domain: str, username: str = "ada") -> User:
    user = account_services.create_user(username, by=host(), password="velvet-anchor-93-tundra")
    account_services.add_email(user, f"{username}@{domain}", by=host(), verified_by="host")
    return user


def is_verified(user: User) -> bool:
    return queries.has_verified_primary(user)


def pass_days(count: int, time: Clock, lookup: Lookup) -> None:
    for _ in range(count):
        watch_domains(clock.now(), lookup)
        time.go(hours=24)


# ---- what counts as gone


def test_a_domain_is_gone_after_three_days_in_a_row(
    ada: User, server: NameServer, lookup: Lookup, time: Clock
) -> None:
    pass_days(2, time, lookup)
    assert is_verified(ada)
    assert watch_domains(clock.now(), lookup)["domains_gone"] == 1
    email = Email.objects.get(user=ada)
    assert (email.verified_at, email.domain_gone_at) == (None, clock.now())
    record = Record.objects.get(action="email.lose-domain")
    assert (record.account_id, record.actor_kind) == (ada.pk, "job")
    time.go(hours=24)
    assert watch_domains(clock.now(), lookup)["domains_gone"] == 0
    assert Record.objects.filter(action="email.lose-domain").count() == 1


def test_asking_often_within_a_day_counts_once(ada: User, lookup: Lookup, time: Clock) -> None:
    for _ in range(20):
        watch_domains(clock.now(), lookup)
        time.go(hours=1)
    assert MailDomain.objects.get().missing_count == 1
    assert is_verified(ada)


@pytest.mark.parametrize("trouble", ["failing", "silent", "refusing", "garbled"])
def test_servers_that_fail_never_un_verify(
    ada: User, server: NameServer, lookup: Lookup, time: Clock, trouble: str
) -> None:
    server.domains[DOMAIN] = trouble
    pass_days(4, time, lookup)
    assert MailDomain.objects.get().answer == "unknown"
    assert is_verified(ada)


def test_a_day_without_an_answer_ends_the_row(
    ada: User, server: NameServer, lookup: Lookup, time: Clock
) -> None:
    pass_days(2, time, lookup)
    server.domains[DOMAIN] = "failing"
    pass_days(1, time, lookup)
    server.domains[DOMAIN] = "missing"
    pass_days(2, time, lookup)
    assert is_verified(ada)
    assert MailDomain.objects.get().missing_count == 2


@pytest.mark.parametrize(
    "found",
    [THERE, {"A": "192.0.2.1"}, {"AAAA": "2001:db8::1"}, {}, {"MX": "0 ."}],
    ids=["mail", "address", "address-6", "name-only", "no-mail"],
)
def test_a_domain_that_exists_is_not_gone(
    ada: User, server: NameServer, lookup: Lookup, time: Clock, found: dict[str, str]
) -> None:
    pass_days(2, time, lookup)
    server.domains[DOMAIN] = found
    pass_days(4, time, lookup)
    assert is_verified(ada)
    row = MailDomain.objects.get()
    assert row.missing_count == 0
    assert row.answer == ("no-mail" if found in ({}, {"MX": "0 ."}) else "takes-mail")


def test_without_name_servers_nothing_happens(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_found() -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr("dns.resolver.Resolver", none_found)
    assert watch_domains(clock.now()) == {"domains_asked": 0, "domains_gone": 0}
    assert not MailDomain.objects.exists()


def test_without_network_few_questions_are_asked(server: NameServer, lookup: Lookup, db: None) -> None:
    for number in range(watching.AT_ONCE * 2):
        person_at(f"gone-{number}.dev", f"person{number}")
        server.domains[f"gone-{number}.dev"] = "refusing"
    assert watch_domains(clock.now(), lookup) == {"domains_asked": 0, "domains_gone": 0}
    assert len(set(server.asked)) == watching.AT_ONCE


@pytest.mark.parametrize(
    "domain", ["corp-one.dev", "a.corp-one.dev", "example.org", "x.example.com", "box.test", "localhost"]
)
def test_trusted_and_reserved_domains_are_not_asked_for(
    server: NameServer, lookup: Lookup, time: Clock, configure: Configure, domain: str
) -> None:
    configure(mail_domains_trusted=("corp-one.dev",))
    user = person_at(domain)
    pass_days(4, time, lookup)
    assert is_verified(user)
    assert server.asked == []


# ---- what stops the watch


def test_a_run_that_would_touch_too_many_stops_and_alarms(
    server: NameServer, lookup: Lookup, time: Clock, caplog: pytest.LogCaptureFixture, db: None
) -> None:
    people = [person_at(DOMAIN, f"person{number}") for number in range(6)]
    pass_days(3, time, lookup)
    assert all(is_verified(one) for one in people)
    alarm = queries.find_alarm()
    assert alarm is not None
    assert alarm.domains == [DOMAIN]
    errors = [line for line in caplog.records if line.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert DOMAIN in errors[0].getMessage()
    _, console = signed_in(make_person("root", is_operator=True))
    assert "has stopped" in console.get("/operator/accounts/").content.decode()
    assert readiness._mail_domains_are_watched() == alarm.sentence
    assert (
        readiness._mail_domains_are_watched in readiness.BESIDE
    )  # it is told in the body, and stops no reading
    server.domains[DOMAIN] = THERE
    pass_days(1, time, lookup)
    assert queries.find_alarm() is None
    assert readiness._mail_domains_are_watched() == ""
    assert all(is_verified(one) for one in people)


def test_a_handful_is_no_alarm_and_two_per_cent_of_many_is_none_either(
    lookup: Lookup, time: Clock, db: None
) -> None:
    people = [person_at(DOMAIN, f"person{number}") for number in range(6)]
    User.objects.bulk_create([User(username=f"many{number}", joined_at=clock.now()) for number in range(294)])
    pass_days(3, time, lookup)
    assert not any(is_verified(one) for one in people)
    assert queries.find_alarm() is None


def test_people_are_counted_over_a_day_and_not_by_domain(
    server: NameServer, lookup: Lookup, time: Clock, db: None
) -> None:
    """One domain after the other, each a handful: the second one stops the watch."""
    for number in range(5):
        person_at(DOMAIN, f"first{number}")
        person_at("gone-two.dev", f"second{number}")
    server.domains["gone-two.dev"] = "failing"
    watch_domains(clock.now(), lookup)
    time.go(hours=2)
    server.domains["gone-two.dev"] = "missing"
    for _ in range(4):
        watch_domains(clock.now(), lookup)
        time.go(hours=22)
        watch_domains(clock.now(), lookup)
        time.go(hours=2)
    alarm = queries.find_alarm()
    assert alarm is not None
    assert alarm.domains == ["gone-two.dev"]
    assert Email.objects.filter(domain_gone_at__isnull=False).count() == 5


def test_an_operator_who_looked_lets_it_go_on(lookup: Lookup, time: Clock, db: None) -> None:
    people = [person_at(DOMAIN, f"person{number}") for number in range(6)]
    pass_days(3, time, lookup)
    with pytest.raises(Refusal):
        go_on(by=NOBODY, now=clock.now())
    assert is_verified(people[0])
    listed = CliRunner().invoke(mail_commands, ["domains", "--json"])
    assert json.loads(listed.stdout)["state"] == "stopped"
    assert "--go-on" in listed.stderr
    done = CliRunner().invoke(mail_commands, ["domains", "--go-on"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("1 domains are gone")
    assert f"{DOMAIN}  gone" in done.stdout
    assert not any(is_verified(one) for one in people)
    assert go_on(by=host(), now=clock.now()) == 0


def test_a_domain_that_is_trusted_from_now_on_ends_the_alarm(
    lookup: Lookup, time: Clock, configure: Configure, db: None
) -> None:
    for number in range(6):
        person_at(DOMAIN, f"person{number}")
    pass_days(3, time, lookup)
    configure(mail_domains_trusted=(DOMAIN,))
    watch_domains(clock.now(), lookup)
    assert queries.find_alarm() is None


# ---- what being gone means


def test_a13_a_domain_that_is_registered_anew_recovers_nothing(
    ada: User, server: NameServer, lookup: Lookup, time: Clock
) -> None:
    give_project(ada)
    links_before = OneTimeLink.objects.count()
    pass_days(3, time, lookup)
    server.domains[DOMAIN] = THERE  # somebody registered it
    pass_days(2, time, lookup)
    email = Email.objects.get(user=ada)
    assert email.verified_at is None
    assert not may_recover_by(email)
    assert OneTimeLink.objects.count() == links_before
    assert find_verified_email(email.address) is None
    assert find_recoverable(email.address) == find_recoverable("ada") == []
    for form, field in (("/account/password/forgotten/", "username"), ("/account/recover/", "identifier")):
        asking = Browser()
        asking.get(form)
        for typed in ("ada", email.address):
            assert asking.post(form, {field: typed}).status_code == 303
    assert not Mail.objects.filter(address=email.address).exists()
    session, browser = signed_in(ada)
    with pytest.raises(Refusal) as denied:
        actions.require_gate(actor_of(session), "token.mint")
    assert denied.value.code in {"email-unverified", "second-factor-required"}
    assert "its domain is gone" in browser.get("/account/emails/").content.decode()
    assert "/account/emails/" in browser.get("/account/").content.decode()


def test_r2_only_its_owner_signed_in_verifies_an_address_again_whose_domain_was_gone(
    ada: User, server: NameServer, lookup: Lookup, time: Clock
) -> None:
    pass_days(3, time, lookup)
    server.domains[DOMAIN] = THERE
    pass_days(1, time, lookup)
    email = Email.objects.get(user=ada)
    page = f"/account/emails/{email.pk}/"
    _, browser = signed_in(ada, "password")
    time.go(minutes=16)
    browser.get(page)
    assert refused(browser.post(page, {"send": "again"})) == "step-up-required"
    assert not Mail.objects.filter(kind="email-verify").exists()
    _, browser = signed_in(ada, "password")
    browser.get(page)
    assert browser.post(page, {"send": "again"}).status_code == 303
    letter = letter_to(email.address, "email-verify")
    reader = Browser()  # whoever reads the mailbox now
    assert reader.get(path_in(letter, "verify-address")).status_code == 302
    email.refresh_from_db()
    assert email.verified_at is None
    browser.get(page)
    assert browser.post(page, {"code": code_in(letter)}).status_code == 303
    email.refresh_from_db()
    assert (email.verified_by, email.domain_gone_at, email.is_primary) == ("link", None, True)
    assert may_recover_by(email)


def test_r2_a_domain_that_is_missing_today_recovers_nothing_today(
    ada: User, server: NameServer, lookup: Lookup, time: Clock
) -> None:
    email = Email.objects.get(user=ada)
    assert may_recover_by(email)
    watch_domains(clock.now(), lookup)
    assert is_verified(ada)
    assert not may_recover_by(email)
    assert find_recoverable(email.address) == find_recoverable("ada") == []
    server.domains[DOMAIN] = THERE
    time.go(hours=24)
    watch_domains(clock.now(), lookup)
    assert may_recover_by(email)


def test_a_way_back_does_not_verify_an_address_whose_domain_is_gone(
    ada: User, lookup: Lookup, time: Clock
) -> None:
    from keyhouse.accounts.addresses import services  # noqa: PLC0415 - beside its one use
    from keyhouse.accounts.addresses.services import Change  # noqa: PLC0415 - the same

    other = account_services.add_email(
        ada, "ada@example.net", by=host(), is_primary=False, verified_by="host"
    )
    pass_days(2, time, lookup)
    session, _ = signed_in(ada, "password")
    services.make_primary(Change(ada, actor_of(session), clock.now()), other.pk)
    path = path_in(letter_to(f"ada@{DOMAIN}", "email-primary-changed"), "revert-addresses")
    pass_days(1, time, lookup)
    assert Browser().post(path).status_code == 200
    assert Email.objects.get(user=ada, address=f"ada@{DOMAIN}").verified_at is None
    assert Email.objects.get(user=ada, is_primary=True).address == "ada@example.net"


def test_the_other_addresses_are_told(ada: User, lookup: Lookup, time: Clock) -> None:
    account_services.add_email(ada, "ada@example.net", by=host(), is_primary=False, verified_by="host")
    pass_days(3, time, lookup)
    assert letter_to("ada@example.net", "email-domain-gone")
    assert not Mail.objects.filter(address=f"ada@{DOMAIN}").exists()


def test_of_a_domain_all_addresses_are_lost_or_none(
    lookup: Lookup, time: Clock, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    people = [person_at(DOMAIN, f"person{number}") for number in range(3)]
    pass_days(2, time, lookup)

    def die(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(watching, "_tell", die)
        with pytest.raises(RuntimeError):
            watch_domains(clock.now(), lookup)
    assert all(is_verified(one) for one in people)
    assert watch_domains(clock.now(), lookup)["domains_gone"] == 1
    assert not any(is_verified(one) for one in people)


@pytest.mark.django_db(transaction=True)
def test_two_watches_at_once_take_a_domain_once(server: NameServer, lookup: Lookup, time: Clock) -> None:
    ada = person_at(DOMAIN)
    pass_days(2, time, lookup)
    now = clock.now()
    at_once([lambda: watch_domains(now, lookup)] * 2)
    assert not is_verified(ada)
    assert MailDomain.objects.get().missing_count == 3
    assert Record.objects.filter(action="email.lose-domain").count() == 1
