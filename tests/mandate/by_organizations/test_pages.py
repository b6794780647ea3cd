"""The pages of an organization's own mandate, its credentials, and what operators are told."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from django.test import Client
from tests.credentials.tokens.test_robots import who
from tests.credentials.trusted_publishers.runs import FIELDS, GITHUB, know_issuer
from tests.credentials.trusted_publishers.test_exchange import minted
from tests.mandate.by_organizations.conftest import (
    ALPHA,
    FROM,
    NOW,
    Crew,
    by_app,
    by_key,
    code_of,
    declare_known,
    everything,
    let_know,
)
from tests.mandate.conftest import SetClock
from tests.mandate.visiting import asked_by, robot_of, token_of
from tests.projects.conftest import make_file
from tests.projects.test_views import doors as doors  # noqa: PLC0414 - a fixture
from tests.projects.test_views import get, post, text_of

from keyhouse.cli.mandate_organizations import command
from keyhouse.core import clock
from keyhouse.core.foresight import Credential, find_foresight
from keyhouse.credentials.tokens import robots
from keyhouse.credentials.tokens.rules import Reach
from keyhouse.credentials.trusted_publishers import of_organizations
from keyhouse.credentials.trusted_publishers.models import Issuer
from keyhouse.mandate import blockers, nudging
from keyhouse.mandate.by_organizations import lately
from keyhouse.mandate.by_organizations.models import Declaration
from keyhouse.mandate.declarations import Demand
from keyhouse.organizations.models import Organization
from keyhouse.projects.services import publish_file

BASE = "/manage/organization/acme/second-factors/"
FORM = {"level": "phishing-resistant", "from_on": FROM.date().isoformat()}


def test_an_owner_looks_declares_sees_who_lacks_it_and_asks_for_less(
    crew: Crew, acme: Organization, doors: Any, set_clock: SetClock
) -> None:
    ada = by_key(crew.ada)
    assert "asks for nothing of its own yet" in text_of(get(BASE, ada))
    before = everything("organizations", "organizationmandates", "mail")
    looked = text_of(post(BASE, ada, {**FORM, "look": "1"}))
    assert "Who would be refused" in looked
    assert "3 of 4 people" in looked
    assert everything("organizations", "organizationmandates", "mail") == before
    assert (
        post(BASE, ada, {**FORM, "from_on": (NOW + timedelta(days=1)).date().isoformat()}).status_code == 400
    )
    assert post(BASE, ada, {**FORM, "level": "prayer"}).status_code == 400
    assert not Declaration.objects.exists()
    assert post(BASE, ada, FORM).status_code == 303
    assert Declaration.objects.get().from_at == FROM
    let_know()
    shown = text_of(get(BASE, ada))
    assert "1 of 4 people" in shown
    assert "refused from" in shown
    lines = get("/manage/organization/acme/second-factors.csv", ada).content.decode().splitlines()
    assert lines[0] == "username,role,complies,refused_since,refused_from"
    assert lines[1:] == [
        f"otto,owner,no,,{clock.format_instant(FROM)}",
        f"cora,collaborator,no,,{clock.format_instant(FROM)}",
        f"mo,member,no,,{clock.format_instant(FROM)}",
        "ada,owner,yes,,",
    ]
    nudging.nudge_member("acme", "mo", by=ada)
    set_clock(FROM)
    # an owner who lacks it still sees, and can't switch it off
    assert get(BASE, by_app(crew.otto)).status_code == 200
    assert post(f"{BASE}lift/", by_app(crew.otto)).status_code == 403
    assert post(f"{BASE}lift/", by_key(crew.ada)).status_code == 303
    assert "A loosening waits" in text_of(get(BASE, by_key(crew.ada)))
    assert post(f"{BASE}approve/", by_key(crew.ada)).status_code == 403
    assert post(f"{BASE}keep/", by_key(crew.ada)).status_code == 303
    assert "A loosening waits" not in text_of(get(BASE, by_key(crew.ada)))


def test_tokens_and_robots_count_by_what_made_them_and_their_pages_say_so(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    declare_known("acme", Demand("phishing-resistant"), FROM, by=by_key(crew.ada))
    weak, strong = token_of(crew.ada, "password", "totp"), token_of(crew.ada, "password", "webauthn")
    robot = robot_of(crew.ada, "password", "totp")

    def told(token: str, project: str) -> tuple[str, str]:
        found = json.loads(asked_by(token, f"?action=release.upload&project={project}").content)
        return found["verdict"], found["code"]

    assert told(weak, "alpha") == ("warn", "credential-weak")
    foresight = find_foresight()
    assert foresight is not None
    [limited, wide] = foresight.outlooks(
        crew.ada.pk,
        [
            Credential(by_app(crew.ada).strength, ("release.upload",), ("alpha",)),
            Credential(by_app(crew.ada).strength, ("release.upload",), ("other",)),
        ],
    )
    assert (limited.ends_at, limited.mandate) == (FROM, "organization:acme@1")
    assert wide.ends_at is None
    set_clock(FROM)
    assert told(weak, "alpha") == ("deny", "credential-weak")
    assert told(robot, "alpha") == ("deny", "credential-weak")
    assert told(strong, "alpha") == ("allow", "")
    assert told(weak, "other") == ("allow", "")


def test_only_trusted_publishers_release_there(crew: Crew, acme: Organization, set_clock: SetClock) -> None:
    declare_known("acme", Demand("any-factor", True), FROM, by=by_key(crew.ada))
    strong = token_of(crew.ada, "password", "webauthn")
    set_clock(FROM)
    found = json.loads(asked_by(strong, "?action=release.upload&project=alpha").content)
    assert (found["verdict"], found["code"]) == ("deny", "trusted-publisher-required")
    assert "The organization acme refuses that since" in found["reason"]
    assert json.loads(asked_by(strong, "?action=release.upload&project=other").content)["verdict"] == "allow"
    assert code_of(by_app(crew.mo), "release.publish", ALPHA) == ""


def test_a_dry_run_for_a_name_to_come_knows_the_organization_that_would_own_it(
    crew: Crew, acme: Organization, set_clock: SetClock
) -> None:
    """Of a robot token that may make projects, and of a pending publisher: what the first upload is told, too."""
    founders = {
        name: robots.mint_organization_token(
            "acme", description=name, reach=Reach(), may_found=True, expires_in_days=90, by=by
        )[1]
        for name, by in (("weak", by_app(crew.otto)), ("strong", by_key(crew.ada)))
    }
    know_issuer()
    of_organizations.add_organization_pending("acme", "fresh", "github", GITHUB, FIELDS, by=by_app(crew.otto))
    declare_known("acme", Demand("phishing-resistant"), FROM, by=by_key(crew.ada))
    question = "?action=release.upload&project=fresh"

    def told(token: str) -> tuple[str, str, str]:
        found = json.loads(asked_by(token, question).content)
        return found["verdict"], found["code"], found["mandate"] or ""

    assert told(founders["weak"]) == ("warn", "credential-weak", "organization:acme")
    set_clock(FROM)
    Issuer.objects.update(keys_at=clock.now(), asked_at=clock.now())
    assert told(founders["weak"]) == ("deny", "credential-weak", "organization:acme")
    assert told(founders["strong"])[0] == "allow"
    assert told(minted()) == ("deny", "credential-weak", "organization:acme")
    assert told(token_of(crew.otto))[0] == "allow", (
        "what would be somebody's own is nothing of the organization's"
    )


def test_what_has_to_be_confirmed_stands_among_what_holds_a_mandate_up(
    crew: Crew, acme: Organization, doors: Any
) -> None:
    know_issuer()
    of_organizations.add_organization_publisher(
        "acme", "github", GITHUB, FIELDS, reach=Reach((), is_also_later=True), by=by_app(crew.otto)
    )
    pages = ("/manage/organization/acme/compliance/", "/mandate/project/alpha/")
    for page in pages:
        assert "Publishers that somebody has to confirm" not in text_of(get(page, by_key(crew.ada)))
    declare_known("acme", Demand("phishing-resistant"), FROM, by=by_key(crew.ada))
    for page in pages:
        shown = text_of(get(page, by_key(crew.ada)))
        assert "Publishers that somebody has to confirm" in shown
        assert "refused from" in shown
    assert get(pages[0], by_app(crew.cora)).status_code in {403, 404}
    # what the organization trusts, and how strong its owners are, is nobody's who merely has a role in a project
    for other in (by_app(crew.mo), by_app(crew.cora)):
        shown = text_of(get(pages[1], other))
        assert "alpha" in shown
        assert "Publishers that somebody has to confirm" not in shown


def test_a_publisher_to_be_confirmed_is_found_behind_many_strong_ones(
    crew: Crew, acme: Organization, doors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blockers, "MOST_PUBLISHERS", 1)
    know_issuer()
    for who_adds, workflow in ((by_key(crew.ada), "strong.yml"), (by_app(crew.otto), "weak.yml")):
        of_organizations.add_organization_publisher(
            "acme", "github", GITHUB, {**FIELDS, "workflow": workflow}, reach=Reach((), is_also_later=True), by=who_adds
        )  # fmt: skip
    declare_known("acme", Demand("phishing-resistant"), FROM, by=by_key(crew.ada))
    [line] = blockers.weak_publishers_in(acme)
    assert "weak.yml" in line.label


def test_looking_says_which_uploads_of_the_last_days_would_have_been_refused(
    crew: Crew, acme: Organization, doors: Any
) -> None:
    """Nothing is kept of it; who isn't an owner doesn't get there."""
    weak, strong = (token_of(crew.ada, "password", method) for method in ("totp", "webauthn"))
    for number, text in enumerate((weak, weak, strong)):
        by = who(text)
        made = make_file("alpha", f"1.{number}", credential=by.credential, uploaded_at=clock.now())
        publish_file(made, by=by)
    ada, before = by_key(crew.ada), everything()
    found = lately.replay(acme, Demand("phishing-resistant"), clock.now())
    assert (found.files, found.refused, len(found.stopped)) == (3, 2, 1)
    assert lately.replay(acme, Demand("any-factor"), clock.now()).refused == 0
    assert lately.replay(acme, Demand("any-factor", True), clock.now()).refused == 3
    shown = text_of(post(BASE, ada, {**FORM, "look": "1"}))
    assert "2 would have been refused" in shown
    assert "a token of ada, 2 files" in shown
    assert str(clock.now()) not in shown  # it stands in what she calls her tokens, which is hers alone
    assert lately.replay(acme, Demand("device-bound"), clock.now() + timedelta(days=31)).files == 0
    assert everything() == before
    for other in (by_app(crew.mo), by_app(crew.cora)):
        assert post(BASE, other, {**FORM, "look": "1"}).status_code == 403


def test_operators_are_told_which_organizations_ask_for_what(crew: Crew, acme: Organization) -> None:
    assert "No organization asks for more" in CliRunner().invoke(command, []).output
    declare_known("acme", Demand("device-bound"), FROM, by=by_key(crew.ada))
    assert "acme: 1 of 4 people" in CliRunner().invoke(command, []).output
    [told] = json.loads(CliRunner().invoke(command, ["--json"]).output)
    assert told["organization"] == "acme"
    assert told["asks"] == [{"version": 1, "demand": "device-bound", "from": clock.format_instant(FROM)}]
    assert "acme" not in json.dumps(json.loads(Client().get("/mandate.json").content))
