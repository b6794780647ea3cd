"""Writing the audit log."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping

from django.db import transaction

from keyhouse.audit.models import Personal, Record
from keyhouse.core import clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor

Detail = str | int | bool | list[str] | None


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
    if not transaction.get_connection().in_atomic_block:
        message = "an audit record belongs into the transaction of the change it tells of"
        raise RuntimeError(message)
    personal = _personal(by)
    row = Record.objects.create(
        at=clock.now(),
        action=action,
        outcome="refused" if code else "done",
        code=code,
        actor_kind=by.kind,
        actor_id=by.user_id,
        credential=by.credential,
        methods=sorted(by.strength.methods),
        about_kind=about.kind if about else "",
        about_id=str(about.id) if about and about.id is not None else "",
        about_name=about.name[:300] if about else "",
        account_id=account_id,
        details=dict(details or {}),
        personal_digest=digest_of(personal),
    )
    personal.record = row
    personal.save(force_insert=True)
    return row


def record_refusal(
    action: str, *, by: Actor, code: str, about: Thing | None = None, account_id: int | None = None
) -> None:
    """Write a refusal in a transaction of its own (the refused act's own has been rolled back)."""
    with transaction.atomic():
        record(action, by=by, about=about, account_id=account_id, code=code)


def _personal(by: Actor) -> Personal:
    return Personal(
        salt=secrets.token_hex(16),
        name=by.name[:150],
        network=by.network[:64],
        user_agent=by.user_agent[:300],
    )


def digest_of(personal: Personal) -> str:
    """Return SHA-256 over salt and canonical JSON of the personal part."""
    body = json.dumps([personal.name, personal.network, personal.user_agent], ensure_ascii=True)
    return hashlib.sha256(bytes.fromhex(personal.salt) + body.encode()).hexdigest()
