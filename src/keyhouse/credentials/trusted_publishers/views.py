"""Pages of what a project trusts to publish, and of what somebody set up. Authority is asked before a page shows what exists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from packaging.utils import canonicalize_name, is_normalized_name

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.accounts.views.paging import LINES_WITH_ACTS, page_of, pager
from keyhouse.core import actions, clock, configuration
from keyhouse.core.actor import Actor
from keyhouse.credentials.tokens.homes import Home, of_project
from keyhouse.credentials.trusted_publishers import issuers, listing, providers, queries, services
from keyhouse.credentials.trusted_publishers.errors import IssuerMissing
from keyhouse.credentials.trusted_publishers.forms import (
    FIELDS,
    LONGEST_NAME,
    NAME,
    REACH_FIELDS,
    PublisherForm,
    SimpleForm,
)
from keyhouse.credentials.trusted_publishers.models import Issuer, Publisher
from keyhouse.credentials.trusted_publishers.previews import Row, rows_of
from keyhouse.credentials.trusted_publishers.providers.rules import Configured
from keyhouse.credentials.trusted_publishers.publisher_errors import PublisherInvalid, PublisherMissing
from keyhouse.credentials.trusted_publishers.snippets import Snippet, Where, snippets_for
from keyhouse.projects.models import Project
from keyhouse.projects.visiting import actor_of, context_of, project_of, sent

MINE: Final = "/account/publishers/"
READ: Final = "publisher.read"
RESTING: Final = "resting"
WITHOUT: Final = "without"
_NAME_TO_COME: Final = "NAME"


# ---- of a project


@actions.classified(GET="publisher.read")
def publishing(request: HttpRequest, name: str) -> HttpResponse:
    """List what a project trusts, and how more is added."""
    found = project_of(request, READ, name)
    shared, home = context_of(request, found), of_project(found)
    context = {
        "home": home,
        "lines": listing.lines_of(queries.publishers_of(found.pk).select_related("project")),
        "owned": {home.path} if shared["is_owner"] else (),
        "issuers": issuer_choices(),
    }
    return render(request, "publishers/project.html", shared | context)


@actions.returns(*FIELDS)
@actions.takes(*FIELDS)
@actions.classified(GET="publisher.add", POST="publisher.add")
def add(request: HttpRequest, name: str) -> HttpResponse:
    """Ask what a project shall trust of an issuer; then let it."""
    found = project_of(request, services.ADD, name)
    form = form_of(request)
    if request.method == "POST":
        made = form.carry_out(lambda: _add(found, form, actor_of(request)))
        if made is not None:
            return SeeOther(_address_of(found, made))
    return ask(request, form, _room(request, found))


@actions.returns(*FIELDS, to="../add/")
@actions.takes(*FIELDS)
@actions.classified(POST="publisher.add")
def preview(request: HttpRequest, name: str) -> HttpResponse:
    """Show the form again, with what it would let the project trust."""
    found = project_of(request, services.ADD, name)
    return ask(request, form_of(request, is_tried=True), _room(request, found))


@actions.classified(GET="publisher.read")
def publisher(request: HttpRequest, name: str, publisher_id: int) -> HttpResponse:
    """Show one publisher: what it takes, what it did last, and lines for its CI system."""
    found = project_of(request, READ, name)
    one = _of_project(found, publisher_id)
    return show_publisher(request, one, _room(request, found))


@actions.takes()
@actions.classified(GET="publisher.confirm", POST="publisher.confirm")
def confirm(request: HttpRequest, name: str, publisher_id: int) -> HttpResponse:
    """Say what answering for a publisher means; then do it."""
    return _act(request, name, publisher_id, "confirm", services.CONFIRM, services.confirm_publisher)


@actions.takes()
@actions.classified(GET="publisher.constrain", POST="publisher.constrain")
def constrain(request: HttpRequest, name: str, publisher_id: int) -> HttpResponse:
    """Say what binding a publisher to an environment means; then do it."""
    return _act(request, name, publisher_id, "constrain", services.CONSTRAIN, services.constrain_publisher)


@actions.takes()
@actions.classified(GET="publisher.remove", POST="publisher.remove")
def remove(request: HttpRequest, name: str, publisher_id: int) -> HttpResponse:
    """Say what trusting a publisher no more means; then do it."""
    return _act(request, name, publisher_id, "remove", services.REMOVE, services.remove_publisher)


@actions.takes()
@actions.classified(GET="project.require-publishers", POST="project.require-publishers")
def require_publishers(request: HttpRequest, name: str) -> HttpResponse:
    """Say what it means that only trusted publishers may release; then let it be so."""
    return _switch(request, name, services.REQUIRE, services.require_publishers, only=True)


@actions.takes()
@actions.classified(GET="project.allow-tokens", POST="project.allow-tokens")
def allow_tokens(request: HttpRequest, name: str) -> HttpResponse:
    """Say what it means that API tokens may release, too; then let it be so."""
    return _switch(request, name, services.ALLOW, services.allow_tokens, only=False)


# ---- of an account


@actions.classified(GET="publisher.read")
def mine(request: AskedRequest) -> HttpResponse:
    """List what rests in one's projects, what one answers for, and what waits for a project."""
    user_id, now = request.actor.user_id or 0, clock.now()
    page = page_of(request, listing.answered_for(user_id), LINES_WITH_ACTS)
    rest_page = page_of(request, listing.resting_for(user_id), LINES_WITH_ACTS, RESTING)
    without = page_of(request, listing.projects_without(user_id), LINES_WITH_ACTS, WITHOUT)
    resting, answered = listing.lines_of(rest_page), listing.lines_of(page)
    context = {
        "owned": listing.owned_among((*resting, *answered), user_id),
        "resting": resting,
        "resting_pages": pager(rest_page, RESTING, page=page, **{WITHOUT: without}),
        "lines": answered,
        "pages": pager(page, **{RESTING: rest_page, WITHOUT: without}),
        "waiting": listing.lines_of(listing.waiting_for(user_id, now)),
        "without": without,
        "without_pages": pager(without, WITHOUT, page=page, **{RESTING: rest_page}),
        "most_waiting": services.MOST_PENDING,
        "issuers": issuer_choices(),
    }
    return render(request, "publishers/mine.html", context)


