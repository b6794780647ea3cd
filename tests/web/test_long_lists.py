"""Lists that grow with people and time: every page of them stays below 100 kB, and its last line can be acted on."""

from __future__ import annotations

import html
import re
import uuid
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.mandate.conftest import wired as wired  # noqa: PLC0414 - a fixture
from tests.mandate.ledger import make_person, make_project
from tests.mandate.visiting import Visit

from keyhouse.accounts.models import KnownBrowser, Session, User
from keyhouse.core import clock
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.distfiles.names import fold
from keyhouse.organizations.models import Membership, Organization, OrganizationInvitation, Team, TeamMember
from keyhouse.projects.collaborators.models import ProjectInvitation
from keyhouse.projects.life_cycle.models import Removal
from keyhouse.projects.models import Project, Release, Role, TeamRole
from keyhouse.safety.models import Creator, ReservedName

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired"), pytest.mark.by_turns]

MOST_BYTES: Final = 100_000
MANY: Final = 130  # several pages of each
ROBOTS: Final = 70
AGENT: Final = 'Mozilla/5.0 "<odd>" ' * 15  # 300 characters, the longest that is kept
WORDS: Final = '"Quoted" & <kept> for a long reason. ' * 8
NEXT: Final = re.compile(r'<a class="button quiet" rel="next" href="\?([^"#]*)(?:#[a-z]+)?">')
MANAGED: Final = "/manage/organization/acme/"


def nth(number: int) -> str:
    return f"crew-member-{number:03}"


@pytest.fixture
def ada() -> User:
    """Return an operator who owns an organization and a project, with what they have for a long time grown long."""
    user = make_person("ada", is_operator=True)
    project = make_project("alpha", user)
    now = clock.now()
    acme = Organization.objects.create(name="Acme", normalized_name="acme", created_at=now)
    Membership.objects.create(organization=acme, user=user, kind="owner", since_at=now)
    crew = User.objects.bulk_create(User(username=nth(number), joined_at=now) for number in range(MANY))
    grow_project(project, user, crew)
    grow_organization(acme, user, crew)
    Creator.objects.bulk_create(Creator(user=one, approved_at=now, approved_by="ada") for one in crew)
    ReservedName.objects.bulk_create(
        ReservedName(
            name=f"kept-{number:03}",
            folded_name=fold(f"kept-{number:03}"),
            reason=WORDS,
            reserved_at=now,
            reserved_by="ada",
        )
        for number in range(MANY)
    )
    grow_account(user, project)
    grow_offers(user)
    grow_publishers(user, project)
    Publisher.objects.filter(identity__startswith="weak-").update(configured_methods=["password"])
    return user


def grow_project(project: Project, owner: User, crew: list[User]) -> None:
    now = clock.now()
    Role.objects.bulk_create(Role(project=project, user=one, kind="maintainer", since_at=now) for one in crew)
    asked = {
        "kind": "owner",
        "invited_by": owner,
        "invited_by_name": "ada",
        "invited_at": now,
        "sent_at": now,
    }
    ProjectInvitation.objects.bulk_create(
        ProjectInvitation(
            project=project, username=f"invited-{number:03}", expires_at=now + timedelta(days=7), **asked
        )
        for number in range(MANY)
    )

    Release.objects.bulk_create(
        Release(
            project=project,
            version=f"{number}.0",
            created_at=now,
            yanked_at=now,
            yanked_reason=WORDS,
        )
        for number in range(MANY)
    )
    Removal.objects.bulk_create(
        Removal(
            kind=Removal.Kind.FILE,
            project_key=project.pk,
            project_name="alpha",
            normalized_name="alpha",
            version="0.1",
            filename=f"alpha-0.1-{number:03}-{'py3.' * 40}none-any.whl",
            removed_at=now - timedelta(seconds=number),
            until_at=now + timedelta(days=7),
        )
        for number in range(MANY)
    )


