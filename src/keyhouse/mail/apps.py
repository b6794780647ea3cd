"""Django's view of the mail feature."""

from django.apps import AppConfig


class MailConfig(AppConfig):
    """The outbox."""

    name = "keyhouse.mail"
    label = "mail"
