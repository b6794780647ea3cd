"""Django's view of this room."""

from django.apps import AppConfig


class MetricsConfig(AppConfig):
    """How adoption went, by day."""

    name = "keyhouse.mandate.metrics"
    label = "metrics"
