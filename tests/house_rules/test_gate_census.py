"""Every door is classified: routes and methods, endpoints beside Django, commands, jobs. And the doors do what the class says."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver

from keyhouse.accounts.hashing import HASHED_FIELDS
from keyhouse.accounts.models import Email, User
from keyhouse.cli import dev_decisions, dev_roles, doors
from keyhouse.cli.dev_routes import READS, routes
from keyhouse.cli.main import COMMANDS, module_of
from keyhouse.core import actions, clock, configuration, logs
from keyhouse.core.actor import NOBODY, OFFICES, Actor, Strength
from keyhouse.web.asgi import make_application
from keyhouse.web.middleware import Doors, SecurityHeaders

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "keyhouse"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
# G3, to the letter: what no mandate may ever take from anybody. Something new stands here or is gated.
NEVER_GATED = {
    # reading
    "index.read", "site.read", "site.help", "site.read-styleguide", "site.static", "service.health", "service.metrics",
    # carrying out what operators answered for before, and the gate with them
    "proposal.carry-out",
    # getting in, and getting out
    "session.start", "session.ask-confirmation", "session.confirm", "session.end", "session.step-up", "session.list", "session.revoke",
    # joining, recovering
    "mail.report-bounces", "setup.finish", "invitation.accept", "sign-up.ask", "sign-up.finish", "enrolment.finish", "password.ask-reset", "password.reset",
    # enrolling, and keeping one's account in order
    "second-factor.add", "second-factor.remove", "second-factor.disable", "second-factor.enable",
    "second-factor.rename", "second-factor.check-up", "recovery-codes.replace",
    "password.change", "password.remove", "password.disable",
    "email.add", "email.verify", "email.remove", "email.make-primary", "email.revert", "email.lose-domain",
    # stopping one's account
    "account.freeze", "account.freeze-by-link",
    # coming back in
    "recovery.ask", "recovery.open", "recovery.go-on", "recovery.read", "recovery.stop", "recovery.settle", "account.thaw",
    "enrolment-proof.ask", "enrolment-proof.give",
    # seeing one's own, and taking back what one gave out
    "browser.forget", "account.read", "audit.read-own", "token.list", "token.revoke", "robot-token.revoke",
    "token.report-leak", "leak.report", "minted-token.revoke", "mandate.check", "mandate.read-own",
    # putting one's own deadline off, as often as a mandate allows
    "mandate.snooze",
    # taking one's data away; changing one's mind; a name that nobody has any more
    "account.export", "account.keep", "account.forget",
    # being asked into a project, and saying no
    "collaborator.read-invitations", "collaborator.decline", "collaborator.leave",
    "organization.decline", "organization.leave",
    # what one applied for: seeing what became of it, and taking it back
    "application.read-own", "application.withdraw",
    # leaving where one is alone; asking to be let off, or for a key
    "collaborator.lay-down", "organization.lay-down", "exemption.ask",
    # telling of abuse, and seeing what became of it
    "report.file", "report.read-own",
    # seeing what is trusted and trusting it no more; what happens to identities by themselves
    "publisher.read", "publisher.remove", "publisher.remove-pending", "publisher.learn", "publisher.refuse",
    # an identity from CI for a token that is gated at each use; what becomes of pending publishers with a project
    "publisher.read-audience", "publisher.mint", "publisher.burn", "publisher.settle",
    # what was deleted long ago
    "removal.sweep",
    # what mandates do by themselves
    "mandate.end-brownout", "mandate.go-stale",
    # what waits for a person: told of by an upload, ended by the index
    "release.stage", "release.expire",
    # whoever has the machine
    "host.command",
}  # fmt: skip
# G2, as far as it is built: each of these is an action of its own, and gated
IMPLICIT = {
    "project.create", "token.mint", "token.use", "index.read-private", "release.upload", "release.yank",
    "release.publish", "release.discard", "project.set-staging",
    "robot-token.mint", "robot-token.confirm", "release.unyank", "release.delete", "file.delete", "project.delete", "project.ask-deletion", "project.archive",
    "project.unarchive", "project.deprecate", "project.undeprecate",
    "file.restore", "release.restore", "project.restore", "user.invite", "second-factor.remove-last",
    "account.delete",
    "collaborator.invite", "collaborator.resend", "collaborator.revoke", "collaborator.accept",
    "collaborator.change-role", "collaborator.remove", "collaborator.keep", "collaborator.hand-over",
    "collaborator.nudge", "organization.nudge",
    "publisher.add", "publisher.confirm", "publisher.constrain", "publisher.add-pending",
    "project.require-publishers", "project.allow-tokens",
    "organization.create", "organization.apply", "organization.decide", "organization.accept", "organization.invite", "organization.hand-over", "organization.change-role",
    "organization.remove-member", "organization.add-project", "organization.move-project",
    "organization.declare-mandate", "organization.loosen-mandate", "organization.approve-mandate",
    "organization.keep-mandate",
    "organization.set-readers", "project.set-readers", "team.add-member", "team-role.set", "project.move", "team.keep-member", "team-role.keep",
}  # fmt: skip

# What the consoles let be done without a fresh proof by the strongest factor of the account; of each, why.
WITHOUT_PROOF = {
    "switch.set": "what stops abuse can't wait; it ends by itself within a day, and to lift it takes the proof",
    "quarantine.set": "what stops abuse can't wait; nothing is lost by it, and to lift it takes the proof",
    "issuer.test": "it asks for the public keys of an issuer that is believed already, and changes nothing",
}

View = Callable[..., HttpResponseBase]


@dataclass(frozen=True)
class Route:
    path: str
    view: View

    @property
    def actions(self) -> dict[str, str]:
        found: dict[str, str] = getattr(self.view, "actions", {})
        return found


def walk(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[Route]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns, path)
        else:
            yield Route("/" + path, pattern.callback)


ROUTES = list(walk(get_resolver().url_patterns))
WAYS = [(route, method, name) for route in ROUTES for method, name in route.actions.items()]
GATED_WAYS = [way for way in WAYS if actions.CATALOGUE[way[2]].gated]
OPERATORS_WAYS = [way for way in WAYS if actions.CATALOGUE[way[2]].offices]
# Whatever the consoles do: below their address, and elsewhere for whoever holds an office.
CONSOLES_POSTS = [
    way
    for way in WAYS
    if way[1] != "GET" and (way[0].path.startswith("/operator/") or actions.CATALOGUE[way[2]].offices)
]


def named(value: object) -> str | None:
    return value.path if isinstance(value, Route) else None


def knock(route: Route, method: str, actor: Actor = NOBODY) -> HttpResponseBase | None:
    request: HttpRequest = RequestFactory().generic(method, "/some/page/")
    request.actor = actor  # type: ignore[attr-defined]  # as the session middleware does
    return Doors(lambda _: None).process_view(request, route.view, (), {})  # type: ignore[arg-type,return-value]  # never called


@pytest.fixture
def operator(db: None) -> User:
    user = User.objects.create(username="ada", joined_at=clock.now(), is_operator=True)
    Email.objects.create(
        user=user, address="ada@example.org", is_primary=True, verified_at=clock.now(), added_at=clock.now()
    )
    return user


def session_of(user: User, *methods: str) -> Actor:
    proved = Strength(frozenset(methods), clock.now())
    return Actor(
        kind="session",
        user_id=user.pk,
        is_operator=user.is_operator,
        is_moderator=user.is_moderator,
        is_auditor=user.is_auditor,
        email_is_verified=True,
        strength=proved,
    )


# ---- the catalogue


def test_what_is_never_gated_is_exactly_this() -> None:
    assert {name for name, action in actions.CATALOGUE.items() if not action.gated} == NEVER_GATED


def test_what_people_do_without_noticing_is_an_action_of_its_own_and_gated() -> None:
    assert {name for name in IMPLICIT if actions.CATALOGUE[name].gated} == IMPLICIT


def test_an_action_is_known_by_its_name_and_set() -> None:
    for name, action in actions.CATALOGUE.items():
        assert action.name == name
        assert re.fullmatch(r"[a-z-]+\.[a-z-]+", name)
        assert action.summary[0].isupper()
        if action.gated:
            assert action.set in {"management", "publishing", "credentials"}, name
        if action.offices:
            assert action.gated, name


def test_every_action_has_a_door_and_is_in_the_page_that_is_made_from_the_code() -> None:
    reached = {line["action"] for line in routes()} | set(doors.COMMANDS.values()) | set(doors.INSIDE)
    assert reached == set(actions.CATALOGUE)


def test_the_page_of_decisions_says_what_the_code_does() -> None:
    """Mend it by: KEYHOUSE_ENVIRONMENT=test ./run keyhouse dev decisions > docs/mandate-decisions.md"""
    assert (ROOT / "docs" / "mandate-decisions.md").read_text() == dev_decisions.page()


def test_the_page_of_roles_says_what_the_code_does() -> None:
    """Mend it by: KEYHOUSE_ENVIRONMENT=test ./run keyhouse dev roles > docs/reference/roles.md"""
    assert (ROOT / "docs" / "reference" / "roles.md").read_text() == dev_roles.page()


# ---- routes of the pages


def test_there_are_routes() -> None:
    assert len(ROUTES) > 10


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_every_route_is_classified(route: Route) -> None:
    assert route.actions, f"{route.path} has no @actions.classified"
    assert set(route.actions) <= {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert set(route.actions.values()) <= set(actions.CATALOGUE)


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_a_method_that_is_not_classified_is_refused(route: Route) -> None:
    classified = {*route.actions, *({"HEAD"} if "GET" in route.actions else ())}
    for method in set(METHODS) - classified:
        answer = knock(route, method)
        assert answer is not None, (route.path, method)
        assert answer.status_code == 405, (route.path, method)


@pytest.mark.django_db
@pytest.mark.parametrize(("route", "method", "name"), WAYS, ids=named)
def test_nobody_gets_in_where_somebody_must_be(route: Route, method: str, name: str) -> None:
    answer = knock(route, method)
    if not actions.CATALOGUE[name].needs_session:
        assert actions.CATALOGUE[name].gated is False, "what is gated on pages asks for a session"
        return
    assert answer is not None
    if method == "GET" and not getattr(route.view, "is_for_programs", False):
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/account/sign-in/?next=")
    else:
        assert answer.status_code == 401


@pytest.mark.parametrize(("route", "method", "name"), GATED_WAYS, ids=named)
def test_gated_ways_refuse_an_operators_session_without_second_factor(
    route: Route, method: str, name: str, operator: User
) -> None:
    for methods in (("password",), ("password", "recovery_code"), ()):
        answer = knock(route, method, session_of(operator, *methods))
        assert answer is not None
        assert answer.status_code == 403
        assert answer.headers["X-Refusal"] == "second-factor-required"


@pytest.mark.parametrize(("route", "method", "name"), GATED_WAYS, ids=named)
def test_gated_ways_open_with_one(route: Route, method: str, name: str, operator: User) -> None:
    assert knock(route, method, session_of(operator, "password", "totp")) is None


@pytest.mark.parametrize(("route", "method", "name"), OPERATORS_WAYS, ids=named)
def test_ways_of_an_office_open_by_it_and_by_no_other(
    route: Route, method: str, name: str, operator: User
) -> None:
    for office in (*OFFICES, None):
        User.objects.update(**{f"is_{one}": one == office for one in OFFICES})
        operator.refresh_from_db()
        answer = knock(route, method, session_of(operator, "password", "totp"))
        if office in actions.CATALOGUE[name].offices:
            assert answer is None, office
        else:
            assert answer is not None, office
            assert (answer.status_code, answer.headers["X-Refusal"]) == (403, "role-required"), office


def test_what_the_consoles_do_without_a_fresh_proof_is_exactly_this() -> None:
    asked = {name for _, _, name in CONSOLES_POSTS}
    assert len(asked) > 40
    proven = {name for name in asked if actions.CATALOGUE[name].step_up}
    assert asked - proven == set(WITHOUT_PROOF)
    assert not any(actions.CATALOGUE[name].takes_any_proof for name in proven)
    assert all(actions.CATALOGUE[name].offices for name in asked)


@pytest.mark.parametrize(("route", "method", "name"), CONSOLES_POSTS, ids=named)
def test_what_the_consoles_do_takes_a_fresh_proof_by_the_strongest_factor(
    route: Route, method: str, name: str, operator: User
) -> None:
    fresh = session_of(operator, "password", "totp")
    old = replace(fresh.strength, at=clock.now() - actions.STEP_UP_AGE - timedelta(seconds=1))
    for actor in (replace(fresh, strength=old), replace(fresh, needs_key=True)):
        answer = knock(route, method, actor)
        told = "" if answer is None else answer.headers["X-Refusal"]
        assert told == ("" if name in WITHOUT_PROOF else "step-up-required")


@pytest.mark.parametrize(("route", "method", "name"), GATED_WAYS, ids=named)
def test_nothing_gated_opens_when_nothing_is_wired(
    route: Route, method: str, name: str, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "_wiring", actions._Wiring())
    answer = knock(route, method, session_of(operator, "password", "totp"))
    assert answer is not None
    assert answer.headers["X-Refusal"] == "gate-unavailable"


# ---- beside Django


def test_forms_whose_texts_are_hashed_are_known_as_such() -> None:
    """Or people who wait for a hash would hold the pages' threads."""
    asking = [set(fields) for route in ROUTES if (fields := getattr(route.view, "fields", ()))]
    secret = [fields for fields in asking if any("password" in name or "recovery" in name for name in fields)]
    assert secret
    assert all(fields & HASHED_FIELDS for fields in secret)


