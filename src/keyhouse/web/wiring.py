"""Who answers for gate, authority and reader: joined here, once for each process, when Django starts."""

from __future__ import annotations

from keyhouse.core import actions
from keyhouse.credentials.tokens.reader import TokenReader
from keyhouse.mandate.gates import MandateGate
from keyhouse.projects.authority import ProjectAuthority


def wire_all() -> None:
    """Install gate, authority and reader; until this has run, everything is refused."""
    actions.wire(gate=MandateGate(), authority=ProjectAuthority(), reader=TokenReader())
