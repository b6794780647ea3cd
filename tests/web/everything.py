"""A small index in which there is one of everything, and what each address names of it.

Its people came first and did the rest through pages; what only servers write by and by is written as rows.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from base64 import b32decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from demo.mandates import mandate
from django.db import models, transaction
from django.test import Client
from tests.accounts.conftest import PASSWORD, START, code
from tests.distfiles.builders import build_sdist, build_wheel
from tests.projects.conftest import make_file
from tests.publishing.staging.conftest import store
from tests.standing import standing_clock

from keyhouse.accounts import links
from keyhouse.accounts.check_up.models import CheckUp
from keyhouse.accounts.cookies import cookie_name
from keyhouse.accounts.models import (
    Deletion,
    Email,
    Hold,
    KnownBrowser,
    MailDomain,
    OneTimeLink,
    Session,
    User,
)
from keyhouse.accounts.oversight.models import Announcement, Proposal
from keyhouse.accounts.recovery.models import RecoveryCase, RecoveryWord
from keyhouse.accounts.second_factors.totp.models import Authenticator
from keyhouse.accounts.second_factors.webauthn.models import Ceremony, SecurityKey
from keyhouse.audit.models import WorkRound
from keyhouse.cli.dev_document import read_document
from keyhouse.cli.dev_settle import works
from keyhouse.cli.dev_sowing import sow
from keyhouse.core import actions, clock, configuration, keys
from keyhouse.core.actor import Actor, Strength, host
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.robots import mint_organization_token
from keyhouse.credentials.tokens.rules import Reach
from keyhouse.credentials.trusted_publishers.models import MintedToken, Publisher, SpentIdentity
from keyhouse.credentials.trusted_publishers.of_organizations import add_organization_publisher
from keyhouse.credentials.trusted_publishers.services import Told
from keyhouse.index import sketches
from keyhouse.mail.models import Bounce
from keyhouse.mandate import services as mandates
from keyhouse.mandate.calendars import NO_CALENDAR
from keyhouse.mandate.campaigns.models import EmergencyAccount
from keyhouse.mandate.completion.models import CompletionCheck
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.exits.models import LayingDown, Request
from keyhouse.mandate.models import (
    CriticalProject,
    Exemption,
    GatedAttempt,
    KnownFacts,
    Notice,
    ProtectedProject,
)
from keyhouse.mandate.notices.models import WeakUse, Wording
from keyhouse.mandate.shadow.models import (
    BrownoutEnd,
    FirstRefusal,
    Minute,
    Snooze,
    StaleTold,
    Verdict,
    Weighed,
)
from keyhouse.mandate.simulation.models import Simulation, Wanted
from keyhouse.organizations.models import OrganizationApplication, OrganizationInvitation
from keyhouse.projects.collaborators.models import ProjectInvitation, RoleChange
from keyhouse.projects.life_cycle.deleting import delete_project
from keyhouse.projects.life_cycle.models import Removal
from keyhouse.projects.models import (
    ClientSketch,
    DownloadCount,
    Project,
    ProjectDownloads,
    Provenance,
    PurgeMark,
    ReadingTeam,
    ReleaseDownloads,
)
from keyhouse.publishing.staging.services import stage_file
from keyhouse.safety.creators.models import Creator
from keyhouse.safety.names.models import ReservedName
from keyhouse.safety.quarantine.models import Quarantine
from keyhouse.safety.reports.models import Report
from keyhouse.web.wiring import wire_all

GITHUB: Final = "https://token.actions.githubusercontent.com"
TERMS: Final = {"owner": "acme", "repository": "alpha", "workflow": "release.yml"}
LIVE, PAUSED, DRAFT, SHADOW, PUT_OFF = "everyone", "paused", "draft", "shadow", "put-off"
WITHOUT_FACTOR: Final = ("una", "lou")
OFFICES: Final = {"mod": "moderator", "aud": "auditor", "root": "operator", "tom": "operator"}
NAMES: Final = (
    "ada",
    "bob",
    "eve",
    "zoe",
    "kim",
    "liv",
    "fay",
    "sue",
    "own",
    "sam",
    *OFFICES,
    *WITHOUT_FACTOR,
)
NOBODY: Final = ""
BOUNCE_TOKEN: Final = "a-token-for-reports-of-bounces"
HALF, WAITING = "ada, by password alone", "own, in a browser that nobody knows"
_PLACE: Final = re.compile(r"<(?:\w+:)?(\w+)>")
# Rows that servers write by and by, and what takes months, another kind of index, or another device to come about.
BY_HAND: Final[tuple[type[models.Model], ...]] = (
    BrownoutEnd,
    ClientSketch,
    CompletionCheck,
    CriticalProject,
    DownloadCount,
    EmergencyAccount,
    FirstRefusal,
    GatedAttempt,
    KnownFacts,
    LayingDown,
    MailDomain,
    Minute,
    MintedToken,
    Notice,
    ProjectDownloads,
    ProtectedProject,
    Provenance,
    PurgeMark,
    ReadingTeam,
    ReleaseDownloads,
    RoleChange,
    Snooze,
    SpentIdentity,
    StaleTold,
    Verdict,
    Wanted,
    WeakUse,
    Weighed,
    WorkRound,
)


@dataclass
class Everything:
    """The index: the browsers of its people, and what its addresses may name."""

    cookies: dict[str, dict[str, str]] = field(default_factory=dict)  # of each browser
    apps: dict[str, bytes] = field(default_factory=dict)  # the secrets of authenticator apps
    secrets: dict[str, str] = field(default_factory=dict)  # of one-time links, by their purpose
    named: dict[tuple[str, str], str] = field(
        default_factory=dict
    )  # by the beginning of a route, and the place

    def client(self, who: str) -> Client:
        """Return a browser of somebody, or of nobody (`""`)."""
        client = Client()
        for name, value in self.cookies[who].items() if who else ():
            client.cookies[name] = value
        return client

    def keep(self, who: str, client: Client) -> None:
        """Keep a browser under this name."""
        self.cookies[who] = {name: one.value for name, one in client.cookies.items()}

    def do(self, who: str, path: str, **fields: Any) -> None:
        """Send a form, which must be taken."""
        answer = self.client(who).post(path, fields, headers={"accept": "text/html"})
        assert answer.status_code in {302, 303}, (path, answer.status_code, answer.content.decode()[-3000:])

    def name(self, route: str, place: str, value: object) -> None:
        """Say what addresses that begin so name there."""
        self.named[route, place] = str(value)

    def value(self, route: str, place: str) -> str:
        """Return what is there: of the longest beginning that fits."""
        fits = [start for start, one in self.named if one == place and route.startswith(start)]
        return self.named[max(fits, key=len), place]

    def fill(self, route: str, other: dict[str, str] | None = None) -> str:
        """Return an address of what is there; `other` takes the place of some of it."""
        given = other or {}
        return _PLACE.sub(lambda found: given.get(found[1]) or self.value(route, found[1]), route)


def places_of(route: str) -> list[str]:
    """Return the names of the places of an address."""
    return _PLACE.findall(route)


@contextmanager
def open_everything(folder: Path) -> Iterator[Everything]:
    """Make the index for a while: all that is asked of it meanwhile is undone in the end, and it with it."""
    before, wired = configuration.current(), actions._wiring
    keys.ensure_ring(before.key_file)
    whole = transaction.atomic()
    whole._from_testcase = True  # type: ignore[attr-defined]  # as around every test: acts may ask for the outermost one
    with standing_clock() as set_to, _quiet(), whole:
        set_to(START)
        configuration.use(replace(before, sign_up="open", mail_bounce_token=BOUNCE_TOKEN))
        actions._wiring = actions._Wiring()
        wire_all()
        try:
            yield make_everything(folder)
        finally:
            configuration.use(before)
            actions._wiring = wired
            transaction.set_rollback(True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let nothing tell of refused requests: what is told keeps each request with all that it sent."""
    logger = logging.getLogger("django.request")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


