"""What mails say about trusted publishers."""

from __future__ import annotations

from collections.abc import Iterable

from keyhouse.accounts.emails import site_address
from keyhouse.core import clock
from keyhouse.credentials.tokens.homes import Home, find_home, of_project
from keyhouse.credentials.trusted_publishers import providers
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.providers.rules import Difference
from keyhouse.mail.letters import Facts, Letter, Link, Text
from keyhouse.projects.models import Project

OF_ACCOUNT = "/account/publishers/"


def page_of(home: Home) -> str:
    """Return the path of the publishing page of a project or organization."""
    return f"{home.path}publishing/"


def added(publisher: Publisher, home: Home, by: str) -> Letter:
    """Return the notice to all owners that a project or organization trusts a publisher from now on."""
    return Letter(
        "publisher-added",
        f"{_begun(home)} trusts a new publisher",
        (
            Text(f"{by} set up a trusted publisher for {home.words}, which you own."),
            _facts(publisher),
            Text("Whoever can change what runs there can publish releases there from now on."),
            _page(home),
        ),
    )


def removed(publisher: Publisher, home: Home, by: str) -> Letter:
    """Return the notice to all owners that it doesn't trust a publisher any more."""
    return Letter(
        "publisher-removed",
        f"{_begun(home)} trusts a publisher no more",
        (
            Text(
                f"{by} removed a trusted publisher of {home.words}, which you own. It can't publish any more."
            ),
            _facts(publisher),
            _page(home),
        ),
    )


def confirmed(publisher: Publisher, home: Home, by: str) -> Letter:
    """Return the notice to all owners that somebody answers for a publisher now."""
    return Letter(
        "publisher-confirmed",
        f"{by} confirmed a publisher of {home.words}",
        (
            Text(
                f"{by} confirmed a trusted publisher of {home.words}. It acts with their right from now on."
            ),
            _facts(publisher),
            _page(home),
        ),
    )


def constrained(publisher: Publisher, home: Home, by: str) -> Letter:
    """Return the notice to all owners that a publisher works from one environment only."""
    return Letter(
        "publisher-constrained",
        f"A publisher of {home.words} is bound to an environment",
        (
            Text(
                f"{by} bound a trusted publisher of {home.words} to the environment {publisher.environment}."
            ),
            _facts(publisher),
            _page(home),
        ),
    )


def changed_hands(publisher: Publisher, home: Home, differences: Iterable[Difference]) -> Letter:
    """Return the warning to all owners that a name they trust belongs to something else now, or moved."""
    rows = tuple((f"{one.field}, trusted {one.configured}", f"now {one.claimed}") for one in differences)
    return Letter(
        "publisher-changed-hands",
        f"A publisher of {home.words} is not what it was",
        (
            Text(
                f"Something asked to publish {home.words} as a publisher you trust, and was refused: it was renamed, "
                "given to somebody else, or made anew under the old name."
            ),
            _facts(publisher),
            Facts(rows),
            Text(
                "If you did that yourselves, remove what is trusted under the old number, and set it up anew. If not, remove this publisher."
            ),
            _page(home),
        ),
    )


def pending_added(publisher: Publisher) -> Letter:
    """Return the notice to whoever set a publisher up for a name to come."""
    return Letter(
        "publisher-pending",
        f"A publisher waits for {publisher.pending_name}",
        (
            Text(
                f"{_who(publisher)} a trusted publisher that may make the project {publisher.pending_name} by its first upload. "
                "It doesn't reserve the name."
            ),
            _facts(publisher),
            _until(publisher),
            _waiting_page(publisher),
        ),
    )


def pending_reminder(publisher: Publisher) -> Letter:
    """Return the reminder that a publisher without a project ends soon."""
    return Letter(
        "publisher-pending-reminder",
        f"The publisher for {publisher.pending_name} ends soon",
        (
            Text(
                f"Nothing was published by the trusted publisher {_that(publisher)} for {publisher.pending_name}."
            ),
            _facts(publisher),
            _until(publisher),
            _waiting_page(publisher),
        ),
    )


def pending_expired(publisher: Publisher) -> Letter:
    """Return the notice that a publisher without a project is over."""
    return Letter(
        "publisher-pending-expired",
        f"The publisher for {publisher.pending_name} is over",
        (
            Text(
                f"Nothing was published by the trusted publisher {_that(publisher)} for {publisher.pending_name}, so it is "
                "over. You can set it up anew."
            ),
            _facts(publisher),
            _waiting_page(publisher),
        ),
    )


def pending_overtaken(publisher: Publisher) -> Letter:
    """Return the notice that the name went to somebody else."""
    return Letter(
        "publisher-pending-overtaken",
        f"The name {publisher.pending_name} is taken",
        (
            Text(
                f"There is a project now whose name is {publisher.pending_name} or too like it, so the trusted publisher "
                f"{_that(publisher)} for it is over."
            ),
            _facts(publisher),
            _waiting_page(publisher),
        ),
    )


def made_project(publisher: Publisher, project: Project) -> Letter:
    """Return the notice to whose a pending publisher was that it made its project."""
    owned = "You own it." if publisher.organization is None else "The organization owns it."
    return Letter(
        "publisher-made-project",
        f"Your publisher made {project.name}",
        (
            Text(
                f"The trusted publisher {_that(publisher)} made the project {project.name} by its first upload. {owned}"
            ),
            _facts(publisher),
            _page(of_project(project)),
        ),
    )


def _facts(publisher: Publisher) -> Facts:
    rules = providers.get(publisher.provider)
    rows = [("Publisher", rules.label(publisher)), ("Issuer", publisher.issuer_url)]
    return Facts(tuple(rows))


def _until(publisher: Publisher) -> Facts:
    return Facts(
        (("Until", clock.format_second(publisher.expires_at) if publisher.expires_at else "for ever"),)
    )


def _page(home: Home) -> Link:
    return Link(f"Publishing settings of the {home.thing.kind}", site_address(page_of(home)))


def _waiting_page(publisher: Publisher) -> Link:
    home = find_home(publisher)
    if home is None:
        return Link("Your publishing page", site_address(OF_ACCOUNT))
    return Link("Publishing settings of the organization", site_address(page_of(home)))


def _who(publisher: Publisher) -> str:
    if publisher.organization is None:
        return "You set up"
    return f"{publisher.configured_by.username} set up for the organization {publisher.organization.name}"


def _that(publisher: Publisher) -> str:
    if publisher.organization is None:
        return "that you set up"
    return f"of the organization {publisher.organization.name}"


def _begun(home: Home) -> str:
    return f"{home.words[:1].upper()}{home.words[1:]}" if home.is_organization else home.words
