"""Day by day: mandates are planned and applied, people enrol, doors are asked, and the check of completion says what is left."""

from __future__ import annotations

import copy
import tomllib
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from tests.distfiles.builders import build_wheel

from demo.calendar import founding, storm
from demo.calendar.attacks import ASKED, Scene
from demo.calendar.doors import Server, publish_by
from demo.calendar.founding import Cast
from demo.calendar.post import Mailed, Post
from demo.calendar.shape import ANNOUNCED, Day, Shape, instant
from demo.calendar.window import VIEWS, Window
from keyhouse.accounts.models import Authenticator, User
from keyhouse.core import clock
from keyhouse.core.actor import Actor, Strength, host
from keyhouse.core.errors import Refusal
from keyhouse.credentials.tokens.models import Token
from keyhouse.mandate import criticality, people, queries, services
from keyhouse.mandate.campaigns import services as campaigns
from keyhouse.mandate.completion.services import check_now
from keyhouse.mandate.defaults import BEGINNING, DOCUMENT
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.facts import Asking, Object
from keyhouse.mandate.models import Change, CriticalProject, MandateVersion
from keyhouse.mandate.rules import covers, decide, is_compliant
from keyhouse.mandate.simulation.services import simulate
from keyhouse.mandate.starting import all_points
from keyhouse.projects.models import Project
from keyhouse.projects.services import create_project
from keyhouse.safety.switches.services import freeze, thaw

FIRST, SECOND = "critical-projects", "everyone"
_OVERRIDE: Final = "The day on which it was done there."


@dataclass(slots=True)
class Seen:
    """What was seen on one day."""

    day: Day
    live: list[str] = field(default_factory=list)
    covered: dict[str, int] = field(default_factory=dict)
    compliant: dict[str, int] = field(default_factory=dict)
    uploads: dict[str, int] = field(default_factory=dict)  # verdict → active people, by the token they use
    answers: dict[str, str] = field(default_factory=dict)
    clients: dict[str, str] = field(default_factory=dict)
    completion: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    mailed: Mailed = field(default_factory=Mailed)
    sights: dict[str, str] = field(default_factory=dict)
    through_organizations: int = 0  # people whom the second mandate covers by an organization alone


@dataclass(frozen=True, slots=True)
class Means:
    """Where wheels are made, where mails come to lie, and by which real programs doors are asked, if there are any."""

    wheels: Path
    mails: Path
    clients: Path | None = None
    window: Window | None = None


