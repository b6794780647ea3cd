"""What is mailed about what an organization asks of its people. Without a link that signs anybody in."""

from __future__ import annotations

from datetime import datetime

from keyhouse.core import clock
from keyhouse.mail.letters import Facts, Letter, Text
from keyhouse.mandate.declarations import Demand
from keyhouse.organizations.models import Organization

_NOTHING = "nothing beyond what this index asks of everybody"
_WHERE = (
    "Type this index's address yourself, sign in as always, and open your account page; it says what is next."
)


def told(demand: str) -> str:
    """Say what a version asks for."""
    found = Demand.read(demand)
    return _NOTHING if found is None else found.told


def declared(
    organization: Organization, demand: Demand, from_at: datetime, by: str, *, is_met: bool
) -> Letter:
    """Return the notice to somebody with authority there: what is asked from when on, and what that means for them."""
    mine = (
        "You hold that already. Don't remove it; there is nothing else to do."
        if is_met
        else "You don't hold that yet. From that day on acts on the organization and its projects are refused to you until "
        "you do; your membership, teams and roles stay, and everything else of yours is as it was."
    )
    return Letter(
        "organization-mandate-declared",
        f"{organization.name} asks for {demand.told}",
        (
            Text(f"{by} declared it for the organization {organization.name}, in which you have a role: whoever acts on it or its projects holds {demand.told}."),
            Facts((("Refused from", clock.format_second(from_at)),)),
            Text(mine),
            Text(_WHERE),
        ),
    )  # fmt: skip


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
