"""Who reads the projects of an organization, where the index is private: saying so. `projects.reading` works out what follows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from django.db import transaction

from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import Detail, record
from keyhouse.core import clock, configuration, faults
from keyhouse.core.actor import Actor
from keyhouse.organizations import letters, queries, rules
from keyhouse.organizations.changing import organization_to_change, thing_of
from keyhouse.organizations.errors import ReadersPublic, ReadersUnknown, TeamMissing
from keyhouse.organizations.models import Organization, Team

SET: Final = "organization.set-readers"


def set_readers(name: str, reads: str, team_names: Collection[str] = (), *, by: Actor) -> Organization:
    """Say who reads the projects of an organization that don't say otherwise; the same again changes nothing.

    `team_names` are the teams of `teams`. It counts from the next reading on; all owners are told. Raises ReadersPublic,
    ReadersUnknown, TeamMissing, OrganizationMissing, RoleRequired and what the gate raises.
    """
    with transaction.atomic():
        organization = organization_to_change(name, SET, by)
        require_readers(reads, rules.READERS, team_names)
        teams = teams_named(organization, team_names)
        before = told(organization.reads, queries.reading_teams_of(organization))
        after = told(reads, teams)
        if before == after:
            return organization
        organization.reads = reads
        organization.save(update_fields=["reads"])
        organization.teams.exclude(pk__in=[one.pk for one in teams]).update(reads=False)
        organization.teams.filter(pk__in=[one.pk for one in teams]).update(reads=True)
        details: dict[str, Detail] = {"before": before, "after": after}
        record(SET, by=by, about=thing_of(organization), details=details)
        letter = letters.readers_changed(organization, after, by.name)
        tell_others([pk for pk in queries.owners_of(organization) if pk != by.user_id], letter, clock.now())
        faults.reach("organization.rows-written")
    return organization


def require_readers(reads: str, known: Collection[str], team_names: Collection[str]) -> None:
    """Raise ReadersPublic or ReadersUnknown unless this can be said."""
    if not configuration.current().is_private:
        raise ReadersPublic
    if reads not in known or bool(team_names) != (reads == rules.TEAMS):
        raise ReadersUnknown


def teams_named(organization: Organization | None, names: Collection[str]) -> list[Team]:
    """Return teams of an organization by their names, in one order; raises TeamMissing, also where there is no organization."""
    found = {name: queries.find_team(organization, name) if organization else None for name in names}
    teams = {team.pk: team for team in found.values() if team is not None}
    if None in found.values():
        raise TeamMissing
    return sorted(teams.values(), key=lambda one: one.normalized_name)


def told(reads: str, teams: Collection[Team]) -> str:
    """Return who reads, in a word for records and mails; with the names of the teams where it is these."""
    named = ", ".join(sorted(one.name for one in teams))
    return f"{reads}: {named}" if reads == rules.TEAMS else reads
