"""Reading organizations, members, teams and invitations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db.models import Case, CharField, Exists, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Length, Lower, Replace, StrIndex

from keyhouse.accounts.models import Email, User
from keyhouse.accounts.queries import find_user
from keyhouse.accounts.rules import LONGEST_USERNAME
from keyhouse.audit import statements
from keyhouse.audit.compiled import Asked, Compiled
from keyhouse.core.actions import Thing
from keyhouse.distfiles.names import fold
from keyhouse.organizations.models import (
    Membership,
    Organization,
    OrganizationApplication,
    OrganizationInvitation,
    Team,
    TeamMember,
    UsedName,
)
from keyhouse.organizations.rules import OWNER, key_of


def find_organization(name: str) -> Organization | None:
    """Return the organization of that name, in whatever spelling, or None."""
    return Organization.objects.filter(normalized_name=key_of(name)).first()


def find_renamed(name: str) -> Organization | None:
    """Return the organization that had this name once, so that whoever asks for it is led there, or None."""
    key = key_of(name)
    used = UsedName.objects.filter(folded_name=fold(key)) if key else UsedName.objects.none()
    found = used.select_related("organization").first()
    return None if found is None else found.organization


def organizations_like(letters: str, words: Sequence[str], most: int) -> list[Organization]:
    """Return organizations whose name holds the letters, or whose title or description all the words; `most` at most.

    First the one of that very name, then those that begin so, then short names.
    """
    return _LIKE.rows(letters, *words, shape=(bool(letters), len(words), most)) if letters or words else []


def _like(has_letters: bool, words: int, most: int) -> QuerySet[Organization]:  # noqa: FBT001 - a part of a shape
    letters = Asked(0, CharField())
    named = Q(letters__contains=letters) if has_letters else Q(pk__in=())
    said = Q() if words else Q(pk__in=())
    for number in range(1, words + 1):
        word = Asked(number, CharField())
        said &= Q(title__icontains=word) | Q(description__icontains=word)
    plain = Organization.objects.annotate(letters=Replace("normalized_name", Value("-"), Value("")))
    found = plain.filter(named | said).annotate(
        place=Case(When(named, then=StrIndex("letters", letters)), default=Value(_FAR)),
        length=Length("letters"),
    )
    return found.order_by("place", "length", "normalized_name")[:most]


_LIKE: Final = Compiled(_like)  # every search asks it


_FAR: Final = 1000  # behind every place in a name


def lock_organization(name: str) -> Organization | None:
    """Return the organization of that name with its row locked until the transaction ends, or None."""
    return Organization.objects.select_for_update().filter(normalized_name=key_of(name)).first()


def find_member_kind(user_id: int | None, thing: Thing) -> str | None:
    """Return `owner`, `manager` or `member`, or None: no role, or no such organization.

    It is named by `thing.id`, or by its normalised `thing.name` where that is None.
    """
    by_name = thing.id is None
    statement = _KIND_BY_NAME if by_name else _KIND_BY_ID
    kind: str | None = statements.find_value(statement, user_id, thing.name if by_name else thing.id)
    return kind


_KIND_BY_ID: Final = "SELECT kind FROM organizations_membership WHERE user_id = %s AND organization_id = %s"
_KIND_BY_NAME: Final = (
    "SELECT member.kind FROM organizations_membership member JOIN organizations_organization organization"
    " ON organization.id = member.organization_id WHERE member.user_id = %s AND organization.normalized_name = %s"
)


def memberships_of(user_id: int) -> QuerySet[Membership]:
    """Return to which organizations somebody belongs, by name."""
    found = Membership.objects.filter(user_id=user_id).select_related("organization")
    return found.order_by("organization__normalized_name")


def members_of(organization: Organization) -> QuerySet[Membership]:
    """Return who belongs to an organization, with their accounts, by user name."""
    return organization.members.select_related("user").order_by("user__username", "pk")


def find_member(organization: Organization, username: str) -> Membership | None:
    """Return somebody's membership, by user name in whatever case, or None."""
    user = find_account(username)
    return None if user is None else members_of(organization).filter(user=user).first()


def find_account(username: str) -> User | None:
    """Return the account of a user name, in whatever case, or None; what no name could hold is never found."""
    is_name = len(username) <= LONGEST_USERNAME and username.isascii() and username.isprintable()
    return find_user(username) if is_name else None


def owners_of(organization: Organization) -> list[int]:
    """Return the account numbers of an organization's owners."""
    return list(organization.members.filter(kind=OWNER).values_list("user_id", flat=True).order_by("user_id"))


class Leaving(NamedTuple):
    """What somebody gives up who leaves an organization, and who else owns it and could act."""

    own: Membership | None
    teams: list[str]
    others: list[str]

    @property
    def is_alone(self) -> bool:
        """Whether nobody else owns it who could act, so that it is handed over or laid down instead."""
        return self.own is not None and self.own.kind == OWNER and not self.others


