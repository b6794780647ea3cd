"""The JSON form of facts: a contract, so both ways round, in one order, and strict about what it doesn't know."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from tests.mandate.building import at
from tests.mandate.building import facts as told_facts
from tests.mandate.strategies import any_facts

from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.facts import Facts, FactsMalformed, Object, read_facts
from keyhouse.mandate.rules import Policy, decide

# as outside checks write them: these words may be added to, never changed
SAMPLE: dict[str, Any] = {
    "person": {
        "id": "u1",
        "joined_at": "2020-01-01T00:00:00Z",
        "state": "active",
        "verified_email": True,
        "factors": ["authenticator-app"],
        "recovery_codes": 8,
        "roles": ["operator"],
    },
    "authority": [
        {
            "kind": "project",
            "name": "alpha",
            "role": "owner",
            "since": "2020-01-02T00:00:00Z",
            "via": "own",
            "critical": False,
        }
    ],
    "asking": {
        "kind": "token",
        "proved": ["password"],
        "user_verified": False,
        "at": "2023-03-01T00:00:00Z",
        "configured_by": None,
    },
    "action": "release.upload",
    "object": {"kind": "project", "name": "alpha"},
    "notices": [{"mandate": "everyone-2023", "kind": "announcement", "delivered_at": "2023-05-26T00:00:00Z"}],
    "exemptions": [],
}
MANDATE: dict[str, Any] = {
    "name": "everyone-2023",
    "title": "A second factor for everyone who maintains a project",
    "reason": "A stolen password alone must not be able to publish.",
    "link": "https://example.org/why",
    "satisfies": ["A3.2"],
    "who": {
        "any": [
            {"role": ["project.owner", "project.maintainer", "publisher.configurer"]},
            {"role": ["organization.owner", "organization.manager", "organization.member"]},
            {"role": ["operator", "moderator", "auditor", "invited"]},
        ]
    },
    "methods": {"accept": ["security-key", "passkey", "authenticator-app"], "prefer": "security-key"},
    "notice": {"floor_days": 30, "unreached_cap_days": 60},
    "stages": [
        {
            "state": "announced",
            "at": "2023-05-25T16:00:00Z",
            "warn": ["all"],
            "deny": ["second-factor.remove-last"],
        },
        {
            "state": "early",
            "at": "2023-08-08T00:00:00Z",
            "who": {"joined_from": "2023-08-08T00:00:00Z"},
            "deny": ["management"],
        },
        {"state": "enforced", "at": "2024-01-01T00:00:00Z", "deny": ["all"]},
    ],
}


def test_the_documented_facts_and_mandate_give_the_documented_decision() -> None:
    decision = decide(read_facts(SAMPLE), [Policy(read_mandate(MANDATE))], at("2024-01-01"))
    told = decision.as_dict()
    assert list(told) == ["verdict", "code", "mandate", "version", "since", "until", "reason", "fix"]
    assert {key: told[key] for key in ("verdict", "mandate", "version", "since", "until")} == {
        "verdict": "deny",
        "mandate": "everyone-2023",
        "version": 1,
        "since": "2024-01-01T00:00:00Z",
        "until": None,
    }
    assert told["code"] == "credential-weak"
    assert sorted(told["fix"]) == ["path", "text"]


def test_the_sample_is_written_as_it_was_read() -> None:
    assert read_facts(SAMPLE).as_dict() == SAMPLE
    assert list(read_facts(SAMPLE).as_dict()) == list(SAMPLE)


def test_the_digest_of_the_same_facts_is_the_same_for_ever() -> None:
    facts = read_facts(SAMPLE)
    shuffled = json.loads(json.dumps(dict(reversed(SAMPLE.items()))))
    assert facts.digest == read_facts(shuffled).digest
    # a change here breaks the replay of histories that were kept before
    assert facts.digest == "668e63285a645cb9ad192668c131806277d8e08680212c3a8d45b8dc9c0491d8"


@settings(max_examples=200, deadline=None)
@given(any_facts())
def test_what_is_written_is_read_as_the_same(facts: Facts) -> None:
    again = read_facts(json.loads(facts.as_text()))
    assert again == facts
    assert again.as_text() == facts.as_text()
    assert again.digest == facts.digest


def test_what_says_nothing_to_a_decision_may_be_left_out() -> None:
    facts = read_facts({"person": {"id": "u1"}, "asking": {"kind": "session"}, "action": "token.mint"})
    assert (facts.authority, facts.object, facts.notices, facts.exemptions) == ((), None, (), ())
    assert (facts.person.state, facts.person.verified_email, facts.asking.proved) == (
        "active",
        False,
        frozenset(),
    )


def changed(path: str, value: Any) -> dict[str, Any]:
    body = json.loads(json.dumps(SAMPLE))
    *way, last = path.split(".")
    place = body
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[last] = value
    return dict(body)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("person", None, "person must be an object"),
        ("person.id", 7, "person.id"),
        ("person.joined_at", "2020-01-01T00:00:00", "person.joined_at: an instant needs a zone"),
        ("person.joined_at", "yesterday", "person.joined_at"),
        ("person.joined_at", 0, "person.joined_at"),
        ("person.verified_email", "yes", "person.verified_email must be true or false"),
        ("person.factors", ["sms"], "'sms' is none of"),
        ("person.factors", "authenticator-app", "person.factors must be a list"),
        ("person.recovery_codes", True, "person.recovery_codes must be a whole number"),
        ("person.recovery_codes", 1.5, "person.recovery_codes"),
        ("person.shoe_size", 44, "unknown key 'shoe_size'"),
        ("authority", {}, "facts.authority must be a list"),
        ("authority", [7], "authority[0] must be an object"),
        ("authority.0.role", None, "facts.authority[0].role"),
        ("authority.0.critical", "very", "critical must be true or false"),
        ("authority.0.critical", [1], "critical must be a list of strings"),
        ("asking.kind", "robot", "asking.kind is one of"),
        ("asking.proved", ["sms"], "'sms' is none of"),
        ("asking.at", "2023-03-01", "asking.at: an instant needs a zone"),
        ("action", None, "facts.action must be a string"),
        ("object", "alpha", "object must be an object"),
        ("object.begun_at", "soon", "object.begun_at"),
        ("notices", [{"mandate": "m", "kind": "k"}], "delivered_at is missing"),
        ("exemptions", [{"mandate": "m"}], "until is missing"),
        (
            "exemptions",
            [{"mandate": "m", "until": "2024-01-01T00:00:00Z", "version": "1"}],
            "version must be a whole",
        ),
        ("weather", "fine", "unknown key 'weather'"),
    ],
)
def test_facts_that_cannot_be_read_name_the_field(path: str, value: Any, told: str) -> None:
    with pytest.raises(FactsMalformed) as raised:
        read_facts(changed(path, value))
    assert told in str(raised.value)


@pytest.mark.parametrize("body", [None, 7, "facts", [], [SAMPLE]])
def test_only_an_object_is_facts(body: object) -> None:
    with pytest.raises(FactsMalformed):
        read_facts(body)


def test_an_exemption_may_be_written_as_the_ledger_shows_it() -> None:
    row = {
        "mandate": "m",
        "until": "2024-01-31T00:00:00Z",
        "reason": "…",
        "user": "ada",
        "approved_by": "bob",
    }
    assert read_facts(changed("exemptions", [row])).exemptions[0].version is None


def test_what_holds_a_deletion_is_written_and_read_again() -> None:
    told = told_facts(action="project.delete", project=Object("project", "alpha", held_by=("everyone",)))
    assert told.as_dict()["object"] == {"kind": "project", "name": "alpha", "held_by": ["everyone"]}
    assert read_facts(json.loads(told.as_text())) == told