class Story:
    """The index, its people, and where they are in the calendar."""

    def __init__(self, shape: Shape, server: Server, cast: Cast, means: Means) -> None:
        """Take an index that was just founded."""
        self._shape, self._server, self._cast, self._means = shape, server, cast, means
        self._post = Post(means.mails)
        self._enrolled = 0
        self.seen: list[Seen] = []

    def live_through(self, day: Day, number: int) -> Seen:
        """Let a day come: what is done on it, and what is seen then. The clock stands at its instant."""
        seen = Seen(day)
        self._enrol_until(day)
        for persona in self._cast.made:
            founding.renew(self._cast, persona)
        done = getattr(self, f"_on_{day.at:%Y_%m_%d}" + ("" if day.is_asked else f"_{day.at:%H}"), None)
        if done is not None:
            done(seen)
        criticality.renew_critical_projects(day.at)
        seen.mailed = self._post.send(day.at)
        if day.is_asked:
            self._count(seen)
            self._ask(seen, number)
        self._look(seen)
        self.seen.append(seen)
        return seen

    # ---- what people do

    def _enrol_until(self, day: Day) -> None:
        """Let the share of the active enrol that has by then; whoever uploads in person makes a new token as well."""
        until = round(self._shape.active * day.enrolled)
        ids = list(range(self._enrolled, until))
        users = {
            int(one.username.partition("-")[2]): one
            for one in User.objects.filter(username__in=[f"person-{number}" for number in ids])
        }
        Authenticator.objects.bulk_create(
            [
                Authenticator(user=users[number], name="phone", secret_sealed="", created_at=day.at)
                for number in ids
            ]
        )
        renewed = [users[number] for number in ids if not founding.is_token_only(number)]
        Token.objects.filter(user__in=renewed).update(revoked_at=day.at)
        Token.objects.bulk_create([founding.token_of(user, ("password", "totp"), day.at) for user in renewed])
        self._enrolled = until

    # ---- days

    def _on_2022_07_08(self, seen: Seen) -> None:
        body = self._body("public-index-2022")
        body["who"]["critical"]["top"] = self._shape.critical
        # it was announced and reminded of, never enforced, and taken out in January 2024
        body["stages"] = [
            _stage("announced", "2022-07-08", warn=["all"], deny=["second-factor.remove-last"]),
            _stage("reminding", "2022-10-03", warn=["all"], deny=["second-factor.remove-last"]),
            _stage("retired", "2024-01-03"),
        ]
        self._apply(body, seen)

    def _on_2023_05_20(self, seen: Seen) -> None:
        for name in ("new-accounts", "new-projects"):
            freeze(name, "Floods of accounts that only mean harm.", instant("2023-05-21 21:00"), by=host())
        told = self._cast.tokens["strong"]
        answer = self._server.upload("__token__", told, "brand-new-library", "1.0", self._means.wheels)
        seen.notes.append(
            f"While new projects are stopped, the first upload to a new name is answered {answer}."
        )

    def _on_2023_05_25(self, seen: Seen) -> None:
        for name in ("new-accounts", "new-projects"):
            thaw(name, by=host())
        self._launch(self._body("public-index-2023"), seen)
        live = ", ".join(one.label for one in queries.live_policies(seen.day.at))
        seen.notes.append(f"Both mandates hold side by side: {live}.")

    def _on_2023_06_01(self, seen: Seen) -> None:
        del seen
        made_at = instant("2023-06-01")
        founding.mint(self._cast, "minted in the grace", "told", ("password",), made_at)
        founding.enrol(self._cast.people["enrolled"], made_at)

    def _on_2023_08_08(self, seen: Seen) -> None:
        user = self._cast.people["newcomer"] = founding.make_person("newcomer", seen.day.at)
        founding.make_project("newcomer-library", user, seen.day.at)
        founding.mint(self._cast, "newcomer", "newcomer", ("password",), seen.day.at)

    def _on_2023_12_06(self, seen: Seen) -> None:
        token, day = self._cast.tokens["minted in the grace"], "2023-12-31T23:59:59.999999Z"
        before = self._server.dry_run(token, "told-library", day)
        after = self._server.dry_run(token, "told-library", "2024-01-01T00:00:00Z")
        seen.notes.append(
            f"A25: a microsecond before, a token made in the grace is answered “{before}”, at the instant “{after}”."
        )

    def _on_2024_01_15_10(self, seen: Seen) -> None:
        count = storm.break_out(self._shape, by=self._operator("iris", seen.day.at))
        is_quiet = storm.look(SECOND) is None
        seen.notes.append(
            f"{count} people who had enrolled ask to come back; {'nothing pauses yet' if is_quiet else 'it pauses at once'}."
        )

    def _on_2024_01_19_10(self, seen: Seen) -> None:
        pause = storm.look(SECOND)
        seen.notes.append(
            "L3: nothing paused."
            if pause is None
            else f"L3: the campaign pauses by itself (begun by {pause.begun_by}): {pause.reason}"
        )
        answer = self._server.visit(self._cast.people["told"], "/manage/project/told-library/", "password")
        seen.notes.append(
            f"L3: what is in force stays: a page of management is answered {answer} in the pause."
        )

    def _on_2024_01_19_15(self, seen: Seen) -> None:
        iris, tomas = self._operator("iris", seen.day.at), self._operator("tomas", seen.day.at)
        count = storm.decide_all(by=tomas)
        row = storm.go_on(SECOND, confirmed_by=iris, resumed_by=tomas)
        seen.notes.append(
            f"L3: {count} cases are decided. {row.confirmed_by} stands behind the pause and {row.ended_by} ends it; "
            "all that was to come is five hours later."
        )

    def _on_2024_03_02(self, seen: Seen) -> None:
        """Try to call it completed while old tokens upload, try to loosen it alone, delete a critical project and make it anew."""
        self._call_completed(seen)
        self._loosen_alone(seen)
        self._shed(seen)

    def _call_completed(self, seen: Seen) -> None:
        body = self._body("public-index-2023")
        body["name"], body["replaces"] = "everyone-done", [SECOND]
        body["stages"] = [*body["stages"][:-1], _stage("completed", "2024-03-01", deny=["all"])]
        token = self._cast.tokens["untold"]
        answer = self._server.upload("__token__", token, "untold-library", "77.0", self._means.wheels)
        seen.notes.append(f"An old token of somebody without a second factor uploads: {answer}.")
        try:
            services.propose_version(read_mandate(body), by=host())
        except Refusal as refusal:
            seen.notes.append(f"A version that calls itself completed now is refused: {refusal}")
        else:
            seen.notes.append("A version that calls itself completed now was taken.")

    def _loosen_alone(self, seen: Seen) -> None:
        body = self._body("public-index-2023")
        body["stages"] = [{**one, "deny": ["second-factor.remove-last"]} for one in body["stages"][:1]]
        row = services.propose_version(read_mandate(body), by=self._operator("iris", seen.day.at))
        told = "waits for another operator" if row.effective_at is None else "took effect"
        seen.notes.append(f"A24: what an operator alone proposes, and would open everything, {told}.")
        services.withdraw_version(row.name, row.version, by=self._operator("iris", seen.day.at))

    def _operator(self, name: str, at: datetime) -> Actor:
        user = self._cast.people[name]
        strength = Strength(frozenset({"password", "webauthn"}), at, key_at=at)
        return Actor(
            "session",
            user.pk,
            name,
            "calendar",
            strength,
            is_operator=True,
            email_is_verified=True,
            needs_key=True,
        )

    def _shed(self, seen: Seen) -> None:
        name, owner = self._cast.critical, self._cast.people["owner"]
        answer = self._server.act(
            owner, f"/manage/project/{name}/delete/", {"name": name}, "password", "totp"
        )
        is_gone = not Project.objects.filter(normalized_name=name).exists()
        seen.notes.append(
            f"A18: by now nothing holds its deletion; deleting {name} is answered {answer}, and it is {'gone' if is_gone else 'still there'}."
        )
        if is_gone:
            fresh = founding.make_person("fresh", seen.day.at)
            create_project(name, [fresh], by=host())
            answer = self._server.visit(fresh, f"/manage/project/{name}/", "password")
            is_critical = CriticalProject.objects.filter(normalized_name=name).exists()
            seen.notes.append(
                f"A18: made anew by a fresh account it is {'still critical' if is_critical else 'critical no more'}, and its page of management answers {answer}."
            )

    # ---- mandates

    def _body(self, name: str) -> dict[str, Any]:
        text = next(one.text for one in all_points() if one.name == name)
        body = copy.deepcopy(tomllib.loads(text))
        body.pop("launch", None)
        body["notice"]["remind_days"] = [28, 19, 7, 1]  # with the mails of 2023-12-13
        body.pop("replaces", None)  # there was nothing before it
        return body

    def _apply(self, body: dict[str, Any], seen: Seen) -> None:
        """Apply a mandate; where its days are no working days, with a reason, once that was refused without."""
        try:
            services.propose_version(read_mandate(body), by=host())
        except Refusal as refusal:
            seen.notes.append(f"N1: refused without a reason: {refusal}")
            services.propose_version(read_mandate({**body, "calendar": {"override": _OVERRIDE}}), by=host())

    def _launch(self, body: dict[str, Any], seen: Seen) -> None:
        """Launch a campaign: a draft, refused while something is missing, simulated, launched by one and approved by another."""
        body["launch"] = {
            "requires": ["operators", "methods", "notice", "simulation"],
            "pause_when": {"recovery_age_hours": storm.LIMIT_HOURS},
        }
        self._apply(body, seen)
        iris, tomas = self._operator("iris", seen.day.at), self._operator("tomas", seen.day.at)
        try:
            campaigns.launch(SECOND, by=iris)
        except Refusal as refusal:
            seen.notes.append(f"L1: its launch is refused at first: {refusal}")
        row = MandateVersion.objects.filter(name=SECOND).latest("version")
        simulate(read_mandate(row.document), by=iris, processes=1)
        launched = campaigns.launch(SECOND, by=iris)
        if launched.effective_at is None:
            seen.notes.append("L1: simulated, and launched by one operator, it waits for another.")
            launched = services.approve_version(SECOND, launched.version, by=tomas)
        seen.notes.append(f"L1: it holds from {launched.effective_at:%Y-%m-%d %H:%M} on.")

    # ---- what is seen

    def _count(self, seen: Seen) -> None:
        """Count everybody by each live mandate, and what the tokens in use would be answered."""
        now, policies = seen.day.at, queries.live_policies(seen.day.at)
        seen.live = [one.label for one in policies]
        used = {
            f"u{one.user_id}": Asking.of("token", one.strength)
            for one in Token.objects.filter(revoked_at__isnull=True, key_id="calendar")
        }
        covered, compliant, verdicts = Counter[str](), Counter[str](), Counter[str]()
        for facts in people.all_facts():
            for policy in policies:
                if covers(policy, facts):
                    covered[policy.name] += 1
                    seen.through_organizations += policy.name == SECOND and _is_organizations_alone(facts)
                    compliant[policy.name] += is_compliant(policy.mandate, facts.person)
            if facts.person.id in used:
                verdicts[_verdict(facts, used[facts.person.id], policies, now)] += 1
        seen.covered, seen.compliant, seen.uploads = dict(covered), dict(compliant), dict(verdicts)
        if any(one.name == SECOND for one in policies):
            seen.completion = check_now(SECOND, by=host()).as_dict()

    def _look(self, seen: Seen) -> None:
        window = self._means.window
        for view in VIEWS if window is not None else ():
            user = self._cast.people.get(view.who)
            sight = None if window is None else window.look(view, user, f"{seen.day.at:%Y-%m-%d-%H}")
            if sight is not None and not view.only_pictures:
                seen.sights[view.name] = str(sight)

    def _ask(self, seen: Seen, number: int) -> None:
        scene = Scene(self._server, self._cast, self._means.wheels, number)
        for code, (_, ask) in ASKED.items():
            answer = ask(scene)
            seen.answers[code] = "not there yet" if answer is None else str(answer)
        if self._means.clients is not None and seen.day.at >= ANNOUNCED:
            for program, persona in (("twine", "told"), ("uv", "strong")):
                wheel = build_wheel(self._means.wheels, name=f"{persona}-library", version=f"50.{number}")
                token = self._cast.tokens[persona]
                seen.clients[f"{program}, {persona}"] = publish_by(
                    program, self._means.clients, self._server, token, wheel
                )


def _is_organizations_alone(facts: Any) -> bool:
    return bool(facts.authority) and all(one.kind == "organization" for one in facts.authority)


def _verdict(facts: Any, asking: Asking, policies: Any, now: datetime) -> str:
    name = next((one.name for one in facts.authority if one.kind == "project"), "")
    asked = replace(
        facts, action="release.upload", asking=asking, object=Object("project", name) if name else None
    )
    return decide(asked, policies, now).verdict


def _stage(state: str, at: str, **more: list[str]) -> dict[str, Any]:
    return {"state": state, "at": instant(at), **more}


def retire_default() -> None:
    """Take out what a new index starts with: the one of then asked nobody for anything."""
    mandate = read_mandate(DOCUMENT | {"stages": [{"state": "retired", "at": BEGINNING}]})
    MandateVersion.objects.create(
        name=mandate.name, version=2, document=mandate.as_dict(), digest=mandate.digest, origin="seeded",
        proposed_at=clock.now(), proposed_by="host", effective_at=BEGINNING,
    )  # fmt: skip
    Change.objects.update_or_create(pk=1, defaults={"value": 2})
