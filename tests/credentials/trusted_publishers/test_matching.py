"""From an identity to publishers: which is meant, what is learned, who is told, and what is never told to strangers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from tests.credentials.tokens.conftest import make_project, make_user, session_of
from tests.credentials.trusted_publishers.test_claims import CLAIMS, FIELDS

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.credentials.trusted_publishers import matching, services
from keyhouse.credentials.trusted_publishers.choosing import choose
from keyhouse.credentials.trusted_publishers.errors import IdentityRefused
from keyhouse.credentials.trusted_publishers.identity import Identity
from keyhouse.credentials.trusted_publishers.models import Issuer, Publisher
from keyhouse.mail.models import Mail
from keyhouse.organizations import services as organizations
from keyhouse.projects.models import Project

pytestmark = pytest.mark.django_db
GITHUB = "https://token.actions.githubusercontent.com"
OWN = "https://ci.example.com"


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def alpha(ada: User) -> Project:
    return make_project("alpha", ada)


def trust(
    project: Project, by: User, provider: str = "github", issuer: str = "", **changes: Any
) -> Publisher:
    told = services.Told(by, session_of(by).strength, clock.now())
    fields = FIELDS[provider] | changes
    return services.add_publisher(project.normalized_name, provider, issuer, fields, by=host(), told=told)


def wait_for(name: str, by: User, **changes: Any) -> Publisher:
    told = services.Told(by, session_of(by).strength, clock.now())
    return services.add_pending_publisher(
        name, "github", "", FIELDS["github"] | changes, by=host(), told=told
    )


def own_issuer(provider: str = "custom", url: str = OWN, **facts: Any) -> Issuer:
    return Issuer.objects.create(url=url, provider=provider, added_at=clock.now(), **facts)


def find(
    claims: Mapping[str, Any] | None = None, issuer: Issuer | None = None, **changes: Any
) -> list[Publisher]:
    issuer = issuer or Issuer(url=GITHUB, provider="github")
    told = {**(claims or CLAIMS["github"]), **changes}
    identity = Identity(issuer, told, clock.now() + timedelta(minutes=5), "digest")
    return matching.find_publishers(identity, clock.now())


def is_found(**changes: Any) -> bool:
    told: list[tuple[str, str]] = []
    try:
        return bool(find(**changes))
    except IdentityRefused as refusal:
        told.append((refusal.reason_code, refusal.line))
    # nobody who shows an identity learns what is trusted
    assert all(
        code in {"invalid-publisher", "invalid-token"} and "acme" not in line.lower() for code, line in told
    )
    return False


def refusals() -> list[Record]:
    return list(Record.objects.filter(action="publisher.refuse").order_by("pk"))


def test_one_query_finds_who_is_meant(ada: User, alpha: Project, django_assert_num_queries: Any) -> None:
    one = trust(alpha, ada)
    assert find() == [one]  # what is learned is stored at the first use
    with django_assert_num_queries(1):
        (found,) = find()
    assert (found.pk, found.configured_by, found.project) == (one.pk, ada, alpha)


def test_ids_are_stored_at_first_use_and_hold_from_then_on(ada: User, alpha: Project) -> None:
    one = trust(alpha, ada)
    assert find() == [one]
    one.refresh_from_db()
    assert (one.claims["owner_id"], one.claims["repository_id"], one.known_id) == ("12", "700", "700")
    learned = Record.objects.get(action="publisher.learn")
    assert (learned.about_kind, learned.about_name, learned.details["owner_id"]) == ("project", "alpha", "12")
    assert is_found()
    assert not is_found(repository_owner_id="13")
    assert not is_found(repository_id="701")
    one.refresh_from_db()
    assert one.claims["owner_id"] == "12"


def test_an_id_told_at_set_up_holds_at_the_first_use(ada: User, alpha: Project) -> None:
    trust(alpha, ada, owner_id="13")
    assert not is_found()
    assert is_found(repository_owner_id="13")


def test_of_two_first_uses_at_once_the_second_is_judged_by_what_the_first_stored(
    ada: User, alpha: Project
) -> None:
    one = trust(alpha, ada)
    other = Publisher.objects.get(pk=one.pk)  # read before the first use was written
    assert find() == [one]
    assert not matching._learn(other, CLAIMS["github"] | {"repository_owner_id": "13"})
    one.refresh_from_db()
    assert one.claims["owner_id"] == "12"


@pytest.mark.parametrize(
    ("provider", "other", "ids"),
    [
        ("github", {"environment": "release"}, {"repository_owner_id": "13", "repository_id": "9"}),
        ("github", {"owner": "ACME", "repository": "gadget"}, {"repository_owner_id": "13"}),
        ("gitlab", {"environment": "release"}, {"project_id": "9"}),
    ],
)
def test_somebody_else_of_the_name_gets_nothing_by_a_publisher_that_was_never_used(
    ada: User, alpha: Project, provider: str, other: dict[str, str], ids: dict[str, str]
) -> None:
    """What one publisher of a project has learned holds for its others of the same names."""
    issuer = GITHUB if provider == "github" else "https://gitlab.com"
    host = {"ci_config_ref_uri": "gitlab.com/acme/tools/widget//ci/publish.yml@refs/heads/main"}
    claims = CLAIMS[provider] | (host if provider == "gitlab" else {})
    at = Issuer(url=issuer, provider=provider)
    trust(alpha, ada, provider, issuer, **other)
    used = dict(claims)
    if "repository" in other:
        used |= {
            "repository": "acme/gadget",
            "repository_id": "701",
            "job_workflow_ref": claims["job_workflow_ref"].replace("widget", "gadget"),
        }
    assert find(used, at, environment="release")
    unused = trust(alpha, ada, provider, issuer)
    with pytest.raises(IdentityRefused):
        find(claims, at, **ids)
    unused.refresh_from_db()
    assert not unused.known_id
    assert not unused.claims.keys() & {"owner_id", "repository_id", "namespace_id", "project_id"}
    assert Mail.objects.get(kind="publisher-changed-hands").address == "ada@example.org"
    told = [line for one in refusals() for line in one.details["differs"]]
    assert any("by another publisher of the project is trusted" in line for line in told)
    assert find(claims, at) == [unused]  # the one that the project knows


def test_what_another_project_learned_is_none_of_ones_business(ada: User, alpha: Project) -> None:
    """Else a stranger could shut a project's publishers out."""
    trust(alpha, ada, owner_id="13")
    one = trust(make_project("beta", make_user("bob")), ada)
    assert find() == [one]


