"""What mails say about trusted publishers."""

from __future__ import annotations

from collections.abc import Iterable

from keyhouse.accounts.emails import site_address
from keyhouse.core import clock
from keyhouse.credentials.trusted_publishers import providers
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.providers.rules import Difference
from keyhouse.mail.letters import Facts, Letter, Link, Text
from keyhouse.projects.models import Project

OF_ACCOUNT = "/account/publishers/"


def of_project(project: Project) -> str:
    """Return the path of a project's publishing page."""
    return f"/manage/project/{project.normalized_name}/publishing/"


def added(publisher: Publisher, project: Project, by: str) -> Letter:
    """Return the notice to all owners that a project trusts a publisher from now on."""
    return Letter(
        "publisher-added",
        f"{project.name} trusts a new publisher",
        (
            Text(f"{by} set up a trusted publisher for {project.name}, which you own."),
            _facts(publisher),
            Text("Whoever can change what runs there can publish releases of this project from now on."),
            _page(project),
        ),
    )


def removed(publisher: Publisher, project: Project, by: str) -> Letter:
    """Return the notice to all owners that a project doesn't trust a publisher any more."""
    return Letter(
        "publisher-removed",
        f"{project.name} trusts a publisher no more",
        (
            Text(
                f"{by} removed a trusted publisher of {project.name}, which you own. It can't publish any more."
            ),
            _facts(publisher),
            _page(project),
        ),
    )


def confirmed(publisher: Publisher, project: Project, by: str) -> Letter:
    """Return the notice to all owners that somebody answers for a publisher now."""
    return Letter(
        "publisher-confirmed",
        f"{by} confirmed a publisher of {project.name}",
        (
            Text(
                f"{by} confirmed a trusted publisher of {project.name}. It acts with their right from now on."
            ),
            _facts(publisher),
            _page(project),
        ),
    )


def constrained(publisher: Publisher, project: Project, by: str) -> Letter:
    """Return the notice to all owners that a publisher works from one environment only."""
    return Letter(
        "publisher-constrained",
        f"A publisher of {project.name} is bound to an environment",
        (
            Text(
                f"{by} bound a trusted publisher of {project.name} to the environment {publisher.environment}."
            ),
            _facts(publisher),
            _page(project),
        ),
    )


def changed_hands(publisher: Publisher, project: Project, differences: Iterable[Difference]) -> Letter:
    """Return the warning to all owners that a name they trust belongs to something else now, or moved."""
    rows = tuple((f"{one.field}, trusted {one.configured}", f"now {one.claimed}") for one in differences)
    return Letter(
        "publisher-changed-hands",
        f"A publisher of {project.name} is not what it was",
        (
            Text(
                f"Something asked to publish {project.name} as a publisher you trust, and was refused: it was renamed, "
                "given to somebody else, or made anew under the old name."
            ),
            _facts(publisher),
            Facts(rows),
            Text(
                "If you did that yourselves, remove what the project trusts under the old number, and set it up anew. If not, remove this publisher."
            ),
            _page(project),
        ),
    )


def pending_added(publisher: Publisher) -> Letter:
    """Return the notice to whoever set a publisher up for a name to come."""
    return Letter(
        "publisher-pending",
        f"A publisher waits for {publisher.pending_name}",
        (
            Text(
                f"You set up a trusted publisher that may make the project {publisher.pending_name} by its first upload. "
                "It doesn't reserve the name."
            ),
            _facts(publisher),
            _until(publisher),
            _own_page(),
        ),
    )


def pending_reminder(publisher: Publisher) -> Letter:
    """Return the reminder that a publisher without a project ends soon."""
    return Letter(
        "publisher-pending-reminder",
        f"The publisher for {publisher.pending_name} ends soon",
        (
            Text(
                f"Nothing was published by the trusted publisher that you set up for {publisher.pending_name}."
            ),
            _facts(publisher),
            _until(publisher),
            _own_page(),
        ),
    )


def pending_expired(publisher: Publisher) -> Letter:
    """Return the notice that a publisher without a project is over."""
    return Letter(
        "publisher-pending-expired",
        f"The publisher for {publisher.pending_name} is over",
        (
            Text(
                f"Nothing was published by the trusted publisher that you set up for {publisher.pending_name}, so it is "
                "over. You can set it up anew."
            ),
            _facts(publisher),
            _own_page(),
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
                "that you set up for it is over."
            ),
            _facts(publisher),
            _own_page(),
        ),
    )


def made_project(publisher: Publisher, project: Project) -> Letter:
    """Return the notice to whoever set a publisher up that it made its project."""
    return Letter(
        "publisher-made-project",
        f"Your publisher made {project.name}",
        (
            Text(
                f"The trusted publisher that you set up made the project {project.name} by its first upload. You own it."
            ),
            _facts(publisher),
            _page(project),
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


def _page(project: Project) -> Link:
    return Link("Publishing settings of the project", site_address(of_project(project)))


def _own_page() -> Link:
    return Link("Your publishing page", site_address(OF_ACCOUNT))
