"""What accounts, and the outbox and the audit log below them, keep about people."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import Model, Q, QuerySet

from keyhouse.accounts.models import (
    Authenticator,
    CheckUp,
    Deletion,
    Email,
    Hold,
    KnownBrowser,
    OneTimeLink,
    Proposal,
    RecoveryCase,
    RecoveryCode,
    RecoveryCodeSet,
    RecoveryWord,
    SecurityKey,
    Session,
    Suspension,
    UnfinishedSignIn,
    User,
    UserHandle,
)
from keyhouse.audit.models import Personal, Record
from keyhouse.core.belongings import Belongings, Kept
from keyhouse.mail.models import Mail

_NUMBER: Final = {"id": "a row number", "user": "the account itself"}
_LOG: Final = "the log of what happened stays whole, so that nobody deletes an account to hide what it did"


def _of(model: type[Model], column: str = "user_id") -> Any:
    def rows(user_id: int) -> QuerySet[Any]:
        return model._default_manager.filter(**{column: user_id}).order_by("pk")  # noqa: SLF001 - documented name

    return rows


def _acts(user_id: int) -> QuerySet[Record]:
    return Record.objects.filter(actor_id=user_id).order_by("pk")


def _acts_of_others(user_id: int) -> QuerySet[Record]:
    by_others = Q(actor_id=None) | ~Q(actor_id=user_id)
    return Record.objects.filter(by_others, account_id=user_id).order_by("pk")


_PLACE_IN_LOG: Final = {
    "personal_digest": "commits the log to what stands in history_clients",
    "position": "its place in the chain of the log",
    "chain": "the same",
}


ACCOUNT: Final = Kept(
    "account",
    "accounts.User",
    _of(User, "pk"),
    (
        "id",
        "username",
        "kind",
        "state",
        "is_operator",
        "is_moderator",
        "is_auditor",
        "joined_at",
        "last_seen_at",
        "password_changed_at",
        "password_checked_at",
        "held_until",
        "check_phrase",
        "first_browser_at",
    ),
    {"password": "a secret; only its hash is kept"},
    stays="a tombstone keeps its name and number, so that the log stays readable and nobody poses as who was here",
)
BELONGINGS: Final = Belongings(
    "accounts",
    (
        ACCOUNT,
        Kept(
            "addresses",
            "accounts.Email",
            _of(Email),
            ("address", "is_primary", "verified_at", "verified_by", "domain_gone_at", "added_at"),
            _NUMBER,
        ),
        Kept(
            "authenticator_apps",
            "accounts.Authenticator",
            _of(Authenticator),
            ("name", "created_at", "last_used_at", "disabled_at", "failures"),
            _NUMBER
            | {
                "secret_sealed": "a secret",
                "last_step": "says when a code was used last, as last_used_at does",
            },
        ),
        Kept(
            "security_keys",
            "accounts.SecurityKey",
            _of(SecurityKey),
            (
                "name",
                "credential_id",
                "public_key",
                "algorithm",
                "rp_id",
                "sign_count",
                "user_verified",
                "backup_eligible",
                "backup_state",
                "aaguid",
                "attested_model",
                "transports",
                "cloned_at",
                "created_at",
                "last_used_at",
            ),
            _NUMBER,
        ),
        Kept(
            "suspensions",
            "accounts.Suspension",
            _of(Suspension),
            ("reason", "is_final", "placed_at", "ended_at"),
            _NUMBER
            | {
                "state_before": "the state that the account goes back to, as `state` tells then",
                "placed_by": "somebody else's name",
                "ended_by": "somebody else's name",
            },
        ),
        Kept(
            "proposals",
            "accounts.Proposal",
            _of(Proposal),
            ("kind", "about", "reason", "proposed_at", "effective_at", "done_at", "ended_at", "ended_why"),
            _NUMBER | {"proposed_by": "somebody else's name", "approved_by": "other people's names"},
        ),
        Kept("user_handle", "accounts.UserHandle", _of(UserHandle), ("handle",), _NUMBER),
        Kept(
            "recovery_codes",
            "accounts.RecoveryCodeSet",
            _of(RecoveryCodeSet),
            ("created_at", "confirmed_at"),
            _NUMBER | {"salt": "belongs to the hashes of secrets", "parameters": "the same"},
        ),
        Kept(
            "recovery_codes_used",
            "accounts.RecoveryCode",
            _of(RecoveryCode, "code_set__user_id"),
            ("used_at",),
            {"id": "a row number", "code_set": "the set above", "digest": "the hash of a secret"},
        ),
        Kept(
            "sessions",
            "accounts.Session",
            _of(Session),
            (
                "public_id",
                "is_complete",
                "methods",
                "proved_at",
                "user_verified",
                "device_bound",
                "key_proved_at",
                "created_at",
                "last_seen_at",
                "confirm_until",
                "network",
                "user_agent",
            ),
            _NUMBER
            | {
                "digest": "the hash of a secret",
                "csrf_secret": "a secret",
                "data": "what a page needs until it is finished",
                "data_sealed": "the same, with secrets in it",
            },
        ),
        Kept(
            "known_browsers",
            "accounts.KnownBrowser",
            _of(KnownBrowser),
            ("how", "known_at", "first_seen_at", "last_seen_at", "network", "user_agent"),
            _NUMBER
            | {
                "digest": "the hash of a secret",
                "account_state": "what must not change while a browser waits",
            },
        ),
        Kept(
            "unfinished_sign_ins",
            "accounts.UnfinishedSignIn",
            _of(UnfinishedSignIn),
            ("at", "network", "user_agent", "told_at"),
            _NUMBER | {"session": "a number of this index"},
        ),
        Kept(
            "links",
            "accounts.OneTimeLink",
            _of(OneTimeLink),
            ("purpose", "username", "address", "made_at", "expires_at", "used_at"),
            _NUMBER
            | {
                "digest": "the hash of a secret",
                "draft_sealed": "what was entered and not finished",
                "data": "what the page behind the link needs",
            },
        ),
        Kept(
            "check_ups",
            "accounts.CheckUp",
            _of(CheckUp),
            ("enrolled_at", "asked_at", "later_count", "later_until", "reported", "outcome", "ended_at"),
            _NUMBER,
        ),
        Kept(
            "holds",
            "accounts.Hold",
            _of(Hold),
            ("reason", "placed_at", "until", "ended_at", "ended_by"),
            _NUMBER,
        ),
        Kept(
            "recovery_cases",
            "accounts.RecoveryCase",
            _of(RecoveryCase),
            (
                "path",
                "state",
                "opened_at",
                "expires_at",
                "address",
                "knows_password",
                "knows_code",
                "proofs",
                "hands_over",
                "reason",
                "needed",
                "basis",
                "ready_at",
                "closed_at",
                "closed_by",
                "closing_reason",
            ),
            _NUMBER
            | {
                "co_owner_ids": "other people's account numbers",
                "browser": "the digest of what binds it to a browser",
            },
        ),
        Kept(
            "recovery_words",
            "accounts.RecoveryWord",
            _of(RecoveryWord, "by_id"),
            ("kind", "reason", "given_at"),
            {
                "id": "a row number",
                "by": "the account itself",
                "case": "somebody else's request to come back in",
            },
        ),
        Kept(
            "deletion",
            "accounts.Deletion",
            _of(Deletion),
            ("asked_at", "due_at", "done_at", "erased_at"),
            _NUMBER,
            stays="it tells for how long the name stays taken",
        ),
        Kept(
            "mails",
            "mail.Mail",
            _of(Mail, "account_id"),
            ("kind", "address", "lane", "state", "queued_at", "ended_at", "tries", "last_error"),
            {
                "id": "a row number",
                "account_id": "the account itself",
                "key": "keeps a notice from being sent twice",
                "even_if_bounced": "how it is delivered",
                "content_sealed": "wiped once it was sent; it may hold links that open something",
                "token": "its Message-ID, which stands in the mail",
                "expires_at": "how it is delivered",
                "due_at": "the same",
                "tried_at": "the same",
            },
            stays="what waits must still be sent; the outbox forgets old mails by itself",
        ),
        Kept(
            "history",
            "audit.Record",
            _acts,
            (
                "id",
                "at",
                "action",
                "outcome",
                "code",
                "actor_kind",
                "actor_id",
                "credential",
                "methods",
                "about_kind",
                "about_id",
                "about_name",
                "account_id",
                "details",
            ),
            _PLACE_IN_LOG,
            stays=_LOG,
        ),
        Kept(
            "history_of_others",
            "audit.Record",
            _acts_of_others,
            (
                "id",
                "at",
                "action",
                "outcome",
                "code",
                "actor_kind",
                "about_kind",
                "about_id",
                "about_name",
                "account_id",
                "details",
            ),
            _PLACE_IN_LOG
            | {
                "actor_id": "somebody else's account number",
                "credential": "somebody else's session or credential",
                "methods": "what somebody else had proven",
            },
            stays=_LOG,
        ),
        Kept(
            "history_clients",
            "audit.Personal",
            _of(Personal, "record__actor_id"),
            ("record_id", "name", "network", "user_agent"),
            {"record": "as record_id", "salt": "keeps the digest from being guessed"},
            stays="it is evidence for as long as the name stays taken, and is erased then",
        ),
    ),
    untold={"accounts.Ceremony": "a question to a security key, forgotten after five minutes"},
)
