"""Why a simulation can't be made or shown."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class SimulationMissing(Refusal):
    """A simulation that isn't there was asked about."""

    code = "simulation-missing"
    sentence = "There is no such simulation."
    fix = "Simulate the mandate first; simulations are kept for 30 days."
    situation = Situation.MISSING


class SimulationFailed(Refusal):
    """A simulation broke off; nothing of it was kept."""

    code = "simulation-failed"
    sentence = "The simulation broke off, and nothing of it was kept."
    fix = "Try again; the log of the server says why it broke off."
    situation = Situation.UNAVAILABLE