def test_what_is_beside_django_is_classified_too() -> None:
    beside = make_application(configuration.current()).routes
    assert set(beside) == {"/legacy/", "/legacy", "/health/live", "/health/ready", "/health/seen", "/metrics"}
    for path, route in beside.items():
        assert route.actions, path
        assert set(route.actions.values()) <= set(actions.CATALOGUE), path
    assert dict(beside["/legacy/"].actions) == {"POST": "release.upload"}


def test_the_read_plane_is_listed_and_never_gated() -> None:
    lines = [line for line in routes() if line["path"] in READS]
    assert len(lines) == len(READS)
    assert {(line["method"], line["action"], line["gated"]) for line in lines} == {
        ("GET", "index.read", False)
    }


# ---- commands and jobs


def leaves(command: click.Command, words: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        if command.invoke_without_command:
            yield words
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from leaves(found, f"{words} {name}")
    else:
        yield words


def test_every_command_is_classified() -> None:
    found = {
        words for name in COMMANDS for words in leaves(importlib.import_module(module_of(name)).command, name)
    }
    assert found == set(doors.COMMANDS)
    assert set(doors.COMMANDS.values()) <= set(actions.CATALOGUE)


def calls(*names: str) -> Iterator[tuple[Path, ast.Call]]:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                )
                if called in names:
                    yield path, node


