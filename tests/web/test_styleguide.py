"""The page that shows every component: complete, and only in the test environment."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from django.test import Client

import keyhouse
from keyhouse.core import configuration

STYLE = (Path(keyhouse.__file__).parent / "web/static/keyhouse.css").read_text()
HEAD = STYLE[: STYLE.index("*/")]
LISTED = set(re.findall(r"\.([a-z][a-z-]+)", re.sub(r"\w+\.(?:html|css)|<[^>]*>", "", HEAD)))
ELSEWHERE = {"columns", "narrow", "prose", "print-only"}  # whole pages, or nothing to see
pytestmark = pytest.mark.django_db


def test_every_component_that_is_listed_is_shown(client: Client) -> None:
    page = client.get("/-/styleguide").content.decode()
    shown = {word for classes in re.findall(r'class="([^"]*)"', page) for word in classes.split()}
    assert len(LISTED) > 40
    assert LISTED - shown == ELSEWHERE


def test_every_component_that_is_listed_has_a_look() -> None:
    looks = set(re.findall(r"\.([a-z][a-z-]+)", STYLE[len(HEAD) :]))
    assert not LISTED - looks


def test_where_people_are_there_is_no_such_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    real = dataclasses.replace(configuration.current(), environment="production")
    monkeypatch.setattr(configuration, "_current", real)
    answer = client.get("/-/styleguide")
    assert answer.status_code == 404
    assert b"Components" not in answer.content


def test_what_is_wrong_with_a_form_is_told_once_at_its_head_and_at_each_field(client: Client) -> None:
    page = client.get("/-/styleguide").content.decode()
    assert page.count("This needs another look") == 1
    summary = page[page.index('class="notice danger summary"') :].split("</div>")[0]
    assert "autofocus" in summary
    for target in ("sent_name", "sent_code", "sent_understood"):
        assert f'href="#{target}"' in summary
        assert re.search(rf'<input[^>]*id="{target}"|<input[^>]*aria-describedby="[^"]*{target}_error', page)
        assert f'id="{target}_error"' in page
