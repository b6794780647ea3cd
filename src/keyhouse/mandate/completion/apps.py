"""Django's view of this room."""

from django.apps import AppConfig


class CompletionConfig(AppConfig):
    """Proof that a mandate is complete."""

    name = "keyhouse.mandate.completion"
    label = "completion"
