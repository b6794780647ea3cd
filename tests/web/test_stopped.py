"""What a switch stops stands on the pages: a stop of everything on each, a stop of uploads where people prepare them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from tests.accounts.conftest import Browser, make_person, signed_in
from tests.web.rows import make_project

from keyhouse.accounts.models import User
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.core.switches import EVERYTHING, NAMES, UPLOADS
from keyhouse.projects.models import Role
from keyhouse.safety.models import Switch
from keyhouse.safety.switches import services

pytestmark = pytest.mark.django_db
READ_ONLY = "This index can only be read at present."
NO_UPLOADS = "Uploads are switched off on this index at present."
UPLOADING = (
    "/account/tokens/",
    "/account/tokens/new/",
    "/manage/projects/",
    "/manage/project/alpha/",
    "/manage/project/alpha/publishing/",
    "/manage/project/alpha/staged/",
)

READABLE = [path for path in UPLOADING if not path.endswith("/new/")]  # also while everything is stopped


def stop(name: str, until_at: datetime | None = None, reason: str = "a <b>break-in</b>") -> None:
    services.freeze(name, reason, until_at, by=host())


def owner() -> tuple[User, Browser]:
    ada = make_person(factors=2)
    Role.objects.create(project=make_project("alpha"), user=ada, kind="owner", since_at=clock.now())
    return ada, signed_in(ada)[1]


def test_every_page_says_that_the_index_can_only_be_read_why_and_until_when(client: Client) -> None:
    paths = ("/", "/search/?q=x", "/help/codes/", "/account/sign-in/", "/nothing/here/")
    for path in paths:
        assert READ_ONLY not in client.get(path, headers={"accept": "text/html"}).content.decode()
    until = clock.now() + timedelta(hours=2)
    stop(EVERYTHING, until)
    for path in paths:
        page = client.get(path, headers={"accept": "text/html"}).content.decode()
        assert page.count(READ_ONLY) == 1, path
        assert "Reason: a &lt;b&gt;break-in&lt;/b&gt;" in page
        assert f'until <time datetime="{clock.format_instant(until.replace(microsecond=0))}">' in page
    services.thaw(EVERYTHING, by=host())
    assert READ_ONLY not in client.get("/").content.decode()


def test_who_is_signed_in_reads_it_too_and_not_who_did_it() -> None:
    _, browser = owner()
    stop(EVERYTHING)
    Switch.objects.update(set_by="olga-the-operator")
    for path in ("/account/", *READABLE):
        assert browser.get(path).status_code == 200
        assert browser.text.count(READ_ONLY) == 1, path
        assert "until the operators lift it" in browser.text
        assert "olga-the-operator" not in browser.text


def test_a_stop_that_is_over_is_told_no_more(client: Client) -> None:
    stop(EVERYTHING, clock.now() + timedelta(hours=1))
    Switch.objects.update(until_at=clock.now() - timedelta(seconds=1))
    assert READ_ONLY not in client.get("/").content.decode()


def test_a_stop_of_uploads_stands_where_people_prepare_them_alone() -> None:
    _, browser = owner()
    stop(UPLOADS, clock.now() + timedelta(hours=1))
    for path in UPLOADING:
        assert browser.get(path).status_code == 200
        assert browser.text.count(NO_UPLOADS) == 1, path
        assert READ_ONLY not in browser.text
    for path in ("/", "/account/", "/project/alpha/"):
        browser.get(path)
        assert NO_UPLOADS not in browser.text, path


def test_where_all_is_stopped_pages_say_that_once_and_of_uploads_nothing() -> None:
    _, browser = owner()
    for name in NAMES:
        stop(name)
    for path in READABLE:
        browser.get(path)
        assert (browser.text.count(READ_ONLY), NO_UPLOADS in browser.text) == (1, False), path


def test_what_is_refused_says_once_that_the_index_can_only_be_read() -> None:
    _, browser = owner()
    stop(EVERYTHING, clock.now() + timedelta(hours=1))
    refused = browser.post("/manage/project/alpha/archive/", {"reason": "done"})
    assert refused.status_code == 403
    page = refused.content.decode()
    assert "everything-frozen" in page
    body = page.partition("<body")[2]
    assert body.count(READ_ONLY) == 1
    assert "Reason: a &lt;b&gt;break-in&lt;/b&gt;" in body
    assert "Try again after" in body
    stop(UPLOADS)  # a refusal for another reason keeps what every page says
    assert READ_ONLY in browser.get("/nothing/here/").content.decode()


@pytest.mark.parametrize("name", sorted(set(NAMES) - {EVERYTHING}))
def test_other_switches_are_told_on_no_page_of_everybody(client: Client, name: str) -> None:
    stop(name, reason="only-for-those-refused")
    assert "only-for-those-refused" not in client.get("/").content.decode()
