from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.accounts.second_factors.soft_key import SoftKey
from tests.cli.places import Place
from tests.cli.started import keyhouse, serving
from tests.distfiles.builders import build_sdist, build_wheel

from keyhouse.accounts.hashing import compare_password
from keyhouse.accounts.models import Authenticator, Email, RecoveryCodeSet, Session, User
from keyhouse.accounts.second_factors.recovery_codes.services import hash_guess, use_code
from keyhouse.accounts.second_factors.totp import rules as totp
from keyhouse.accounts.second_factors.totp.services import accept_code
from keyhouse.accounts.second_factors.webauthn.ceremonies import ask_anybody
from keyhouse.accounts.second_factors.webauthn.rules import decode
from keyhouse.accounts.sessions import find_actor_by_cookie
from keyhouse.accounts.signing_in import PasskeyAnswer, sign_in_by_passkey
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Personal, Record
from keyhouse.cli.dev_document import SeedRefused, read_document
from keyhouse.cli.dev_sowing import sow
from keyhouse.core import clock
from keyhouse.core.errors import CredentialInvalid
from keyhouse.credentials.tokens.authentication import identify
from keyhouse.credentials.tokens.models import Token
from keyhouse.mandate import queries as mandates
from keyhouse.mandate.models import Exemption, MandateVersion
from keyhouse.organizations.models import Organization
from keyhouse.projects.models import File, IndexPage, Project, Release, Role, UsedFileName
from keyhouse.projects.rights import rights_in
from keyhouse.projects.verification import verify_pages
from keyhouse.storage import blobs
from keyhouse.web.wiring import wire_all

LONG_AGO = "2020-01-02T03:04:05Z"
THEN = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
ADA = {"username": "ada", "email": "ada@example.org"}
BOB = {"username": "bob"}
TABLES = (
    User,
    Email,
    Session,
    Authenticator,
    RecoveryCodeSet,
    Record,
    Personal,
    Project,
    Role,
    Release,
    File,
    UsedFileName,
    IndexPage,
    Token,
    MandateVersion,
    Exemption,
)

pytestmark = [pytest.mark.django_db, pytest.mark.by_turns]


@pytest.fixture(autouse=True)
def wired() -> None:
    wire_all()


def seed(**lists: Any) -> dict[str, list[dict[str, Any]]]:
    return sow(read_document(json.dumps(lists).encode()))


def refused(**lists: Any) -> str:
    """Seed what can't be, see that nothing is there that wasn't, and return the sentence."""
    before = counts()
    with pytest.raises(SeedRefused) as caught:
        seed(**lists)
    assert counts() == before
    assert "\n" not in caught.value.line
    return caught.value.sentence


def counts() -> dict[str, int]:
    return {model.__name__: model._default_manager.count() for model in TABLES}


def acts() -> list[str]:
    return list(Record.objects.order_by("id").values_list("action", flat=True))


# ---- people


def test_a_person_is_as_the_document_says() -> None:
    told = seed(
        users=[
            {
                **ADA,
                "password": "correct horse battery staple",
                "operator": True,
                "second_factors": ["totp", "recovery_codes"],
                "joined_at": LONG_AGO,
                "last_seen_at": "2021-01-01T00:00:00+02:00",
                "state": "held",
            }
        ]
    )["users"][0]
    user = User.objects.get(username="ada")
    assert told["id"] == user.pk
    assert (user.is_operator, user.state, user.joined_at) == (True, "held", THEN)
    assert user.last_seen_at == datetime(2020, 12, 31, 22, tzinfo=UTC)
    assert compare_password("correct horse battery staple", user.password).is_right
    email = Email.objects.get(user=user)
    assert (email.address, email.is_primary, email.verified_at) == ("ada@example.org", True, THEN)
    assert len(told["recovery_codes"]) == 10


def test_defaults_are_those_of_somebody_without_anything() -> None:
    assert seed(users=[BOB])["users"] == [{"username": "bob", "id": User.objects.get().pk}]
    user = User.objects.get()
    assert (user.is_operator, user.state, user.has_usable_password()) == (False, "active", False)
    assert not Email.objects.exists()
    assert not Authenticator.objects.exists()


def test_an_address_that_is_not_verified_is_not() -> None:
    seed(users=[{**ADA, "verified": False}])
    email = Email.objects.get()
    assert (email.verified_at, email.verified_by, email.is_primary) == (None, "", True)


