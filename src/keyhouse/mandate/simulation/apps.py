"""Django's view of this room."""

from django.apps import AppConfig


class SimulationConfig(AppConfig):
    """What a mandate would do to the index as it is, kept."""

    name = "keyhouse.mandate.simulation"
    label = "simulation"
