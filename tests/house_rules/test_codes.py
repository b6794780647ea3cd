from __future__ import annotations

import re

import pytest

from keyhouse.core.errors import Refusal, Situation
from keyhouse.web import explanations
from keyhouse.web.errors import STATUS


def refusals() -> list[type[Refusal]]:
    explanations.all_explanations()  # reads the errors of every feature
    found, waiting = [], [Refusal]
    while waiting:
        cls = waiting.pop()
        waiting.extend(cls.__subclasses__())
        if cls.__module__.startswith("keyhouse.") and "code" in vars(cls):
            found.append(cls)
    return found


@pytest.mark.parametrize("refusal", refusals(), ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_every_refusal_has_a_stable_code_a_sentence_and_a_help_page(refusal: type[Refusal]) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]{2,63}", refusal.code)
    assert refusal.sentence.endswith((".", "?"))
    assert refusal.sentence.isprintable()
    if refusal is not Refusal:
        assert explanations.find(refusal.code) is not None


def test_one_code_means_one_situation() -> None:
    meanings: dict[str, set[Situation]] = {}
    for refusal in refusals():
        meanings.setdefault(refusal.code, set()).add(refusal.situation)
    assert {code: found for code, found in meanings.items() if len(found) > 1} == {}


def test_every_situation_has_a_status() -> None:
    assert set(STATUS) == set(Situation)