def test_seeded_factors_work_and_no_time_step_is_used_up() -> None:
    told = seed(users=[{**ADA, "second_factors": ["recovery_codes", "totp"]}])["users"][0]
    now = clock.now()
    code = totp.code_at(totp.decode_secret(told["totp_secret"]), totp.step_at(now))
    accept_code(told["id"], code, now=now)
    assert Authenticator.objects.get().last_step == totp.step_at(now)
    assert use_code(hash_guess(told["id"], told["recovery_codes"][3]), now=now) == 9


def test_every_change_has_one_audit_record_by_the_host() -> None:
    seed(users=[{**ADA, "second_factors": ["totp", "recovery_codes"]}, BOB])
    assert acts() == [
        "user.create",
        "user.create",
        "email.add",
        "second-factor.add",
        "recovery-codes.replace",
    ]
    assert set(Record.objects.values_list("actor_kind", "personal__name")) == {("host", "host")}
    ada = User.objects.get(username="ada").pk
    assert Record.objects.filter(account_id=ada).count() == 4


def test_passwords_and_secrets_are_nowhere_in_the_audit_log() -> None:
    told = seed(users=[{**ADA, "password": "correct horse battery", "second_factors": ["totp"]}])["users"][0]
    written = json.dumps([*Record.objects.values("details", "about_name"), *Personal.objects.values("name")])
    assert "correct horse" not in written
    assert told["totp_secret"] not in written


@pytest.mark.parametrize(
    ("users", "sentence"),
    [
        ([{**ADA, "colour": "red"}], "users[0]: unknown key 'colour'"),
        ([{"email": "a@example.org"}], "users[0]: the key 'username' is missing"),
        ([BOB, {**ADA, "second_factors": ["sms"]}], "users[1]: 'second_factors' takes"),
        ([{**ADA, "state": "asleep"}], "users[0]: 'state' takes one of active"),
        ([{**ADA, "joined_at": "2020-01-01"}], "users[0]: 'joined_at' takes an instant"),
        ([{**ADA, "operator": "yes"}], "users[0]: 'operator' takes true or false"),
        ([{**ADA, "password": ""}], "users[0]: 'password' takes"),
        (
            [{**ADA, "second_factors": ["totp", "totp"]}],
            "users[0]: 'second_factors' takes a list of different",
        ),
        ([{"username": "-x"}], "users[0]: username-refused"),
        ([{"username": "host"}], "users[0]: username-refused"),
        ([{"username": "eve", "email": "nonsense"}], "users[0]: address-refused"),
        ([ADA, {"username": "ADA"}], "users[1]: the user name ADA stands in the document twice"),
        ([ADA, {"username": "eve", "email": "ADA@example.org"}], "users[1]: the address ADA@example.org"),
        (["ada"], "users[0] must be an object"),
    ],
)
def test_users_that_can_not_be_are_named(users: list[Any], sentence: str) -> None:
    assert refused(users=users).startswith(sentence)


def test_a_name_or_address_that_is_there_is_an_error_that_names_it() -> None:
    seed(users=[ADA])
    assert refused(users=[BOB, {"username": "Ada"}]) == "users[1]: the user name ada exists already."
    found = refused(users=[{"username": "eve", "email": "ada@example.org"}])
    assert found == "users[0]: the address ada@example.org exists already."
    seed(users=[{"username": "eve", "email": "ada@example.org", "verified": False}])


def test_many_users_are_made_in_order() -> None:
    told = seed(users=[{"username": f"u{n}", "email": f"u{n}@example.org"} for n in range(1500)])["users"]
    assert [one["username"] for one in told] == [f"u{n}" for n in range(1500)]
    assert User.objects.get(username="u1234").pk == told[1234]["id"]
    assert Email.objects.get(address="u77@example.org").user.username == "u77"
    assert Record.objects.count() == 3000


# ---- sessions


def test_a_session_has_proved_what_is_said_and_its_cookie_opens_it() -> None:
    told = seed(users=[ADA], sessions=[{"user": "ada", "proved": ["totp", "password"]}])["sessions"][0]
    actor = find_actor_by_cookie(told["cookie"], clock.now())
    assert actor is not None
    assert (actor.name, set(actor.strength.methods)) == ("ada", {"password", "totp"})
    assert actor.email_is_verified
    assert told["csrf"] == Session.objects.get().csrf_secret
    assert actor.credential == told["id"]
    assert acts()[-1] == "session.start"


