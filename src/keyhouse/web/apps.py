"""Django's view of the pages."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Templates, static files and everything that joins the features."""

    name = "keyhouse.web"
    label = "web"
