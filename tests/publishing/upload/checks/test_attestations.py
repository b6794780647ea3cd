from __future__ import annotations

import pytest
from tests.publishing.world import submission_of

from keyhouse.publishing.upload.checks.attestations import Attestations
from keyhouse.publishing.upload.errors import AttestationsRefused


def test_a_form_without_attestations_has_nothing_to_judge() -> None:
    assert not Attestations().applies(submission_of())


@pytest.mark.parametrize("value", ["[]", '[{"version": 1}]', "nonsense"])
def test_attestations_of_a_token_are_refused_with_a_sentence(value: str) -> None:
    submission = submission_of(attestations=value)
    assert Attestations().applies(submission)
    with pytest.raises(AttestationsRefused, match="trusted publisher"):
        Attestations().check(submission)