def test_owners_are_mailed_once_where_a_name_has_changed_hands(ada: User, alpha: Project) -> None:
    trust(alpha, ada)
    find()
    for _ in range(3):
        assert not is_found(repository_owner_id="13", repository_id="999")
    assert Mail.objects.get(kind="publisher-changed-hands").address == "ada@example.org"
    (record,) = refusals()
    assert record.outcome == "refused"
    assert record.details["differs"] == [
        "owner_id: 12 is trusted, 13 came",
        "repository_id: 700 is trusted, 999 came",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {
            "repository": "acme/gadget",
            "job_workflow_ref": CLAIMS["github"]["job_workflow_ref"].replace("widget", "gadget"),
        },
        {
            "repository": "other/widget",
            "repository_owner": "other",
            "repository_owner_id": "13",
            "job_workflow_ref": CLAIMS["github"]["job_workflow_ref"].replace("acme/", "other/"),
        },
    ],
    ids=["renamed", "transferred"],
)
def test_a_renamed_or_transferred_repository_is_refused_and_its_owners_told(
    ada: User, alpha: Project, changes: dict[str, Any]
) -> None:
    trust(alpha, ada)
    find()
    assert not is_found(**changes)
    assert not is_found(**changes)
    assert Mail.objects.filter(kind="publisher-changed-hands").count() == 1
    assert len(refusals()) == 1


def test_what_differs_is_told_to_the_projects_people_and_to_nobody_else(ada: User, alpha: Project) -> None:
    trust(alpha, ada, environment="release")
    with pytest.raises(IdentityRefused) as refused:
        find(environment="staging", job_workflow_ref="acme/widget/.github/workflows/x.yml@refs/heads/main")
    assert (refused.value.reason_code, refused.value.sentence) == (
        "invalid-publisher",
        "No trusted publisher here matches this identity.",
    )
    (record,) = refusals()
    assert (record.about_kind, record.about_name, record.code) == ("project", "alpha", "publisher-unmatched")
    assert [line.split(":")[0] for line in record.details["differs"]] == ["workflow", "environment"]
    assert not Mail.objects.filter(kind="publisher-changed-hands").exists()


def test_records_of_what_differs_are_throttled(ada: User, alpha: Project) -> None:
    one = trust(alpha, ada, environment="release")
    for number in range(5):
        assert not is_found(environment=f"other{number}")
    assert len(refusals()) == 1
    Publisher.objects.filter(pk=one.pk).update(refused_at=clock.now() - timedelta(hours=2))
    assert not is_found()
    assert len(refusals()) == 2


def test_nothing_is_written_about_an_identity_that_nobody_knows(ada: User, alpha: Project) -> None:
    trust(alpha, ada)
    before = Record.objects.count()
    assert not is_found(repository="evil/widget")
    assert not is_found(event_name="pull_request_target")
    assert not is_found(jti="")
    assert Record.objects.count() == before


def test_the_publisher_of_the_very_environment_wins(ada: User, alpha: Project) -> None:
    plain, bound = trust(alpha, ada), trust(alpha, ada, environment="Release")
    assert find(environment="release") == [bound]
    assert find(environment="other") == [plain]
    assert find() == [plain]


