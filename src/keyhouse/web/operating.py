"""The pages of those who run the index: which of them somebody's office opens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from keyhouse.core import actions
from keyhouse.core.actor import Actor

HOME: Final = "/operator/"


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

    def holds(self, path: str) -> bool:
        """Tell whether a page is this one or below it; the first page holds itself alone."""
        return path == HOME if self.address == HOME else path.startswith((self.address, self.others))


@dataclass(frozen=True, slots=True)
class Group:
    """Pages of the console about one kind of thing, under one heading; `is_open`: one of them is looked at."""

    name: str
    tabs: tuple[Tab, ...]
    is_open: bool = False


GROUPS: Final = (
    Group("Overview", (Tab(HOME, "Overview", "console.read"),)),
    Group(
        "People",
        (
            Tab("/operator/people/", "People", "person.read"),
            Tab("/operator/accounts/", "Accounts", "account.read-troubled"),
            Tab("/operator/recovery/", "Recovery", "recovery.read-all"),
            Tab("/operator/proposals/", "Proposals", "proposal.read"),
            Tab("/operator/applications/", "Applications", "application.read-all"),
        ),
    ),
    Group(
        "Packages",
        (
            Tab("/operator/projects/", "Projects", "project.read-any"),
            Tab("/operator/quarantine/", "Quarantine", "quarantine.read-all"),
            Tab("/operator/reports/", "Reports", "report.read-all"),
            Tab("/operator/names/", "Names", "name.read-all"),
            Tab("/operator/creators/", "Creators", "creator.read-all"),
            Tab("/operator/issuers/", "Issuers", "issuer.read-all"),
        ),
    ),
    Group(
        "Mandates",
        (
            Tab("/operator/mandates/", "Mandates", "mandate.read-all", "/operator/starting-points/"),
            Tab("/mandate/proposals/", "Approvals", "mandate.read-all", "/mandate/exemptions/"),
        ),
    ),
    Group(
        "Index",
        (
            Tab("/operator/switches/", "Switches", "switch.read-all"),
            Tab("/operator/announcements/", "Announcements", "announcement.read"),
            Tab("/operator/mail/", "Mail", "mail.read-all"),
            Tab("/operator/jobs/", "Jobs", "job.read"),
            Tab("/operator/settings/", "Settings", "settings.read"),
            Tab("/operator/audit/", "Audit log", "audit.read-all"),
        ),
    ),
)
TABS: Final = tuple(tab for group in GROUPS for tab in group.tabs)


def tabs_of(actor: Actor) -> tuple[Tab, ...]:
    """Return the pages that the actor's offices open, in the order of the navigation."""
    if not actor.offices:
        return ()
    return tuple(tab for tab in TABS if actor.offices & actions.get_action(tab.action).offices)


def groups_of(tabs: Iterable[Tab], path: str) -> tuple[Group, ...]:
    """Return the groups of these pages, each with those of its pages that are among them, and which is open there."""
    among = frozenset(tabs)
    some = (replace(one, tabs=tuple(tab for tab in one.tabs if tab in among)) for one in GROUPS)
    return tuple(replace(one, is_open=any(tab.holds(path) for tab in one.tabs)) for one in some if one.tabs)