def grow_organization(acme: Organization, owner: User, crew: list[User]) -> None:
    now = clock.now()
    members = Membership.objects.bulk_create(
        Membership(organization=acme, user=one, kind="member", since_at=now) for one in crew
    )
    team = Team.objects.create(organization=acme, name="keel", normalized_name="keel", created_at=now)
    TeamMember.objects.bulk_create(
        TeamMember(team=team, member=one, since_at=now, ends_at=now, ends_asked_by_name="ada")
        for one in members
    )
    Team.objects.bulk_create(
        Team(organization=acme, name=f"team-{number:03}", normalized_name=f"team-{number:03}", created_at=now)
        for number in range(MANY)
    )
    projects = Project.objects.bulk_create(
        Project(
            name=f"hull-{number:03}",
            normalized_name=f"hull-{number:03}",
            folded_name=f"hu11-{number:03}",
            created_at=now,
            organization=acme,
        )
        for number in range(MANY)
    )
    TeamRole.objects.bulk_create(
        TeamRole(team=team, project=one, kind="maintainer", since_at=now) for one in projects
    )
    asked = {
        "kind": "owner",
        "invited_by": owner,
        "invited_by_name": "ada",
        "invited_at": now,
        "sent_at": now,
    }
    OrganizationInvitation.objects.bulk_create(
        OrganizationInvitation(
            organization=acme, username=f"invited-{number:03}", expires_at=now + timedelta(days=7), **asked
        )
        for number in range(MANY)
    )


def grow_account(user: User, project: Project) -> None:
    now = clock.now()
    Session.objects.bulk_create(
        Session(
            digest=f"digest-{number}",
            public_id=f"session-{number:03}",
            user=user,
            is_complete=True,
            methods=["password", "totp"],
            proved_at=now,
            csrf_secret="x",
            created_at=now,
            last_seen_at=now - timedelta(seconds=number),
            user_agent=AGENT,
        )
        for number in range(MANY)
    )
    KnownBrowser.objects.bulk_create(
        KnownBrowser(
            user=user,
            digest=f"digest-{number}",
            how=KnownBrowser.How.KEY,
            first_seen_at=now,
            last_seen_at=now - timedelta(seconds=number),
            known_at=now,
            network="2001:db8::",
            user_agent=AGENT,
        )
        for number in range(MANY)
    )
    tokens = Token.objects.bulk_create(
        Token(
            id=uuid.UUID(int=number + 1),
            key_id="none",
            user=user,
            description=f"token-{number:03}",
            version="1.0",
            networks=["2001:db8:85a3:8d3:1319:8a2e:370:7348/128"] * 20,
            actions=["upload"],
            minted_at=now - timedelta(days=90, seconds=number),
            minted_methods=["password"],
            minted_proof_at=now,
            minted_mandate="a-mandate-of-before",
            expires_at=now + timedelta(days=30),
            last_used_at=None,
            last_used_client=AGENT,
        )
        for number in range(MANY)
    )
    hulls = [project, *Project.objects.filter(name__startswith="hull-")[:11]]
    through: Any = Token.projects.through
    through.objects.bulk_create(through(token=one, project=hull) for one in tokens for hull in hulls)
    grow_robots(user, {"project": project})
    robots = grow_robots(user, {"organization": Organization.objects.get()})
    hulls = list(Project.objects.filter(name__startswith="hull-")[:100])
    through.objects.bulk_create(through(token=one, project=hull) for one in robots for hull in hulls)


def grow_offers(user: User) -> None:
    """Invite somebody into many projects and organizations."""
    now = clock.now()
    yards = Organization.objects.bulk_create(
        Organization(name=f"yard-{number:03}", normalized_name=f"yard-{number:03}", created_at=now)
        for number in range(MANY)
    )
    asked = {
        "user": user,
        "kind": "owner",
        "invited_by_name": "crew-member-000",
        "invited_at": now,
        "sent_at": now,
        "expires_at": now + timedelta(days=7),
    }
    OrganizationInvitation.objects.bulk_create(
        OrganizationInvitation(organization=one, **asked) for one in yards
    )
    hulls = Project.objects.filter(name__startswith="hull-")
    ProjectInvitation.objects.bulk_create(ProjectInvitation(project=one, **asked) for one in hulls)


