"""The exchange as programs ask for it (PEP 807, and as clients have known it before).

A refusal has two forms in one body: `message` and `errors` for the clients that there are, and a problem (RFC 9457).
Nothing here looks at a cookie: whoever asks shows all that they have in the body.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from keyhouse.accounts.limits import EXCHANGE, count_failure, require_room
from keyhouse.core import actions, clock, configuration
from keyhouse.core.errors import NotFound, Refusal, Situation
from keyhouse.credentials.trusted_publishers import burning, minting
from keyhouse.credentials.trusted_publishers.errors import (
    INVALID_PAYLOAD,
    INVALID_PENDING_PUBLISHER,
    INVALID_PUBLISHER,
    INVALID_REUSE,
    INVALID_TOKEN,
    NOT_ENABLED,
    FormNotOffered,
    IdentityRefused,
    PayloadMalformed,
    PayloadTooLarge,
)
from keyhouse.credentials.trusted_publishers.minting import Wish

UPLOADS: Final = "/legacy/"
MAX_BODY: Final = 64 * 1024
LONGEST_NAME: Final = 200
DISCOVERY_TYPE: Final = "application/vnd.pypi.pytp.v1+json"
SINGLE, MULTI = "single-use-token", "multi-use-token"
# Situation → status and the word of the exchange; what is about an identity brings its own word, with 422.
_ANSWERS: Final[dict[Situation, tuple[int, str]]] = {
    Situation.TOO_LARGE: (413, INVALID_PAYLOAD),
    Situation.TOO_MANY: (429, NOT_ENABLED),
    Situation.UNAVAILABLE: (503, NOT_ENABLED),
    Situation.FORBIDDEN: (403, NOT_ENABLED),
    Situation.MISSING: (404, NOT_ENABLED),
}
_MESSAGES: Final = {
    INVALID_PAYLOAD: "The request can't be read",
    INVALID_TOKEN: "The identity token is not taken",
    INVALID_REUSE: "The identity token was used before",
    INVALID_PUBLISHER: "No publisher matches",
    INVALID_PENDING_PUBLISHER: "No pending publisher matches",
    NOT_ENABLED: "This can't be had here, or not now",
}
View = Callable[[HttpRequest], HttpResponse]


def _answered(view: View) -> View:
    """Answer every refusal as the exchange does; those of the doors before it are told by the pages' table."""

    @functools.wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        try:
            response = view(request)
        except Refusal as refusal:
            response = _refused(refusal)
        response["Cache-Control"] = "no-store"
        return response

    return answer


def _refused(refusal: Refusal) -> HttpResponse:
    if isinstance(refusal, IdentityRefused):
        status, word = 422, refusal.reason_code
    else:
        status, word = _ANSWERS.get(refusal.situation, (422, INVALID_PAYLOAD))
    description = f"{refusal.sentence} {refusal.fix}".rstrip()
    body = {
        "type": f"{configuration.current().base_url}/help/codes/{refusal.code}/",
        "title": type(refusal).sentence,
        "status": status,
        "detail": refusal.sentence,
        "code": refusal.code,
        "message": _MESSAGES.get(word, refusal.sentence),
        "errors": [{"code": word, "description": description}],
    }
    response = JsonResponse(body, status=status, content_type="application/problem+json")
    response["X-Refusal"] = refusal.code
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    return response


@actions.classified(GET="publisher.read-audience")
@_answered
def audience(request: HttpRequest) -> HttpResponse:
    """Tell whom identity tokens must be made for."""
    del request
    return JsonResponse({"audience": configuration.current().audience})


@actions.classified(GET="publisher.read-audience")
@_answered
def discovery(request: HttpRequest) -> HttpResponse:
    """Tell where tokens for an upload address are exchanged; 404 for any address but that of uploads."""
    if not _is_offered(request.headers.get("Accept", "*/*")):
        return _not_acceptable()
    if request.GET.getlist("discover") != [UPLOADS]:
        raise NotFound("Nothing is uploaded to that address here.", fix=f"Ask for `{UPLOADS}`.")
    base = configuration.current().base_url
    body = {
        "audience-endpoint": f"{base}/_/oidc/audience",
        "token-mint-endpoint": f"{base}/_/oidc/mint-token",
        "features": [SINGLE, MULTI],
        "default-features": [MULTI],
    }
    return JsonResponse(body, content_type=DISCOVERY_TYPE)