def make_everything(folder: Path) -> Everything:
    """Make the index; `folder` is for files on their way."""
    index = Everything()
    _sow(index, folder)
    _organize(index)
    _change_projects(index)
    _stage(index)
    _oversee(index)
    _lose_factors(index)
    _campaign(index)
    for work in works()[1:]:  # the first is that of the read plane, which has a connection of its own
        work()
    _write_rows()
    _name_all(index)
    return index


# ---- what was there from the start


def _sow(index: Everything, folder: Path) -> None:
    now = clock.now()
    shelf = (
        ("alpha", "1.0"),
        ("alpha", "1.1"),
        ("alpha", "1.2"),
        ("beta", "1.0"),
        ("kappa", "1.0"),
        ("iota", "1.0"),
    )
    more = "Classifier: Framework :: Django\nRequires-Dist: beta>=1\n"
    files = [
        build(folder, name, version, metadata_extra=more)
        for build in (build_wheel, build_sdist)
        for name, version in shelf
    ]
    terms = {"provider": "github", "configured_by": "ada", **TERMS}
    exempt = {"user": "una", "mandate": LIVE, "reason": "Waits for a key.", "approved_by": "tom"}
    many = {"owners": ["ada", "zoe", "kim"], "maintainers": ["bob", *WITHOUT_FACTOR]}
    document = {
        "users": [_person(name, now) for name in NAMES],
        "sessions": [{"user": name, "proved": _proven(name)} for name in NAMES],
        "projects": [
            *({"name": name, **many} for name in ("alpha", "kappa")),
            *({"name": name, "owners": ["ada"]} for name in ("beta", "iota", "old")),
            {"name": "gamma", "owners": ["own"]},
        ],
        "files": [{"path": str(path), "by": "ada"} for path in files],
        "tokens": [
            {"user": "ada", "projects": ["alpha"], "description": "laptop"},
            {"user": "ada", "projects": ["alpha"], "robot": True, "description": "nightly"},
        ],
        "issuers": [{"provider": "custom", "url": "https://cluster.example"}],
        "publishers": [{**terms, "project": "alpha"}, {**terms, "project": "later", "pending": True}],
        "mandates": [{"document": one, "approved_by": ["root", "tom"]} for one in _mandates(now)],
        "exemptions": [{**exempt, "until": (now + timedelta(days=20)).isoformat()}],
    }
    told = sow(read_document(json.dumps(document).encode()))
    index.apps = {
        one["username"]: b32decode(one["totp_secret"]) for one in told["users"] if "totp_secret" in one
    }
    for one in told["sessions"]:
        index.cookies[one["user"]] = {cookie_name(): str(one["cookie"]).partition("=")[2]}


