"""Django's view of staged releases."""

from django.apps import AppConfig


class StagingConfig(AppConfig):
    """Releases that wait for a person to publish them."""

    name = "keyhouse.publishing.staging"
    label = "staging"
