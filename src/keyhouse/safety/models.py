"""Rows of the answers to abuse; each room has its own."""

from __future__ import annotations

from keyhouse.safety.creators.models import Creator
from keyhouse.safety.names.models import ReservedFor, ReservedName
from keyhouse.safety.quarantine.models import Quarantine
from keyhouse.safety.reports.models import Report
from keyhouse.safety.switches.models import Switch

__all__ = ["Creator", "Quarantine", "Report", "ReservedFor", "ReservedName", "Switch"]