@actions.returns(*FIELDS)
@actions.takes(*FIELDS)
@actions.classified(GET="publisher.add-pending", POST="publisher.add-pending")
def add_pending(request: AskedRequest) -> HttpResponse:
    """Ask what shall make a project by its first upload; then keep it waiting for that."""
    form = form_of(request, for_name=True)
    if request.method == "POST":
        made = form.carry_out(lambda: _add_pending(form, request.actor))
        if made is not None:
            return SeeOther(f"{MINE}{made.pk}/")
    return ask(request, form, ROOM_OF_ACCOUNT)


@actions.returns(*FIELDS, to="../add/")
@actions.takes(*FIELDS)
@actions.classified(POST="publisher.add-pending")
def preview_pending(request: AskedRequest) -> HttpResponse:
    """Show the form again, with what it would take."""
    return ask(request, form_of(request, is_tried=True, for_name=True), ROOM_OF_ACCOUNT)


@actions.classified(GET="publisher.read")
def pending(request: AskedRequest, publisher_id: int) -> HttpResponse:
    """Show a publisher of one's own that waits for a project, with lines for its CI system."""
    return show_publisher(request, _waiting(request, publisher_id), ROOM_OF_ACCOUNT)


@actions.takes()
@actions.classified(GET="publisher.remove-pending", POST="publisher.remove-pending")
def remove_pending(request: AskedRequest, publisher_id: int) -> HttpResponse:
    """Ask before a publisher that waits is given up; then give it up."""
    if request.method == "POST":
        # of anything but one's own that waits, the answer tells nothing: not even whether it is there
        if listing.waiting_for(request.actor.user_id or 0, clock.now()).filter(pk=publisher_id).exists():
            services.remove_publisher(publisher_id, by=request.actor)
        return SeeOther(MINE)
    line = line_of(_waiting(request, publisher_id))
    return render(request, "publishers/remove.html", ROOM_OF_ACCOUNT.context | {"line": line})