def test_where_two_publishers_of_a_project_are_the_same_identity_neither_is_taken(
    ada: User, alpha: Project
) -> None:
    issuer = own_issuer()
    trust(alpha, ada, "custom", OWN)
    trust(alpha, ada, "custom", OWN, claims={"sub": FIELDS["custom"]["claims"]["sub"]})
    with pytest.raises(IdentityRefused):
        find(CLAIMS["custom"], issuer)
    assert "two publishers" in refusals()[0].details["differs"][0]
    assert [one.project for one in find(CLAIMS["custom"] | {"cluster": "two"}, issuer)] == [alpha]


def test_what_is_ambiguous_in_one_project_takes_nothing_from_another(ada: User, alpha: Project) -> None:
    issuer, beta = own_issuer(), make_project("beta", ada)
    trust(alpha, ada, "custom", OWN)
    trust(alpha, ada, "custom", OWN, claims={"sub": FIELDS["custom"]["claims"]["sub"]})
    only = trust(beta, ada, "custom", OWN)
    assert find(CLAIMS["custom"], issuer) == [only]


def test_the_organization_s_does_not_step_in_where_a_project_s_own_are_ambiguous(
    ada: User, alpha: Project
) -> None:
    issuer, beta = own_issuer(), make_project("beta", ada)
    acme = organizations.create_organization("acme", by=host(), owners=[ada])
    Project.objects.all().update(organization=acme, organization_since_at=clock.now())
    wide = trust(make_project("gamma", ada), ada, "custom", OWN)
    Publisher.objects.filter(pk=wide.pk).update(project=None, organization=acme, is_for_all_projects=True)
    trust(alpha, ada, "custom", OWN)
    trust(alpha, ada, "custom", OWN, claims={"sub": FIELDS["custom"]["claims"]["sub"]})
    [found] = find(CLAIMS["custom"], issuer)
    assert found.pk == wide.pk, "it speaks for the other project"
    fitting = Publisher.objects.order_by("pk").exclude(project=beta)
    assert choose(list(fitting)) is None
    assert choose([found]) == found


def test_one_identity_stands_for_several_projects_and_for_names_to_come(ada: User, alpha: Project) -> None:
    beta = make_project("beta", ada)
    found = [trust(alpha, ada), trust(beta, ada), wait_for("gamma", ada)]
    make_project("delta", ada)
    assert find() == found


def test_a_publisher_for_a_name_to_come_is_found_in_its_time_only(ada: User) -> None:
    one = wait_for("gamma", ada)
    assert find() == [one]
    Publisher.objects.filter(pk=one.pk).update(expires_at=clock.now() - timedelta(seconds=1))
    assert not is_found()
    Publisher.objects.filter(pk=one.pk).update(expires_at=clock.now() + timedelta(days=1))
    make_project("gamma", ada)
    assert not is_found()


def test_of_two_people_who_wait_for_one_name_with_one_identity_neither_gets_it(ada: User) -> None:
    wait_for("gamma", ada)
    wait_for("gamma", make_user("bob"))
    assert not is_found()


def test_naming_the_environment_of_somebody_elses_job_gets_nobody_the_name(ada: User) -> None:
    """The more exact publisher wins among those of one person only."""
    one = wait_for("gamma", ada)
    exact = wait_for("gamma", make_user("eve"), environment="release")
    assert not is_found(environment="release")
    assert find() == [one]
    Publisher.objects.filter(pk=exact.pk).update(configured_by=ada)
    assert find(environment="release") == [exact]


@pytest.mark.parametrize("status", ["archived", "quarantined"])
def test_a_project_that_takes_no_files_gives_nothing(ada: User, alpha: Project, status: str) -> None:
    trust(alpha, ada)
    Project.objects.update(status=status)
    assert not is_found()


def test_an_issuer_never_satisfies_a_publisher_of_another_one(ada: User, alpha: Project) -> None:
    """Item 4 of what must work: an issuer of one's own may claim whatever it likes."""
    trust(alpha, ada)
    for provider in ("github", "custom"):
        rogue = own_issuer(provider, f"{OWN}/{provider}")
        with pytest.raises(IdentityRefused):
            find(CLAIMS["github"], rogue)
    assert is_found()
    assert refusals() == []


def test_a_claim_that_the_issuer_wants_fixed_is_fixed(ada: User, alpha: Project) -> None:
    issuer = own_issuer()
    trust(alpha, ada, "custom", OWN)
    assert find(CLAIMS["custom"], issuer)
    Issuer.objects.update(required_claims=["sub", "branch"])
    issuer.refresh_from_db()
    with pytest.raises(IdentityRefused):
        find(CLAIMS["custom"] | {"branch": "main"}, issuer)
    assert refusals()[0].details["differs"] == [
        "branch: nothing, and its issuer wants it fixed is trusted, main came"
    ]


@pytest.mark.parametrize("provider", FIELDS)
def test_each_provider_finds_its_publisher(ada: User, alpha: Project, provider: str) -> None:
    url = "https://gitlab.example.com:8443" if provider == "gitlab" else OWN
    issuer = own_issuer(provider, url)
    one = trust(alpha, ada, provider, url)
    assert find(CLAIMS[provider], issuer) == [one]
