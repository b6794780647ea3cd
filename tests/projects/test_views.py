"""The pages for owners: what they show, change and refuse, through the doors every page has."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import unquote

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from tests.projects.conftest import everything, give_role, make_file

from keyhouse.core import actions, clock, configuration
from keyhouse.core.actor import NOBODY, Actor, Strength
from keyhouse.projects import services, urls
from keyhouse.projects.life_cycle import deleting, letters
from keyhouse.projects.life_cycle import services as life_cycle
from keyhouse.projects.models import File, Project, Release, Removal
from keyhouse.storage import blobs
from keyhouse.storage.blobs import key_of

pytestmark = pytest.mark.django_db

BASE = "/manage/project/alpha-beta/"
RELEASE = BASE + "release/1.0/"
WHEEL = "alpha_beta-1.0-py3-none-any.whl"
READING = ("/manage/projects/", BASE, RELEASE)
CHANGING = {
    "archive/": {"reason": "done"},
    "unarchive/": {},
    "deprecate/": {"reason": "old", "successor": "beta"},
    "undeprecate/": {},
    "delete/": {"name": "Alpha.Beta"},
    "release/1.0/yank/": {"reason": "broken"},
    "release/1.0/unyank/": {},
    "release/1.0/delete/": {"name": "1.0"},
    f"release/1.0/file/{WHEEL}/delete/": {"name": WHEEL},
}
# gated, and asking for no fresh proof
EASY = {"project.manage", "collaborator.resend", "collaborator.revoke", "collaborator.keep"}
each_change = pytest.mark.parametrize("path", CHANGING)


class SignedIn:
    """Stands where sessions are looked for: takes the actor from the test's request."""

    def __init__(self, get_response: Any) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.actor = request.META.get("test.actor", NOBODY)  # type: ignore[attr-defined] # as sessions do
        response: HttpResponse = self._next(request)
        return response


@pytest.fixture(autouse=True)
def doors(settings: Any) -> None:
    here = f"{__name__}.SignedIn"
    settings.MIDDLEWARE = ["keyhouse.web.middleware.Refusals", here, "keyhouse.web.middleware.Doors"]


@pytest.fixture
def alpha(ada: Actor) -> Actor:
    services.publish_file(make_file(), by=ada)
    services.publish_file(make_file(kind="sdist"), by=ada)
    return ada


def get(path: str, by: Actor) -> Any:
    environ: Any = {"test.actor": by}
    return Client().get(path, **environ)


def post(path: str, by: Actor, data: dict[str, str] | None = None) -> Any:
    environ: Any = {"test.actor": by}
    return Client().post(path, data or {}, **environ)


def text_of(response: Any) -> str:
    return str(response.content.decode())


def test_somebody_without_a_project_is_told_how_to_get_one(bob: Actor) -> None:
    page = get("/manage/projects/", bob)

    assert page.status_code == 200
    assert "You have no project yet" in text_of(page)


def test_the_list_shows_own_projects_only(alpha: Actor, bob: Actor) -> None:
    services.publish_file(make_file("gamma"), by=bob)

    page = text_of(get("/manage/projects/", alpha))

    assert "Alpha.Beta" in page
    assert "Owner" in page
    assert "gamma" not in page


def test_an_owner_sees_people_releases_and_what_can_be_done(alpha: Actor) -> None:
    page = text_of(get(BASE, alpha))

    for expected in ("Alpha.Beta", "ada", "/release/1.0/", ">Archive</a>", ">Delete the project</a>"):
        assert expected in page
    page = text_of(get(RELEASE, alpha))
    for expected in (WHEEL, "alpha_beta-1.0.tar.gz", ">Yank</a>", f"file/{WHEEL}/delete/"):
        assert expected in page


def test_a_maintainer_sees_the_pages_without_the_buttons(alpha: Actor, bob: Actor) -> None:
    give_role("alpha-beta", bob, "maintainer")

    for path in (BASE, RELEASE):
        page = text_of(get(path, bob))
        assert "Alpha.Beta" in page
        assert "Delete" not in page
        assert ">Archive</a>" not in page


@pytest.mark.parametrize("path", [*READING, *(BASE + path for path in CHANGING)])
def test_nobody_is_sent_to_sign_in(path: str, alpha: Actor) -> None:
    answer = get(path, NOBODY)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/sign-in/?next=")
    assert unquote(answer["Location"]).endswith(path)


@each_change
def test_nobody_changes_nothing(path: str, alpha: Actor) -> None:
    before = everything()

    assert post(BASE + path, NOBODY, CHANGING[path]).status_code == 401
    assert everything() == before


