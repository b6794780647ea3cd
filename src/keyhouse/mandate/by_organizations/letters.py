"""What is mailed about what an organization asks of its people. Without a link that signs anybody in."""

from __future__ import annotations

from datetime import datetime

from keyhouse.core import clock
from keyhouse.mail.letters import Facts, Letter, Text
from keyhouse.mandate.declarations import told
from keyhouse.organizations.models import Organization


def loosening(organization: Organization, demand: str, begins_at: datetime, by: str) -> Letter:
    """Return the notice to all owners that less will be asked, and how to stop it."""
    return Letter(
        "organization-mandate-loosens",
        f"{organization.name} will ask for less of its people",
        (
            Text(f"{by} asked for it: the organization {organization.name} will ask for {told(demand)}."),
            Facts((("Takes effect at", clock.format_second(begins_at)),)),
            Text(
                "It takes effect sooner where another owner answers for it. Until then every owner can take it back, on the "
                "page of second factors of the organization."
            ),
        ),
    )


def approved(organization: Organization, demand: str, by: str) -> Letter:
    """Return the notice to all owners that less is asked from now on."""
    return Letter(
        "organization-mandate-loosened",
        f"{organization.name} asks for less of its people",
        (
            Text(
                f"{by} answered for it: the organization {organization.name} asks for {told(demand)} from now on."
            ),
        ),
    )


def kept(organization: Organization, by: str) -> Letter:
    """Return the notice to all owners that what is asked stays as it is."""
    return Letter(
        "organization-mandate-kept",
        f"{organization.name} goes on asking for what it does",
        (
            Text(
                f"{by} took back that the organization {organization.name} would ask for less of its people."
            ),
        ),
    )
