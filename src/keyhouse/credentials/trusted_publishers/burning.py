"""Ending a minted token before its time, by whoever holds it: clients do so once everything is uploaded."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Final

from django.db import transaction

from keyhouse.audit.services import record
from keyhouse.core import actions, configuration
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import CredentialInvalid
from keyhouse.credentials.tokens.authentication import ID_BYTES, MINTED
from keyhouse.credentials.tokens.macaroons import Macaroon, MacaroonMalformed, is_signed_by, read_text
from keyhouse.credentials.tokens.services import count_change
from keyhouse.credentials.trusted_publishers import queries
from keyhouse.credentials.trusted_publishers.acting import key_of
from keyhouse.credentials.trusted_publishers.models import MintedToken

BURNED: Final = "burned by its holder"


def burn(text: str, *, now: datetime, network: str = "", user_agent: str = "") -> bool:
    """End a minted token for good; False where it is none of ours. Burning it again changes nothing.

    An API token is none: people revoke theirs on the pages.
    """
    token = _find(text)
    if token is None:
        return False
    by = Actor(kind="publisher", credential=token.pk.hex, network=network, user_agent=user_agent)
    with transaction.atomic():
        actions.require(by, "publisher.burn")
        ended = MintedToken.objects.filter(pk=token.pk, revoked_at__isnull=True, expires_at__gt=now).update(
            revoked_at=now, revoked_reason=BURNED
        )
        if ended:
            count_change()
            record("publisher.burn", by=by, about=Thing("minted-token", token.pk.hex))
    return True


def _find(text: str) -> MintedToken | None:
    """Return the row of a token whose signature holds, whatever was added to narrow it."""
    try:
        macaroon = read_text(text, configuration.current().token_prefix)
        found = queries.find_minted(uuid.UUID(bytes=_id_of(macaroon)))
        is_held = found is not None and is_signed_by(macaroon, key_of(found))
    except (MacaroonMalformed, CredentialInvalid):
        return None
    return found if is_held else None


def _id_of(macaroon: Macaroon) -> bytes:
    if macaroon.identifier[:-ID_BYTES] != MINTED:
        raise CredentialInvalid
    return macaroon.identifier[-ID_BYTES:]
