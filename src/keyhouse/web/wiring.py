"""Who answers for gate, authority, reader and standing: joined here, once for each process, when Django starts."""

from __future__ import annotations

from keyhouse.core import actions, standing
from keyhouse.credentials.tokens.reader import TokenReader
from keyhouse.mandate.gates import MandateGate
from keyhouse.mandate.standings import MandateStandings
from keyhouse.projects.authority import ProjectAuthority


def wire_all() -> None:
    """Install gate, authority and reader; until this has run, everything is refused."""
    actions.wire(gate=MandateGate(), authority=ProjectAuthority(), reader=TokenReader())
    standing.wire(MandateStandings())
