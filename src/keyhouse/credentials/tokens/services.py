"""Minting and revoking API tokens."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q

from keyhouse.accounts.models import User
from keyhouse.audit import services as audit
from keyhouse.core import actions, clock, configuration, keys
from keyhouse.core.actions import STEP_UP_AGE, Thing
from keyhouse.core.actor import Actor, Strength, job
from keyhouse.core.errors import RoleRequired, StepUpRequired
from keyhouse.core.foresight import find_foresight
from keyhouse.credentials.tokens import caveats, macaroons, queries
from keyhouse.credentials.tokens.errors import DescriptionTaken, TokenAlreadyMade, TokenNotFound
from keyhouse.credentials.tokens.models import Change, Token
from keyhouse.credentials.tokens.rules import (
    REPEAT_AGE,
    Terms,
    canonical_network,
    canonical_version,
    is_use_due,
    judge_terms,
)
from keyhouse.projects.models import Project
from keyhouse.projects.queries import projects_of_person

RECOVERED = "made shortly before the account was recovered"
MOVED = "its project left the organization that gave the right"

KEY_PURPOSE = "api-token"
EXPIRED = "expired"
_LONGEST_MANDATES = 100


def mint_token(  # noqa: PLR0913 - what a token is, one keyword each
    user: User,
    *,
    description: str,
    project_ids: Sequence[int] | None,
    expires_in_days: int,
    actions: Sequence[str],
    reason: str = "",
    version: str = "",
    networks: Sequence[str] = (),
    by: Actor,
    token_id: uuid.UUID | None = None,
    strength: Strength | None = None,
    minted_at: datetime | None = None,
) -> tuple[Token, str]:
    """Make an API token and return it with its text, which is kept nowhere.

    `project_ids` None means all projects of the person and new ones, and needs a `reason`. With a `version` it is for
    that release of its one project; with `networks` it works from there only. Sending the same
    `token_id` again from the same session within two minutes gives the same token and text, so that a form may be
    sent twice. The strength is that of `by`; only the host may tell another one, and another instant.

    Raises TokenTermsInvalid, RoleRequired (for projects that are somebody else's or nobody's alike),
    StepUpRequired, DescriptionTaken, TokenAlreadyMade, and what the gate says.
    """
    terms = Terms(
        description.strip(),
        None if project_ids is None else tuple(project_ids),
        expires_in_days,
        tuple(actions),
        reason.strip() or ("made at the host" if by.kind == "host" else ""),
        version.strip(),
        tuple(networks),
    )
    if objection := judge_terms(terms):
        raise objection
    _require_person(user, by)
    draft = draft_of(user, terms, by, token_id, strength=strength, minted_at=minted_at)
    try:
        with transaction.atomic():
            _require_mint(user, by)
            ids = _judge_projects(user, terms, by)
            store(draft, ids, by, "token.mint")
    except IntegrityError as error:
        draft = explain_clash(draft, by, error)
        ids = queries.project_ids_of(draft)
    return draft, write_text(draft, ids)


def _require_person(user: User, by: Actor) -> None:
    if by.kind != "host" and by.user_id != user.pk:
        raise RoleRequired("Tokens are made by the person they act for.", fix="Sign in as that person.")


def _require_mint(user: User, by: Actor) -> None:
    """Ask authority and gate, and for a fresh proof (ASVS 7.5.3)."""
    actions.require(by, "token.mint", Thing("account", user.pk, user.username))
    if by.kind != "host" and not by.is_fresh(clock.now(), STEP_UP_AGE):
        raise StepUpRequired


def _judge_projects(user: User, terms: Terms, by: Actor) -> list[int]:
    """Return the ids the token is for; unknown projects and those of others are refused with one answer."""
    if terms.project_ids is None:
        return []
    allowed = Project.objects.all() if by.kind == "host" else projects_of_person(user.pk)
    # held until the end, so that none is deleted in between
    held = allowed.filter(pk__in=terms.project_ids).select_for_update(of=("self",), no_key=True)
    found = set(held.values_list("pk", flat=True))
    if found != set(terms.project_ids):
        raise RoleRequired("You can make tokens for your own projects only.", fix="Pick one of them.")
    return sorted(found)


def _live_mandates(at: datetime) -> str:
    """Return the mandates under which a token is made, as many as fit into the ledger's column."""
    foresight = find_foresight()
    labels = foresight.live_mandates(at) if foresight else []
    text = " ".join(labels)
    while len(text) > _LONGEST_MANDATES:
        labels = labels[:-1]
        text = " ".join([*labels, "…"])
    return text