def leaving_of(organization: Organization, user_id: int) -> Leaving:
    """Return what leaving would mean for somebody: their teams, and the others by user name."""
    members = members_of(organization)
    able = members.filter(kind=OWNER).exclude(user_id=user_id).exclude(user__state=User.State.SUSPENDED)
    return Leaving(
        members.filter(user_id=user_id).first(),
        list(teams_of(organization).filter(members__member__user_id=user_id).values_list("name", flat=True)),
        list(able.values_list("user__username", flat=True)),
    )


def owner_ids(organization_id: int) -> list[int]:
    """Return the account numbers of the owners of the organization of that number."""
    return [user_id for (user_id,) in statements.select(_OWNERS, organization_id)]


_OWNERS: Final = "SELECT user_id FROM organizations_membership WHERE organization_id = %s AND kind = 'owner' ORDER BY user_id"


def owned_alone(user_id: int) -> QuerySet[Organization]:
    """Return the organizations that would have no owner who could act without this one."""
    owners = Membership.objects.filter(organization=OuterRef("pk"), kind=OWNER)
    others = owners.exclude(user_id=user_id).exclude(user__state=User.State.SUSPENDED)
    mine = Exists(owners.filter(user_id=user_id))
    return Organization.objects.filter(mine, ~Exists(others)).order_by("normalized_name")


def teams_of(organization: Organization) -> QuerySet[Team]:
    """Return the teams of an organization, by name."""
    return organization.teams.order_by("normalized_name")


def reading_teams_of(organization: Organization) -> list[Team]:
    """Return the teams that read what an organization keeps to teams, by name."""
    return list(teams_of(organization).filter(reads=True))


def find_team(organization: Organization, name: str) -> Team | None:
    """Return a team of an organization by its name, in whatever spelling, or None."""
    return organization.teams.filter(normalized_name=key_of(name)).first()


def team_members_of(team: Team) -> QuerySet[TeamMember]:
    """Return who is in a team, with their memberships and accounts, by user name."""
    return team.members.select_related("member__user").order_by("member__user__username", "pk")


def waiting_invitations(now: datetime) -> QuerySet[OrganizationInvitation]:
    """Return the invitations that can be accepted."""
    return OrganizationInvitation.objects.filter(ended_at=None, expires_at__gt=now)


def open_invitations_of(organization: Organization) -> QuerySet[OrganizationInvitation]:
    """Return the invitations that were neither used nor taken back, also those too old, the newest first."""
    return organization.invitations.filter(ended_at=None).order_by("-invited_at", "-pk")


def for_person(user_id: int) -> Q:
    """Return the condition of an invitation being for this person: by account, or by an address they verified.

    One list of numbers: where "or" joins both, PostgreSQL looks at every invitation of the index.
    """
    verified = Email.objects.filter(user_id=user_id, verified_at__isnull=False)
    by_address = OrganizationInvitation.objects.filter(address__in=verified.values(folded=Lower("address")))
    by_account = OrganizationInvitation.objects.filter(user_id=user_id)
    return Q(pk__in=by_account.values("pk").union(by_address.values("pk"), all=True))


def invitations_of_person(user_id: int, now: datetime) -> QuerySet[OrganizationInvitation]:
    """Return what somebody is invited to, with the organizations, the newest first."""
    waiting = waiting_invitations(now).filter(for_person(user_id)).select_related("organization")
    return waiting.order_by("-invited_at", "-pk")


def find_invitation_of_person(invitation_id: int, user_id: int) -> OrganizationInvitation | None:
    """Return an invitation for this person, in whatever state, with its organization, or None."""
    mine = OrganizationInvitation.objects.filter(for_person(user_id), pk=invitation_id)
    return mine.select_related("organization").first()


def is_taken(name: str) -> bool:
    """Tell whether an organization has or had this name, or one that people would confuse with it."""
    return UsedName.objects.filter(folded_name=fold(name)).exists()


def waiting_applications() -> QuerySet[OrganizationApplication]:
    """Return the applications that nobody has decided, the oldest first."""
    return OrganizationApplication.objects.filter(decided_at=None).order_by("asked_at", "pk")


def unanswered_applications() -> QuerySet[OrganizationApplication]:
    """Return those of them that wait for the operators, and for nobody's reply."""
    return waiting_applications().filter(Q(question_at=None) | Q(replied_at__isnull=False))


def applications_of(user_id: int) -> QuerySet[OrganizationApplication]:
    """Return what somebody applied for, the newest first."""
    return OrganizationApplication.objects.filter(asked_by_id=user_id).order_by("-asked_at", "-pk")


def find_application(application_id: int) -> OrganizationApplication | None:
    """Return an application, decided or not, with whoever applied, or None."""
    return OrganizationApplication.objects.filter(pk=application_id).select_related("asked_by").first()


def rivals_of(application: OrganizationApplication) -> QuerySet[OrganizationApplication]:
    """Return the other undecided applications for its name, or for one that people would confuse with it."""
    return waiting_applications().filter(folded_name=application.folded_name).exclude(pk=application.pk)


def age_of_applications(now: datetime) -> tuple[int, timedelta]:
    """Return how many applications wait for the operators, and for how long the oldest has."""
    waiting = unanswered_applications()
    oldest = waiting.first()
    return waiting.count(), now - (oldest.replied_at or oldest.asked_at) if oldest else timedelta()
