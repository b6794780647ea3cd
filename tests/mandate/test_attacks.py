"""Attacks on a mandate, each named by its number and carried out through the doors."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from tests.credentials.tokens.test_leaks import minted
from tests.distfiles.builders import build_wheel
from tests.mandate.conftest import SetClock
from tests.mandate.stored import (
    ANNOUNCED,
    ENFORCED,
    document,
    make_project,
    make_user,
    retire_default,
    session_of,
    store,
)
from tests.mandate.visiting import Visit, code_of, robot_of, token_of
from tests.publishing.driver import upload
from tests.web.asgi_client import ask

from keyhouse import storage
from keyhouse.accounts.models import Authenticator, Email, User
from keyhouse.accounts.oversight.errors import ApprovalRefused
from keyhouse.audit.models import Record
from keyhouse.core import clock, configuration, keys
from keyhouse.core.actor import host
from keyhouse.core.errors import RoleRequired
from keyhouse.credentials.tokens.models import Token
from keyhouse.mail.models import Mail
from keyhouse.mandate import services
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.models import Exemption, MandateVersion
from keyhouse.mandate.selectors import share_of
from keyhouse.projects.models import File, Project, Role
from keyhouse.publishing.upload import publish
from keyhouse.publishing.upload.submission import Submission
from keyhouse.web.asgi import make_application

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wired")]

DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
MANAGE = "/manage/project/alpha/"
GATED_METHODS = (
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "PROPFIND",
    "get",
    "FOO",
)


@pytest.fixture(autouse=True)
def clocked(set_clock: SetClock) -> SetClock:
    keys.ensure_ring(configuration.current().key_file)
    shutil.rmtree(configuration.current().files_folder, ignore_errors=True)
    storage._local.cache_clear()
    set_clock(ANNOUNCED)
    return set_clock


@pytest.fixture
def ada() -> User:
    user = make_user("ada")
    make_project("alpha", user)
    return user


def operator(name: str) -> User:
    user = make_user(name, is_operator=True)
    Authenticator.objects.create(user=user, name="phone", secret_sealed="x", created_at=clock.now())
    return user


def campaign(**changes: Any) -> MandateVersion:
    retire_default()
    return store(document(**changes), origin="seeded")


def told(user: User, *methods: str, path: str = MANAGE) -> str:
    return code_of(Visit(user, *(methods or ("password",))).get(path))


def push(token: str, path: Path) -> Any:
    credentials = base64.b64encode(f"__token__:{token}".encode()).decode()
    return upload(path, headers={"authorization": f"Basic {credentials}"})


# ---- what changes between the door and the act


def ask_for_keys() -> None:
    stages = [{"state": "enforced", "at": ANNOUNCED, "deny": ["all"]}]
    store(document(name="keys", methods={"accept": ["phishing-resistant"]}, stages=stages), origin="seeded")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda: Role.objects.all().delete(), "role-required"),
        (lambda: User.objects.update(state="frozen"), "account-frozen"),
        (lambda: User.objects.update(held_until=ANNOUNCED + DAY), "account-held"),
        (lambda: Email.objects.update(verified_at=None), "email-unverified"),
        (ask_for_keys, "credential-weak"),
    ],
    ids=["a role that is taken", "frozen", "on hold", "an address that is no more", "a mandate"],
)
def test_a28_what_changes_after_the_door_refuses_the_upload_in_its_transaction(
    ada: User,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[], object],
    code: str,
) -> None:
    """The door let it pass; the bytes are stored, and nobody sees them."""
    stored, token = publish.store, token_of(ada)
    assert push(token, build_wheel(tmp_path)).status == 200
    published, records = list(File.objects.values()), Record.objects.filter(outcome="done").count()

    def store_and_change(submission: Submission) -> None:
        stored(submission)
        change()

    monkeypatch.setattr(publish, "store", store_and_change)
    answer = push(token, build_wheel(tmp_path, version="2.0"))
    assert (answer.status, answer.code) == (403, code)
    assert list(File.objects.values()) == published
    assert Record.objects.filter(outcome="done").count() == records


# ---- tokens of weak sessions


def test_a5_a_token_from_before_enrolment_dies_at_the_instant_and_enrolling_does_not_save_it(
    ada: User, clocked: SetClock, tmp_path: Path
) -> None:
    campaign()
    token = token_of(ada, "password", minted_at=ANNOUNCED - 100 * DAY)
    clocked(ENFORCED - TICK)
    assert push(token, build_wheel(tmp_path)).status == 200
    Authenticator.objects.create(user=ada, name="phone", secret_sealed="x", created_at=clock.now())
    clocked(ENFORCED + timedelta(minutes=15))
    before = File.objects.count()
    answer = push(token, build_wheel(tmp_path, version="2.0"))
    assert (answer.status, answer.code) == (403, "credential-weak")
    assert File.objects.count() == before
    assert push(token_of(ada), build_wheel(tmp_path, version="2.0")).status == 200, "the name is free again"


def test_a6_a_token_made_in_the_grace_period_outlives_no_deadline(
    ada: User, clocked: SetClock, tmp_path: Path
) -> None:
    retire_default()
    store(document(), origin="applied")  # nobody was told, so old tokens have until the cap
    clocked(ANNOUNCED + DAY)
    late, old = token_of(ada, "password"), token_of(ada, "password", minted_at=ANNOUNCED - TICK)
    clocked(ENFORCED)
    assert push(late, build_wheel(tmp_path)).code == "credential-weak"
    assert push(old, build_wheel(tmp_path)).status == 200
    clocked(ENFORCED + 60 * DAY)
    assert push(old, build_wheel(tmp_path, version="2.0")).code == "credential-weak"


def test_a5_and_a6_a_robot_token_is_no_way_past_a_deadline(
    ada: User, clocked: SetClock, tmp_path: Path
) -> None:
    campaign()
    clocked(ANNOUNCED + 2 * DAY)
    weak, strong = robot_of(ada, "password"), robot_of(ada, "password", "totp")
    clocked(ENFORCED - TICK)
    assert push(weak, build_wheel(tmp_path)).status == 200
    Authenticator.objects.create(user=ada, name="phone", secret_sealed="x", created_at=clock.now())
    clocked(ENFORCED)
    before = File.objects.count()
    answer = push(weak, build_wheel(tmp_path, version="2.0"))
    assert (answer.status, answer.code, File.objects.count()) == (403, "credential-weak", before)
    minted(Project.objects.get(), ada)
    for version in ("2.0", "2.1"):
        assert push(strong, build_wheel(tmp_path, version=version)).status == 200
    assert Mail.objects.filter(kind="token-beside-publisher").count() == 1, "told once, by the upload"
    assert {file.publication["class"] for file in File.objects.all()} == {"robot-token"}
    clocked(ENFORCED + DAY)
    assert push(strong, build_wheel(tmp_path, version="3.0")).code == "credential-invalid", "its term is over"


def test_a18_neither_deleting_and_making_anew_nor_handing_over_sheds_a_mandate(
    ada: User, clocked: SetClock
) -> None:
    """The hold itself is shown in test_deletion.py, criticality through it in test_criticality.py."""
    campaign(who={"project": ["alpha"]})
    ada_by_key = Visit(ada, "passkey")
    ada_by_key.get(f"{MANAGE}delete/")
    assert code_of(ada_by_key.post(f"{MANAGE}delete/", name="alpha")) == "deletion-held"
    assert Project.objects.exists()
    clocked(ENFORCED)
    sock = make_user("sock", joined_at=ENFORCED - DAY)
    Role.objects.update(user=sock)
    assert told(sock) == "second-factor-required", "handed over to a fresh account"
    gone = Visit(sock, "passkey")
    gone.get(f"{MANAGE}delete/")
    assert gone.post(f"{MANAGE}delete/", name="alpha").status_code in {302, 303}
    assert not Project.objects.exists()
    clocked(ENFORCED + 100 * DAY)
    from keyhouse.projects.services import create_project  # noqa: PLC0415 - only here

    create_project("alpha", [make_user("third")], by=host())
    assert told(User.objects.get(username="third")) == "second-factor-required"


# ---- dodging the hash


def test_a19_a_new_account_is_in_every_cohort_from_its_first_day(ada: User) -> None:
    campaign(
        who={"cohort": {"percent": 0.001, "seed": "s"}},
        stages=[{"state": "enforced", "at": ANNOUNCED, "deny": ["all"]}],
    )
    assert share_of("s", f"u{ada.pk}") * 100 > 0.001
    assert told(ada) == "", "an old account outside the cohort"
    for number in range(5):
        new = make_user(f"new-{number}", joined_at=ANNOUNCED + number * TICK)
        make_project(f"of-{number}", new)
        assert told(new, path=f"/manage/project/of-{number}/") == "second-factor-required"
    old = make_user("older", joined_at=ANNOUNCED - TICK)
    assert told(old, path="/manage/projects/") == ""


# ---- insiders


def test_a24_one_insider_loosens_nothing_unseen(ada: User) -> None:
    ops, other = operator("ops"), operator("other")
    campaign(stages=[{"state": "enforced", "at": ANNOUNCED, "deny": ["all"]}])
    selector = document(who={"all": [{"role": ["project.owner"]}, {"not": {"user": ["ada"]}}]})
    selector["stages"] = [{"state": "enforced", "at": ANNOUNCED, "deny": ["all"]}]
    row = services.propose_version(read_mandate(selector), by=session_of(ops))
    assert (row.is_loosening, row.effective_at) == (True, None)
    approve = f"/mandate/proposals/campaign/{row.version}/approve/"
    own = Visit(ops)
    own.get(approve)
    assert code_of(own.post(approve)) == "approval-refused"
    with pytest.raises(ApprovalRefused):
        services.approve_version("campaign", row.version, by=host())
    weak = Visit(other, "password")
    assert code_of(weak.get(approve)) == "second-factor-required"
    assert code_of(weak.post(approve)) == "second-factor-required"
    assert code_of(Visit(ada, "passkey").post(approve)) == "role-required"
    assert told(ada) == "second-factor-required"
    second = Visit(other)
    second.get(approve)
    assert code_of(second.post(approve)) == ""
    assert told(ada) == ""
    seen = Record.objects.filter(about_name=f"campaign@{row.version}").order_by("id")
    assert [(one.action, one.actor_id) for one in seen] == [
        ("mandate.propose", ops.pk),
        ("mandate.approve", other.pk),
    ]


def test_a24_nobody_without_the_role_proposes_anything(ada: User) -> None:
    campaign()
    before = MandateVersion.objects.count()
    with pytest.raises(RoleRequired):
        services.propose_version(read_mandate(document(who={"user": ["x"]})), by=session_of(ada))
    assert MandateVersion.objects.count() == before


def test_a24_the_operators_floor_has_no_switch() -> None:
    ops = operator("ops")
    campaign(who={"not": {"everyone": True}})
    Exemption.objects.create(
        user=ops, version=MandateVersion.objects.get(name="campaign"), reason="r", until=ENFORCED,
        proposed_at=ANNOUNCED, proposed_by="x", approved_at=ANNOUNCED, approved_by=["y"], effective_at=ANNOUNCED,
    )  # fmt: skip
    assert told(ops, path="/mandate/proposals/") == "second-factor-required"


# ---- clocks


@pytest.mark.parametrize(
    "written",
    [
        "2024-10-27T00:30:00Z",
        "2024-10-27T02:30:00+02:00",
        "2024-10-27T01:30:00+01:00",
        "2024-10-26T14:30:00-10:00",
    ],
)
def test_a25_an_instant_is_one_instant_in_every_zone_and_belongs_to_what_begins(
    ada: User, clocked: SetClock, written: str
) -> None:
    """The clocks of central Europe show half past two twice that night."""
    stages = [
        {"state": "announced", "at": "2024-06-03T00:00:00Z", "warn": ["all"]},
        {"state": "enforced", "at": written, "deny": ["all"]},
    ]
    campaign(stages=stages)
    moment = datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    answers = []
    for shift in (-timedelta(hours=1), -TICK, timedelta(), TICK, timedelta(hours=1)):
        clocked(moment + shift)
        answers.append(told(ada))
    assert answers == ["", "", *["second-factor-required"] * 3]


def test_a25_what_a_client_says_of_the_time_changes_nothing(
    ada: User, clocked: SetClock, tmp_path: Path
) -> None:
    campaign()
    clocked(ENFORCED)
    weak = Visit(ada, "password")
    for header in ("date", "if-modified-since", "x-now", "x-forwarded-date"):
        assert (
            code_of(weak.get(MANAGE, **{header: "Mon, 03 Jun 2024 00:00:00 GMT"})) == "second-factor-required"
        )
    credentials = base64.b64encode(f"__token__:{token_of(ada, 'password')}".encode()).decode()
    sent = {"authorization": f"Basic {credentials}", "date": "Mon, 03 Jun 2024 00:00:00 GMT"}
    assert upload(build_wheel(tmp_path), headers=sent).code == "credential-weak"


# ---- ways around the gate


def test_a26_other_methods_spellings_and_overrides_lead_past_no_gate(ada: User) -> None:
    campaign(stages=[{"state": "enforced", "at": ANNOUNCED, "deny": ["all"]}])
    weak = Visit(ada, "password")
    client = Client()
    client.cookies = weak.client.cookies
    for method in GATED_METHODS:
        answer = client.generic(method, MANAGE)
        assert answer.status_code in {403, 405}, method
        assert b"alpha" not in answer.content or answer.status_code == 405, method
    for path in (
        "//manage/project/alpha/", "/manage//project/alpha/", "/MANAGE/project/alpha/", "/manage/project/alpha/.",
        "/manage/project/alpha/%2e", "/manage/project/alpha/;x", "/manage/./project/alpha/", "/manage/project/alpha",
        "/account/../manage/project/alpha/", "/static/../manage/project/alpha/",
    ):  # fmt: skip
        assert client.get("/", PATH_INFO=path, follow=True).status_code in {403, 404}, path
    for header in ("x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"):
        answer = client.get(MANAGE, headers={header: "/account/"})
        assert answer.status_code == 403, header
        forged = client.post(f"{MANAGE}archive/", {"_method": "GET", "reason": "x"}, headers={header: "GET"})
        assert forged.status_code == 403, header
    assert Project.objects.get().status != Project.Status.ARCHIVED


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/pypi"), ("POST", "/pypi/"), ("POST", "/RPC2"), ("POST", "/simple/"), ("PUT", "/legacy/"),
        ("PATCH", "/legacy/"), ("DELETE", "/legacy/"), ("PUT", "/files/aa/bb/cc/alpha-1.0.tar.gz"),
        ("POST", "/pypi/alpha/json"), ("DELETE", "/simple/alpha/"), ("POST", "/_/upload/"), ("PUT", "/simple/alpha/"),
        ("MKCOL", "/legacy/"), ("POST", "/legacy//"), ("POST", "/LEGACY/"),
    ],
)  # fmt: skip
def test_a26_there_is_no_older_or_second_door_for_uploads(ada: User, method: str, path: str) -> None:
    app = make_application(configuration.current())
    credentials = base64.b64encode(f"__token__:{token_of(ada)}".encode()).decode()
    body = b"<?xml version='1.0'?><methodCall><methodName>release_urls</methodName></methodCall>"
    sent = {
        "authorization": f"Basic {credentials}",
        "content-type": "text/xml",
        "content-length": str(len(body)),
    }
    answer = ask(app, method, path, headers=sent, parts=[body])
    assert answer.status in {403, 404, 405}, (method, path, answer.status)
    assert not File.objects.exists()


def test_a26_a_token_opens_no_page_and_a_session_no_upload(ada: User, tmp_path: Path) -> None:
    token = token_of(ada)
    for header in (f"Bearer {token}", "Basic " + base64.b64encode(f"__token__:{token}".encode()).decode()):
        answer = Client().get(MANAGE, headers={"authorization": header, "accept": "text/html"})
        assert (answer.status_code, answer["Location"]) == (
            302,
            "/account/sign-in/?next=%2Fmanage%2Fproject%2Falpha%2F",
        )
    cookie = Visit(ada).client.cookies.output(header="", sep=";").strip()
    assert upload(build_wheel(tmp_path), headers={"authorization": "", "cookie": cookie}).status in {401, 403}
    assert not File.objects.exists()


# ---- exemptions


def test_a29_an_exemption_frees_from_its_mandate_version_and_time_and_from_nothing_else(
    ada: User, clocked: SetClock
) -> None:
    row = campaign(stages=[{"state": "enforced", "at": ANNOUNCED, "deny": ["all"]}])
    ops, other = operator("ops"), operator("other")
    exemption = services.propose_exemption(
        ada, "campaign", until=ANNOUNCED + 30 * DAY, reason="r", evidence="e", control="c", by=session_of(ops)
    )
    services.approve_exemption(exemption.pk, by=session_of(other))
    assert exemption.version == row
    assert told(ada) == ""
    sibling = document(
        name="sibling", stages=[{"state": "enforced", "at": ANNOUNCED, "deny": ["publishing"]}]
    )
    store(sibling, origin="seeded")
    assert told(ada) == "", "the other one doesn't refuse this"
    another = document(
        name="another", stages=[{"state": "enforced", "at": ANNOUNCED, "deny": ["management"]}]
    )
    store(another, origin="seeded")
    assert told(ada) == "second-factor-required", "of another mandate"
    store({**another, "stages": [{"state": "retired", "at": ANNOUNCED}]}, version=2, origin="seeded")
    assert told(ada) == ""
    bob = make_user("bob")
    Role.objects.create(project=Project.objects.get(), user=bob, kind="owner", since_at=ANNOUNCED)
    assert told(bob) == "second-factor-required", "of somebody else"
    clocked(ANNOUNCED + 30 * DAY)
    assert told(ada) == "second-factor-required", "after its end"
    clocked(ANNOUNCED)
    store(
        document(stages=[{"state": "enforced", "at": ANNOUNCED, "deny": ["all"]}]), version=2, origin="seeded"
    )
    assert told(ada) == "second-factor-required", "of another version"


# ---- the operator without projects


def test_an_operator_without_projects_is_asked_for_a_factor_whatever_was_declared(clocked: SetClock) -> None:
    user = make_user("ops", is_operator=True)
    for path in ("/mandate/proposals/", "/operator/audit/", "/manage/projects/", "/account/tokens/new/"):
        assert told(user, path=path) == "second-factor-required"
    retire_default()
    for path in ("/mandate/proposals/", "/operator/audit/", "/manage/projects/", "/account/tokens/new/"):
        assert told(user, path=path) == "second-factor-required"
        assert told(user, "password", "recovery_code", path=path) == "second-factor-required"
    assert code_of(Visit(user, "passkey").get("/operator/audit/")) == ""
    User.objects.update(is_operator=False)
    assert told(user, path="/manage/projects/") == ""


def test_a_token_of_an_operator_is_under_the_floor_as_well(tmp_path: Path) -> None:
    retire_default()
    user = make_user("ops", is_operator=True)
    assert push(token_of(user, "password"), build_wheel(tmp_path)).code == "credential-weak"
    assert not Project.objects.exists()
    assert push(token_of(user), build_wheel(tmp_path)).status == 200


def test_a_person_without_a_verified_address_counts_as_not_complying(ada: User, tmp_path: Path) -> None:
    Email.objects.filter(user=ada).update(verified_at=None)
    assert told(ada, "passkey") == "email-unverified"
    assert push(token_of(ada), build_wheel(tmp_path)).code == "email-unverified"
    assert Token.objects.get().revoked_at is None