@pytest.mark.parametrize("path", ["", "release/1.0/", *CHANGING])
def test_strangers_get_the_same_answer_for_what_is_here_and_what_is_not(
    path: str, alpha: Actor, bob: Actor
) -> None:
    before = everything()
    send = post if path in CHANGING else get
    here = send(BASE + path, bob)
    nowhere = send("/manage/project/nowhere/" + path, bob)

    assert (here.status_code, text_of(here)) == (nowhere.status_code, text_of(nowhere))
    assert here.status_code == 403
    assert everything() == before


@each_change
def test_a_change_needs_a_fresh_proof(path: str, alpha: Actor) -> None:
    before = everything()
    stale = replace(alpha, strength=replace(alpha.strength, at=clock.now() - timedelta(minutes=16)))

    for answer in (get(BASE + path, stale), post(BASE + path, stale, CHANGING[path])):
        assert answer.status_code == 302
        assert unquote(answer["Location"]) == f"/account/step-up/?next={BASE}{path}"
    assert everything() == before


@pytest.mark.parametrize("path", [*READING, *(BASE + path for path in CHANGING)])
def test_every_page_asks_the_gate(path: str, alpha: Actor) -> None:
    weak = replace(alpha, strength=Strength(frozenset({"password"}), clock.now()))

    answer = get(path, weak)

    assert answer.status_code == 403
    assert "second-factor-required" in text_of(answer)


@each_change
def test_each_change_is_asked_for_on_a_page_first(path: str, alpha: Actor) -> None:
    before = everything()

    page = get(BASE + path, alpha)

    assert page.status_code == 200
    assert '<form class="stack' in text_of(page)
    assert "csrfmiddlewaretoken" in text_of(page)
    assert everything() == before


def test_yank_with_a_reason_and_take_it_back(alpha: Actor) -> None:
    answer = post(RELEASE + "yank/", alpha, {"reason": "broken"})

    assert (answer.status_code, answer["Location"]) == (302, RELEASE)
    assert Release.objects.get().yanked_reason == "broken"
    assert "Reason: broken" in text_of(get(RELEASE, alpha))
    assert post(RELEASE + "unyank/", alpha)["Location"] == RELEASE
    assert Release.objects.get().yanked_at is None


def test_archive_and_back(alpha: Actor) -> None:
    assert post(BASE + "archive/", alpha, {"reason": "use gamma"})["Location"] == BASE
    assert "use gamma" in text_of(get(BASE, alpha))
    assert post(BASE + "unarchive/", alpha)["Location"] == BASE
    assert Project.objects.get().status == "active"


def test_the_archive_says_that_it_ends_a_deprecation(alpha: Actor) -> None:
    assert "deprecated" not in text_of(get(BASE + "archive/", alpha))
    life_cycle.deprecate_project("alpha-beta", "renamed", by=alpha)
    page = text_of(get(BASE + "archive/", alpha))
    assert "is no longer deprecated, also once" in page
    life_cycle.deprecate_project("alpha-beta", "renamed", "gamma", by=alpha)
    page = text_of(get(BASE + "archive/", alpha))
    assert "is no longer deprecated and names no successor, also once" in page
    post(BASE + "archive/", alpha, {"reason": ""})
    post(BASE + "unarchive/", alpha)
    project = Project.objects.get()
    assert (project.status, project.status_reason, project.successor) == ("active", "", "")