def _person(name: str, now: datetime) -> dict[str, Any]:
    factors = [] if name in WITHOUT_FACTOR else ["totp", "webauthn", "recovery_codes"]
    office = {OFFICES[name]: True} if name in OFFICES else {}
    facts = {"username": name, "email": f"{name}@example.org", "password": PASSWORD, **office}
    return {**facts, "joined_at": (now - timedelta(days=400)).isoformat(), "second_factors": factors}


def _proven(name: str) -> list[str]:
    return ["password"] if name in WITHOUT_FACTOR else ["password", "webauthn"]


def _mandates(now: datetime) -> Iterator[dict[str, Any]]:
    """Yield mandates whose stages begin together: each instant more costs a comparison wherever one is planned."""
    yield _live(now)
    yield _like(now, PAUSED, {"project": ["alpha"]}, announced=-40, enforced=40)
    yield _like(now, SHADOW, {"everyone": True}, shadow=-6, announced=40)
    put_off = _like(now, PUT_OFF, {"project": ["kappa"]}, announced=-40, enforced=40)
    yield {**put_off, "notice": {"floor_days": 30, "snooze": {"days": 7, "times": 2}}}


def _live(now: datetime, days: int = 40) -> dict[str, Any]:
    who = {"role": ["project.owner", "project.maintainer", "operator", "moderator", "auditor"]}
    notice = {"notice": {"floor_days": 30, "deletion_hold_days": 14}}
    return {**_like(now, LIVE, who, announced=-40, enforced=days), **notice}


def _like(now: datetime, name: str, who: dict[str, Any], **days: int) -> dict[str, Any]:
    """Return a mandate like that of the made-up index, for others and in other stages."""
    kept = {key: value for key, value in mandate(now).items() if key != "notice"}
    morning = now.replace(hour=9, minute=0, second=0, microsecond=0)
    acts = {"enforced": {"deny": ["management"]}, "announced": {"warn": ["all"]}, "shadow": {"deny": ["all"]}}
    stages = [
        {"state": state, "at": _workday(morning + timedelta(days=ahead)).isoformat(), **acts[state]}
        for state, ahead in days.items()
    ]
    return {**kept, "name": name, "title": f"A factor: {name}", "who": who, "stages": stages}