def test_every_job_is_classified() -> None:
    found = set()
    for path, call in calls("job"):
        [word] = call.args
        if isinstance(word, ast.Name):
            module = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
            found.add(getattr(importlib.import_module(module), word.id))
        else:
            assert isinstance(word, ast.Constant)
            found.add(word.value)
    assert found == set(doors.JOBS)


def test_every_thread_beside_requests_is_classified() -> None:
    """A thread says its name where it is made; the one that `Rounds` makes is called like its `Work`."""
    found = set()
    for path, call in calls("Thread"):
        names = [word.value for word in call.keywords if word.arg == "name"]
        assert names, f"a thread without a name in {path}"
        if path.name != "rounds.py":
            assert isinstance(names[0], ast.Constant)
            found.add(names[0].value)
    for path, call in calls("Work"):
        assert isinstance(call.args[0], ast.Constant), f"a work without a name in {path}"
        found.add(call.args[0].value)
    assert found == set(doors.LOOPS)


def test_actions_are_asked_for_by_names_that_exist() -> None:
    """A name that is put together at run time can't be looked for; the gate refuses unknown ones anyway."""
    asked: set[Any] = set()
    for _, call in calls("require", "require_gate", "require_authority"):
        words = [word.value for word in call.args if isinstance(word, ast.Constant)]
        asked |= set(words)
    assert {name for name in asked if isinstance(name, str)} <= set(actions.CATALOGUE)
    assert len(asked) > 10


# ---- addresses


def test_secrets_in_addresses_are_neither_logged_nor_cached() -> None:
    secret = "hT3-x_9ZkQ"
    paths = [re.sub("<.*?>", secret, route.path) for route in ROUTES if "secret>" in route.path]
    assert len(paths) > 3
    for path in paths:
        assert secret not in logs.hide_secrets(f"GET {path} 200"), path
        answer = SecurityHeaders(lambda _: HttpResponse())(RequestFactory().get(path))
        assert answer.headers["Cache-Control"] == "no-store", path
