"""Reading about people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Lower

from keyhouse.accounts.models import (
    Authenticator,
    Email,
    KnownBrowser,
    MailDomain,
    OneTimeLink,
    RecoveryCodeSet,
    SecurityKey,
    Session,
    User,
)
from keyhouse.audit.compiled import Compiled, asked_number
from keyhouse.core import configuration

LONGEST_IDENTIFIER = 254
_MOST_CLAIMS = 10  # accounts that an address is looked for in while nobody has verified it


def find_user(username: str) -> User | None:
    """Return the account of a user name, in whatever case, or None."""
    return User.objects.annotate(folded=Lower("username")).filter(folded=folded(username)).first()


def find_user_by_identifier(identifier: str) -> User | None:
    """Return the account of a user name or a verified address, or None."""
    identifier = identifier.strip()
    if not identifier or len(identifier) > LONGEST_IDENTIFIER or "\x00" in identifier:
        return None
    if "@" not in identifier:
        return find_user(identifier)
    email = find_verified_email(identifier)
    return email.user if email else None


def find_verified_email(address: str) -> Email | None:
    """Return the verified address row of an address, in whatever case, with its user."""
    verified = Email.objects.filter(verified_at__isnull=False).select_related("user")
    return verified.annotate(folded=Lower("address")).filter(folded=folded(address)).first()


def addresses_that_recover(user: User) -> list[Email]:
    """Return the addresses to which a way back into the account may be mailed, the primary one first.

    Where none is verified, the primary one that never was; beside a verified one it could be somebody else's, mistyped.
    None whose domain was gone: somebody else may have registered that since.
    """
    emails = [email for email in emails_of(user) if may_recover_by(email)]
    verified = [email for email in emails if email.verified_at is not None]
    return verified or [email for email in emails if email.is_primary]


def may_recover_by(email: Email) -> bool:
    """Whether a mail to this address may recover the account (mandate R2).

    Never one whose domain was gone, until its owner, signed in, verified it again; and none whose domain was missing
    when it was last looked for: whoever registers it tomorrow reads its mail.
    """
    if email.domain_gone_at is not None:
        return False
    missing = Q(missing_count__gt=0) | Q(gone_at__isnull=False)
    domain = email.address.rpartition("@")[2].lower()
    return not MailDomain.objects.filter(missing, domain=domain).exists()


def find_recoverable(identifier: str) -> list[tuple[User, Email]]:
    """Return who is meant by a user name or an address, each with the address that a way back is mailed to.

    A verified address belongs to one account; an unverified one may stand in several.
    """
    identifier = identifier.strip()
    if not identifier or len(identifier) > LONGEST_IDENTIFIER or "\x00" in identifier:
        return []
    if "@" in identifier:
        return _find_by_address(identifier)
    user = find_user(identifier)
    return [(user, email) for email in addresses_that_recover(user)[:1]] if user else []


def _find_by_address(address: str) -> list[tuple[User, Email]]:
    verified = find_verified_email(address)
    if verified is not None:
        return [(verified.user, verified)] if may_recover_by(verified) else []
    # only primary ones recover; others, of which anybody may claim many, must not crowd these out
    claimed = Email.objects.filter(verified_at=None, is_primary=True)
    rows = claimed.select_related("user").annotate(folded=Lower("address"))
    found = rows.filter(folded=folded(address)).order_by("pk")[:_MOST_CLAIMS]
    return [(email.user, email) for email in found if email in addresses_that_recover(email.user)]


def folded(text: str) -> str:
    """Fold a name or an address as `Lower` of both databases does for ASCII, the only letters in names and addresses here."""
    return text.encode("utf-8", "replace").decode().lower()


def emails_of(user: User) -> list[Email]:
    """Return a person's addresses, the primary one first."""
    return _EMAILS.rows(user.pk)


def authenticators_of(user: User) -> list[Authenticator]:
    """Return a person's authenticator apps, the oldest first."""
    return _AUTHENTICATORS.rows(user.pk)


def keys_of(user: User) -> list[SecurityKey]:
    """Return a person's security keys and passkeys, the oldest first."""
    return list(SecurityKey.objects.filter(user=user).order_by("pk"))


_EMAILS: Final = Compiled(
    lambda: Email.objects.filter(user=asked_number(0)).order_by("-is_primary", "address")
)
_AUTHENTICATORS: Final = Compiled(lambda: Authenticator.objects.filter(user=asked_number(0)).order_by("pk"))


def find_code_set(user: User) -> RecoveryCodeSet | None:
    """Return the set of recovery codes that a person holds, or None."""
    return RecoveryCodeSet.objects.filter(user=user).first()


def is_set_up() -> bool:
    """Whether the index has an operator (one who still exists)."""
    return User.objects.filter(is_operator=True).exclude(state=User.State.DELETED).exists()


def networks_of_operators() -> set[str]:
    """Return the addresses from which operators are signed in, or came last with a browser that is known."""
    office = {"user__is_operator": True}
    rows = (Session.objects.filter(**office), KnownBrowser.objects.filter(**office))
    return {one for found in rows for one in found.values_list("network", flat=True) if one}


def live_links(purpose: str, now: datetime) -> list[OneTimeLink]:
    """Return the links of a purpose that could still be used."""
    unused = Q(purpose=purpose, used_at=None, expires_at__gt=now)
    return list(OneTimeLink.objects.filter(unused).order_by("pk"))


def compliant_among(user_ids: Iterable[int], now: datetime) -> list[int]:
    """Return which of these people have a verified address and a factor that works, in an open account without a hold."""
    mine = {"user": OuterRef("pk")}
    verified = Email.objects.filter(**mine, is_primary=True, verified_at__isnull=False)
    app = Authenticator.objects.filter(**mine, disabled_at=None)
    key = SecurityKey.usable(configuration.current().key_name).filter(**mine)
    people = User.objects.filter(Exists(verified), Exists(app) | Exists(key), pk__in=list(user_ids))
    is_free = Q(held_until=None) | Q(held_until__lte=now)
    return list(people.filter(is_free, state=User.State.ACTIVE).values_list("pk", flat=True))
