from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from tests.accounts.conftest import (
    PASSWORD,
    SECRET,
    START,
    Browser,
    Clock,
    give_project,
    make_person,
    refused,
    signed_in,
)

from keyhouse.accounts import links, services
from keyhouse.accounts.emails import tell
from keyhouse.accounts.exporting import export_account
from keyhouse.accounts.models import RecoveryCode, Session, User
from keyhouse.accounts.second_factors.recovery_codes.rules import new_codes
from keyhouse.accounts.second_factors.recovery_codes.services import give_recovery_codes
from keyhouse.accounts.sessions import actor_of
from keyhouse.audit.models import Record
from keyhouse.audit.services import record
from keyhouse.core import belongings, clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import host
from keyhouse.core.errors import RoleRequired
from keyhouse.mail.letters import Letter
from keyhouse.mandate.models import Notice

pytestmark = pytest.mark.django_db
EXPORT = "/account/export/"


def download(browser: Browser) -> Any:
    browser.get(EXPORT)
    page: Any = browser.client.post(
        EXPORT, {"csrfmiddlewaretoken": browser.mark()}, headers={"accept": "text/html"}
    )
    assert page.status_code == 200
    assert page.headers["Content-Disposition"] == 'attachment; filename="keyhouse-ada.json"'
    return json.loads(b"".join(page.streaming_content))


def test_a_person_gets_everything_that_is_held_about_them(ada: User) -> None:
    give_project(ada)
    bob = make_person("somebody-else")
    services.add_email(ada, "second@example.org", by=host(), is_primary=False)
    Notice.objects.create(user=ada, mandate="everybody", kind="announced", delivered_at=START)
    services.change_password(
        ada, PASSWORD, "another-anchor-93-tundra", by=actor_of(signed_in(ada)[0]), now=START
    )
    with transaction.atomic():
        tell(ada, Letter("a-notice", "A notice", ()), now=START)
    told = download(signed_in(ada)[1])
    assert set(told) - {"index", "exported_at", "not_told"} == {
        kept.name for one in belongings.all_belongings() for kept in one.kept
    }
    assert told["account"][0]["username"] == "ada"
    assert [row["address"] for row in told["addresses"]] == ["ada@example.org", "second@example.org"]
    assert told["authenticator_apps"][0]["name"] == "app 0"
    assert told["roles"] == [
        {"project_name": "alpha", "kind": "owner", "since_at": "2024-05-06T07:08:09Z", "nudged_at": None}
    ]
    assert told["mandate_notices"][0]["mandate"] == "everybody"
    assert "password.change" in {row["action"] for row in told["history"]}
    assert {row["address"] for row in told["mails"]} == {"ada@example.org"}
    assert "somebody-else" not in json.dumps(told)
    assert bob.pk not in {row["actor_id"] for row in told["history"]}


def test_the_export_holds_no_secret(ada: User) -> None:
    give_recovery_codes(ada, new_codes(), by=host())
    with transaction.atomic():
        path = links.make_link_for(ada, links.NOT_ME, now=clock.now())
    session, browser = signed_in(ada)
    text = json.dumps(download(browser))
    secrets = [ada.password, path.split("/")[2], session.digest, session.csrf_secret, browser.cookie]
    secrets += list(RecoveryCode.objects.values_list("digest", flat=True))
    secrets += [SECRET.decode(), ada.authenticators.get().secret_sealed]
    assert [one for one in secrets if one in text] == []


def test_what_others_did_to_an_account_is_told_without_where_they_were(ada: User) -> None:
    operator = make_person("olga", is_operator=True)
    session = signed_in(operator)[0]
    with transaction.atomic():
        by = actor_of(session, network="203.0.113.9", user_agent="olga's browser")
        record("enrolment.link", by=by, about=Thing("account", ada.pk), account_id=ada.pk)
    told = download(signed_in(ada)[1])
    [row] = [row for row in told["history_of_others"] if row["action"] == "enrolment.link"]
    assert not {"actor_id", "credential", "methods"} & row.keys()
    assert session.public_id not in json.dumps(told)
    assert "203.0.113.9" not in json.dumps(told)


def test_an_export_is_recorded_and_needs_a_fresh_proof(ada: User, time: Clock) -> None:
    _, browser = signed_in(ada)
    download(browser)
    assert Record.objects.get(action="account.export").account_id == ada.pk
    browser.get(EXPORT)
    time.go(minutes=16)
    page = browser.post(EXPORT)
    assert refused(page) == "step-up-required" or "/account/step-up/" in page.get("Location", "")
    assert Record.objects.filter(action="account.export", outcome="done").count() == 1


def test_nobody_takes_away_somebody_elses(ada: User) -> None:
    by = actor_of(signed_in(make_person("bob"))[0])
    with pytest.raises(RoleRequired):
        export_account(ada, by=by, now=clock.now())


def test_many_rows_come_in_pieces(ada: User) -> None:
    session = Session.objects.create(
        digest="0" * 64, public_id="0", user=ada, proved_at=START, created_at=START, last_seen_at=START
    )
    Session.objects.bulk_create(
        Session(
            digest=f"{number:064}",
            public_id=str(number),
            user=ada,
            methods=["password"],
            proved_at=START,
            csrf_secret="",
            created_at=START + timedelta(seconds=number),
            last_seen_at=START,
        )
        for number in range(1, 1300)
    )
    session.methods, session.is_complete = ["password", "totp"], True
    session.save()
    pieces = list(export_account(ada, by=actor_of(session), now=clock.now()))
    assert max(map(len, pieces)) < 20_000
    assert len(json.loads("".join(pieces))["sessions"]) == 1300
