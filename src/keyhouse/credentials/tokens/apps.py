"""Django's view of API tokens."""

from django.apps import AppConfig


class TokensConfig(AppConfig):
    """API tokens and their ledger."""

    name = "keyhouse.credentials.tokens"
    label = "tokens"