def test_a_session_of_long_ago_is_over() -> None:
    told = seed(users=[ADA], sessions=[{"user": "ada", "proved": ["password"], "at": LONG_AGO}])["sessions"][
        0
    ]
    assert Session.objects.get().proved_at == THEN
    assert find_actor_by_cookie(told["cookie"], clock.now()) is None


def test_sessions_that_can_not_be_are_named() -> None:
    assert refused(users=[ADA], sessions=[{"user": "eve", "proved": ["totp"]}]) == (
        "sessions[0]: there is no user 'eve'."
    )
    assert refused(users=[ADA], sessions=[{"user": "ada", "proved": []}]).startswith("sessions[0]: a session")
    assert refused(users=[ADA], sessions=[{"user": "ada", "proved": ["sms"]}]).startswith(
        "sessions[0]: 'proved' takes one of password"
    )


# ---- projects and files


def test_a_project_has_its_people_and_its_pages() -> None:
    told = seed(
        users=[ADA, BOB], projects=[{"name": "Alpha.One", "owners": ["ada"], "maintainers": ["BOB", "ada"]}]
    )["projects"][0]
    project = Project.objects.get()
    assert (project.pk, project.name, project.normalized_name) == (told["id"], "Alpha.One", "alpha-one")
    kinds = dict(project.roles.values_list("user__username", "kind"))
    assert kinds == {"ada": "owner", "bob": "maintainer"}
    assert list(verify_pages()) == []
    assert IndexPage.objects.filter(kind="simple", name="alpha-one", is_gone=False).count() == 2
    assert acts()[-1] == "project.create"


def test_later_documents_refer_to_what_earlier_ones_made(tmp_path: Path) -> None:
    seed(users=[ADA])
    seed(projects=[{"name": "alpha", "owners": ["ada"]}])
    told = seed(files=[{"path": str(build_wheel(tmp_path)), "by": "ada", "uploaded_at": LONG_AGO}])["files"][
        0
    ]
    file = File.objects.get()
    assert (file.uploaded_at, file.uploaded_by, file.uploaded_via) == (THEN, "ada", "seed")
    assert told["filename"] == file.filename
    assert told["sha256"] == file.sha256
    assert blobs().size(file.path) == file.size
    assert file.release.created_at == THEN
    assert list(verify_pages()) == []


def test_a_project_may_be_as_old_as_it_says() -> None:
    born = datetime(2024, 3, 1, 9, tzinfo=UTC)
    seed(
        users=[{"username": "ada"}],
        projects=[{"name": "alpha", "owners": ["ada"], "created_at": born.isoformat()}],
    )
    assert Project.objects.get().created_at == Role.objects.get().since_at == born


def test_a_file_makes_its_project_and_its_person_the_owner(tmp_path: Path) -> None:
    files = [
        {"path": str(build_wheel(tmp_path)), "by": "ada"},
        {"path": str(build_sdist(tmp_path)), "by": "ada"},
    ]
    seed(users=[ADA], files=files)
    assert list(Role.objects.values_list("user__username", "kind")) == [("ada", "owner")]
    assert File.objects.count() == 2
    assert acts()[-2:] == ["release.upload", "release.upload"]


def test_an_archived_project_may_have_files(tmp_path: Path) -> None:
    seed(
        users=[ADA],
        projects=[{"name": "alpha", "owners": ["ada"], "archived": True}],
        files=[{"path": str(build_wheel(tmp_path)), "by": "ada"}],
    )
    assert Project.objects.get().status == "archived"
    assert File.objects.count() == 1


def test_an_old_release_takes_files_of_a_history(tmp_path: Path) -> None:
    seed(users=[ADA], files=[{"path": str(build_wheel(tmp_path)), "by": "ada", "uploaded_at": LONG_AGO}])
    seed(files=[{"path": str(build_sdist(tmp_path)), "by": "ada"}])
    assert File.objects.count() == 2


def test_files_are_judged_by_the_rules_of_an_upload(tmp_path: Path) -> None:
    good, bad = build_wheel(tmp_path), build_wheel(tmp_path, name="beta", record=b"")
    found = refused(users=[ADA], files=[{"path": str(good), "by": "ada"}, {"path": str(bad), "by": "ada"}])
    assert found.startswith(f"files[1] ({bad}): record-incomplete: ")
    missing = tmp_path / "gamma-1.0.tar.gz"
    assert "No such file" in refused(users=[ADA], files=[{"path": str(missing), "by": "ada"}])
    standard = build_wheel(tmp_path, name="json")
    assert "name-refused" in refused(users=[ADA], files=[{"path": str(standard), "by": "ada"}])