# ---- what they share


@dataclass(frozen=True, slots=True)
class Room:
    """Where a page of publishers stands: what they belong to (None: one's account), and what every page there shows.

    `project`: the normalised name of the one project that is meant, where it is one.
    """

    home: Home | None
    place: str
    shared: Mapping[str, Any]
    project: str = ""

    @property
    def context(self) -> dict[str, Any]:
        """Return what the templates of every kind of room are given."""
        head = f"{self.home.thing.kind}s/head.html" if self.home else ""
        return {**self.shared, "home": self.home, "place": self.place, "head": head}


ROOM_OF_ACCOUNT: Final = Room(None, MINE, {})


def _room(request: HttpRequest, found: Project) -> Room:
    home = of_project(found)
    return Room(home, f"{home.path}publishing/", context_of(request, found), found.normalized_name)


def _add(found: Project, form: PublisherForm, by: Actor) -> Publisher:
    issuer = form.issuer
    return services.add_publisher(found.normalized_name, issuer.provider, issuer.url, form.typed(), by=by)


def _add_pending(form: PublisherForm, by: Actor) -> Publisher:
    issuer, name = form.issuer, form.cleaned_data[NAME]
    return services.add_pending_publisher(name, issuer.provider, issuer.url, form.typed(), by=by)


def form_of(
    request: HttpRequest,
    *,
    is_tried: bool = False,
    for_name: bool = False,
    kind: type[PublisherForm] = PublisherForm,
) -> PublisherForm:
    """Return the form of the issuer that the request names; one that is only tried is not called wrong."""
    given = request.POST if request.method == "POST" else request.GET
    issuer = issuers.find_issuer(given.get("issuer", ""))
    if issuer is None:
        raise IssuerMissing(fix="Choose one of those on the publishing page.")
    values = {name: given[name] for name in (*FIELDS, *REACH_FIELDS) if name in given}
    data = None if is_tried else sent(request)
    return kind(data, issuer=issuer, initial=values, for_name=for_name)


def ask(request: HttpRequest, form: PublisherForm, room: Room) -> HttpResponse:
    """Show what an issuer's form comes to as it stands, with lines for its CI system."""
    configured, problem = _tried(form)
    name = room.project or _name_to_come(form)
    context: dict[str, Any] = {
        "issuer": form.issuer,
        "issuer_label": listing.issuer_label(form.issuer),
        "rules": providers.get(form.issuer.provider),
        "rows": _rows(form.issuer, configured) if configured else (),
        "problem": problem,
        "snippets": _snippets(form.issuer.provider, form.issuer.url, configured, name),
    }
    return show_form(request, "publishers/add.html", form, room.context | context)


def _name_to_come(form: PublisherForm) -> str:
    """Return the name that was typed as lines to copy may hold it: a link that fills the form in must not write commands."""
    typed = str(form[NAME].value() or "") if NAME in form.fields else ""
    name = canonicalize_name(typed[:LONGEST_NAME])
    return name if is_normalized_name(name) else _NAME_TO_COME


def _tried(form: PublisherForm) -> tuple[Configured | None, str]:
    """Return what the form comes to, or why it comes to nothing yet."""
    try:
        return form.preview(), ""
    except PublisherInvalid as refusal:
        return None, refusal.sentence


def _rows(issuer: Issuer, configured: Configured) -> tuple[Row, ...]:
    return rows_of(issuer.provider, issuer.url, configuration.current().audience, configured)


