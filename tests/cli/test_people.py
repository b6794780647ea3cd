"""`keyhouse project people` and `keyhouse organization people`: the acts of their pages, by the host, and all that holds for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from tests.accounts.conftest import Clock, configure, give_project, mailed, make_person, time, wired
from tests.cli.peopled import Commands, actor, acts, mails

from keyhouse.accounts.models import User
from keyhouse.accounts.oversight.new_owners import SILENCE
from keyhouse.accounts.oversight.suspending import suspend_user
from keyhouse.cli import organization_people, project_people
from keyhouse.core import clock, configuration
from keyhouse.core.actor import host
from keyhouse.core.errors import Refusal
from keyhouse.mail.models import Mail
from keyhouse.organizations import inviting, membership, populating
from keyhouse.organizations import services as organizations
from keyhouse.organizations.models import Membership, Organization, OrganizationInvitation
from keyhouse.projects.collaborators import ending, services
from keyhouse.projects.models import Project, ProjectInvitation, Role
from keyhouse.projects.organizing import create_project_in

__all__ = ["configure", "time", "wired"]
pytestmark = pytest.mark.django_db


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(Commands):
    """A project or an organization that ada owns, with eve below her, and what its acts are called."""

    name: str
    low: str
    make: Callable[[str, User], object]
    add: Callable[[User, str], object]
    roles: Callable[[], dict[str, str]]
    invitations: type[OrganizationInvitation | ProjectInvitation]
    accept: Callable[..., object]
    keep: Callable[..., bool]
    carry_out_due: Callable[..., int]
    codes: dict[str, str]
    mails: dict[str, str]
    actions: dict[str, str]


def add_role(user: User, kind: str) -> None:
    project = Project.objects.get(name="alpha")
    Role.objects.create(project=project, user=user, kind=kind, since_at=clock.now())


def add_member(user: User, kind: str) -> None:
    populating.add_members(Organization.objects.get(name="acme"), {user: kind}, by=host())


def make_organization(name: str, owner: User) -> None:
    organizations.create_organization(name, owners=[owner], by=host())
    if name == "acme":
        create_project_in(name, "alpha", by=host())


PROJECT = Place(
    group=project_people.command,
    name="alpha",
    low="maintainer",
    make=lambda name, owner: give_project(owner, name),
    add=add_role,
    roles=lambda: dict(Role.objects.values_list("user__username", "kind")),
    invitations=ProjectInvitation,
    accept=services.accept,
    keep=ending.keep_role,
    carry_out_due=ending.carry_out_due,
    codes={
        "missing": "not-found",
        "no-place": "project-not-found",
        "no-target": "invitee-refused",
        "twice": "already-invited",
        "has-it": "already-collaborator",
        "no-invitation": "invitation-missing",
        "nobody": "collaborator-missing",
        "last": "owner-last",
        "left": "project-left",
    },
    mails={
        "invited": "project-invitation",
        "owner-invited": "project-owner-invited",
        "ended": "project-role-ended",
        "will-end": "project-owner-ends",
    },
    actions={"prefix": "collaborator.", "remove": "collaborator.remove"},
)
ORGANIZATION = Place(
    group=organization_people.command,
    name="acme",
    low="member",
    make=make_organization,
    add=add_member,
    roles=lambda: dict(Membership.objects.values_list("user__username", "kind")),
    invitations=OrganizationInvitation,
    accept=inviting.accept,
    keep=membership.keep_member,
    carry_out_due=membership.carry_out_due,
    codes={
        "missing": "organization-missing",
        "no-place": "organization-missing",
        "no-target": "offer-target-refused",
        "twice": "offered-already",
        "has-it": "already-member",
        "no-invitation": "offer-missing",
        "nobody": "member-missing",
        "last": "organization-owner-last",
        "left": "organization-left",
    },
    mails={
        "invited": "organization-invitation",
        "owner-invited": "organization-owner-invited",
        "ended": "organization-member-removed",
        "will-end": "organization-owner-ends",
    },
    actions={"prefix": "organization.", "remove": "organization.remove-member"},
)


@pytest.fixture
def ada(db: None) -> User:
    return make_person("ada")


@pytest.fixture
def bob(db: None) -> User:
    return make_person("bob")


@pytest.fixture(params=[PROJECT, ORGANIZATION], ids=lambda place: place.name)
def place(request: pytest.FixtureRequest, ada: User) -> Place:
    """Return it with ada as owner, eve below her, and nothing mailed."""
    made: Place = request.param
    made.make(made.name, ada)
    made.add(make_person("eve"), made.low)
    Mail.objects.all().delete()
    return made


def own_too(place: Place, user: User) -> None:
    place.add(user, "owner")


def done(place: Place) -> list[tuple[str, str]]:
    """Return the acts on people that were done since the place was made."""
    made = {"organization.create", "organization.add-member"}
    return [one for one in acts(place.actions["prefix"]) if one[0] not in made]


def test_people_are_listed_with_or_without_the_word_and_with_what_waits(
    critical: None, place: Place, bob: User
) -> None:
    own_too(place, bob)
    place.printed("remove", place.name, "bob")
    lines = place.lines(place.name.title())
    assert [(one["username"], one["role"], one["becomes"]) for one in lines] == [
        ("ada", "owner", None),
        ("bob", "owner", "none"),
        ("eve", place.low, None),
    ]
    assert place.printed("list", place.name) == place.printed(place.name)
    assert f"none from {lines[1]['changes_at']}" in place.printed(place.name)


@pytest.mark.parametrize("name", ["nowhere", "no name!"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("list",), "missing"),
        (("invitations",), "missing"),
        (("invite", "bob"), "no-place"),
        (("resend", "7"), "no-invitation"),
        (("revoke", "7"), "no-place"),
        (("remove", "eve"), "no-place"),
        (("keep", "eve"), "no-place"),
    ],
)
def test_a_place_that_isnt_there_is_named_so(
    place: Place, words: tuple[str, ...], code: str, name: str
) -> None:
    act, *rest = words
    assert place.refused(act, name, *rest) == place.codes[code]


def test_who_is_invited_has_nothing_before_they_accept_and_complies_to_accept(
    place: Place, bob: User
) -> None:
    row = place.told("invite", place.name, "bob", "--role", "owner")
    assert (row["whom"], row["role"], row["invited_by"], row["is_over"]) == ("bob", "owner", "host", False)
    assert "bob" not in place.roles()
    assert mails() == [
        (place.mails["invited"], "bob@example.org"),
        (place.mails["owner-invited"], "ada@example.org"),
    ]
    assert place.lines("invitations", place.name) == [row]
    assert place.printed("invitations", place.name).startswith(
        f"{row['number']}  bob  owner  by host  until "
    )
    assert place.refused("invite", place.name, "bob", "--role", "owner") == place.codes["twice"]
    with pytest.raises(Refusal):
        place.accept(row["number"], by=actor(bob, "password"))
    assert "bob" not in place.roles()
    place.accept(row["number"], by=actor(bob))
    assert place.roles()["bob"] == "owner"
    assert place.refused("invite", place.name, "bob", "--role", "owner") == place.codes["has-it"]
    assert done(place)[0] == (f"{place.actions['prefix']}invite", "host")


@pytest.mark.parametrize(
    ("whom", "code"),
    [
        (" ", "no-target"),
        ("no name!", "username-refused"),
        ("no@address@at.all", "address-refused"),
        ("eve", "has-it"),
    ],
)
def test_an_invitation_that_makes_no_sense_is_refused(place: Place, whom: str, code: str) -> None:
    assert place.refused("invite", place.name, whom) == place.codes.get(code, code)


@pytest.mark.parametrize(
    "words",
    [
        ("invite", "bob", "--role", "king"),
        ("invite",),
        ("resend", "0"),
        ("change-role", "eve", "none"),
        ("remove",),
    ],
)
def test_wrong_use_is_told_apart(place: Place, words: tuple[str, ...]) -> None:
    act, *rest = words
    assert place.is_wrong(act, place.name, *rest)


def test_an_invitation_is_sent_again_and_taken_back(place: Place, time: Clock) -> None:
    number = str(place.told("invite", place.name, "zoe@example.org")["number"])
    time.go(days=8)
    assert place.lines("invitations", place.name)[0]["is_over"] is True
    assert place.told("resend", place.name, number)["is_over"] is False
    assert [kind for kind, _ in mails()] == [place.mails["invited"]] * 2
    for _ in range(2):
        assert place.printed("revoke", place.name, number) == f"Invitation {number} is taken back.\n"
    assert place.invitations.objects.get().outcome == "revoked"
    prefix = place.actions["prefix"]
    assert done(place) == [(f"{prefix}{act}", "host") for act in ("invite", "resend", "revoke")]
    assert place.refused("resend", place.name, number) == place.codes["no-invitation"]
    assert place.printed("invitations", place.name) == ""


def test_an_invitation_of_another_place_is_none_of_this_one(place: Place, bob: User) -> None:
    place.make("other", bob)
    number = str(place.told("invite", "other", "zoe@example.org")["number"])
    for act in ("resend", "revoke"):
        for unknown in (number, "999"):
            assert place.refused(act, place.name, unknown) == place.codes["no-invitation"]
            refusal = place.run(act, place.name, unknown).exception
            assert isinstance(refusal, Refusal)
            assert "your account" not in refusal.sentence + refusal.fix
            assert " people invitations` " in refusal.fix


def test_the_only_owner_stays(place: Place, bob: User) -> None:
    acts = (("remove", place.name, "ada"), ("change-role", place.name, "ada", place.low))
    for words in acts:
        assert place.refused(*words) == place.codes["last"]
    own_too(place, bob)
    suspend_user(bob, "gone", by=host(), now=clock.now())
    for words in acts:
        assert place.refused(*words) == place.codes["last"], "who is suspended looks after nothing"


@pytest.mark.parametrize("act", ["remove", "keep", "change-role"])
def test_who_has_no_role_is_named_so(place: Place, act: str, bob: User) -> None:
    role = ["owner"] if act == "change-role" else []
    for name in ("bob", "nobody-like-that", "no name!"):
        assert place.refused(act, place.name, name, *role) == place.codes["nobody"]


def test_somebody_is_removed_and_all_are_told(place: Place) -> None:
    ended = {"alpha": "eve has no role of their own in alpha.\n", "acme": "eve is no member of acme.\n"}
    assert place.printed("remove", place.name, "eve") == ended[place.name]
    assert place.roles() == {"ada": "owner"}
    assert mails() == [(place.mails["ended"], f"{name}@example.org") for name in ("ada", "eve")]
    assert done(place) == [(place.actions["remove"], "host")]
    assert place.refused("remove", place.name, "eve") == place.codes["nobody"]


def test_mails_name_the_host_in_words(place: Place, critical: None, bob: User) -> None:
    own_too(place, bob)
    place.printed("invite", place.name, "zoe@example.org", "--role", "owner")
    place.printed("remove", place.name, "eve")
    place.printed("remove", place.name, "bob")
    place.printed("keep", place.name, "bob")
    place.printed("change-role", place.name, "bob", place.low)
    texts = mailed(*{kind for kind, _ in mails()})
    assert len(texts) == len(mails()) > 9
    assert all("hoever runs this index" in text for text in texts)
    assert not [text for text in texts if re.search(r"\bhost\b", text)]


def test_an_owner_of_a_critical_project_goes_after_a_wait_in_which_owners_take_it_back(
    place: Place, critical: None, bob: User, time: Clock
) -> None:
    own_too(place, bob)
    days = configuration.current().owner_removal_days
    until = clock.format_instant(clock.now() + timedelta(days=days))
    for _ in range(2):
        assert place.told("remove", place.name, "bob")["waits_until"] == until
    assert place.roles()["bob"] == "owner"
    assert mails() == [(place.mails["will-end"], f"{name}@example.org") for name in ("ada", "bob")]
    assert done(place) == [(place.actions["remove"], "host")]
    assert place.keep(place.name, "bob", by=actor(bob))
    assert f" from {until} on" in place.printed("change-role", place.name, "bob", place.low)
    assert place.printed("keep", place.name, "bob") == f"bob stays what they are in {place.name}.\n"
    assert place.printed("keep", place.name, "bob") == "Nothing waited.\n"
    place.told("remove", place.name, "bob")
    assert place.carry_out_due(time.go(days=days - 1)) == 0
    assert place.carry_out_due(time.go(days=1)) == 1
    assert place.roles() == {"ada": "owner", "eve": place.low}


def test_the_host_alone_gives_nobody_what_has_lost_its_owners(place: Place, ada: User, bob: User) -> None:
    number = str(place.told("invite", place.name, "zoe@example.org")["number"])
    suspend_user(ada, "left the company", by=host(), now=clock.now())
    Mail.objects.all().delete()
    for words in (("invite", "bob"), ("resend", number), ("change-role", "eve", "owner")):
        act, *rest = words
        assert place.refused(act, place.name, *rest) == place.codes["left"]
    place.printed("revoke", place.name, number)
    place.printed("remove", place.name, "eve")


def test_nor_what_has_owners_who_are_silent_for_long(place: Place, bob: User, time: Clock) -> None:
    User.objects.update(last_seen_at=clock.now())
    assert place.told("invite", place.name, "bob")["whom"] == "bob"
    time.go(days=SILENCE.days + 1)
    assert place.refused("invite", place.name, "bob", "--role", "owner") == place.codes["left"]
    assert place.refused("change-role", place.name, "eve", "owner") == place.codes["left"]
    assert place.told("change-role", place.name, "eve", place.low)["waits_until"] is None, (
        "what they are changes nothing"
    )
