"""Nothing that is kept about people is forgotten when they take their data away, or when their account goes.

A new table about people, or a new column of one, fails here until it stands in the `belongings.py` of its feature: told,
or withheld with the reason.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db.models import Field, Model

from keyhouse.accounts.models import User
from keyhouse.core import belongings
from keyhouse.core.belongings import Belongings, Kept
from keyhouse.core.errors import GateUnavailable
from keyhouse.web.wiring import wire_all

wire_all()
ALL: tuple[Belongings, ...] = belongings.all_belongings()
KEPT = [kept for one in ALL for kept in one.kept]
UNTOLD = {model: why for one in ALL for model, why in one.untold.items()}
# columns that hold the number of an account without being a foreign key
NUMBERS = {"user_id", "account_id", "actor_id", "owner_id", "person_id"}
SECRET = ("password", "secret", "digest", "sealed", "salt", "csrf", "token")
NO_SECRETS = {
    "password_changed_at",
    "password_checked_at",
    "knows_password",
    "token_id",
}  # when, whether, and which; not what


def is_about_people(model: type[Model]) -> bool:
    if model is User:
        return True
    return any(points_at_people(field) for field in model._meta.get_fields() if isinstance(field, Field))


def points_at_people(field: Field[Any, Any]) -> bool:
    related = getattr(field, "related_model", None)
    return related is User or field.name in NUMBERS


ABOUT_PEOPLE = sorted(model._meta.label for model in apps.get_models() if is_about_people(model))


def test_there_is_something_to_tell() -> None:
    assert {"accounts.User", "accounts.Email", "accounts.Session", "audit.Record", "projects.Role"} <= set(
        ABOUT_PEOPLE
    )
    assert {"tokens.Token", "mandate.Notice", "mail.Mail", "accounts.Ceremony"} <= set(ABOUT_PEOPLE)


@pytest.mark.parametrize("label", ABOUT_PEOPLE)
def test_every_table_about_people_is_told_or_says_why_not(label: str) -> None:
    told = {kept.model for kept in KEPT}
    assert (label in told) != (label in UNTOLD), f"{label}: name it in the belongings.py of its feature"


def test_reasons_are_given() -> None:
    reasons = [*UNTOLD.values(), *(why for kept in KEPT for why in kept.withheld.values())]
    assert all(len(why) > 5 for why in reasons)
    assert len({kept.name for kept in KEPT}) == len(KEPT)


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.name)
def test_every_column_is_told_or_withheld_with_a_reason(kept: Kept) -> None:
    fields = apps.get_model(kept.model)._meta.concrete_fields
    names = {field.attname: field.name for field in fields}
    named = [names.get(part, part) for part in (name.split("__")[0] for name in kept.fields)]
    stands = {*named, *kept.withheld}
    assert {field.name for field in fields} == stands, kept.model
    secrets = [name for name in kept.fields if any(word in name for word in SECRET)]
    assert set(secrets) <= NO_SECRETS


@pytest.mark.django_db
@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.name)
def test_rows_can_be_asked_for(kept: Kept) -> None:
    assert list(kept.rows(1).values(*kept.fields)) == []


def test_half_a_list_is_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(belongings, "_wired", [])
    with pytest.raises(GateUnavailable):
        belongings.all_belongings()
