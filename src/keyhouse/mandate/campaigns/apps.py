"""Django's view of this room."""

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    """Launching, pausing and ending mandates."""

    name = "keyhouse.mandate.campaigns"
    label = "campaigns"
