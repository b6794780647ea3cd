"""Django's view of this room."""

from django.apps import AppConfig


class ByOrganizationsConfig(AppConfig):
    """What organizations ask of their own people."""

    name = "keyhouse.mandate.by_organizations"
    label = "organizationmandates"
