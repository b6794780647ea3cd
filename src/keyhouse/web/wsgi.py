"""Django as a WSGI application that reads every request as UTF-8."""

from __future__ import annotations

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest


class Utf8Request(WSGIRequest):
    """A request whose `charset` is not believed.

    Django would decode address and form by any codec that Python knows, already while it makes the request, where
    nothing answers for an error: some codecs decode to no text, others to text that no database takes.
    """

    @property
    def encoding(self) -> None:
        """Return None, which means UTF-8."""

    @encoding.setter
    def encoding(self, value: str) -> None:
        """Leave it at that."""


class Handler(WSGIHandler):
    """Django's handler with requests of our own."""

    request_class = Utf8Request


def make_handler() -> Handler:
    """Set Django up and return the WSGI application."""
    django.setup(set_prefix=False)
    return Handler()