def test_a_file_by_somebody_without_a_role_is_refused(tmp_path: Path) -> None:
    seed(users=[ADA, BOB], projects=[{"name": "alpha", "owners": ["ada"]}])
    path = str(build_wheel(tmp_path))
    assert refused(files=[{"path": path, "by": "bob"}]) == "files[0]: bob has no role in the project alpha."
    assert "no user 'eve'" in refused(files=[{"path": path, "by": "eve"}])


def test_a_file_that_is_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = build_wheel(tmp_path)
    seed(users=[ADA], files=[{"path": str(path), "by": "ada"}])
    assert (
        refused(files=[{"path": str(path), "by": "ada"}]) == f"files[0]: the file {path.name} exists already."
    )


PUBLICATION: dict[str, Any] = {
    "provider": "github",
    "issuer": "https://token.actions.githubusercontent.com",
    "configured": {"owner": "acme"},
    "environment": "",
    "claims": {"repository": "acme/alpha", "run": "1"},
}


def test_a_file_may_have_come_from_a_publisher(tmp_path: Path) -> None:
    entry = {"path": str(build_wheel(tmp_path)), "by": "ada"}
    odd: list[Any] = ["x", {}, PUBLICATION | {"claims": {"run": 1}}, PUBLICATION | {"more": "x"}]
    for wrong in odd:
        told = refused(users=[ADA], files=[entry | {"publication": wrong}])
        assert "'publication' takes an object" in told
    seed(users=[ADA], files=[entry | {"publication": PUBLICATION}])
    file = File.objects.get()
    assert (file.uploaded_via, file.uploaded_by) == ("publisher", "github:acme/alpha")
    assert file.publication == PUBLICATION


@pytest.mark.parametrize(
    ("project", "sentence"),
    [
        ({"name": "sys", "owners": ["ada"]}, "projects: name-refused: "),
        ({"name": "a b", "owners": ["ada"]}, "projects: name-refused: "),
        ({"name": "A1pha", "owners": ["ada"]}, "projects: name-refused: "),
        ({"name": "ALPHA", "owners": ["ada"]}, "projects[0]: the project alpha exists already."),
        ({"name": "beta", "owners": []}, "projects[0]: a project needs an owner."),
        ({"name": "beta", "owners": ["eve"]}, "projects[0]: there is no user 'eve'."),
        (
            {"name": "beta", "owners": ["ada"], "organization": "acme"},
            "projects[0]: there is no organization 'acme'",
        ),
    ],
)
def test_projects_that_can_not_be_are_named(project: dict[str, Any], sentence: str) -> None:
    seed(users=[ADA], projects=[{"name": "alpha", "owners": ["ada"]}])
    assert refused(projects=[{"name": "fine", "owners": ["ada"]}, project]).startswith(
        sentence.replace("projects[0]", "projects[1]")
    )


def test_two_projects_of_one_document_must_not_be_confusable() -> None:
    both = [{"name": "paint", "owners": ["ada"]}, {"name": "pa1nt", "owners": ["ada"]}]
    assert "too similar" in refused(users=[ADA], projects=both)


# ---- tokens


def test_a_token_works_with_the_strength_it_was_minted_with() -> None:
    told = seed(users=[ADA], tokens=[{"user": "ada", "projects": "all", "minted_with": "totp"}])["tokens"][0]
    actor, _ = identify(f"Bearer {told['token']}", network="192.0.2.1", user_agent="", now=clock.now())
    assert (actor.name, set(actor.strength.methods)) == ("ada", {"password", "totp"})
    assert actor.restrictions is not None
    for action in ("project.create", "release.upload", "release.yank", "index.read"):
        assert actor.restrictions.allows(action, "", None)
    assert Token.objects.get().pk.hex == told["id"]
    assert acts()[-1] == "token.mint"


@pytest.mark.parametrize(
    ("method", "is_bound"), [("password", False), ("totp", False), ("webauthn", True), ("passkey", True)]
)
def test_a_token_by_a_key_is_as_bound_to_its_device_as_the_keys_that_are_seeded(
    method: str, is_bound: Any
) -> None:
    seed(users=[ADA], tokens=[{"user": "ada", "projects": "all", "minted_with": method}])
    assert Token.objects.get().strength.device_bound is is_bound


