from __future__ import annotations

from typing import Any

import pytest
from tests.mandate.building import at, mandate, stage

from keyhouse.core import configuration
from keyhouse.core.actions import Caution
from keyhouse.core.errors import Refusal
from keyhouse.mandate import cautions, denials, words
from keyhouse.mandate.documents import METHODS, STATES, read_selector
from keyhouse.mandate.gates import caution_of, refusal_of
from keyhouse.mandate.rules import Decision, Fix
from keyhouse.mandate.selectors import ROLES


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ({"everyone": True}, "everybody"),
        ({"role": ["operator"]}, "operators"),
        ({"role": ["auditor", "project.owner"]}, "owners of a project and auditors"),
        ({"user": ["ada"]}, "people it names"),
        ({"project": ["alpha"]}, "people with a role in a project it names"),
        ({"organization": ["acme"]}, "people with a role in an organization it names"),
        ({"joined_from": "2023-08-08T00:00:00Z"}, "people who joined on 2023-08-08 00:00 UTC or later"),
        ({"cohort": {"percent": 2.5, "seed": "s"}}, "a share of 2.5 % of all accounts"),
        (
            {"critical": {"metric": "unique-clients", "window_days": 180, "top": 1000}},
            "people with a role in a project among the 1,000 with the most distinct installers within 180 days",
        ),
        (
            {"critical": {"metric": "dependents", "window_days": 30, "at_least": 50}},
            "people with a role in a project with at least 50 projects that depend on it within 30 days",
        ),
        (
            {"any": [{"role": ["operator"]}, {"any": [{"role": ["auditor"]}, {"user": ["x"]}]}]},
            "operators and auditors and people it names",
        ),
        (
            {"all": [{"role": ["operator"]}, {"not": {"user": ["x"]}}]},
            "operators who are also (everybody but people it names)",
        ),
    ],
)
def test_every_selector_is_told_in_words_without_names(who: Any, said: str) -> None:
    assert words.who(read_selector(who, ("who",))) == said


def test_every_role_method_and_state_has_words() -> None:
    for role in ROLES:
        assert words.who(read_selector({"role": [role]}, ("who",)))
    assert words.accepted(mandate(methods={"accept": list(METHODS)}))
    for state in (*STATES[1:], "paused"):  # a shadow is told to nobody
        stages = [stage("announced", "2023-01-01"), stage(state, "2023-02-01")]
        assert words.state(mandate(stages=stages).stages[1])


def test_the_preferred_method_is_named() -> None:
    only = mandate(methods={"accept": ["passkey"]})
    assert words.accepted(only) == "a passkey"
    both = mandate(methods={"accept": ["security-key", "authenticator-app"], "prefer": "security-key"})
    assert words.accepted(both) == "a security key or an authenticator app; best is a security key"


def test_a_stage_says_what_it_refuses_and_warns_about() -> None:
    stages = [
        stage("announced", "2023-01-01"),
        stage("brownout", "2023-02-01", deny=["publishing", "token.mint"], warn=["management"]),
    ]
    first, second = mandate(stages=stages).stages
    assert words.effect(first) == "nothing is refused"
    assert words.effect(second) == (
        "refuses publishing and “Create an API token” and warns about managing projects and this index"
    )


def test_data_for_everybody_keeps_the_shape_and_no_name() -> None:
    who = {
        "all": [
            {"user": ["ada"]},
            {"not": {"any": [{"project": ["a"]}, {"cohort": {"percent": 5, "seed": "s"}}]}},
        ]
    }
    assert words.public_data(read_selector(who, ("who",))) == {
        "all": [
            {"user": "withheld"},
            {"not": {"any": [{"project": "withheld"}, {"cohort": {"percent": 5, "seed": "withheld"}}]}},
        ]
    }


# ---- denials and cautions


SENTENCE = "This token was made without a second factor."
FIX = Fix("Sign in with your second factor and make a new one.", "/account/tokens/")


def denial(mandate: str = "everyone-2023", since: str = "2024-01-01") -> Refusal:
    reason = f"{SENTENCE} Mandate {mandate} refuses that since {since}T00:00:00Z."
    return refusal_of(Decision("deny", "credential-weak", mandate, 3, at(since), None, reason, FIX))


def test_one_line_says_code_reason_and_fix() -> None:
    line = denials.line_of(denial())
    assert line == (
        f"credential-weak: {SENTENCE} Mandate everyone-2023 refuses that since 2024-01-01T00:00:00Z. {FIX.text}"
    )
    assert len(line) <= denials.LONGEST_LINE


def test_a_line_that_would_be_cut_leaves_the_mandate_out_and_never_the_fix() -> None:
    line = denials.line_of(denial("m" * 63))
    assert line == f"credential-weak: {SENTENCE} {FIX.text}"


def test_what_holds_since_the_index_began_names_no_day() -> None:
    refusal = denial("default", "2000-01-01")
    assert denials.line_of(refusal) == f"credential-weak: {SENTENCE} {FIX.text}"
    assert denials.mandate_of(refusal) == "default, version 3, since this index began"


def test_the_rest_of_a_denial_names_mandate_and_where_to_read_and_mend_it() -> None:
    base = configuration.current().base_url
    assert denials.details_of(denial()) == [
        "Mandate: everyone-2023, version 3, since 2024-01-01T00:00:00Z",
        f"What to do: {FIX.text} {base}/account/tokens/",
        f"What is asked of you: {base}/account/mandate/",
        f"What this means: {base}/help/codes/credential-weak/",
    ]


def test_a_denial_without_a_mandate_is_told_as_it_is() -> None:
    refusal = refusal_of(
        Decision("deny", "account-held", reason="This account is on hold.", fix=Fix("Wait.", "/account/"))
    )
    assert denials.line_of(refusal) == "account-held: This account is on hold. Wait."
    assert not any(line.startswith("Mandate:") for line in denials.details_of(refusal))


def caution(until: str | None) -> Caution:
    told = f"will refuse that from {until}T00:00:00Z on" if until else "asks for more"
    reason = f"{SENTENCE} Mandate everyone-2023 {told}."
    instant = at(until) if until else None
    found = caution_of(Decision("warn", "credential-weak", "everyone-2023", 3, None, instant, reason, FIX))
    assert found is not None
    return found


@pytest.mark.parametrize("until", ["2024-01-01", None])
def test_a_caution_is_told_to_people_without_code_mandate_and_day(until: str | None) -> None:
    assert cautions.text_of(caution(until)) == f"{SENTENCE} {FIX.text}"
    assert cautions.code_of(caution(until)) == "credential-weak"


def test_headers_of_a_caution_tell_the_day_where_there_is_one() -> None:
    told = cautions.headers_of(caution("2024-01-01"))
    assert told["Sunset"] == "Mon, 01 Jan 2024 00:00:00 GMT"  # an HTTP-date (RFC 9110 5.6.7)
    assert "Sunset" not in cautions.headers_of(caution(None))
    assert "Deprecation" in cautions.headers_of(caution(None))


def test_of_several_cautions_the_soonest_counts() -> None:
    soon, late, never = caution("2024-01-01"), caution("2025-01-01"), caution(None)
    assert cautions.soonest([never, late, soon]) == soon
    assert cautions.soonest([never]) == never
