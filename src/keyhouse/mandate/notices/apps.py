"""Django's view of this room."""

from django.apps import AppConfig


class NoticesConfig(AppConfig):
    """What people are told of mandates, and whether it reached them."""

    name = "keyhouse.mandate.notices"
    label = "notices"