def draft_of(  # noqa: PLR0913 - who and what, and what only the host may tell
    user: User,
    terms: Terms,
    by: Actor,
    token_id: uuid.UUID | None,
    *,
    strength: Strength | None = None,
    minted_at: datetime | None = None,
) -> Token:
    """Return a token of these terms, not stored; only the host may tell another strength and instant than those at hand."""
    told = by.kind == "host"
    minted_at = (minted_at if told else None) or clock.now()
    minted_at = minted_at.replace(microsecond=0)  # caveats tell whole seconds
    draft = Token(
        pk=token_id or uuid.uuid4(),
        key_id=keys.ring().newest.id,
        user=user,
        description=terms.description,
        is_for_all_projects=terms.project_ids is None,
        actions=[act for act in caveats.ACTS if act in terms.actions],
        reason=terms.reason if terms.project_ids is None else "",
        version=canonical_version(terms.version) or "",
        networks=[canonical_network(one) for one in terms.networks],
        minted_at=minted_at,
        expires_at=minted_at + timedelta(days=terms.expires_in_days),
        may_found=terms.may_found,
    )
    put_strength(draft, (strength if told else None) or by.strength, by, minted_at)
    return draft


def put_strength(token: Token, strength: Strength, by: Actor, at: datetime) -> None:
    """Write into a token, not stored, what the session has proven that it acts by from now on."""
    token.minted_methods = sorted(strength.methods)
    token.minted_proof_at = strength.at or at
    token.minted_user_verified = strength.user_verified
    token.minted_device_bound = strength.device_bound
    token.minted_session = "" if by.kind == "host" else by.credential
    token.minted_mandate = _live_mandates(at)


def store(draft: Token, project_ids: list[int], by: Actor, action: str) -> None:
    """Write a new token with its record, in the caller's transaction; raises IntegrityError where it has a twin."""
    _retire_namesake(draft)
    draft.save(force_insert=True)
    draft.projects.set(project_ids)
    names = list(draft.projects.order_by("normalized_name").values_list("normalized_name", flat=True))
    audit.record(
        action,
        by=by,
        about=thing_of(draft),
        account_id=draft.user_id,
        details={
            "projects": "all" if draft.is_for_all_projects else names,
            "actions": draft.actions,
            "expires_at": clock.format_instant(draft.expires_at),
            "reason": draft.reason,
            **({"organization": draft.organization.normalized_name} if draft.organization else {}),
            **({"may_found": True} if draft.may_found else {}),
            **({"version": draft.version} if draft.version else {}),
            **({"networks": draft.networks} if draft.networks else {}),
        },
    )


def _retire_namesake(draft: Token) -> None:
    """Free the description of a token that has expired anyway."""
    mine = Q(user_id=draft.user_id, project=None, organization=None)
    if draft.is_robot:
        mine = Q(project_id=draft.project_id, organization_id=draft.organization_id)
    Token.objects.filter(
        mine,
        description=draft.description,
        revoked_at__isnull=True,
        expires_at__lte=clock.now(),
    ).update(revoked_at=F("expires_at"), revoked_reason=EXPIRED)


def explain_clash(draft: Token, by: Actor, error: IntegrityError) -> Token:
    """Return the twin that the same form made a moment ago, or raise what stood in the way."""
    twin = Token.objects.filter(pk=draft.pk).first()
    if twin is None:
        raise DescriptionTaken from error
    is_mine = twin.user_id == by.user_id and twin.minted_session == by.credential != ""
    is_new = abs(clock.now() - twin.minted_at) <= REPEAT_AGE and twin.last_used_at is None
    if is_mine and is_new and twin.revoked_at is None and _is_same(twin, draft):
        return twin
    raise TokenAlreadyMade from error


def _is_same(twin: Token, draft: Token) -> bool:
    return all(getattr(twin, name) == getattr(draft, name) for name in _TERMS)


_TERMS: Final = (
    "description", "actions", "is_for_all_projects", "project_id", "organization_id", "may_found", "version", "networks",
)  # fmt: skip


def thing_of(token: Token) -> Thing:
    """Return the token as the audit log names it."""
    return Thing("token", token.pk.hex, token.description)


def key_of(token: Token) -> bytes:
    """Derive the macaroon root key of a token; raises SealBrokenError where its key is gone from the key file."""
    return keys.ring().derive(KEY_PURPOSE, salt=token.pk.bytes, key_id=token.key_id)


def write_text(token: Token, project_ids: Sequence[int]) -> str:
    """Write the text of a token with the caveats of its ledger row."""
    settings = configuration.current()
    macaroon = macaroons.mint(key_of(token), token.pk.bytes, location=settings.host.encode())
    scope = [caveats.write_time(token.minted_at, token.expires_at), caveats.write_actions(token.actions)]
    # one that may make projects reaches those as well; which those are, the ledger knows
    if not token.is_for_all_projects and not token.may_found:
        scope.append(caveats.write_projects(project_ids))
    if token.version:
        scope += [caveats.write_release(one, token.version) for one in project_ids]
    if token.networks:
        scope.append(caveats.write_network(token.networks))
    for caveat in scope:
        macaroon = macaroons.attenuate(macaroon, caveat)
    return macaroons.text_of(macaroon, settings.token_prefix)


