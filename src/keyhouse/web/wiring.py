"""Who answers for gate, authority and reader: joined here, once for each process, when Django starts."""

from __future__ import annotations

import importlib
from typing import Any

from keyhouse.core import actions


def wire_all() -> None:
    """Install gate, authority and reader; until this has run, everything is refused."""
    actions.wire(
        gate=_find("keyhouse.mandate.gates", "SecondFactorGate"),
        authority=_find("keyhouse.projects.authority", "ProjectAuthority"),
        reader=_find("keyhouse.credentials.tokens.reader", "TokenReader"),
    )


def _find(module: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError):
        return None
