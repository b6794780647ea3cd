"""The pages of an organization's own mandate, its credentials, and what operators are told."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from click.testing import CliRunner
from django.test import Client
from tests.mandate.by_organizations.conftest import (
    ALPHA,
    FROM,
    NOW,
    Crew,
    by_app,
    by_key,
    code_of,
    everything,
)
from tests.mandate.conftest import SetClock
from tests.mandate.visiting import asked_by, robot_of, token_of
from tests.projects.test_views import doors as doors  # noqa: PLC0414 - a fixture
from tests.projects.test_views import get, post, text_of

from keyhouse.cli.mandate_organizations import command
from keyhouse.core import clock
from keyhouse.core.foresight import Credential, find_foresight
from keyhouse.mandate import nudging
from keyhouse.mandate.by_organizations import services
from keyhouse.mandate.by_organizations.models import Declaration
from keyhouse.mandate.declarations import Demand
from keyhouse.organizations.models import Organization

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
    services.declare("acme", Demand("phishing-resistant"), FROM, by=by_key(crew.ada))
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
    services.declare("acme", Demand("any-factor", True), FROM, by=by_key(crew.ada))
    strong = token_of(crew.ada, "password", "webauthn")
    set_clock(FROM)
    found = json.loads(asked_by(strong, "?action=release.upload&project=alpha").content)
    assert (found["verdict"], found["code"]) == ("deny", "trusted-publisher-required")
    assert "The organization acme refuses that since" in found["reason"]
    assert json.loads(asked_by(strong, "?action=release.upload&project=other").content)["verdict"] == "allow"
    assert code_of(by_app(crew.mo), "release.publish", ALPHA) == ""


def test_operators_are_told_which_organizations_ask_for_what(crew: Crew, acme: Organization) -> None:
    assert "No organization asks for more" in CliRunner().invoke(command, []).output
    services.declare("acme", Demand("device-bound"), FROM, by=by_key(crew.ada))
    assert "acme: 1 of 4 people" in CliRunner().invoke(command, []).output
    [told] = json.loads(CliRunner().invoke(command, ["--json"]).output)
    assert told["organization"] == "acme"
    assert told["asks"] == [{"version": 1, "demand": "device-bound", "from": clock.format_instant(FROM)}]
    assert "acme" not in json.dumps(json.loads(Client().get("/mandate.json").content))
