"""What the ledger of API tokens keeps about people."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet

from keyhouse.core.belongings import Belongings, Kept
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.services import (
    count_change,
    end_late_tokens_of,
    end_tokens_in,
    end_tokens_of,
)

OWNER_LEFT: Final = "its owner has left"
ACCOUNT_GONE: Final = "the account was deleted"
_LEDGER: Final = "what was published by a token names it; it opens nothing any more"


def _tokens(user_id: int) -> QuerySet[Token]:
    return Token.objects.filter(user_id=user_id).order_by("minted_at", "pk")


def _reach(user_id: int) -> QuerySet[Any]:
    return Token.projects.through.objects.filter(token__user_id=user_id).order_by("pk")


def _give_up(user_id: int, now: datetime) -> None:
    end_tokens_of(user_id, reason=ACCOUNT_GONE, now=now)
    _tokens(user_id).update(last_used_client="", last_used_network="")


def _close(user_id: int, is_final: bool, now: datetime) -> int:  # noqa: FBT001 - as `Belongings` calls it
    ended = end_tokens_of(user_id, reason=OWNER_LEFT, now=now) if is_final else 0
    count_change()
    return ended


def _leave(organization_id: int, user_id: int, now: datetime) -> int:
    """Let what was remembered about who may read be asked anew; what tokens may do is worked out at use."""
    del organization_id, user_id, now
    count_change()
    return 0


BELONGINGS: Final = Belongings(
    "tokens",
    (
        Kept(
            "tokens",
            "tokens.Token",
            _tokens,
            (
                "id",
                "description",
                "project__name",
                "organization__name",
                "may_found",
                "version",
                "networks",
                "actions",
                "is_for_all_projects",
                "reason",
                "minted_at",
                "minted_methods",
                "minted_proof_at",
                "minted_user_verified",
                "minted_device_bound",
                "minted_session",
                "minted_mandate",
                "expires_at",
                "revoked_at",
                "revoked_reason",
                "suspended_at",
                "confirmed_at",
                "rest_told_at",
                "reminded_days",
                "told_projects",
                "last_used_at",
                "last_used_client",
                "last_used_network",
            ),
            {
                "user": "the account itself",
                "key_id": "names the root key that the secret of the token is made from",
            },
            stays=_LEDGER,
        ),
        Kept(
            "token_projects",
            "tokens.Token_projects",
            _reach,
            ("token_id", "project__name"),
            {"id": "a row number"},
            stays=_LEDGER,
        ),
    ),
    give_up=_give_up,
    disown=end_late_tokens_of,
    close=_close,
    leave=_leave,
    let_go=end_tokens_in,
)
