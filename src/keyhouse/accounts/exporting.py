"""Everything that is held about a person, as one JSON document, written piece by piece in bounded memory."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final

from django.db import transaction

from keyhouse.accounts.models import User
from keyhouse.audit.services import record
from keyhouse.core import actions, belongings, clock, configuration
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.core.belongings import Kept

EXPORT: Final = "account.export"
_AT_ONCE: Final = 500  # rows read at a time


def export_account(user: User, *, by: Actor, now: datetime) -> Iterator[str]:
    """Record that somebody takes their data away, and return it piece by piece.

    Raises StepUpRequired, RoleRequired.
    """
    _record(user, by)
    return _written(user, now)


def _record(user: User, by: Actor) -> None:
    with transaction.atomic():
        actions.require(by, EXPORT, Thing("account", user.pk, user.username))
        record(EXPORT, by=by, about=Thing("account", user.pk, user.username), account_id=user.pk)


def _written(user: User, now: datetime) -> Iterator[str]:
    features = belongings.all_belongings()
    head = {"index": configuration.current().base_url, "exported_at": clock.format_instant(now)}
    yield json.dumps(head, indent=1)[:-2]
    for feature in features:
        for kept in feature.kept:
            yield from _section(kept, user.pk)
    untold = {model: why for feature in features for model, why in feature.untold.items()}
    columns = {
        kept.name: dict(kept.withheld) for feature in features for kept in feature.kept if kept.withheld
    }
    yield f',\n "not_told": {json.dumps({**columns, **untold}, indent=1)}\n}}\n'


def _section(kept: Kept, user_id: int) -> Iterator[str]:
    yield f",\n {json.dumps(kept.name)}: ["
    before = "\n  "
    for row in kept.rows(user_id).values(*kept.fields).iterator(chunk_size=_AT_ONCE):
        told = {name.replace("__", "_"): row[name] for name in kept.fields}
        yield before + json.dumps(told, default=_plain)
        before = ",\n  "
    yield "]"


def _plain(value: Any) -> str:
    """Write what JSON has no form for."""
    if isinstance(value, datetime):
        return clock.format_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    return base64.b64encode(bytes(value)).decode()
