"""Rows that are made and inserted without Django's own steps are the same rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import models

from keyhouse.accounts.models import User
from keyhouse.audit import rows, statements
from keyhouse.audit.models import Personal, Record
from keyhouse.projects.models import File, Project, Release, UsedFileName

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("model", [File, Personal, Project, Record, Release, UsedFileName, User])
def test_what_is_made_holds_what_the_constructor_makes(model: type[models.Model]) -> None:
    changing = {field.attname for field in model._meta.concrete_fields if callable(field.default)}
    assert _told(rows.made(model), changing) == _told(model(), changing)
    first, second = vars(rows.made(model)), vars(rows.made(model))
    assert all(first[name] is not second[name] for name in changing if isinstance(first[name], dict | list))
    assert rows.made(model)._state.adding


def _told(row: models.Model, changing: set[str]) -> dict[str, Any]:
    told = {name: value for name, value in vars(row).items() if name != "_state"}
    assert changing <= told.keys()
    return {name: type(value) if name in changing else value for name, value in told.items()}


@pytest.mark.parametrize("name", ["release", "colour", "pk"])
def test_what_is_no_column_can_not_be_told(name: str) -> None:
    with pytest.raises(TypeError, match="Release has other fields than"):
        rows.made(Release, **{name: 1})


@pytest.mark.database
@pytest.mark.django_db
@pytest.mark.parametrize(
    "at",
    [
        AT,
        AT.replace(microsecond=123),
        AT.replace(microsecond=120_000),
        AT.astimezone(timezone(timedelta(hours=-7))),
    ],
)
def test_instants_and_json_are_stored_as_django_stores_them(at: datetime) -> None:
    details = {"a": [1, None, "ä\x7f\u2028"], "b": {"c": True}}
    told = {"at": at, "action": "x", "methods": ["totp"], "details": details}
    Record.objects.bulk_create([Record(**told)])
    rows.insert_all([rows.made(Record, **told), rows.made(Record, **told | {"details": {}})])
    by_django, by_us, empty = Record.objects.order_by("pk")
    assert (by_us.at, by_us.details, by_us.methods) == (at, details, ["totp"])
    assert empty.details == {}
    assert by_django.at == by_us.at
    stored = statements.select(_STORED)
    assert stored[0] == stored[1]


_STORED = "SELECT CAST(at AS text), CAST(details AS text), CAST(methods AS text) FROM audit_record ORDER BY id LIMIT 2"
