"""Django's view of the pages."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Templates, static files and everything that joins the features."""

    name = "keyhouse.web"
    label = "web"

    def ready(self) -> None:
        """Wire the features, so that pages, uploads and the command line all ask the same gate."""
        from keyhouse.web.wiring import wire_all  # noqa: PLC0415 - models exist only from here on

        wire_all()
