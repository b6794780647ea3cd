"""Django's view of the audit feature."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The audit log."""

    name = "keyhouse.audit"
    label = "audit"
