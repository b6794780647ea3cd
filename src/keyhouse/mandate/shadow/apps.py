"""Django's view of this room."""

from django.apps import AppConfig


class ShadowConfig(AppConfig):
    """What a mandate would refuse, written down and not done."""

    name = "keyhouse.mandate.shadow"
    label = "shadow"
