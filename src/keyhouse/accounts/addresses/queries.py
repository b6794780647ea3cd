"""Reading how somebody's addresses stand, and which domains are in trouble."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import CharField, Q

from keyhouse.accounts import queries
from keyhouse.accounts.addresses.rules import State, state_of
from keyhouse.accounts.models import Email, MailDomain, User
from keyhouse.audit.compiled import Asked, Compiled
from keyhouse.mail.queries import permanent_bounces
from keyhouse.mail.rules import fold_address

WORDS: Final[dict[State, tuple[str, str]]] = {
    "verified": ("verified", "ok"),
    "unverified": ("not verified", "warn"),
    "bounced": ("mails come back", "danger"),
    "domain-gone": ("its domain is gone", "danger"),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """An address with the state that counts; `may_be_primary` and `may_go` say which acts are open."""

    email: Email
    state: State
    may_be_primary: bool
    may_go: bool

    @property
    def word(self) -> str:
        """Return the state in words."""
        return WORDS[self.state][0]

    @property
    def tone(self) -> str:
        """Return how the state is coloured."""
        return WORDS[self.state][1]

    @property
    def needs_proof(self) -> bool:
        """Whether a mail that verifies it would mend it."""
        return self.email.verified_at is None


def standings_of(user: User) -> list[Standing]:
    """Return the addresses of somebody with their states, the primary one first."""
    found = queries.emails_of(user)
    verified = sum(one.verified_at is not None for one in found)
    folded = [fold_address(one.address) for one in found]
    shut = {one.address for one in _BOUNCES.rows(*folded, shape=(len(folded),))} if folded else set()
    return [
        _standing(one, verified, is_deliverable=form not in shut)
        for one, form in zip(found, folded, strict=True)
    ]


_BOUNCES: Final = Compiled(
    lambda count: permanent_bounces([Asked(number, CharField()) for number in range(count)])
)


def _standing(email: Email, verified: int, *, is_deliverable: bool) -> Standing:
    is_verified = email.verified_at is not None
    state = state_of(
        is_verified=is_verified,
        is_domain_gone=email.domain_gone_at is not None,
        is_deliverable=is_deliverable,
    )
    is_only = is_verified and verified == 1
    return Standing(email, state, is_verified and not email.is_primary, not email.is_primary and not is_only)


def has_verified_primary(user: User) -> bool:
    """Whether somebody has what every act of management asks for."""
    return Email.objects.filter(user=user, is_primary=True, verified_at__isnull=False).exists()


@dataclass(frozen=True, slots=True)
class Alarm:
    """A run of the watch that stopped since it would have touched too many people."""

    since: datetime
    domains: list[str]

    @property
    def sentence(self) -> str:
        """Return it for health, log and pages."""
        return (
            f"The watch on mail domains stopped: by what the name system says, too many people at once would lose an "
            f"address ({', '.join(self.domains[:5])}{', …' if len(self.domains) > 5 else ''}). "  # noqa: PLR2004 - some of them
            "See `keyhouse mail domains`."
        )


def find_alarm() -> Alarm | None:
    """Return the alarm that stands, or None."""
    rows = list(MailDomain.objects.filter(stopped_at__isnull=False).order_by("stopped_at", "domain"))
    if not rows or rows[0].stopped_at is None:
        return None
    return Alarm(rows[0].stopped_at, [row.domain for row in rows])


def troubled_domains() -> list[MailDomain]:
    """Return the domains that are missing, gone or stopped at, by name."""
    in_trouble = Q(missing_count__gt=0) | Q(gone_at__isnull=False) | Q(stopped_at__isnull=False)
    return list(MailDomain.objects.filter(in_trouble).order_by("domain"))


def frozen_accounts(most: int) -> list[User]:
    """Return the accounts that are frozen, by name; the console's list of people has all of them."""
    return list(User.objects.filter(state=User.State.FROZEN).order_by("username")[:most])