def _snippets(provider: str, issuer: str, configured: Configured | None, project: str) -> list[Snippet]:
    settings = configuration.current()
    workflow = configured.claims.get("workflow", "") if configured else ""
    environment = configured.environment if configured else ""
    where = Where(settings.base_url, settings.audience, project, workflow, environment)
    return snippets_for(provider, issuer, where)


def show_publisher(request: HttpRequest, one: Publisher, room: Room) -> HttpResponse:
    """Show one publisher: what it takes, what it did last, and lines for its CI system."""
    name = one.pending_normalized_name if one.is_pending else room.project or _NAME_TO_COME
    return render(request, "publishers/publisher.html", room.context | _facts_of(one, name))


def _facts_of(one: Publisher, project: str) -> dict[str, Any]:
    configured = Configured(one.claims, one.environment, one.lookup, one.identity)
    audience = configuration.current().audience
    return {
        "line": line_of(one),
        "turned_away": listing.find_turned_away(one),
        "rows": rows_of(one.provider, one.issuer_url, audience, configured),
        "snippets": _snippets(one.provider, one.issuer_url, configured, project),
    }


def _act(  # noqa: PLR0913, PLR0917 - what the acts on one publisher differ in
    request: HttpRequest,
    name: str,
    publisher_id: int,
    page: str,
    action: str,
    act: Callable[..., object],
) -> HttpResponse:
    """Show what an act on a publisher means; where the form was sent, act."""
    found = project_of(request, action, name)
    room = _room(request, found)
    return act_on(request, room, page, lambda: _of_project(found, publisher_id), act)


def act_on(
    request: HttpRequest,
    room: Room,
    page: str,
    find: Callable[[], Publisher],
    act: Callable[..., object],
) -> HttpResponse:
    """Show what an act on a publisher of a room means; where the form was sent, act."""
    form = SimpleForm(sent(request))
    if request.method == "POST":
        form.carry_out(lambda: act(find().pk, by=actor_of(request)))
        if not form.errors:
            return SeeOther(room.place)
    return show_form(request, f"publishers/{page}.html", form, room.context | {"line": line_of(find())})


def _switch(
    request: HttpRequest, name: str, action: str, act: Callable[..., object], *, only: bool
) -> HttpResponse:
    found = project_of(request, action, name)
    form = SimpleForm(sent(request))
    if request.method == "POST":
        form.carry_out(lambda: act(found.normalized_name, by=actor_of(request)))
        if not form.errors:
            return SeeOther(f"/manage/project/{found.normalized_name}/publishing/")
    lines = listing.lines_of(queries.publishers_of(found.pk).select_related("project"))
    works = any(not line.is_over for line in lines)
    context = context_of(request, found) | {"only": only, "has_working": works, "has_any": bool(lines)}
    return show_form(request, "publishers/switch.html", form, context)


def _of_project(found: Project, publisher_id: int) -> Publisher:
    one = queries.publishers_of(found.pk).select_related("project").filter(pk=publisher_id).first()
    if one is None:
        raise PublisherMissing
    return one


def _waiting(request: AskedRequest, publisher_id: int) -> Publisher:
    """Return one's own publisher that waits; somebody else's is refused like one that isn't there."""
    rows = listing.waiting_for(request.actor.user_id or 0, clock.now())
    one = rows.filter(pk=publisher_id).first()
    if one is None:
        raise PublisherMissing
    return one


def line_of(one: Publisher) -> listing.Line:
    """Return a publisher as people read it."""
    return listing.lines_of([one])[0]


def issuer_choices() -> list[tuple[Issuer, str]]:
    """Return every issuer that is believed, with what pages call it."""
    return [(one, listing.issuer_label(one)) for one in issuers.all_issuers()]


def _address_of(found: Project, one: Publisher) -> str:
    return f"/manage/project/{found.normalized_name}/publishing/{one.pk}/"
