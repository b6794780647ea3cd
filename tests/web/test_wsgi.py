"""What Django is given to read."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from keyhouse.web.wsgi import make_handler

pytestmark = pytest.mark.django_db
CHARSETS = ("undefined", "rot13", "hex", "idna", "punycode", "unicode_escape", "utf-7", "utf-8", "nonsense")


def status_of(method: str, path: str, body: bytes = b"", *, content_type: str) -> int:
    environ = RequestFactory().generic(method, path, body, content_type=content_type).environ
    environ["CONTENT_TYPE"] = content_type
    handler = make_handler()
    return handler.get_response(handler.request_class(environ)).status_code


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("asked", ["abc", "%5Cud800", "%5Cu0001", "%2BAAA-"])
def test_an_address_is_read_as_utf_8_whatever_charset_is_named(charset: str, asked: str) -> None:
    assert status_of("GET", f"/search/?q={asked}", content_type=f"text/html; charset={charset}") == 200


@pytest.mark.parametrize("charset", CHARSETS)
def test_a_form_is_read_as_utf_8_whatever_charset_is_named(charset: str) -> None:
    body = b"--x\r\nContent-Disposition: form-data; name=username\r\n\r\n\\ud800\r\n--x--\r\n"
    content_type = f"multipart/form-data; boundary=x; charset={charset}"
    assert status_of("POST", "/account/sign-in/", body, content_type=content_type) == 403  # no mark of a page


def test_an_address_with_more_fields_than_any_page_has_is_refused() -> None:
    path = "/search/?" + "q=a&" * 300
    assert status_of("GET", path, content_type="text/html; charset=utf-8") == 400
    assert status_of("GET", path, content_type="") == 400
