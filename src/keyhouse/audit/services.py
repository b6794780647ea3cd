"""Writing the audit log."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from keyhouse.audit import rows
from keyhouse.audit.models import Personal, Record
from keyhouse.core import clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor

Detail = str | int | bool | list[str] | None


@dataclass(frozen=True, slots=True)
class Act:
    """One act as `record_all` writes it; the fields are the keywords of `record`."""

    action: str
    about: Thing | None = None
    account_id: int | None = None
    details: Mapping[str, Detail] | None = None
    code: str = ""


def record(  # noqa: PLR0913 - one keyword for each question an auditor asks
    action: str,
    *,
    by: Actor,
    about: Thing | None = None,
    account_id: int | None = None,
    details: Mapping[str, Detail] | None = None,
    code: str = "",
) -> Record:
    """Write one record in the caller's transaction; a `code` says that the act was refused with it.

    Must be called inside `transaction.atomic()` of the change it tells of, so that both or none are kept. Never put
    a secret into `details`.
    """
    return record_all([Act(action, about, account_id, details, code)], by=by)[0]


def record_all(acts: Iterable[Act], *, by: Actor) -> list[Record]:
    """Write one record for each act, in their order, as `record` does."""
    if not transaction.get_connection().in_atomic_block:
        message = "an audit record belongs into the transaction of the change it tells of"
        raise RuntimeError(message)
    now, records, personal = clock.now(), [], []
    for act in acts:
        personal.append(_personal(by))
        records.append(_row(act, by, now, digest_of(personal[-1])))
    return _insert(records, personal)


def _insert(records: list[Record], personal: list[Personal]) -> list[Record]:
    rows.insert_all(records)
    for row, part in zip(records, personal, strict=True):
        part.record_id = row.pk
    rows.insert_all(personal)
    return records


def _row(act: Act, by: Actor, now: datetime, digest: str) -> Record:
    about = act.about
    return rows.made(
        Record,
        at=now,
        action=act.action,
        outcome="refused" if act.code else "done",
        code=act.code,
        actor_kind=by.kind,
        actor_id=by.user_id,
        credential=by.credential,
        methods=sorted(by.strength.methods),
        about_kind=about.kind if about else "",
        about_id=str(about.id) if about and about.id is not None else "",
        about_name=about.name[:300] if about else "",
        account_id=act.account_id,
        details=dict(act.details or {}),
        personal_digest=digest,
    )


def record_refusal(
    action: str, *, by: Actor, code: str, about: Thing | None = None, account_id: int | None = None
) -> None:
    """Write a refusal in a transaction of its own (the refused act's own has been rolled back)."""
    with transaction.atomic():
        record(action, by=by, about=about, account_id=account_id, code=code)


def _personal(by: Actor) -> Personal:
    return rows.made(
        Personal,
        salt=secrets.token_hex(16),
        name=by.name[:150],
        network=by.network[:64],
        user_agent=by.user_agent[:300],
    )


def digest_of(personal: Personal) -> str:
    """Return SHA-256 over salt and canonical JSON of the personal part."""
    body = json.dumps([personal.name, personal.network, personal.user_agent], ensure_ascii=True)
    return hashlib.sha256(bytes.fromhex(personal.salt) + body.encode()).hexdigest()
