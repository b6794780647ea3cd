from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.distfiles.builders import build_sdist, build_wheel
from tests.publishing.world import submission_of

from keyhouse.publishing.upload.checks.form import CompleteForm, SensibleForm
from keyhouse.publishing.upload.errors import ActionGone, FormInvalid
from keyhouse.publishing.upload.form import KNOWN, Form


def test_an_honest_form_passes(tmp_path: Path) -> None:
    for path in (build_wheel(tmp_path), build_sdist(tmp_path)):
        submission = submission_of(path)
        SensibleForm().check(submission)
        CompleteForm().check(submission)


def test_a_form_without_anything_yet_is_sensible_and_not_complete() -> None:
    SensibleForm().check(submission_of())
    with pytest.raises(FormInvalid):
        CompleteForm().check(submission_of())


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "2.1", "2.2", "2.3", "2.4", "2.5"])
def test_metadata_versions_in_use_pass(version: str) -> None:
    SensibleForm().check(submission_of(metadata_version=version))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (":action", "fly"),
        ("protocol_version", "2"),
        ("metadata_version", "2.0"),
        ("metadata_version", "2.6"),
        ("metadata_version", "x"),
        ("name", "../alpha"),
        ("name", "-alpha"),
        ("name", "al pha"),
        ("name", "alph\u00e4"),
        ("name", "alpha\x00"),
        ("name", "alpha\n"),
        ("version", "one"),
        ("version", "1.0/../2"),
        ("version", "1" * 201),
        ("filetype", "bdist_egg"),
        ("filetype", "bdist_wininst"),
        ("md5_digest", "0" * 31),
        ("md5_digest", "g" * 32),
        ("sha256_digest", "0" * 63),
        ("sha256_digest", "0" * 65),
        ("blake2_256_digest", "z" * 64),
    ],
)
def test_a_field_with_an_impossible_value_is_refused(field: str, value: str) -> None:
    with pytest.raises(FormInvalid) as refused:
        SensibleForm().check(submission_of(**{field: value}))
    assert field in refused.value.sentence


@pytest.mark.parametrize("action", ["submit", "submit_pkg_info", "doc_upload"])
def test_old_actions_are_gone(action: str) -> None:
    with pytest.raises(ActionGone):
        SensibleForm().check(submission_of(**{":action": action}))


@pytest.mark.parametrize(
    "field", ["name", "version", "filetype", ":action", "sha256_digest", "requires_python"]
)
def test_what_says_one_thing_may_be_said_once(field: str) -> None:
    with pytest.raises(FormInvalid):
        SensibleForm().check(submission_of(**{field: ["a", "a"]}))


def test_lists_and_unknown_fields_may_repeat() -> None:
    SensibleForm().check(submission_of(requires_dist=["a", "b"], provides_extra=["x", "x"]))


@pytest.mark.parametrize("field", [":action", "name", "version", "filetype", "sha256_digest"])
def test_a_form_without_a_needed_field_is_refused(tmp_path: Path, field: str) -> None:
    with pytest.raises(FormInvalid):
        CompleteForm().check(submission_of(build_wheel(tmp_path), **{field: ""}))


def test_any_one_digest_is_enough(tmp_path: Path) -> None:
    CompleteForm().check(submission_of(build_wheel(tmp_path), sha256_digest="", md5_digest="0" * 32))


def test_a_form_without_a_file_is_refused(tmp_path: Path) -> None:
    submission = submission_of(build_wheel(tmp_path))
    submission.filename = None
    with pytest.raises(FormInvalid):
        CompleteForm().check(submission)


def test_empty_and_unknown_values_count_as_not_sent() -> None:
    form = Form([("name", ""), ("license", "UNKNOWN"), ("version", "1.0")])
    assert form.as_mapping() == {"version": ["1.0"]}
    assert form.one("name") == ""


@given(st.dictionaries(st.sampled_from(sorted(KNOWN)), st.text(max_size=30), max_size=6))
def test_any_form_is_judged(fields: dict[str, str]) -> None:
    with contextlib.suppress(FormInvalid, ActionGone):
        SensibleForm().check(submission_of(**fields))