def test_pages_of_a_deletion_name_what_does_not_come_back(
    alpha: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = letters.NOT_BACK
    assert lost in unescape(text_of(get(BASE + "delete/", alpha)))
    removal = deleting.delete_release("alpha-beta", "1.0", by=alpha)
    part = text_of(get(f"{BASE}deleted/{removal.pk}/restore-release/", alpha))
    assert lost not in unescape(part)
    removal = deleting.delete_project("alpha-beta", by=alpha)
    for path in ("/manage/deleted/", f"/manage/deleted/{removal.pk}/restore/"):
        assert lost in unescape(text_of(get(path, alpha))), path

    services.publish_file(make_file(filename="alpha_beta-2.0-py3-none-any.whl", version="2.0"), by=alpha)
    settings = replace(configuration.current(), undo_days=0)
    monkeypatch.setattr(configuration, "_current", settings)
    page = text_of(get(BASE + "delete/", alpha))
    assert "cannot be taken back" in page
    assert lost not in unescape(page)


def test_delete_a_file_then_its_release_then_the_project(alpha: Actor) -> None:
    services.publish_file(make_file(version="2.0"), by=alpha)

    assert post(f"{RELEASE}file/{WHEEL}/delete/", alpha, {"name": WHEEL})["Location"] == RELEASE
    assert not File.objects.filter(filename=WHEEL).exists()
    assert post(RELEASE + "delete/", alpha, {"name": "1.0"})["Location"] == BASE
    assert [release.version for release in Release.objects.all()] == ["2.0"]
    assert post(BASE + "delete/", alpha, {"name": "Alpha.Beta"})["Location"] == "/manage/deleted/"
    assert not Project.objects.exists()


@pytest.mark.parametrize("path", [path for path in CHANGING if path.endswith("delete/")])
@pytest.mark.parametrize("typed", ["", "alpha-beta", "something", "1.0.0"])
def test_nothing_is_deleted_unless_its_name_was_typed(path: str, typed: str, alpha: Actor) -> None:
    before = everything()

    page = post(BASE + path, alpha, {"name": typed})

    assert page.status_code == 200
    assert 'class="error"' in text_of(page)
    assert everything() == before


@pytest.mark.parametrize("reason", ["x" * 501, "nul\x00"])
def test_a_reason_that_cannot_be_is_explained_beside_the_field(reason: str, alpha: Actor) -> None:
    before = everything()

    page = post(RELEASE + "yank/", alpha, {"reason": reason})

    assert page.status_code == 200
    assert 'class="error"' in text_of(page)
    assert everything() == before


@pytest.mark.parametrize(
    "path",
    [
        BASE + "release/9/",
        BASE + "release/9/yank/",
        BASE + "release/1.0%00/",
        BASE + "release/%ED%A0%80/",
        RELEASE + "file/other.whl/delete/",
        RELEASE + "file/%00/delete/",
        BASE + "release/" + "9" * 5000 + "/",
    ],
)
def test_what_is_not_there_is_not_found(path: str, alpha: Actor) -> None:
    assert get(path, alpha).status_code == 404


@pytest.mark.parametrize("name", ["%00", "alpha%00beta", "%2e%2e", "%ED%A0%80", "ä", "x" * 9000])
def test_names_that_cannot_be_are_refused_like_any_other(name: str, alpha: Actor) -> None:
    assert get(f"/manage/project/{name}/", alpha).status_code == 403


def test_other_spellings_of_a_name_lead_to_the_project(alpha: Actor) -> None:
    assert get("/manage/project/Alpha_BETA/", alpha).status_code == 200


def test_what_others_wrote_is_shown_as_text(alpha: Actor) -> None:
    life_cycle.yank_release("alpha-beta", "1.0", "<script>alert(1)</script>", by=alpha)

    for path in (BASE, RELEASE, RELEASE + "unyank/"):
        page = text_of(get(path, alpha))
        assert "&lt;script&gt;" in page
        assert "<script>alert" not in page


def test_long_lists_are_cut_into_pages(alpha: Actor) -> None:
    project = Project.objects.get()
    Release.objects.bulk_create(
        Release(project=project, version=f"3.{number}", created_at=clock.now()) for number in range(250)
    )

    first = get(BASE, alpha)
    assert text_of(first).count("Files and changes") == 30
    assert len(first.content) < 100_000
    assert text_of(get(BASE + "?page=9", alpha)).count("Files and changes") == 11
    assert get(BASE + "?page=x", alpha).status_code == 200


def test_a_project_in_quarantine_shows_why_and_offers_nothing(alpha: Actor) -> None:
    Project.objects.update(status="quarantined", status_reason="looked at")

    page = text_of(get(BASE, alpha))
    assert "looked at" in page
    assert ">Delete the project</a>" not in page
    assert post(BASE + "delete/", alpha, {"name": "Alpha.Beta"}).status_code == 403
    assert Project.objects.exists()


def test_every_address_names_the_action_of_each_method() -> None:
    views: list[Any] = [pattern.callback for pattern in urls.urlpatterns]
    named = {action for view in views for action in view.actions.values()}

    assert named == {
        "project.manage",
        "project.archive",
        "project.unarchive",
        "project.deprecate",
        "project.undeprecate",
        "project.delete",
        "project.restore",
        "release.restore",
        "file.restore",
        "release.yank",
        "release.unyank",
        "release.delete",
        "file.delete",
        "collaborator.invite",
        "collaborator.resend",
        "collaborator.revoke",
        "collaborator.change-role",
        "collaborator.remove",
        "collaborator.keep",
        "collaborator.hand-over",
        "collaborator.leave",
        "collaborator.accept",
        "collaborator.decline",
        "collaborator.read-invitations",
    }
    open_ones = {name for name in named if not actions.get_action(name).gated}
    assert open_ones == {"collaborator.decline", "collaborator.read-invitations", "collaborator.leave"}
    assert all(actions.get_action(name).step_up for name in named - open_ones - EASY)


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(method: str, alpha: Actor) -> None:
    before = everything()

    answer = getattr(Client(), method)(BASE + "delete/", **{"test.actor": alpha})

    assert answer.status_code == 405
    assert everything() == before


# ---- bringing back


def test_the_page_says_where_files_go_and_which_can_not_come_now(ada: Actor) -> None:
    services.publish_file(make_file(), by=ada)
    services.publish_file(make_file(kind="sdist"), by=ada)
    removal = deleting.delete_release("alpha-beta", "1.0", by=ada)
    page = f"{BASE}deleted/{removal.pk}/restore-release/"
    assert "A new release" not in text_of(get(page, ada))
    services.publish_file(
        make_file(version="1.0.0", content=WHEEL, filename="alpha_beta-1.0.0-py3-none-any.whl"), by=ada
    )
    shown = text_of(get(page, ada))
    assert "A new release" in shown
    for name in ("1.0.0", WHEEL, "alpha_beta-1.0.0-py3-none-any.whl"):
        assert name in shown
    assert "alpha_beta-1.0.tar.gz" not in shown


def test_a_release_a_file_and_a_project_come_back_by_their_pages(ada: Actor) -> None:
    for kind in ("bdist_wheel", "sdist"):
        new = make_file(kind=kind)
        temp = blobs().incoming()
        temp.write_bytes(new.filename.encode())
        blobs().keep(temp, key_of(new.blake2, new.filename))
        services.publish_file(new, by=ada)
    post(f"{RELEASE}file/{WHEEL}/delete/", ada, {"name": WHEEL})
    file = Removal.objects.get()
    assert f"{BASE}deleted/{file.pk}/restore-file/" in text_of(get(BASE, ada))
    assert WHEEL in text_of(get(f"{BASE}deleted/{file.pk}/restore-file/", ada))
    assert post(f"{BASE}deleted/{file.pk}/restore-file/", ada)["Location"] == BASE
    post(RELEASE + "delete/", ada, {"name": "1.0"})
    release = Removal.objects.get()
    assert post(f"{BASE}deleted/{release.pk}/restore-release/", ada)["Location"] == BASE
    post(BASE + "delete/", ada, {"name": "Alpha.Beta"})
    project = Removal.objects.get()
    assert "/manage/deleted/" in text_of(get("/manage/projects/", ada))
    assert f"/manage/deleted/{project.pk}/restore/" in text_of(get("/manage/deleted/", ada))
    assert "Alpha.Beta" in text_of(get(f"/manage/deleted/{project.pk}/restore/", ada))
    assert post(f"/manage/deleted/{project.pk}/restore/", ada)["Location"] == BASE
    assert File.objects.count() == 2
    assert not Removal.objects.exists()


@pytest.mark.parametrize("number", ["0", "7", "9" * 18, "9" * 30, "9" * 5000])
def test_what_is_not_there_and_what_is_somebody_elses_look_the_same(
    number: str, alpha: Actor, bob: Actor
) -> None:
    services.publish_file(make_file("gamma"), by=bob)
    deleting.delete_project("gamma", by=bob)
    own = Removal.objects.get().pk
    assert get(f"/manage/deleted/{own}/restore/", alpha)["X-Refusal"] == "role-required"
    answer = get(f"/manage/deleted/{number}/restore/", alpha)
    assert (answer.status_code, answer.headers.get("X-Refusal")) in {
        (403, "role-required"),
        (404, "not-found"),
    }
    part = get(f"{BASE}deleted/{number}/restore-file/", alpha)
    assert part.status_code == 404
    assert get(f"{BASE}deleted/{own}/restore-release/", alpha).status_code == 404


def test_the_public_page_links_a_successor_that_is_here(alpha: Actor, bob: Actor) -> None:
    life_cycle.deprecate_project("alpha-beta", "old", "Gamma", by=alpha)
    page = text_of(get("/project/alpha-beta/", bob))
    assert "/project/gamma/" not in page
    assert "no page on this index that you may read" in page
    services.publish_file(make_file("gamma"), by=bob)
    page = text_of(get("/project/alpha-beta/", bob))
    assert '<a class="name" href="/project/gamma/">Gamma</a>' in page
    assert "no page on this index" not in page
    address = "/manage/project/alpha-beta/deprecate/"
    assert 'value="Gamma"' in text_of(get(address, alpha))
    life_cycle.delete_project("gamma", by=bob)
    services.publish_file(make_file("gamma", "2.0"), by=bob)  # as anybody might
    for path in ("/project/alpha-beta/", "/manage/project/alpha-beta/", address):
        page = text_of(get(path, alpha))
        assert "Gamma" not in page, path
        assert "/project/gamma/" not in page, path
