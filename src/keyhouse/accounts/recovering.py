"""Ways back at the host: a one-time link to set an account up anew, and all of them at once when the keys are lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.db import transaction
from django.db.models import Exists, OuterRef

from keyhouse.accounts import links, queries
from keyhouse.accounts.inviting.queries import not_yet_here
from keyhouse.accounts.models import (
    Authenticator,
    Email,
    OneTimeLink,
    RecoveryCode,
    SecurityKey,
    Session,
    User,
)
from keyhouse.accounts.recovery.cases import open_at_host
from keyhouse.audit.services import Act, record_all
from keyhouse.core import actions, clock, configuration
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor

LINK: Final = "enrolment.link"


@dataclass(frozen=True, slots=True)
class WayBack:
    """How somebody comes back in: `path` of a one-time link, empty for whoever has unused recovery codes or a security key."""

    username: str
    path: str = ""


def make_enrolment_link(user: User, *, by: Actor) -> str:
    """Return the path of a link by which a person sets password, factor and codes anew (7 days); earlier ones are dead."""
    return open_at_host(user, by=by, now=clock.now())


def _make_link(user: User) -> str:
    address = Email.objects.filter(user=user, is_primary=True).values_list("address", flat=True).first()
    return links.make_link(links.ENROLMENT, now=clock.now(), username=user.username, address=address or "")


def _thing(user: User) -> Thing:
    return Thing("account", user.pk, user.username)


@dataclass(frozen=True, slots=True)
class Ended:
    """How many sessions ended, and who needs a new link since: whoever has no account yet, and whoever set one up anew."""

    sessions: int
    invited: list[OneTimeLink]
    enrolling: list[str]  # user names


def end_all_sessions() -> Ended:
    """End every session and every unused link in the caller's transaction.

    For a restored index: who holds the backup may hold them. The links in mails that still wait become other ones, and
    invitations stay as if they were too old, so that it is known who has not come.
    """
    now, renewed = clock.now(), links.renew_mailed_links()
    kept = {link.pk for link in renewed}
    unused = OneTimeLink.objects.filter(used_at__isnull=True)
    invited = [link for link in not_yet_here() if link.expires_at > now and link.pk not in kept]
    enrolling = [link.username for link in queries.live_links(links.ENROLMENT, now) if link.pk not in kept]
    unused.exclude(purpose=links.INVITATION).delete()
    unused.filter(expires_at__gt=now).update(expires_at=now, draft_sealed="")
    for link in renewed:
        link.save()
    return Ended(Session.objects.all().delete()[0], invited, sorted(set(enrolling)))


def end_lost_factors(*, by: Actor) -> list[WayBack]:
    """Disable every authenticator app, since the keys of their secrets are lost; returns how each person comes back.

    The rows stay, disabled: an account that had a factor must not become one that a password opens. Security keys need no
    root key and live on. Whoever has one, or unused recovery codes, signs in by that and adds what is missing; the others
    get a link. Run again, it makes new links.
    """
    with transaction.atomic():
        actions.require(by, "host.command")
        owners = list(_owners_of_factors())
        Authenticator.objects.filter(disabled_at=None).update(disabled_at=clock.now())
        ways = [WayBack(user.username, _make_link(user) if _is_locked_out(user) else "") for user in owners]
        record_all(_acts(owners, ways), by=by)
    return ways


def _owners_of_factors() -> Iterable[User]:
    codes = RecoveryCode.objects.filter(code_set__user=OuterRef("pk"), used_at=None)
    apps = Authenticator.objects.filter(user=OuterRef("pk"))
    keys = SecurityKey.usable(configuration.current().key_name).filter(user=OuterRef("pk"))
    people = User.objects.exclude(state=User.State.DELETED).annotate(
        has_codes=Exists(codes), has_app=Exists(apps), has_key=Exists(keys)
    )
    return people.filter(has_app=True).order_by("username")


def _is_locked_out(user: User) -> bool:
    return not (vars(user)["has_codes"] or vars(user)["has_key"])


def _acts(owners: Iterable[User], ways: Iterable[WayBack]) -> list[Act]:
    return [
        Act(LINK if way.path else "second-factor.disable", _thing(user), user.pk, {"reason": "keys lost"})
        for user, way in zip(owners, ways, strict=True)
    ]
