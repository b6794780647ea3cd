"""What a switch stops stands on the pages: a stop of everything on each, of others where people prepare what they stop."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from tests.accounts.conftest import Browser, make_person, signed_in
from tests.web.rows import make_file, make_project, make_release

from keyhouse.accounts.models import User
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.core.switches import DELETIONS, EVERYTHING, NAMES, NEW_PROJECTS, UPLOADS
from keyhouse.organizations import services as organizations
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
    "/account/publishers/",
)
NO_NEW_PROJECTS = "New projects are not taken on this index at present."
FOR_NEW = "add/?issuer=https%3A%2F%2Ftoken.actions.githubusercontent.com"
BEGINNING = (
    "/account/tokens/new/",
    "/account/publishers/",
    f"/account/publishers/{FOR_NEW}",
    "/manage/organization/acme/projects/",
    "/manage/organization/acme/publishing/",
    f"/manage/organization/acme/publishing/new/{FOR_NEW}",
    "/manage/project/alpha/organization/",
)
DELETING = (
    "/account/delete/",
    "/mandate/deletion/alpha/",
    "/manage/organization/acme/delete/",
    "/manage/project/alpha/delete/",
    "/manage/project/alpha/release/1.0/delete/",
    "/manage/project/alpha/release/1.0/file/alpha-1.0.tar.gz/delete/",
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


def share_all(ada: User) -> None:
    """Give her a file and an organization, and a co-owner of all: who owns something alone can't delete their account."""
    bob, project = make_person("bob"), ada.project_roles.get().project
    make_file(make_release(project))
    Role.objects.create(project=project, user=bob, kind="owner", since_at=clock.now())
    organizations.create_organization("acme", owners=[ada, bob], by=host())


def test_a_stop_of_new_projects_stands_where_people_begin_one_alone() -> None:
    ada, browser = owner()
    share_all(ada)
    for times in (0, 1):
        for path in BEGINNING:
            assert browser.get(path).status_code == 200, path
            assert browser.text.count(NO_NEW_PROJECTS) == times, path
            assert browser.text.count("Reason: a <b>break-in</b>") == times, path
        stop(NEW_PROJECTS, clock.now() + timedelta(hours=1))
    others = ("publishing/", f"publishing/{FOR_NEW}", "staged/", "")
    for path in ("/", "/account/", *(f"/manage/project/alpha/{page}" for page in others)):
        assert browser.get(path).status_code == 200, path
        assert NO_NEW_PROJECTS not in browser.text, path
    stop(EVERYTHING)
    for path in BEGINNING:
        page = browser.get(path).content.decode()
        assert (page.count(READ_ONLY) > 0, NO_NEW_PROJECTS in page) == (True, False), path


def test_a_page_of_a_deletion_does_not_open_while_they_are_stopped_and_says_until_when() -> None:
    ada, browser = owner()
    share_all(ada)
    for path in DELETING:
        assert browser.get(path).status_code == 200, path
    until = clock.format_second(clock.now() + timedelta(hours=2, minutes=1))
    stop(DELETIONS, clock.parse_instant(until))
    for path in DELETING:
        refused = browser.get(path)
        assert (refused.status_code, refused["X-Refusal"]) == (403, "deletions-frozen"), path
        page = refused.content.decode()
        title, _, body = page.partition("</title>")
        shown = f"{until[:10]} {until[11:16]} UTC"
        assert f"Until {shown} (in 2 hours). Reason: a &lt;b&gt;break-in&lt;/b&gt;" in title
        assert (
            f'Until <time datetime="{until}">{shown}</time> <span class="soft">(in 2 hours)</span>. R' in body
        )
        assert until not in page.replace(f'datetime="{until}"', "")
    told = browser.client.get("/account/delete/", headers={"accept": "application/json"}).json()
    assert f"Until {until}." in told["detail"]


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