def revoke_token(token: Token, *, by: Actor, reason: str = "") -> None:
    """End a token for good; revoking it again changes nothing. Never gated.

    Raises TokenNotFound for somebody else's token.
    """
    is_own = by.user_id is not None and token.user_id == by.user_id and not token.is_robot
    if by.kind != "host" and not is_own:
        raise TokenNotFound
    with transaction.atomic():
        actions.require(by, "token.revoke", thing_of(token))
        ended = Token.objects.filter(pk=token.pk, revoked_at__isnull=True).update(
            revoked_at=clock.now(), revoked_reason=reason[:100]
        )
        if ended:
            count_change()
            audit.record("token.revoke", by=by, about=thing_of(token), account_id=token.user_id)


def end_token(token: Token, *, by: Actor, reason: str) -> bool:
    """End somebody's token by a job of the index; False where it had ended already. The reason is kept and audited."""
    with transaction.atomic():
        actions.require(by, "host.command")
        ended = Token.objects.filter(pk=token.pk, revoked_at__isnull=True).update(
            revoked_at=clock.now(), revoked_reason=reason[:100]
        )
        if ended:
            count_change()
            audit.record(
                "token.revoke",
                by=by,
                about=thing_of(token),
                account_id=token.user_id,
                details={"reason": reason},
            )
    return bool(ended)


def revoke_all_tokens(*, by: Actor, reason: str) -> int:
    """End every token that is not revoked yet, each with its own audit record; returns how many. For the host only."""
    with transaction.atomic():
        actions.require(by, "host.command")
        live = list(Token.objects.select_for_update().filter(revoked_at__isnull=True))
        Token.objects.filter(revoked_at__isnull=True).update(
            revoked_at=clock.now(), revoked_reason=reason[:100]
        )
        count_change()
        acts = [audit.Act("token.revoke", thing_of(one), one.user_id, {"reason": reason}) for one in live]
        audit.record_all(acts, by=by)
    return len(live)


def end_tokens_of(user_id: int, *, reason: str, now: datetime) -> int:
    """End every token of a person whose account goes, in the caller's transaction, which records that; returns how many.

    Robot tokens are their projects' and organizations': those that they stand behind rest.
    """
    own = Token.objects.filter(user_id=user_id, project=None, organization=None, revoked_at__isnull=True)
    ended = own.update(revoked_at=now, revoked_reason=reason[:100])
    count_change()
    return ended


def end_late_tokens_of(user_id: int, since: datetime, now: datetime) -> int:
    """End the tokens that were made for somebody since an instant: their account was in other hands, or may have been.

    In the caller's transaction; each end has its own audit record. Returns how many.
    """
    late = Q(minted_at__gte=since) | Q(confirmed_at__gte=since)
    mine = Token.objects.filter(late, user_id=user_id, revoked_at__isnull=True)
    live = list(mine.select_for_update().order_by("pk"))
    if not live:
        return 0
    mine.update(revoked_at=now, revoked_reason=RECOVERED)
    count_change()
    acts = [audit.Act("token.revoke", thing_of(one), user_id, {"reason": RECOVERED}) for one in live]
    audit.record_all(acts, by=job("recovery"))
    return len(live)


def end_tokens_in(project_id: int, staying: frozenset[int], now: datetime) -> int:
    """Take a project out of the reach of tokens of everybody but these, and of other organizations than its own.

    A token that reaches nothing else ends. In the caller's transaction, which has placed the project; each end has its own
    audit record. Returns how many ended or reach less.
    """
    count_change()  # what tokens reach by an organization is written down nowhere, and remembered for moments
    others = Token.objects.filter(projects=project_id, revoked_at__isnull=True)
    there = Project.objects.filter(pk=project_id, organization=OuterRef("organization"))
    is_elsewhere = Q(organization__isnull=False) & ~Exists(there)
    others = others.filter(~Q(user_id__in=staying) | is_elsewhere)
    reaching = list(others.select_for_update(of=("self",)).order_by("pk"))
    if not reaching:
        return 0
    Token.projects.through.objects.filter(project_id=project_id, token__in=reaching).delete()
    wider = set(Token.projects.through.objects.filter(token__in=reaching).values_list("token_id", flat=True))
    ended = [one for one in reaching if one.pk not in wider and not one.may_found]
    Token.objects.filter(pk__in=[one.pk for one in ended]).update(revoked_at=now, revoked_reason=MOVED)
    acts = [audit.Act("token.revoke", thing_of(one), one.user_id, {"reason": MOVED}) for one in ended]
    audit.record_all(acts, by=job("organizations"))
    return len(reaching)


def count_change() -> None:
    """Raise the counter that readers look at, making its row where there is none."""
    Change.objects.bulk_create([Change(pk=1)], ignore_conflicts=True)
    Change.objects.filter(pk=1).update(value=F("value") + 1)


def record_use(token_id: uuid.UUID, *, at: datetime, network: str, client: str) -> None:
    """Write down a token's last use, in a transaction of its own; one within the same minute is left out.

    Uses are not audited: what a token did is, by the feature that did it.
    """
    with transaction.atomic():
        row = Token.objects.filter(pk=token_id).values_list("last_used_at", flat=True).first()
        if is_use_due(row, at):
            Token.objects.filter(Q(last_used_at=row), pk=token_id).update(
                last_used_at=at, last_used_network=network[:64], last_used_client=client[:300]
            )
