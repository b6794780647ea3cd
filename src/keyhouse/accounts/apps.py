"""Django's view of the accounts feature."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People and how they prove who they are."""

    name = "keyhouse.accounts"
    label = "accounts"
