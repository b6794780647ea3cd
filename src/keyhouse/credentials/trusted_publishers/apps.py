"""Django's view of trusted publishers."""

from django.apps import AppConfig


class TrustedPublishersConfig(AppConfig):
    """Issuers, publishers, and the tokens that are minted for them."""

    name = "keyhouse.credentials.trusted_publishers"
    label = "publishers"
