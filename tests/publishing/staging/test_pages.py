"""The pages of staged releases: what they show, change and refuse, through the doors every page has."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.projects.conftest import give_role
from tests.projects.test_views import doors as doors  # noqa: PLC0414 - a fixture
from tests.projects.test_views import get, post, text_of
from tests.publishing.staging.conftest import Stage, seen

from keyhouse.core import clock
from keyhouse.core.actor import Actor, Strength
from keyhouse.credentials.tokens.models import Token
from keyhouse.projects.models import File, Project, Release
from keyhouse.publishing.staging.models import StagedRelease

pytestmark = pytest.mark.django_db

BASE = "/manage/project/alpha-beta/"
LIST = BASE + "staged/"
PUBLISH, DISCARD = LIST + "2.0/publish/", LIST + "2.0/discard/"
WHEEL = "alpha_beta-2.0-py3-none-any.whl"


def test_who_may_publish_sees_what_waits(stage: Stage, project: Project, ada: Actor, bob: Actor) -> None:
    give_role("alpha-beta", bob, "maintainer")
    assert "Nothing waits" in text_of(get(LIST, ada))
    assert "staged release" not in text_of(get(BASE, ada)).partition("Staged releases")[0]
    staged = stage(
        client="twine/9 <b>", publication={"claims": {"ref": "refs/heads/main", "run": "<script>"}}
    )
    for who in (ada, bob):
        page = text_of(get(LIST, who))
        for told in (WHEEL, staged.sha256, "with an API token", "refs/heads/main", PUBLISH, DISCARD):
            assert told in page
        assert "<script>" not in page
        assert "<b>" not in page
        assert "1 staged release waits for one of you" in text_of(get(BASE, who))
        assert "1 staged<" in text_of(get("/manage/projects/", who))
    assert "Change" in text_of(get(LIST, ada))
    assert "Change" not in text_of(get(LIST, bob))
    stage("3.0")
    assert "2 staged releases wait for one of you" in text_of(get(BASE, ada))


def test_publish_what_the_page_showed(stage: Stage, project: Project, ada: Actor) -> None:
    stage(metadata={"summary": "Summary of 2.0", "requires_dist": ["evil <b>"]})
    page = text_of(get(PUBLISH, ada))
    digest = seen(project)
    for told in (WHEEL, digest, "requires dist", "evil &lt;b&gt;", "Summary of 1.0"):
        assert told in page
    wrong = post(PUBLISH, ada, {"version": "1.0", "seen": digest})
    assert "This is not its version" in text_of(wrong)
    assert post(PUBLISH, ada, {"version": "2.0", "seen": "x"}).status_code == 409
    assert post(PUBLISH, ada, {"version": "2.0"}).status_code == 409
    assert not Release.objects.filter(version="2.0").exists()
    answer = post(PUBLISH, ada, {"version": "2.0", "seen": digest})
    assert (answer.status_code, answer["Location"]) == (302, BASE)
    assert File.objects.filter(filename=WHEEL).exists()
    assert post(PUBLISH, ada, {"version": "2.0", "seen": digest}).status_code == 404


def test_what_can_not_be_published_says_why_and_has_no_button(
    stage: Stage, project: Project, ada: Actor
) -> None:
    stage()
    Token.objects.update(revoked_at=clock.now())
    for path in (LIST, PUBLISH):
        page = text_of(get(path, ada))
        assert "It can&#x27;t be published" in page or "It can't be published" in page
        assert "the API token that uploaded it was revoked since" in page
        assert ">Publish</button>" not in page
        assert "Look and publish" not in page
    Release.objects.create(project=project, version="2", created_at=clock.now(), is_quarantined=True)
    assert "is in quarantine" in text_of(get(LIST, ada))
    page = text_of(get(PUBLISH, ada))
    assert "is in quarantine" in page
    assert "upload its files again once the quarantine is lifted" in page
    answer = post(PUBLISH, ada, {"version": "2.0", "seen": seen(project)})
    assert answer.status_code == 403


def test_a_release_in_quarantine_takes_no_staged_files_and_offers_none(
    stage: Stage, project: Project, ada: Actor
) -> None:
    stage()
    Release.objects.create(
        project=project, version="2", created_at=clock.now(), is_quarantined=True, quarantine_reason="Odd <b>"
    )
    for path in (LIST, PUBLISH):
        page = text_of(get(path, ada))
        assert "It can't be published now" in page
        assert "Reason: Odd &lt;b&gt;" in page
        assert DISCARD in page
        assert ">Publish</button>" not in page
        assert "Look and publish" not in page
    refused = post(PUBLISH, ada, {"version": "2.0", "seen": seen(project)})
    assert text_of(refused).startswith("release-quarantined: ")
    Release.objects.update(is_quarantined=False)
    assert "Look and publish" in text_of(get(LIST, ada))
    assert ">Publish</button>" in text_of(get(PUBLISH, ada))


def test_discard(stage: Stage, project: Project, ada: Actor) -> None:
    stage()
    assert WHEEL in text_of(get(DISCARD, ada))
    assert post(DISCARD, ada)["Location"] == LIST
    assert StagedRelease.objects.get().outcome == "discarded"
    assert post(DISCARD, ada).status_code == 404
    assert WHEEL not in text_of(get(LIST, ada))


def test_switch_staging_on_and_off(project: Project, ada: Actor) -> None:
    for sent, is_on in (({"stages": "on"}, True), ({}, False)):
        assert post(BASE + "staging/", ada, sent)["Location"] == LIST
        assert Project.objects.get().stages_uploads is is_on
        assert ("checked" in text_of(get(BASE + "staging/", ada))) is is_on


@pytest.mark.parametrize("path", [PUBLISH, DISCARD, BASE + "staging/"])
def test_a_proof_that_is_old_is_asked_for_anew(path: str, stage: Stage, project: Project, ada: Actor) -> None:
    stage()
    old = replace(
        ada, strength=Strength(frozenset({"password", "totp"}), clock.now() - timedelta(minutes=20))
    )
    data = {"version": "2.0", "seen": seen(project), "stages": "on"}
    assert post(path, old, data).status_code in {302, 403}
    assert StagedRelease.objects.get().ended_at is None
    assert not Project.objects.get().stages_uploads
    assert not File.objects.filter(filename=WHEEL).exists()


@pytest.mark.parametrize("version", ["9", "1.0", "%00", "x y", "2.0%2F..", "é"])
def test_a_version_that_does_not_wait_is_missing(
    version: str, stage: Stage, project: Project, ada: Actor
) -> None:
    stage()
    for act in ("publish", "discard"):
        assert get(f"{LIST}{version}/{act}/", ada).status_code == 404
