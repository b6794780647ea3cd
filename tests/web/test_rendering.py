"""What a page was made of is freed with the page, not when garbage is searched for."""

from __future__ import annotations

import gc
import weakref

import pytest
from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string
from django.test import RequestFactory
from tests.web.rows import make_whole

from keyhouse.web.wsgi import make_handler


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/search/?q=alpha", "/project/alpha/"])
def test_nothing_holds_a_request_that_is_answered(path: str) -> None:
    make_whole("alpha")
    handler = make_handler()
    gc.disable()
    try:
        request = handler.request_class(RequestFactory().get(path).environ)
        handler.get_response(request).close()
        gone = weakref.ref(request)
        del request
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.django_db
def test_a_template_that_includes_what_is_not_there_is_told() -> None:
    with pytest.raises(TemplateDoesNotExist):
        render_to_string("none.html", request=RequestFactory().get("/"))
