"""Who answers for gate, switches, authority, reader, standing and belongings: joined here, once for each process, when Django starts."""

from __future__ import annotations

from keyhouse.accounts import arrivals
from keyhouse.accounts.belongings import BELONGINGS as OF_ACCOUNTS
from keyhouse.core import actions, belongings, creators, naming, standing
from keyhouse.credentials.tokens import authentication, robots
from keyhouse.credentials.tokens.belongings import BELONGINGS as OF_TOKENS
from keyhouse.credentials.tokens.reader import TokenReader
from keyhouse.credentials.trusted_publishers.acting import MintedLedger
from keyhouse.credentials.trusted_publishers.belongings import BELONGINGS as OF_PUBLISHERS
from keyhouse.credentials.trusted_publishers.pending import follow_new_project
from keyhouse.mandate import foregone, history, launching
from keyhouse.mandate import services as mandate_services
from keyhouse.mandate.belongings import BELONGINGS as OF_MANDATES
from keyhouse.mandate.campaigns import emergency
from keyhouse.mandate.campaigns.belongings import BELONGINGS as OF_CAMPAIGNS
from keyhouse.mandate.campaigns.guards import LaunchGuards
from keyhouse.mandate.completion.queries import is_proven, what_is_left
from keyhouse.mandate.exits import asking
from keyhouse.mandate.exits.belongings import BELONGINGS as OF_EXITS
from keyhouse.mandate.gates import MandateGate
from keyhouse.mandate.notices.belongings import BELONGINGS as OF_NOTICES
from keyhouse.mandate.shadow import watching
from keyhouse.mandate.shadow.belongings import BELONGINGS as OF_SHADOWS
from keyhouse.mandate.standings import MandateStandings
from keyhouse.organizations.belongings import BELONGINGS as OF_ORGANIZATIONS
from keyhouse.projects import founding
from keyhouse.projects.authority import ProjectAuthority
from keyhouse.projects.belongings import BELONGINGS as OF_PROJECTS
from keyhouse.publishing.staging.belongings import BELONGINGS as OF_STAGING
from keyhouse.safety.belongings import BELONGINGS as OF_SAFETY
from keyhouse.safety.creators.queries import StoredCreators
from keyhouse.safety.names.queries import StoredNames
from keyhouse.safety.switches.queries import StoredSwitches


def wire_all() -> None:
    """Install gate, switches, authority and reader; until this has run, everything is refused."""
    actions.wire(
        gate=MandateGate(), authority=ProjectAuthority(), reader=TokenReader(), switches=StoredSwitches()
    )
    standing.wire(MandateStandings())
    foregone.wire(what_is_left, is_proven)
    naming.wire(StoredNames())
    creators.wire(StoredCreators())
    authentication.wire({authentication.MINTED: MintedLedger()})
    founding.wire(follow_new_project, robots.follow_new_project)
    launching.wire(LaunchGuards())
    history.wire(watching.watch)
    arrivals.wire(emergency.follow_arrival)
    mandate_services.wire_followers(asking.follow)
    belongings.wire(
        OF_STAGING,
        OF_SAFETY,
        OF_NOTICES,
        OF_SHADOWS,
        OF_CAMPAIGNS,
        OF_EXITS,
        OF_MANDATES,
        OF_PUBLISHERS,
        OF_TOKENS,
        OF_PROJECTS,
        OF_ORGANIZATIONS,
        OF_ACCOUNTS,
    )