def test_a_token_for_some_projects_reaches_those_only() -> None:
    told = seed(
        users=[ADA],
        projects=[{"name": "alpha", "owners": ["ada"]}, {"name": "beta", "owners": ["ada"]}],
        tokens=[{"user": "ada", "projects": ["Alpha"], "minted_with": "password", "actions": ["upload"]}],
    )
    actor, _ = identify(f"token {told['tokens'][0]['token']}", network="", user_agent="", now=clock.now())
    assert actor.strength.methods == {"password"}
    alpha, beta = (one["id"] for one in told["projects"])
    assert actor.restrictions is not None
    assert actor.restrictions.allows("release.upload", "project", alpha)
    assert not actor.restrictions.allows("release.upload", "project", beta)
    assert not actor.restrictions.allows("project.create", "project", None)


def test_a_token_minted_long_ago_has_expired() -> None:
    told = seed(users=[ADA], tokens=[{"user": "ada", "minted_at": LONG_AGO, "expires_in_days": 30}])[
        "tokens"
    ][0]
    token = Token.objects.get()
    assert (token.minted_at, (token.expires_at - THEN).days) == (THEN, 30)
    with pytest.raises(CredentialInvalid):
        identify(f"Bearer {told['token']}", network="", user_agent="", now=clock.now())


def test_tokens_that_can_not_be_are_named() -> None:
    assert "no project 'gamma'" in refused(users=[ADA], tokens=[{"user": "ada", "projects": ["gamma"]}])
    assert "tokens[0]: 'projects' takes" in refused(users=[ADA], tokens=[{"user": "ada", "projects": []}])
    assert "token-terms-invalid" in refused(users=[ADA], tokens=[{"user": "ada", "expires_in_days": 366}])


# ---- organizations

ACME: dict[str, Any] = {
    "name": "acme",
    "owners": ["ada"],
    "teams": [{"name": "ci", "members": ["bob"], "projects": {"alpha": "maintainer"}}],
}


def test_an_organization_has_its_people_teams_and_projects() -> None:
    told = seed(
        users=[ADA, BOB],
        organizations=[ACME],
        projects=[
            {"name": "alpha", "owners": ["ada"], "organization": None},
            {"name": "beta", "organization": "Acme"},
        ],
    )
    acme = Organization.objects.get()
    assert told["organizations"] == [{**ACME, "id": acme.pk}]
    assert dict(acme.members.values_list("user__username", "kind")) == {"ada": "owner", "bob": "member"}
    assert sorted(project.name for project in acme.projects.all()) == ["alpha", "beta"]
    [alpha, beta] = Project.objects.order_by("name")
    held = {(one.user_id, one.kind, one.via) for one in rights_in(alpha.pk)}
    people = {user.username: user.pk for user in User.objects.all()}
    assert held == {
        (people["ada"], "owner", "own"),
        (people["ada"], "owner", "organization"),
        (people["bob"], "maintainer", "ci"),
    }
    assert [one.via for one in rights_in(beta.pk)] == ["organization"]
    assert list(verify_pages()) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"owners": []}, "organizations[0]: an organization needs an owner."),
        ({"owners": ["nobody"]}, "organizations[0]: there is no user 'nobody'."),
        ({"name": "own"}, "organizations[0]: organization-name-refused"),
        ({"boss": []}, "organizations[0]: unknown key 'boss'"),
        ({"teams": {}}, "organizations[0]: 'teams' takes a list"),
        ({"teams": [{"name": "ci", "projects": []}]}, "organizations[0]: 'teams' takes a list of teams"),
        (
            {"teams": [{"name": "ci", "projects": {"alpha": ["owner"]}}]},
            "organizations[0]: 'teams' takes a list of",
        ),
        (
            {"teams": [{"name": "ci", "projects": {"nothing": "owner"}}]},
            "organizations[0]: there is no project",
        ),
    ],
)
def test_an_organization_that_is_none_makes_nothing(changes: dict[str, Any], told: str) -> None:
    assert told in refused(users=[ADA, BOB], organizations=[{**ACME, **changes}])
    assert not Organization.objects.exists()