def _is_offered(accepted: str) -> bool:
    kinds = {part.partition(";")[0].strip().lower() for part in accepted.split(",")}
    return bool(kinds & {"", "*/*", "application/*", "application/json", DISCOVERY_TYPE})


def _not_acceptable() -> HttpResponse:
    response = _refused(FormNotOffered())
    response.status_code = 406
    return response


@csrf_exempt  # it takes no cookie: whoever asks shows an identity token
@actions.takes()
@actions.classified(POST="publisher.mint")
@_answered
def mint_token(request: HttpRequest) -> HttpResponse:
    """Exchange an identity token for one of this index."""
    network, now = str(request.META.get("REMOTE_ADDR", "")), clock.now()
    require_room(now=now, limit=EXCHANGE, network=network)
    try:
        payload = _payload(request)
        wish = _wish_of(payload)
        agent = request.headers.get("User-Agent", "")
        minted = minting.mint(payload["token"], wish=wish, network=network, user_agent=agent)
    except IdentityRefused:
        _count(network)
        raise
    return JsonResponse(
        {"success": True, "token": minted.text, "expires": int(minted.expires_at.timestamp())}
    )


@csrf_exempt  # it takes no cookie: whoever asks shows the token
@actions.takes()
@actions.classified(POST="publisher.burn")
@_answered
def burn_token(request: HttpRequest) -> HttpResponse:
    """End a minted token; the answer is the same whether there was one."""
    network, now = str(request.META.get("REMOTE_ADDR", "")), clock.now()
    require_room(now=now, limit=EXCHANGE, network=network)
    try:
        text = _payload(request)["token"]
    except IdentityRefused:
        _count(network)
        raise
    agent = request.headers.get("User-Agent", "")
    if not burning.burn(text, now=now, network=network, user_agent=agent):
        _count(network)
    return JsonResponse({"message": "Accepted"}, status=202)


def _count(network: str) -> None:
    """Count a failure; where it is one too many, that is told instead."""
    count_failure(now=clock.now(), limit=EXCHANGE, network=network)


def _payload(request: HttpRequest) -> dict[str, Any]:
    """Read the body: one JSON object, no member twice, `token` a text; raises PayloadMalformed, PayloadTooLarge."""
    try:
        body = request.body
    except RequestDataTooBig as error:  # larger than any request may be
        raise PayloadTooLarge from error
    if len(body) > MAX_BODY:
        raise PayloadTooLarge
    try:
        found = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise PayloadMalformed from error
    if not isinstance(found, dict) or not isinstance(found.get("token"), str) or not found["token"]:
        raise PayloadMalformed
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands there twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _wish_of(payload: dict[str, Any]) -> Wish:
    """Read what is asked for; unknown members are left alone, unknown wishes refused."""
    purpose, project = payload.get("purpose", "upload"), payload.get("project", "")
    if purpose not in ("upload", "read"):
        raise PayloadMalformed("`purpose` is `upload` or `read`.")
    if not isinstance(project, str) or len(project) > LONGEST_NAME:
        raise PayloadMalformed("`project` is the name of one project.")
    return Wish(purpose, project, is_single_use=_is_single(payload.get("features", [])))


def _is_single(features: Any) -> bool:
    if not isinstance(features, list) or any(one not in (SINGLE, MULTI) for one in features):
        raise PayloadMalformed(f"`features` is a list of `{SINGLE}` or `{MULTI}`.")
    if SINGLE in features and MULTI in features:
        raise PayloadMalformed(f"A token can't be `{SINGLE}` and `{MULTI}`.")
    return SINGLE in features