def grow_publishers(user: User, project: Project) -> None:
    """Let a project trust many that somebody answers for, and many whose person can't any more."""
    now = clock.now()
    gone = make_person("gone", state=User.State.SUSPENDED)
    Publisher.objects.bulk_create(
        Publisher(
            issuer_url="https://ci.example.org",
            provider="github",
            project=project,
            lookup=f"acme/{word}-{number:03}",
            identity=f"{word}-{number:03}",
            claims={"owner": "acme", "repository": f"{word}-{number:03}", "workflow": "release.yml"},
            added_at=now,
            configured_by=one,
            configured_at=now,
            configured_methods=["password", "totp"],
            last_used_at=now,
            last_used_claims={"run": "1234567890", "ref": "refs/tags/v1.0", "sha": "ab" * 20},
        )
        for word, one in (("kept", user), ("idle", gone), ("weak", user))
        for number in range(MANY)
    )


def grow_robots(user: User, home: dict[str, Any]) -> list[Token]:
    """Make robot tokens as they are after years: those that ended stay until somebody revokes them."""
    now = clock.now()
    return Token.objects.bulk_create(
        Token(
            id=uuid.uuid4(),
            key_id="none",
            user=user,
            description=f"robot-{number:03}",
            networks=["2001:db8:85a3:8d3:1319:8a2e:370:7348/128"] * 20,
            actions=["upload"],
            minted_at=now - timedelta(days=400, seconds=number),
            minted_methods=["password"],
            minted_proof_at=now,
            expires_at=now - timedelta(days=35),
            last_used_client=AGENT,
            **home,
        )
        for number in range(ROBOTS)
    )


LISTS: Final[dict[str, tuple[tuple[str, str, int], ...]]] = {
    "/operator/names/": (("page", r'class="name">(kept-\d+)<', MANY),),
    "/operator/creators/": (("page", r'/operator/people/(crew-member-\d+)/"', MANY),),
    "/account/sessions/": (
        ("page", r'name="session" value="(session-\d+)"', MANY),
        ("browsers", r'name="browser" value="(\d+)"', MANY),
    ),
    "/account/mandate/": (
        ("page", r'<span class="break">(token-\d+)<', MANY),
        ("publishers", r": acme/(weak-\d+), release.yml<", MANY),
    ),
    "/account/tokens/": (("page", r'<strong class="break">(token-\d+)<', MANY),),
    MANAGED + "compliance/": (("page", r'<strong class="name break">(crew-member-\d+)<', MANY),),
    MANAGED: (
        ("page", r"person/(crew-member-\d+)/role/", MANY),
        ("invited", r'<span class="break">(invited-\d+)<', MANY),
    ),
    MANAGED + "teams/": (("page", r"/teams/(team-\d+)/", MANY),),
    MANAGED + "teams/keel/": (
        ("page", r"/person/(crew-member-\d+)/remove/", MANY),
        ("projects", r'class="name break">(hull-\d+)<', MANY),
    ),
    MANAGED + "robot-tokens/": (("page", r'<span class="break">(robot-\d+)<', ROBOTS),),
    "/manage/project/alpha/robot-tokens/": (("page", r'<span class="break">(robot-\d+)<', ROBOTS),),
    "/manage/project/alpha/people/": (
        ("page", r"/people/(crew-member-\d+)/role/", MANY),
        ("invited", r'<span class="break">(invited-\d+)<', MANY),
    ),
    "/mandate/project/alpha/": (("page", r'<strong class="name">(crew-member-\d+)<', MANY),),
    "/manage/project/alpha/": (
        ("page", r'<a class="name" href="/manage/project/alpha/release/(\d+\.0)/">', MANY),
        ("deleted", r"/manage/project/alpha/deleted/(\d+)/restore-file/", MANY),
    ),
    "/account/invitations/": (
        ("page", r'<strong class="name break">(hull-\d+)<', MANY),
        ("organizations", r'<strong class="name break">(yard-\d+)<', MANY),
    ),
    "/account/publishers/": (
        ("page", r">acme/((?:kept|weak)-\d+), release.yml</a>", 2 * MANY),
        ("resting", r">acme/(idle-\d+), release.yml</a>", MANY),
        ("without", r'<span class="name break">(hull-\d+)<', MANY),
    ),
}


