"""Django's view of mandates."""

from django.apps import AppConfig


class MandateConfig(AppConfig):
    """Mandates, their versions, exemptions and history."""

    name = "keyhouse.mandate"
    label = "mandate"
