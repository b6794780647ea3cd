"""Pages of trusted publishers: what is shown before it is trusted, who may, and what stays when it is refused."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.credentials.tokens.conftest import make_project, make_user
from tests.credentials.tokens.test_views import Browser, body

from keyhouse.accounts.models import Session, User
from keyhouse.audit.services import record
from keyhouse.core import clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Strength, host, job
from keyhouse.credentials.trusted_publishers import services
from keyhouse.credentials.trusted_publishers.forms import FIELDS, read_claims
from keyhouse.credentials.trusted_publishers.models import Issuer, Publisher
from keyhouse.credentials.trusted_publishers.previews import rows_of
from keyhouse.credentials.trusted_publishers.providers import ALL, get
from keyhouse.credentials.trusted_publishers.publisher_errors import PublisherInvalid
from keyhouse.projects.models import Project, Role

pytestmark = pytest.mark.django_db
GITHUB = "https://token.actions.githubusercontent.com"
FORGE = "https://forge.example/api/actions"
SETTINGS = "/manage/project/alpha/publishing/"
MINE = "/account/publishers/"
TERMS = {"issuer": GITHUB, "owner": "acme", "repository": "lantern", "workflow": "release.yml"}


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def alpha(ada: User) -> Project:
    return make_project("alpha", ada)


@pytest.fixture
def browser(ada: User, alpha: Project) -> Browser:
    return Browser(ada)


def trust(user: User, project: str = "alpha") -> Publisher:
    fields = {"owner": "acme", "repository": "lantern", "workflow": "release.yml"}
    told = services.Told(user, Strength(frozenset({"password", "totp"}), clock.now()), clock.now())
    return services.add_publisher(project, "github", GITHUB, fields, by=host(), told=told)


def give(name: str, kind: str) -> User:
    user = make_user(name)
    project = Project.objects.get(normalized_name="alpha")
    Role.objects.create(project=project, user=user, kind=kind, since_at=clock.now())
    return user


# ---- setting one up


def test_an_owner_sees_what_it_would_take_then_trusts_it_and_gets_lines_to_copy(browser: Browser) -> None:
    page = body(browser.get(SETTINGS))
    assert "No trusted publisher yet" in page
    address = re.search(rf'href="({SETTINGS}add/\?issuer=[^"]*githubusercontent[^"]*)"', page)
    assert address is not None
    assert "Nothing yet." in body(browser.get(address[1]))
    told = browser.post(f"{SETTINGS}preview/", **TERMS)
    assert told.status_code == 200
    for part in ("acme/lantern/.github/workflows/release.yml@", "pull_request_target", "any, or none"):
        assert part in body(told)
    assert not Publisher.objects.exists()
    made = browser.post(f"{SETTINGS}add/", **TERMS)
    assert made.status_code == 303
    shown = body(browser.get(made["Location"]))
    assert 'class="code" data-copy' in shown
    assert "/mandate/check?action=release.upload&amp;project=alpha" in shown
    assert "acme/lantern, release.yml" in body(browser.get(SETTINGS))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"owner": ""}, "owner"),
        ({"owner": "acme/evil"}, "owner"),
        ({"repository": ".."}, "repository"),
        ({"workflow": "../release.yml"}, "workflow"),
        ({"workflow": "release.txt"}, "workflow"),
        ({"owner_id": "x"}, "owner_id"),
        ({"environment": "a\x00b"}, "environment"),
        ({"workflow": "w" * 400 + ".yml"}, "workflow"),
    ],
)
def test_a_field_that_cannot_be_is_named_and_nothing_is_kept(
    browser: Browser, changes: dict[str, str], field: str
) -> None:
    answer = browser.post(f"{SETTINGS}add/", **(TERMS | changes))
    assert answer.status_code == 400
    assert f'href="#id_{field}"' in body(answer)
    assert browser.post(f"{SETTINGS}preview/", **(TERMS | changes)).status_code == 200
    assert not Publisher.objects.exists()


@pytest.mark.parametrize("issuer", ["", "https://elsewhere.example", "javascript:x", "x" * 5000, "\x00"])
def test_an_issuer_that_nobody_added_is_not_found(browser: Browser, issuer: str) -> None:
    assert browser.get(f"{SETTINGS}add/").status_code == 404
    for address in (f"{SETTINGS}add/", f"{SETTINGS}preview/", f"{MINE}add/"):
        assert browser.post(address, **(TERMS | {"issuer": issuer})).status_code == 404


def test_the_same_twice_is_said_in_the_form(browser: Browser) -> None:
    browser.post(f"{SETTINGS}add/", **TERMS)
    answer = browser.post(f"{SETTINGS}add/", **TERMS)
    assert answer.status_code == 400
    assert answer["X-Refusal"] == "publisher-exists"
    assert Publisher.objects.count() == 1


def test_claims_of_an_issuer_that_operators_added_are_lines(browser: Browser) -> None:
    terms = {"required_claims": ["repository", "workflow"], "added_at": clock.now()}
    Issuer.objects.create(url=FORGE, provider="custom", **terms)
    page = body(browser.get(f"{SETTINGS}add/?issuer={FORGE}"))
    assert "repository: \nworkflow: \n" in page
    typed = "repository: acme/lantern\nworkflow: release.yml\nenvironment: release"
    made = browser.post(f"{SETTINGS}add/", issuer=FORGE, claims=typed)
    assert made.status_code == 303
    one = Publisher.objects.get()
    assert one.claims == {"repository": "acme/lantern", "workflow": "release.yml"}
    assert one.environment == "release"
    assert "enable-openid-connect: true" in body(browser.get(made["Location"]))
    for wrong in ("", "repository", "repository: a\nrepository: b", "sub: x", "iss: x"):
        answer = browser.post(f"{SETTINGS}add/", issuer=FORGE, claims=wrong)
        assert answer.status_code == 400
    assert Publisher.objects.count() == 1


def test_lines_of_claims_are_read_strictly() -> None:
    assert read_claims(" sub : https://ci.example/job/a/ \n\nref:x:y\n") == {
        "sub": "https://ci.example/job/a/",
        "ref": "x:y",
    }
    for wrong in ("sub", "a: 1\na: 2"):
        with pytest.raises(PublisherInvalid):
            read_claims(wrong)


def test_what_is_typed_is_shown_harmlessly(browser: Browser) -> None:
    nasty = "<script>alert(1)</script>"
    for address in (f"{SETTINGS}preview/", f"{SETTINGS}add/"):
        page = body(browser.post(address, **(TERMS | {"owner": nasty, "environment": nasty})))
        assert nasty not in page
    page = body(browser.get(f"{SETTINGS}add/?issuer={GITHUB}&owner={nasty}"))
    assert nasty not in page


def test_an_environment_with_odd_signs_stays_within_its_line_of_the_snippet(browser: Browser) -> None:
    odd = "a\"'$(x) {}: #"
    page = body(browser.post(f"{SETTINGS}preview/", **(TERMS | {"environment": odd})))
    assert "    environment: &quot;a\\&quot;" in page.replace("&#x27;", "'").replace("&#39;", "'")


# ---- who may


def test_maintainers_see_and_change_nothing_and_strangers_see_nothing(ada: User, alpha: Project) -> None:
    one = trust(ada)
    maintainer, stranger = Browser(give("mo", "maintainer")), Browser(make_user("sam"))
    page = body(maintainer.get(SETTINGS))
    assert "acme/lantern" in page
    assert ">Remove<" not in page
    assert 'id="add"' not in page
    for address in ("add/", f"{one.pk}/remove/", f"{one.pk}/confirm/", "only/", "tokens-too/"):
        assert maintainer.post(SETTINGS + address, **TERMS).status_code == 403
    for address in (SETTINGS, f"{SETTINGS}{one.pk}/", f"{SETTINGS}add/?issuer={GITHUB}"):
        theirs, none = stranger.get(address), stranger.get(address.replace("alpha", "nothing"))
        assert theirs.status_code == none.status_code == 403
        assert "acme" not in body(theirs)
    assert list(Publisher.objects.values_list("pk", flat=True)) == [one.pk]


def test_a_publisher_of_another_project_is_not_found(browser: Browser) -> None:
    other = trust(make_user("bob"), make_project("beta", make_user("bea")).normalized_name)
    for act in ("", "confirm/", "constrain/", "remove/"):
        assert browser.get(f"{SETTINGS}{other.pk}/{act}").status_code == 404
    for act in ("confirm/", "constrain/", "remove/"):
        assert browser.post(f"{SETTINGS}{other.pk}/{act}").status_code == 404
    assert browser.get(f"{SETTINGS}{'9' * 30}/").status_code == 404
    assert Publisher.objects.filter(pk=other.pk).exists()


def test_what_was_typed_survives_the_proof_that_is_asked_for(ada: User, alpha: Project) -> None:
    late = Browser(ada)
    Session.objects.update(proved_at=clock.now() - timedelta(minutes=20))
    answer = late.post(f"{SETTINGS}add/", **TERMS, csrf="x")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/step-up/?next=")
    assert "workflow%3Drelease.yml" in answer["Location"]
    assert "csrf" not in answer["Location"]
    way_back = f"{SETTINGS}add/?issuer={GITHUB}&owner=acme&repository=lantern&workflow=release.yml"
    page = body(Browser(ada).get(way_back))
    assert 'value="release.yml"' in page
    assert "acme/lantern/.github/workflows/release.yml@" in page
    assert not Publisher.objects.exists()


@pytest.mark.parametrize("place", [SETTINGS, MINE])
def test_a_preview_that_asks_for_a_proof_first_leads_back_to_the_form(
    ada: User, alpha: Project, place: str
) -> None:
    late = Browser(ada)
    Session.objects.update(proved_at=clock.now() - timedelta(minutes=20))
    answer = late.post(f"{place}preview/", **TERMS)
    way_back = parse_qs(urlsplit(answer["Location"]).query)["next"][0]
    assert way_back.startswith(f"{place}add/?issuer=")
    page = Browser(ada).get(way_back)
    assert page.status_code == 200
    assert 'value="release.yml"' in body(page)


# ---- resting, confirming, narrowing, removing


def test_one_whose_owner_left_rests_until_another_confirms_it(ada: User, alpha: Project) -> None:
    one = trust(ada)
    bea = give("bea", "owner")
    Role.objects.filter(user=ada).delete()
    browser = Browser(bea)
    for address in (SETTINGS, MINE):
        page = body(browser.get(address))
        assert "rests" in page
        assert "ada, who answers for it, has no role" in page
        assert f"{SETTINGS}{one.pk}/confirm/" in page
    assert "answer" in body(browser.get(f"{SETTINGS}{one.pk}/confirm/"))
    assert browser.post(f"{SETTINGS}{one.pk}/confirm/").status_code == 303
    one.refresh_from_db()
    assert one.configured_by_id == bea.pk
    page = body(browser.get(MINE))
    assert "Resting in your projects" not in page
    assert "acme/lantern" in page


@pytest.mark.parametrize("state", [User.State.SUSPENDED, User.State.FROZEN])
def test_one_whose_owner_is_stopped_rests(ada: User, alpha: Project, state: str) -> None:
    trust(ada)
    bea = give("bea", "owner")
    User.objects.filter(pk=ada.pk).update(state=state)
    assert "Resting in your projects" in body(Browser(bea).get(MINE))


def test_one_with_an_issuer_that_was_removed_says_so(browser: Browser, ada: User) -> None:
    trust(ada)
    now = clock.now()
    Issuer.objects.create(url=GITHUB, provider="github", added_at=now, removed_at=now)
    page = body(browser.get(SETTINGS))
    assert "issuer removed" in page
    assert "githubusercontent" not in page.split('id="add"')[1]


def test_the_environment_that_was_seen_can_be_made_the_only_one(browser: Browser, ada: User) -> None:
    one = trust(ada)
    address = f"{SETTINGS}{one.pk}/constrain/"
    assert "No environment was seen" in body(browser.get(address))
    assert browser.post(address).status_code == 400
    Publisher.objects.update(seen_environment="release")
    assert "Only in release" in body(browser.get(SETTINGS))
    assert browser.post(address).status_code == 303
    assert Publisher.objects.get().environment == "release"


def test_removing_asks_first_and_twice_changes_nothing(browser: Browser, ada: User) -> None:
    address = f"{SETTINGS}{trust(ada).pk}/remove/"
    assert "Remove the publisher" in body(browser.get(address))
    assert Publisher.objects.exists()
    assert browser.post(address).status_code == 303
    assert browser.post(address).status_code == 404
    assert not Publisher.objects.exists()


def test_the_last_use_links_to_its_run_and_commit(browser: Browser, ada: User) -> None:
    trust(ada)
    claims = {"repository": "acme/lantern", "run": "42", "ref": "refs/tags/v1", "sha": "ab" * 20}
    Publisher.objects.update(last_used_at=clock.now(), last_used_claims=claims)
    page = body(browser.get(SETTINGS))
    assert 'href="https://github.com/acme/lantern/actions/runs/42"' in page
    assert f'href="https://github.com/acme/lantern/commit/{"ab" * 20}"' in page
    assert "refs/tags/v1" in page


def test_only_trusted_publishers_says_what_it_means_and_can_be_taken_back(
    browser: Browser, alpha: Project
) -> None:
    page = body(browser.get(f"{SETTINGS}only/"))
    assert "nobody can release" in page
    assert browser.post(f"{SETTINGS}only/").status_code == 303
    alpha.refresh_from_db()
    assert alpha.only_publishers
    assert "trusted publishers only" in body(browser.get(SETTINGS))
    assert browser.post(f"{SETTINGS}tokens-too/").status_code == 303
    alpha.refresh_from_db()
    assert not alpha.only_publishers


# ---- for a project to come


def test_one_may_wait_for_a_new_project_and_is_ones_own(ada: User, browser: Browser) -> None:
    terms = TERMS | {"project_name": "Gamma.Ray"}
    assert "acme/lantern" in body(browser.post(f"{MINE}preview/", **terms))
    made = browser.post(f"{MINE}add/", **terms)
    assert made.status_code == 303
    page = body(browser.get(made["Location"]))
    assert "project=gamma-ray" in page
    assert "Gamma.Ray" in body(browser.get(MINE))
    stranger = Browser(make_user("sam"))
    assert stranger.get(made["Location"]).status_code == 404
    assert "Gamma" not in body(stranger.get(MINE))
    # nor do they learn whether it is there
    gone = made["Location"].rstrip("/") + "0/"
    assert [stranger.post(f"{one}remove/").status_code for one in (made["Location"], gone)] == [303, 303]
    assert Publisher.objects.exists()
    assert browser.post(f"{made['Location']}remove/").status_code == 303
    assert not Publisher.objects.exists()


@pytest.mark.parametrize("name", ["", "os", "beta", "-x", "a" * 300, "a\x00"])
def test_a_name_that_cannot_be_is_refused_at_its_field(browser: Browser, name: str) -> None:
    make_project("beta")
    answer = browser.post(f"{MINE}add/", **TERMS, project_name=name)
    assert answer.status_code == 400
    assert 'href="#id_project_name"' in body(answer)
    assert not Publisher.objects.exists()


def test_home_leads_owners_without_one_there(browser: Browser, ada: User) -> None:
    assert "A trusted publisher instead of a token" in body(browser.get("/account/"))
    trust(ada)
    page = body(browser.get("/account/"))
    assert "Trusted publishers" in page
    assert "instead of a token" not in page
    Publisher.objects.update(configured_by=make_user("gone"))
    page = body(browser.get("/account/"))
    assert "rests" in page
    assert "/confirm/" in page


def test_whoever_owns_nothing_is_not_bothered(ada: User) -> None:
    assert "trusted publisher instead" not in body(Browser(ada).get("/account/"))


# ---- previews


def test_every_provider_has_a_preview_and_every_field_is_taken() -> None:
    for name, rules in ALL.items():
        typed: dict[str, Any] = {field.name: field.example for field in rules.fields if field.is_required}
        configured = get(name).read(typed or {"claims": {"sub": "x"}})
        issuer = rules.issuer or "https://ci.example"
        rows = {row.claim: row.value for row in rows_of(name, issuer, "packages.example", configured)}
        assert rows["iss"] == issuer
        assert rows["aud"] == "packages.example"
        assert len(rows) > 2
        assert {field.name for field in rules.fields} <= set(FIELDS)


def test_what_was_turned_away_is_told_to_the_projects_people(browser: Browser, ada: User) -> None:
    one = trust(ada)
    about = Thing("project", one.project_id, "alpha")
    differs = ["workflow: release.yml is trusted, <b>other</b> came"]
    for number, lines in ((one.pk + 1, ["of another"]), (one.pk, differs)):
        details: dict[str, int | list[str]] = {"publisher": number, "differs": lines}
        record("publisher.refuse", by=job("publishers"), about=about, details=details)
    assert "turned away" not in body(browser.get(SETTINGS))
    Publisher.objects.update(refused_at=clock.now())
    assert "turned away" in body(browser.get(SETTINGS))
    page = body(browser.get(f"{SETTINGS}{one.pk}/"))
    assert "release.yml is trusted, &lt;b&gt;other&lt;/b&gt; came" in page
    assert "of another" not in page