def test_one_project_stands_in_one_organization() -> None:
    both = [ACME, {**ACME, "name": "other"}]
    assert "Teams of two organizations" in refused(users=[ADA, BOB], organizations=both)
    other = [{"name": "alpha", "organization": "other"}]
    both[1] = {"name": "other", "owners": ["bob"]}
    assert "a team of the organization 'acme'" in refused(
        users=[ADA, BOB], organizations=both, projects=other
    )
    assert not Organization.objects.exists()


# ---- the document


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b'"users"', b"[" * 100_000, b'{"people": []}'])
def test_a_text_that_is_no_document_is_refused(text: bytes) -> None:
    with pytest.raises(SeedRefused):
        read_document(text)


def test_an_empty_document_is_fine() -> None:
    assert seed() == {}
    assert seed(users=[]) == {"users": []}


def test_the_last_entry_that_fails_takes_all_others_back(tmp_path: Path) -> None:
    refused(
        users=[{**ADA, "second_factors": ["totp", "recovery_codes"], "password": "x" * 20}],
        sessions=[{"user": "ada", "proved": ["totp"]}],
        projects=[{"name": "alpha", "owners": ["ada"]}],
        files=[{"path": str(build_wheel(tmp_path)), "by": "ada"}],
        tokens=[{"user": "ada"}, {"user": "nobody-here"}],
    )


# ---- the command


def test_a_new_folder_is_migrated_and_only_json_is_printed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (tmp_path / "dist").mkdir()
    wheel = build_wheel(tmp_path / "dist")
    document = {"users": [ADA], "files": [{"path": f"dist/{wheel.name}", "by": "ada"}]}
    (tmp_path / "seed.json").write_text(json.dumps(document))
    done = keyhouse("dev", "seed", "seed.json", cwd=tmp_path, KEYHOUSE_DATA=str(data))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"][0]["filename"] == wheel.name
    again = keyhouse("dev", "seed", "seed.json", cwd=tmp_path, KEYHOUSE_DATA=str(data))
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "seed-refused: users[0]: the user name ada exists already.\n"
    settled = keyhouse("dev", "settle", KEYHOUSE_DATA=str(data))
    assert json.loads(settled.stdout)["root"] > 0
    assert set(json.loads(keyhouse("dev", "settle", KEYHOUSE_DATA=str(data)).stdout).values()) == {0}


@pytest.mark.parametrize(
    "words", [["seed", "-"], ["settle"], ["routes"], ["verify"], [], ["--help"], ["nonsense"]]
)
def test_everything_under_dev_is_closed_in_production(words: list[str], tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = keyhouse("dev", *words, KEYHOUSE_ENVIRONMENT="production", KEYHOUSE_DATA=str(data))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert not data.exists()


@pytest.mark.database
def test_a_running_server_shows_what_is_seeded_and_takes_its_session_and_token(index: Place) -> None:
    wheel = build_wheel(index.data.parent)
    with serving(index.data, cwd=index.data.parent, **index.environment) as server:
        assert server.get("/simple/alpha/")[0] == 404
        told = index.seed(
            {
                "users": [ADA],
                "sessions": [{"user": "ada", "proved": ["password", "totp"]}],
                "files": [{"path": str(wheel), "by": "ada"}],
            }
        )
        until = time.monotonic() + 10
        while server.get("/simple/alpha/")[0] != 200 and time.monotonic() < until:
            time.sleep(0.01)
        assert wheel.name.encode() in server.get("/simple/alpha/")[1]
        assert server.get(told["files"][0]["url"]) == (200, wheel.read_bytes())
        page = server.get("/account/", Cookie=told["sessions"][0]["cookie"], Accept="text/html")
        assert page[0] == 200


@pytest.mark.database
def test_of_two_that_seed_the_same_at_once_one_does(index: Place) -> None:
    index.seed({})
    path = index.data.parent / "same.json"
    path.write_text(json.dumps({"users": [{"username": f"u{n}"} for n in range(300)]}))
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: index.run("dev", "seed", path), range(2)))
    assert sorted(one.returncode for one in done) == [0, 1]
    lost = next(one for one in done if one.returncode)
    assert lost.stderr.startswith("seed-refused: ")
    assert len(lost.stderr.splitlines()) == 1
    assert len(index.keyhouse("user", "list").splitlines()) == 300


# ---- mandates

