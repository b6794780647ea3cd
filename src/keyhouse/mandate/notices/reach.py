"""Where somebody can be reached by mail, and why not: some people at a time, in four questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from keyhouse.accounts.addresses.rules import domain_of
from keyhouse.accounts.models import Email, MailDomain, User
from keyhouse.mail.queries import standing_bounces
from keyhouse.mail.rules import fold_address
from keyhouse.mandate.notices.models import NO_MX, SUPPRESSED, UNVERIFIED

_NO_MAIL: Final = frozenset({"no-mail", "missing"})  # answers of the name system


@dataclass(frozen=True, slots=True)
class Reach:
    """Somebody's addresses that take mail, and, where there is none, why; the check phrase for what goes there."""

    addresses: tuple[str, ...]
    why_not: str
    check_phrase: str
    is_open: (
        bool  # the account is neither suspended nor frozen: nobody is told of dates that don't concern them
    )


_CLOSED: Final = frozenset({User.State.SUSPENDED, User.State.FROZEN, User.State.DELETED})


def reach_of(user_ids: Sequence[int]) -> dict[int, Reach]:
    """Return for each of these people where they are reached."""
    verified: dict[int, list[str]] = defaultdict(list)
    rows = Email.objects.filter(user_id__in=user_ids, verified_at__isnull=False).order_by("pk")
    for key, address in rows.values_list("user_id", "address"):
        verified[key].append(address)
    every = [address for some in verified.values() for address in some]
    bounced, deaf = _bounced(every), _deaf(every)
    people = User.objects.filter(pk__in=user_ids).values_list("pk", "check_phrase", "state")
    return {
        key: _reach(verified[key], bounced, deaf, phrase, state not in _CLOSED)
        for key, phrase, state in people
    }


def _reach(
    addresses: Sequence[str],
    bounced: set[str],
    deaf: set[str],
    phrase: str,
    is_open: bool,  # noqa: FBT001 - of a row
) -> Reach:
    heard = [one for one in addresses if domain_of(one) not in deaf]
    good = tuple(one for one in heard if fold_address(one) not in bounced)
    why = "" if good else SUPPRESSED if heard else NO_MX if addresses else UNVERIFIED
    return Reach(good, why, phrase, is_open)


def _bounced(addresses: Sequence[str]) -> set[str]:
    folded = {fold_address(one) for one in addresses}
    return set(standing_bounces().filter(address__in=folded).values_list("address", flat=True))


def _deaf(addresses: Sequence[str]) -> set[str]:
    domains = {domain_of(one) for one in addresses}
    rows = MailDomain.objects.filter(domain__in=domains, answer__in=_NO_MAIL)
    return set(rows.values_list("domain", flat=True))
