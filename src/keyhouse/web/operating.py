"""The pages of those who run the index: which of them somebody's office opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keyhouse.core import actions
from keyhouse.core.actor import Actor


@dataclass(frozen=True, slots=True)
class Tab:
    """A page of the console in its navigation; `action` is what opening it is in the catalogue.

    `beside` is where pages that belong to it stand, if not below it.
    """

    address: str
    name: str
    action: str
    beside: str = ""

    @property
    def others(self) -> str:
        """Return where its pages stand that are not below it; itself where there are none."""
        return self.beside or self.address


TABS: Final = (
    Tab("/operator/", "Overview", "console.read"),
    Tab("/operator/people/", "People", "person.read"),
    Tab("/operator/projects/", "Projects", "project.read-any"),
    Tab("/operator/proposals/", "Proposals", "proposal.read"),
    Tab("/operator/recovery/", "Recovery", "recovery.read-all"),
    Tab("/operator/accounts/", "Accounts", "account.read-troubled"),
    Tab("/operator/mandates/", "Mandates", "mandate.read-all", "/operator/starting-points/"),
    Tab("/mandate/proposals/", "Approvals", "mandate.read-all", "/mandate/exemptions/"),
    Tab("/operator/switches/", "Switches", "switch.read-all"),
    Tab("/operator/quarantine/", "Quarantine", "quarantine.read-all"),
    Tab("/operator/names/", "Names", "name.read-all"),
    Tab("/operator/creators/", "Creators", "creator.read-all"),
    Tab("/operator/applications/", "Applications", "application.read-all"),
    Tab("/operator/issuers/", "Issuers", "issuer.read-all"),
    Tab("/operator/reports/", "Reports", "report.read-all"),
    Tab("/operator/mail/", "Mail", "mail.read-all"),
    Tab("/operator/audit/", "Audit log", "audit.read-all"),
    Tab("/operator/announcements/", "Announcements", "announcement.read"),
    Tab("/operator/jobs/", "Jobs", "job.read"),
    Tab("/operator/settings/", "Settings", "settings.read"),
)


def tabs_of(actor: Actor) -> tuple[Tab, ...]:
    """Return the pages that the actor's offices open, in the order of the navigation."""
    if not actor.offices:
        return ()
    return tuple(tab for tab in TABS if actor.offices & actions.get_action(tab.action).offices)
