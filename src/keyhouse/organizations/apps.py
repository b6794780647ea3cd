"""Django's view of organizations."""

from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    """Organizations, their members and teams."""

    name = "keyhouse.organizations"
    label = "organizations"
    default_auto_field = "django.db.models.BigAutoField"