def _workday(at: datetime) -> datetime:
    """Return that instant, or the next of its kind on which something may begin, whatever day it is today."""
    return NO_CALENDAR.next_allowed(at)


# ---- what people did


def _organize(index: Everything) -> None:
    acme = "/manage/organization/acme/"
    index.do("ada", "/manage/organizations/new/", name="acme", title="What Acme runs on")
    index.do("own", "/manage/organizations/new/", name="other", title="Another one")
    index.do("ada", acme, invitee="bob", kind="member")
    index.do("bob", f"/account/invitations/organization/{OrganizationInvitation.objects.get().pk}/accept/")
    index.do("ada", acme, invitee="zoe", kind="manager")
    index.do("ada", f"{acme}teams/", name="keel")
    index.do("ada", f"{acme}teams/keel/", username="bob")
    index.do("ada", "/manage/project/kappa/organization/", organization="acme")
    index.do("own", "/manage/project/gamma/organization/", organization="other")
    index.do("ada", "/manage/project/kappa/teams/", team="keel", kind="maintainer")
    ada, reach = User.objects.get(username="ada"), Reach(("kappa",))
    strength = Strength(frozenset({"password", "webauthn"}), clock.now())
    life: dict[str, Any] = {"expires_in_days": 9, "owner": ada, "strength": strength}
    mint_organization_token("acme", description="works", reach=reach, by=host(), **life)
    told = Told(ada, strength, clock.now())
    add_organization_publisher(
        "acme", "github", "", {**TERMS, "repository": "kappa"}, reach=reach, by=host(), told=told
    )


def _change_projects(index: Everything) -> None:
    alpha, asked = "/manage/project/alpha/", {"mandate": LIVE, "reason": "The key is late.", "days": "20"}
    index.do("ada", f"{alpha}people/", invitee="mod", kind="maintainer")
    index.do("ada", f"{alpha}people/bob/role/", kind="owner")
    index.do("zoe", "/manage/project/kappa/people/bob/remove/")
    index.do("ada", f"{alpha}release/1.1/yank/", reason="Loses names that have a dot.")
    index.do("ada", f"{alpha}release/1.2/file/alpha-1.2.tar.gz/delete/", name="alpha-1.2.tar.gz")
    index.do("ada", "/manage/project/iota/release/1.0/delete/", name="1.0")
    index.do("ada", "/mandate/deletion/iota/")
    delete_project("old", by=host())  # that of a person is held, as iota's
    index.do("ada", f"{alpha}deprecate/", reason="There is beta.", successor="beta")
    index.do("ada", "/manage/project/beta/archive/", reason="It is done.")
    index.do("eve", "/project/alpha/report/", kind="licence", text="It contains a font that isn't free.")
    index.do(
        "lou",
        "/account/mandate/exits/exemption/",
        **asked,
        evidence="Order 47",
        control="A pipeline uploads.",
    )
    index.do("una", "/account/mandate/exits/key/", reason="No shop sends keys here.")
    index.do("ada", "/account/emails/add/", email="ada.second@example.org")


def _stage(index: Everything) -> None:
    """Let a token of ada's upload what waits for somebody to publish it."""
    del index
    token = Token.objects.get(description="laptop")
    proven = Strength(frozenset({"password", "totp"}), clock.now())
    by = Actor(
        "token", token.user_id, "ada", credential=token.pk.hex, strength=proven, email_is_verified=True
    )
    new = make_file("alpha", "2.0", credential=by.credential, content="made up")
    store(new, b"made up")
    stage_file(new, by=by)