def walk(visit: Visit, path: str, key: str, line: str) -> list[str]:
    """Return what stands on all pages of a list, by the links from each to the next; each page is small."""
    found: list[str] = []
    query = ""
    while True:
        answer = visit.get(f"{path}{query}")
        assert answer.status_code == 200, path + query
        assert len(answer.content) < MOST_BYTES, f"{path}{query}: {len(answer.content)}"
        page = answer.content.decode()
        found += dict.fromkeys(re.findall(line, page))
        links = [html.unescape(href) for href in NEXT.findall(page)]
        after = [href for href in links if href.rpartition("&")[2].startswith(f"{key}=")]
        if not after:
            return found
        query = f"?{after[0]}"


def test_every_page_of_a_long_list_is_small_and_every_line_is_on_one(ada: User) -> None:
    visit = Visit(ada)
    for path, lists in LISTS.items():
        for key, line, count in lists:
            found = walk(visit, path, key, line)
            assert (len(found), len(set(found))) == (count, count), (path, key)


def test_of_several_lists_on_a_page_each_stays_where_it_is_while_another_goes_on(ada: User) -> None:
    visit = Visit(ada)
    several = {path: [key for key, _, _ in lists] for path, lists in LISTS.items() if len(lists) > 1}
    assert several
    for path, keys in several.items():
        for key in keys:
            others = [f"{other}=2" for other in keys if other != key]
            page = visit.get(f"{path}?{'&'.join(others)}").content.decode()
            links = [dict(parse_qsl(html.unescape(href))) for href in NEXT.findall(page)]
            assert dict.fromkeys(keys, "2") in links, (path, key)
        page = visit.get(f"{path}?page=%22%3E%3Cb&{keys[1]}=1").content.decode()
        assert set(NEXT.findall(page)) == {f"{key}=2" for key in keys}, path  # no number isn't carried on


def test_a_link_to_more_of_a_list_below_another_leads_to_where_it_stands(ada: User) -> None:
    visit = Visit(ada)
    for path, lists in LISTS.items():
        page = visit.get(path).content.decode()
        for key, _, _ in lists[1:]:
            assert re.search(rf'rel="next" href="\?[^"]*{key}=2#{key}"', page), (path, key)
            assert page.count(f' id="{key}"') == 1, (path, key)


def test_what_stands_on_a_later_page_can_be_acted_on(ada: User) -> None:
    visit = Visit(ada)

    def last(path: str, key: str = "page") -> str:
        line = next(line for name, line, _ in LISTS[path] if name == key)
        return walk(visit, path, key, line)[-1]

    def act(path: str, **fields: str) -> None:
        assert visit.post(path, **fields).status_code in {302, 303}, path

    name = last("/operator/names/")
    act(f"/operator/names/{ReservedName.objects.get(name=name).pk}/release/")
    assert not ReservedName.objects.filter(name=name).exists()

    who = last("/operator/creators/")
    act(f"/operator/creators/{Creator.objects.get(user__username=who).pk}/revoke/")
    assert not Creator.objects.filter(user__username=who).exists()

    session = last("/account/sessions/")
    act("/account/sessions/?page=7", session=session)
    assert not Session.objects.filter(public_id=session).exists()

    browser = last("/account/sessions/", "browsers")
    act("/account/browsers/forget/", browser=browser)
    assert not KnownBrowser.objects.filter(pk=browser).exists()

    token = Token.objects.get(description=last("/account/tokens/"))
    act(f"/account/tokens/{token.pk}/revoke/")
    token.refresh_from_db()
    assert token.revoked_at is not None

    who = last(MANAGED + "compliance/")
    act(f"{MANAGED}person/{who}/nudge/")
    assert Membership.objects.get(user__username=who).nudged_at is not None

    who = last(MANAGED + "teams/keel/")
    act(f"{MANAGED}teams/keel/person/{who}/remove/")
    assert not TeamMember.objects.filter(member__user__username=who).exists()

    removal = last("/manage/project/alpha/", "deleted")
    assert visit.get(f"/manage/project/alpha/deleted/{removal}/restore-file/").status_code == 200

    where = ProjectInvitation.objects.get(project__name=last("/account/invitations/"), user=ada)
    act(f"/account/invitations/{where.pk}/decline/")
    where.refresh_from_db()
    assert where.outcome == "declined"

    publisher = Publisher.objects.get(lookup=f"acme/{last('/account/publishers/', 'resting')}")
    act(f"/manage/project/alpha/publishing/{publisher.pk}/remove/")
    assert not Publisher.objects.filter(pk=publisher.pk).exists()

    who = last("/manage/project/alpha/people/")
    act(f"/manage/project/alpha/people/{who}/remove/")
    assert not Role.objects.filter(user__username=who).exists()


