"""How templates are rendered: as Django does it, but so that what a page showed is freed with the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.template import TemplateDoesNotExist
from django.template.backends.django import DjangoTemplates, Template, reraise
from django.template.context import make_context
from django.utils.safestring import SafeString


class Templates(DjangoTemplates):
    """Django's templates, each of which lets go of what it was rendered with."""

    def get_template(self, template_name: str) -> Template:
        """Return a template by its name; raises TemplateDoesNotExist."""
        found = super().get_template(template_name)
        return _Template(found.template, self)


class _Template(Template):
    def render(
        self, context: Mapping[str, Any] | None = None, request: HttpRequest | None = None
    ) -> SafeString:
        made = make_context(
            dict(context) if context else None, request, autoescape=self.backend.engine.autoescape
        )
        try:
            return self.template.render(made)
        except TemplateDoesNotExist as error:
            reraise(error, self.backend)
        finally:
            # Each layer of a context knows its context: a ring, which would keep the request and all that the page was
            # made of until garbage is searched for, and make that search what people wait for.
            made.dicts.clear()