EVERYONE = {
    "name": "everyone-2023",
    "title": "A second factor for everyone who maintains a project",
    "reason": "A stolen password alone must not be able to publish.",
    "who": {"role": ["project.owner"]},
    "methods": {"accept": ["authenticator-app"]},
    "stages": [
        {"state": "announced", "at": "2023-05-25T16:00:00Z"},
        {"state": "enforced", "at": "2024-01-01T00:00:00Z", "deny": ["all"]},
    ],
}
EXEMPTION = {
    "user": "ada",
    "mandate": "everyone-2023",
    "until": "2024-01-31T00:00:00Z",
    "reason": "The key is in the mail.",
    "approved_by": "bob",
}


def test_a_history_of_mandates_is_seeded_with_its_exemptions() -> None:
    told = seed(
        users=[ADA, BOB],
        mandates=[{"document": EVERYONE, "approved_by": ["Bob"]}],
        exemptions=[EXEMPTION],
    )
    live = mandates.live_policies(clock.now())
    assert [(one.name, one.version, one.is_floor_exempt) for one in live] == [("everyone-2023", 1, True)]
    row = MandateVersion.objects.get(name="everyone-2023")
    assert (row.approved_by, row.origin) == (["bob"], "seeded")
    assert told["mandates"] == [
        {
            "document": EVERYONE,
            "approved_by": ["Bob"],
            "id": row.pk,
            "version": 1,
            "digest": row.digest,
        }
    ]
    exemption = Exemption.objects.get()
    assert told["exemptions"] == [EXEMPTION | {"id": exemption.pk, "version": 1}]
    (exempted,) = mandates.facts_of_person(told["users"][0]["id"]).exemptions
    assert (exempted.mandate, exempted.until) == ("everyone-2023", datetime(2024, 1, 31, tzinfo=UTC))


def test_a_later_document_exempts_from_what_an_earlier_one_enacted() -> None:
    seed(users=[ADA, BOB], mandates=[{"document": EVERYONE}])
    seed(exemptions=[EXEMPTION])
    assert Exemption.objects.count() == 1


def test_mandates_that_can_not_be_are_refused_by_their_place() -> None:
    seed(users=[ADA, BOB])
    wrong = EVERYONE | {"who": {"role": ["boss"]}}
    assert refused(mandates=[{"document": wrong}]).startswith("mandates[0].document: who.role: ")
    assert "must be a table" in refused(mandates=[{"document": "everyone"}])
    assert "'document' is missing" in refused(mandates=[{"approved_by": []}])
    assert "there is no user 'eve'" in refused(mandates=[{"document": EVERYONE, "approved_by": ["eve"]}])
    assert "operators-floor" in refused(mandates=[{"document": EVERYONE | {"name": "operators-floor"}}])
    assert "exists already" in refused(mandates=[{"document": EVERYONE}, {"document": EVERYONE}])
    assert [one.name for one in mandates.live_policies(clock.now())] == ["default"]


def test_exemptions_that_can_not_be_are_refused_by_their_place() -> None:
    seed(users=[ADA, BOB], mandates=[{"document": EVERYONE}])
    assert refused(exemptions=[EXEMPTION | {"mandate": "keys"}]).startswith("exemptions[0]: mandate-missing")
    assert "exemption-invalid" in refused(exemptions=[EXEMPTION | {"mandate": "operators-floor"}])
    assert "exemption-invalid" in refused(exemptions=[EXEMPTION | {"approved_by": "ada"}])
    assert "no user 'eve'" in refused(exemptions=[EXEMPTION | {"user": "eve"}])
    assert "'until' takes" in refused(exemptions=[EXEMPTION | {"until": None}])
    assert "'reason' takes" in refused(exemptions=[EXEMPTION | {"reason": "x" * 501}])


def test_a_seeded_security_key_signs_in_by_the_private_key_that_was_told() -> None:
    seeded = sow(read_document(json.dumps({"users": [{**ADA, "second_factors": ["webauthn"]}]}).encode()))[
        "users"
    ][0]["webauthn"]
    private = load_pem_private_key(seeded["private_key_pem"].encode(), None)
    assert isinstance(private, EllipticCurvePrivateKey)
    key = SoftKey(id=decode(seeded["credential_id"]), handle=decode(seeded["user_handle"]), private=private)
    now = clock.now()
    options, kept = ask_anybody("a browser", now)
    signed_in = sign_in_by_passkey(PasskeyAnswer(key.get(options), "a browser", kept, Visitor(), now))
    assert signed_in.session.user.username == "ada"