def test_changing_a_reserved_name_starts_with_what_is_kept(ada: User) -> None:
    page = Visit(ada).get("/operator/names/reserve/?name=kept-129").content.decode()
    assert html.escape(WORDS.strip()[:60], quote=True) in page.replace("&#39;", "&#x27;")


def test_a_project_names_some_of_its_people_and_leads_to_the_others(ada: User) -> None:
    page = Visit(ada).get("/manage/project/alpha/").content.decode()
    assert len(re.findall(r'<span class="name">(?:ada|crew-member-\d+)<', page)) == 20
    assert f'<a href="/manage/project/alpha/people/">{MANY + 1 - 20} more</a>' in page
    Role.objects.filter(kind="maintainer").delete()
    page = Visit(ada).get("/manage/project/alpha/").content.decode()
    assert '<span class="name">ada<' in page
    assert " more</a>" not in page


def test_the_page_of_publishers_asks_no_more_for_many_projects_than_for_one(ada: User) -> None:
    visit = Visit(ada)
    publishers = list(
        Publisher.objects.filter(configured_by=ada, identity__startswith="kept-").order_by("pk")
    )
    visit.get("/account/publishers/")
    with CaptureQueriesContext(connection) as of_one:
        visit.get("/account/publishers/")
    for publisher, hull in zip(publishers, Project.objects.filter(name__startswith="hull-"), strict=True):
        Publisher.objects.filter(pk=publisher.pk).update(project=hull)
    with CaptureQueriesContext(connection) as of_many:
        page = visit.get("/account/publishers/").content.decode()
    assert page.count('/remove/">Remove') == 60, "each by its owner, whose organization owns the project"
    assert len(of_many) <= len(of_one)


def test_the_page_that_deletes_an_account_names_some_of_what_stands_in_the_way() -> None:
    eve, now = make_person("eve"), clock.now()

    def own(first: int, last: int) -> str:
        projects = Project.objects.bulk_create(
            Project(
                name=f"keel-{number:03}",
                normalized_name=f"keel-{number:03}",
                folded_name=f"kee1-{number:03}",
                created_at=now,
            )
            for number in range(first, last)
        )
        Role.objects.bulk_create(Role(project=one, user=eve, kind="owner", since_at=now) for one in projects)
        yards = Organization.objects.bulk_create(
            Organization(name=f"yard-{number:03}", normalized_name=f"yard-{number:03}", created_at=now)
            for number in range(first, last)
        )
        Membership.objects.bulk_create(
            Membership(organization=one, user=eve, kind="owner", since_at=now) for one in yards
        )
        return str(Visit(eve).get("/account/delete/").content.decode())

    page = own(0, 50)
    assert (page.count("/people/hand-over/"), page.count(">Hand over yard-")) == (50, 50)
    assert " more" not in page
    page = own(50, 57)
    assert (page.count("/people/hand-over/"), page.count(">Hand over yard-")) == (50, 50)
    assert "And 7 more, " in page
    assert "yard-049 and 7 more." in page