def _oversee(index: Everything) -> None:
    ends_at = (clock.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    for path, form in (
        ("names/reserve/", {"name": "harbour-*", "people": "ada", "reason": "Ours."}),
        ("creators/approve/", {"username": "bob"}),
        ("switches/new-projects/freeze/", {"reason": "Names are being squatted.", "lasts": "1d"}),
        ("announcements/new/", {"text": "Uploads rest on Sunday.", "severity": "warn", "ends_at": ends_at}),
        ("quarantine/place/", {"project": "alpha", "version": "1.1", "reason": "Somebody looks at it."}),
        ("people/bob/grant-office/", {"office": "auditor", "reason": "Reads along."}),
        ("people/sue/suspend/", {"reason": "The account was sold."}),
        ("recovery/new/", {"username": "kim", "reason": "The phone is gone.", "hands_over": "on"}),
        (f"mandates/{PAUSED}/pause/", {"reason": "The keys are late."}),
        (f"mandates/{LIVE}/simulation/", {}),
        ("projects/alpha/limits/", {"file_limit": "50", "project_limit": "900"}),
    ):
        index.do("root", f"/operator/{path}", **form)
    bounce = [{"address": "kim@example.org", "kind": "permanent", "at": clock.format_second(clock.now())}]
    answer = Client().post(
        "/_/mail/bounces",
        bounce,
        content_type="application/json",
        headers={"Authorization": f"Bearer {BOUNCE_TOKEN}"},
    )
    assert answer.status_code == 204
    configuration.use(replace(configuration.current(), organizations="application"))
    index.do("eve", "/manage/organizations/apply/", name="wharf", title="Wharf", reason="We load ships.")


def _campaign(index: Everything) -> None:
    """Have a draft, a version that waits for approval, a demand of an organization, an exemption that waits."""
    now = clock.now()
    draft = _like(now, DRAFT, {"everyone": True}, announced=3, enforced=40)
    for document in ({**draft, "launch": {}, "notice": {"floor_days": 30}}, _live(now, days=60)):
        mandates.propose_version(read_mandate(document), by=host())
    from_on = _workday(now + timedelta(days=60)).strftime("%Y-%m-%d")
    index.do("ada", "/manage/organization/acme/second-factors/", level="any-factor", from_on=from_on)
    asked = Request.objects.get(kind=Request.Kind.EXEMPTION)
    index.do("root", f"/operator/mandates/requests/{asked.pk}/propose/", days="20")


def _lose_factors(index: Everything) -> None:
    """Let people leave, freeze, and come back in."""
    now = clock.now()
    people = {user.username: user for user in User.objects.all()}
    User.objects.filter(username="fay").update(state=User.State.FROZEN)
    Deletion.objects.create(user=people["liv"], asked_at=now, due_at=now + timedelta(days=9))
    case, in_days = RecoveryCase.objects.get(), now + timedelta(days=3)
    case.co_owner_ids, case.needed = [people["ada"].pk], 1
    case.save()
    RecoveryWord.objects.create(
        case=case, by=people["tom"], kind="operator", reason="I know her.", given_at=now
    )
    Hold.objects.create(user=people["zoe"], reason=Hold.Reason.RECOVERY_CODE, placed_at=now, until=in_days)
    Hold.objects.create(user=people["lou"], reason=Hold.Reason.FIRST_ENROLMENT, placed_at=now, until=in_days)
    CheckUp.objects.create(user=people["ada"], enrolled_at=now - timedelta(days=400), asked_at=now)
    _begin_sessions(index, people, now)
    _make_links(index, people, now)


def _begin_sessions(index: Everything, people: dict[str, User], now: datetime) -> None:
    """Let ada stand between her password and her app, own before a browser that nobody knows, a key be asked."""
    for browser, name in ((HALF, "ada"), (WAITING, "own")):
        client = Client()
        client.post("/account/sign-in/", {"username": name, "password": PASSWORD})
        if browser == WAITING:
            client.post("/account/second-factor/", {"code": code(secret=index.apps[name])})
        index.keep(browser, client)
    session = Session.objects.filter(user=people["ada"]).latest("pk")
    asked = {"purpose": "step-up", "holder": session.public_id, "options": {}, "begun_at": now}
    Ceremony.objects.create(challenge="c" * 43, **asked)
    KnownBrowser.objects.create(**made_up(KnownBrowser, user=people["ada"]))


def _make_links(index: Everything, people: dict[str, User], now: datetime) -> None:
    """Make a link of each purpose; those that are asked for keep what the one that was mailed does."""
    index.client("una").post("/account/second-factors/proof/")
    index.do(NOBODY, "/account/password/forgotten/", username="eve")
    for purpose, name in (
        (links.PASSWORD_RESET, "eve"),
        (links.KEEP_ACCOUNT, "liv"),
        (links.RECOVERY, "fay"),
        (links.NOT_ME, "ada"),
        (links.VERIFY_ADDRESS, "ada"),
        (links.REVERT_ADDRESSES, "ada"),
        (links.CONFIRM, "own"),
        (links.ENROLMENT, "lou"),
        (links.ENROLMENT_PROOF, "una"),
    ):
        mailed = OneTimeLink.objects.filter(purpose=purpose, user=people[name]).order_by("pk").last()
        told = (
            {"address": mailed.address, "data": mailed.data} if mailed else {"address": f"{name}@example.org"}
        )
        index.secrets[purpose] = _secret(links.make_link_for(people[name], purpose, now=now, **told))
    for purpose in (links.INVITATION, links.SETUP):
        path = links.make_link(purpose, now=now, username=f"by-{purpose}", address=f"{purpose}@example.org")
        index.secrets[purpose] = _secret(path)
    index.secrets[links.SIGN_UP] = _secret(links.make_sign_up_link("newer@example.org", now=now))
    for purpose in (links.INVITATION, links.SIGN_UP, links.ENROLMENT, links.RECOVERY):
        client, start = Client(), f"/{purpose}/{index.secrets[purpose]}/"
        client.get(start, headers={"accept": "text/html"})
        if purpose not in {links.RECOVERY, links.INVITATION}:
            client.post(f"{start}account/", {"username": "newer", "password": PASSWORD})
        index.keep(purpose, client)


def _secret(path: str) -> str:
    return path.strip("/").rpartition("/")[2]


# ---- rows


def _write_rows() -> None:
    """Write a row of each model of `BY_HAND`, about ada, alpha and the mandate that is live."""
    ada, alpha = User.objects.get(username="ada"), Project.objects.get(normalized_name="alpha")
    made = [model.__name__ for model in BY_HAND if model._default_manager.exists()]
    assert not made, f"a page or a work makes these already: {made}"
    for model in BY_HAND:
        known: dict[str, Any] = {}
        for one in model._meta.concrete_fields:
            if isinstance(one, models.ForeignKey):
                known.update((one.name, row) for row in (ada, alpha) if isinstance(row, one.related_model))
            elif one.name == "mandate":
                known[one.name] = LIVE
        model._default_manager.create(**made_up(model, **known))


def made_up(model: type[models.Model], **known: Any) -> dict[str, Any]:
    """Return values for a row: those that are known, and something that fits for whatever else must be there."""
    values = dict(known)
    for one in model._meta.concrete_fields:
        if not (one.name in values or one.has_default() or one.null or isinstance(one, models.AutoField)):
            values[one.name] = _something(one)
    return values


def _something(one: Any) -> Any:
    if one.choices:
        return one.choices[0][0]
    if isinstance(one, models.ForeignKey):
        return one.related_model._default_manager.earliest("pk")
    now = clock.now()
    kinds: tuple[tuple[type, Any], ...] = (
        (models.DateTimeField, now),  # before what it is a kind of
        (models.DateField, now.date()),
        (models.BooleanField, False),
        (models.JSONField, {}),
        (models.BinaryField, sketches.encode({7: 3})),
        (models.UUIDField, uuid.UUID(int=7)),
        (models.IntegerField, 1),
        (models.FloatField, 1.0),
        (models.TextField, "alpha"),
        (models.CharField, "alpha"),
    )
    return next(value for kind, value in kinds if isinstance(one, kind))


# ---- what addresses name


def _name_all(index: Everything) -> None:
    """Say what each place of an address is here, by how the route begins."""
    ada = User.objects.get(username="ada")
    for place, value in (
        ("name", "alpha"),
        ("version", "1.0"),
        ("before", "1.0"),
        ("after", "1.2"),
        ("filename", "alpha-1.0-py3-none-any.whl"),
        ("username", "bob"),
        ("team_name", "keel"),
        ("slug", "accounts-and-signing-in"),
        ("code", "second-factor-required"),
        ("digest", Wording.objects.earliest("pk").digest),
        ("number", Simulation.objects.earliest("pk").pk),
        ("authenticator_id", Authenticator.objects.get(user=ada).pk),
        ("key_id", SecurityKey.objects.get(user=ada).pk),
        ("email_id", Email.objects.get(address="ada.second@example.org").pk),
        ("case_id", RecoveryCase.objects.get().pk),
        ("hold_id", Hold.objects.get(reason=Hold.Reason.RECOVERY_CODE).pk),
        ("exemption_id", Exemption.objects.get(approved_at=None).pk),
        ("request_id", Request.objects.latest("pk").pk),
        ("application_id", OrganizationApplication.objects.get().pk),
        ("proposal_id", Proposal.objects.get().pk),
        ("announcement_id", Announcement.objects.get().pk),
        ("quarantine_id", Quarantine.objects.get().pk),
        ("name_id", ReservedName.objects.get().pk),
        ("creator_id", Creator.objects.get().pk),
        ("report_id", Report.objects.get().pk),
        ("bounce_id", Bounce.objects.get().pk),
        ("removal_id", Removal.objects.get(kind="release").pk),
        ("invitation_id", ProjectInvitation.objects.earliest("pk").pk),
    ):
        index.name("/", place, value)
    for purpose, secret in index.secrets.items():
        index.name(f"/{purpose}/", "secret", secret)
    for route, where, there in (
        ("/manage/organization", "name", "acme"),
        ("/organization/", "name", "acme"),
        ("/account/mandate/exits/organization/", "name", "acme"),
        ("/account/mandate/snooze/", "name", PUT_OFF),
        ("/operator/mandates/", "name", LIVE),
        ("/operator/mandates/stranded/organization/", "name", "acme"),
        ("/operator/recovery/holds/", "hold_id", Hold.objects.get(reason=Hold.Reason.FIRST_ENROLMENT).pk),
        ("/operator/mandates/<str:name>/shadow", "name", SHADOW),
        ("/operator/mandates/<str:name>/launch/", "name", DRAFT),
        ("/operator/mandates/<str:name>/guards", "name", DRAFT),
        ("/operator/mandates/<str:name>/confirm-pause/", "name", PAUSED),
        ("/operator/mandates/<str:name>/resume/", "name", PAUSED),
        ("/operator/jobs/", "name", "account-keeper"),
        ("/operator/switches/", "name", "new-projects"),
        ("/operator/starting-points/", "name", "npm-2022"),
        # what fields of forms name
        ("/account/sessions/", "field:session", Session.objects.filter(user=ada).latest("pk").public_id),
        ("/account/browsers/forget/", "field:browser", KnownBrowser.objects.get(user=ada).pk),
        ("/account/check-up/lost/", "field:method", f"app:{Authenticator.objects.get(user=ada).pk}"),
        ("/manage/organization/<str:name>/teams/<str:team_name>/", "field:username", "ada"),
        ("/mandate/proposals/", "name", LIVE),
        ("/mandate/proposals/", "version", 2),
        *_named_below_projects(),
        *_named_below_organizations(),
    ):
        index.name(route, where, there)


def _named_below_projects() -> Iterator[tuple[str, str, object]]:
    below = "/manage/project/<str:name>/"
    publishers = Publisher.objects.filter(organization=None)
    yield "/account/tokens/", "token_id", Token.objects.get(description="laptop").pk
    yield f"{below}robot-tokens/", "token_id", Token.objects.get(description="nightly").pk
    yield "/account/publishers/", "publisher_id", publishers.get(project=None).pk
    yield f"{below}publishing/", "publisher_id", publishers.exclude(project=None).get().pk
    yield f"{below}staged/", "version", "2.0"
    yield f"{below}teams/<", "name", "kappa"
    yield "/manage/deleted/", "removal_id", Removal.objects.get(kind="project").pk
    yield f"{below}deleted/<int:removal_id>/restore-file/", "removal_id", Removal.objects.get(kind="file").pk
    yield f"{below}deleted/<int:removal_id>/restore-release/", "name", "iota"


def _named_below_organizations() -> Iterator[tuple[str, str, object]]:
    below = "/manage/organization/<str:name>/"
    yield f"{below}robot-tokens/", "token_id", Token.objects.get(description="works").pk
    yield f"{below}publishing/", "publisher_id", Publisher.objects.exclude(organization=None).get().pk
    for route in ("/account/invitations/organization/", below):
        yield route, "invitation_id", OrganizationInvitation.objects.latest("pk").pk
