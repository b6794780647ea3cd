"""Django's view of the answers to abuse."""

from django.apps import AppConfig


class SafetyConfig(AppConfig):
    """Switches, quarantine, reports, reserved names."""

    name = "keyhouse.safety"
    label = "safety"
