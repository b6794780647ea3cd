"""Django's view of this room."""

from django.apps import AppConfig


class ExitsConfig(AppConfig):
    """Ways out of a mandate's scope, and help of others."""

    name = "keyhouse.mandate.exits"
    label = "exits"
