"""What history is forgiven, and what the files of one project mean together."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from keyhouse.distfiles.findings import CODES, Finding
from keyhouse.publishing.importing.names import Wanted
from keyhouse.publishing.importing.offers import Offer, Offered
from keyhouse.publishing.importing.rules import FORGIVABLE, forgive, place, uploaded_at

WHEEL, SDIST, ZIP = "alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz", "alpha-1.0.zip"


@pytest.mark.parametrize("code", sorted(CODES))
def test_only_what_people_would_mind_is_forgiven_and_only_when_asked(code: str) -> None:
    finding = Finding(code, "So it is.")
    assert forgive([finding], WHEEL, "2.1", is_lenient=False).refused == finding
    is_forgiven = forgive([finding], ZIP, "2.0", is_lenient=True).refused is None
    assert is_forgiven == (code in FORGIVABLE)
    if code.startswith(("archive-", "record-", "wheel-", "file-")) or code in {
        "metadata-name", "metadata-release", "metadata-local-version", "metadata-direct-url", "name-refused",
        "metadata-private-classifier", "sdist-top-folder",
    }:  # fmt: skip
        assert not is_forgiven


def test_old_formats_are_forgiven_for_one_kind_of_archive_and_one_version_only() -> None:
    extension, version = Finding("filename-extension", "No."), Finding("metadata-version-unsupported", "No.")
    assert forgive([extension], "alpha-1.0.egg", "", is_lenient=True).refused == extension
    assert forgive([version], WHEEL, "9.9", is_lenient=True).refused == version
    summary = Finding("metadata-summary", "Long.")
    found = forgive([summary, version, Finding("archive-path", "Bad.")], WHEEL, "2.0", is_lenient=True)
    assert (found.refused and found.refused.code, found.forgiven) == ("archive-path", (summary, version))


def codes(*offers: Offer, project: str = "Alpha") -> dict[str, str | None]:
    return {
        one.offer.filename: one.refusal.code if one.refusal else None
        for one in place(Offered(project, offers))
    }


def test_files_come_in_the_order_in_which_they_once_came() -> None:
    old, new = datetime(2015, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
    offers = (
        Offer("alpha-3.0.zip"), Offer("alpha-3.0-py3-none-any.whl"), Offer("alpha-2.0.tar.gz", uploaded_at=new),
        Offer("alpha-1.0.tar.gz", uploaded_at=old),
    )  # fmt: skip
    assert [one.offer.filename for one in place(Offered("alpha", offers))] == [
        "alpha-1.0.tar.gz", "alpha-2.0.tar.gz", "alpha-3.0-py3-none-any.whl", "alpha-3.0.zip"
    ]  # fmt: skip


def test_a_release_is_yanked_when_all_its_files_are_and_a_file_alone_is_left_out() -> None:
    placed = place(
        Offered(
            "alpha", (Offer(WHEEL, yanked="broken"), Offer(SDIST, yanked="broken"), Offer("alpha-2.0.tar.gz"))
        )
    )
    assert {one.offer.filename: one.yanked for one in placed} == {
        WHEEL: "broken",
        SDIST: "broken",
        "alpha-2.0.tar.gz": None,
    }
    assert codes(Offer(WHEEL, yanked=""), Offer(SDIST)) == {WHEEL: "yanked-alone", SDIST: None}


def test_the_reasons_of_a_yank_are_all_told_and_each_once() -> None:
    two, again = "alpha-1.0-1-py3-none-any.whl", "alpha-1.0-2-py3-none-any.whl"
    offers = (
        Offer(WHEEL, yanked="broken"),
        Offer(SDIST, yanked=""),
        Offer(two, yanked="leaks"),
        Offer(again, yanked="leaks"),
    )
    assert {one.yanked for one in place(Offered("alpha", offers))} == {"broken; leaks"}
    alone = place(Offered("alpha", (Offer(WHEEL, yanked="broken"), Offer(SDIST))))
    [refusal] = [one.refusal for one in alone if one.refusal]
    assert refusal.sentence.endswith("a release is yanked as a whole here. It was yanked for: 'broken'.")


def test_what_is_offered_twice_comes_once() -> None:
    assert codes(Offer(SDIST), Offer(ZIP)) == {SDIST: None, ZIP: "second-sdist"}
    early, late = (datetime(year, 1, 1, tzinfo=UTC) for year in (2010, 2011))
    offers = (Offer(ZIP, uploaded_at=early), Offer(SDIST, uploaded_at=late))
    assert codes(*offers) == {SDIST: None, ZIP: "second-sdist"}, "whichever came earlier"
    assert [one.behind for one in place(Offered("alpha", offers))] == [SDIST, ""]
    again = "Alpha-1.0-py3-none-any.whl"
    assert codes(Offer(WHEEL), Offer(again)) == {again: None, WHEEL: "file-exists"}
    placed = place(Offered("alpha", (Offer(WHEEL), Offer(WHEEL))))
    assert [one.refusal and one.refusal.code for one in placed] == [None, "source-entry-invalid"]


@pytest.mark.parametrize(
    ("filename", "code"),
    [
        ("beta-1.0.tar.gz", "source-project-differs"),
        ("../alpha-1.0.tar.gz", "file-unacceptable"),
        ("alpha-1.0.egg", "file-unacceptable"),
        ("alpha.tar.gz", "file-unacceptable"),
        ("", "file-unacceptable"),
        ("alpha-1.0\x00.tar.gz", "file-unacceptable"),
        ("a" * 300 + "-1.0.tar.gz", "file-unacceptable"),
    ],
)
def test_names_that_lie_or_escape_are_refused_before_anything_is_fetched(filename: str, code: str) -> None:
    assert codes(Offer(filename)) == {filename: code}


@pytest.mark.parametrize(
    ("told", "is_kept"),
    [(None, False), (datetime(1971, 1, 1, tzinfo=UTC), False), (datetime(2031, 1, 1, tzinfo=UTC), False),
     (datetime(2019, 5, 1, tzinfo=UTC), True)],
)  # fmt: skip
def test_a_time_that_cannot_be_true_is_not_kept(told: datetime | None, is_kept: bool) -> None:
    assert uploaded_at(told, datetime(2026, 1, 1, tzinfo=UTC)) == (told if is_kept else None)


def test_projects_are_wanted_by_pattern_in_any_spelling() -> None:
    wanted = Wanted(("Acme_*", "beta"), ("*-internal",))
    assert [name for name in ("acme.tool", "ACME-internal", "Beta", "gamma") if wanted.has(name)] == [
        "acme.tool",
        "Beta",
    ]
    assert Wanted().has("anything")
