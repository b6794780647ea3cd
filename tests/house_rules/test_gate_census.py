"""Every route and every method of it is classified, and the doors do what the class says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver

from keyhouse.core import actions, clock, configuration, logs
from keyhouse.core.actor import NOBODY, Actor, Strength
from keyhouse.web.asgi import make_application
from keyhouse.web.middleware import Doors, SecurityHeaders

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")

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


def named(value: object) -> str | None:
    return value.path if isinstance(value, Route) else None


def knock(route: Route, method: str, actor: Actor = NOBODY) -> HttpResponseBase | None:
    request: HttpRequest = RequestFactory().generic(method, "/some/page/")
    request.actor = actor  # type: ignore[attr-defined]  # as the session middleware does
    return Doors(lambda _: None).process_view(request, route.view, (), {})  # type: ignore[arg-type,return-value]  # never called


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


@pytest.mark.parametrize(("route", "method", "name"), WAYS, ids=named)
def test_nobody_gets_in_where_somebody_must_be(route: Route, method: str, name: str) -> None:
    answer = knock(route, method)
    if not actions.CATALOGUE[name].needs_session:
        return
    assert answer is not None
    if method == "GET":
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/account/sign-in/?next=")
    else:
        assert answer.status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize(("route", "method", "name"), WAYS, ids=named)
def test_gated_ways_refuse_a_session_without_second_factor(route: Route, method: str, name: str) -> None:
    if not actions.CATALOGUE[name].gated:
        return
    weak = Strength(frozenset({"password"}), clock.now())
    actor = Actor(kind="session", user_id=1, is_operator=True, email_is_verified=True, strength=weak)
    answer = knock(route, method, actor)
    assert answer is not None
    assert answer.status_code == 403
    assert answer.headers["X-Refusal"] == "second-factor-required"


@pytest.mark.parametrize(("route", "method", "name"), WAYS, ids=named)
def test_operators_ways_refuse_everybody_else(route: Route, method: str, name: str) -> None:
    if not actions.CATALOGUE[name].operators_only:
        return
    strong = Strength(frozenset({"password", "totp"}), clock.now())
    answer = knock(route, method, Actor(kind="session", user_id=1, email_is_verified=True, strength=strong))
    assert answer is not None
    assert answer.status_code == 403
    assert answer.headers["X-Refusal"] == "role-required"


@pytest.mark.parametrize(("route", "method", "name"), WAYS, ids=named)
def test_nothing_gated_opens_when_nothing_is_wired(
    route: Route, method: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not actions.CATALOGUE[name].gated:
        return
    monkeypatch.setattr(actions, "_wiring", actions._Wiring())
    strong = Strength(frozenset({"password", "totp"}), clock.now())
    actor = Actor(kind="session", user_id=1, is_operator=True, email_is_verified=True, strength=strong)
    answer = knock(route, method, actor)
    assert answer is not None
    assert answer.headers["X-Refusal"] == "gate-unavailable"


def test_what_is_beside_django_is_classified_too() -> None:
    routes = make_application(configuration.current()).routes
    assert set(routes) == {"/legacy/", "/legacy", "/health/live", "/health/ready", "/metrics"}
    for path, route in routes.items():
        assert route.actions, path
        assert set(route.actions.values()) <= set(actions.CATALOGUE), path
    assert dict(routes["/legacy/"].actions) == {"POST": "release.upload"}


def test_secrets_in_addresses_are_neither_logged_nor_cached() -> None:
    secret = "hT3-x_9ZkQ"
    paths = [re.sub("<.*?>", secret, route.path) for route in ROUTES if "secret>" in route.path]
    assert len(paths) > 3
    for path in paths:
        assert secret not in logs.hide_secrets(f"GET {path} 200"), path
        answer = SecurityHeaders(lambda _: HttpResponse())(RequestFactory().get(path))
        assert answer.headers["Cache-Control"] == "no-store", path
