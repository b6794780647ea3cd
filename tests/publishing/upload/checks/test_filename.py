from __future__ import annotations

from pathlib import Path

import pytest
from tests.distfiles.builders import build_sdist, build_wheel
from tests.publishing.world import submission_of

from keyhouse.distfiles.findings import UnacceptableError
from keyhouse.distfiles.rules import Rules
from keyhouse.publishing.upload.checks.filename import FileName
from keyhouse.publishing.upload.errors import FormInvalid
from keyhouse.publishing.upload.submission import Submission


def named(filename: str, **fields: str | list[str]) -> Submission:
    submission = submission_of(**{"name": "alpha", "version": "1.0", "filetype": "bdist_wheel", **fields})
    submission.filename = filename
    return submission


def test_canonical_names_pass_and_are_read(tmp_path: Path) -> None:
    for path in (build_wheel(tmp_path), build_sdist(tmp_path)):
        submission = submission_of(path)
        expected, submission.name = submission.name, None
        FileName().check(submission)
        assert submission.name == expected


def test_other_spellings_of_the_form_mean_the_same() -> None:
    FileName().check(named("al_pha-1.0-py3-none-any.whl", name="Al.Pha", version="1.0.0"))


@pytest.mark.parametrize(
    ("filename", "code"),
    [
        ("alpha-1.00-py3-none-any.whl", "filename-not-canonical"),
        ("Alpha-1.0-py3-none-any.whl", "filename-not-canonical"),
        ("alpha-1.0-py3-none-any.zip", "filename-extension"),
        ("alpha-1.0.zip", "filename-extension"),
        ("alpha-1.0.egg", "filename-extension"),
        ("../alpha-1.0-py3-none-any.whl", "filename-characters"),
        ("a\\alpha-1.0-py3-none-any.whl", "filename-characters"),
        ("alpha-1.0-py3-none-any.whl\x00", "filename-characters"),
        ("alpha\n-1.0-py3-none-any.whl", "filename-characters"),
        ("alph\u00e4-1.0-py3-none-any.whl", "filename-characters"),
        ("alpha-1.0.whl", "filename-malformed"),
        ("", "filename-characters"),
        ("a" * 240 + "-1.0-py3-none-any.whl", "filename-too-long"),
        ("alpha-1.0+local-py3-none-any.whl", "metadata-local-version"),
    ],
)
def test_a_name_that_is_not_canonical_is_refused(filename: str, code: str) -> None:
    with pytest.raises(UnacceptableError) as refused:
        FileName().check(named(filename))
    assert refused.value.finding.code == code


def test_a_local_version_passes_under_internal_rules() -> None:
    submission = named("alpha-1.0+local-py3-none-any.whl", version="1.0+local")
    submission.rules = Rules.internal()
    FileName().check(submission)


@pytest.mark.parametrize(
    ("filename", "field", "value"),
    [
        ("alpha-1.0-py3-none-any.whl", "filetype", "sdist"),
        ("alpha-1.0.tar.gz", "filetype", "bdist_wheel"),
        ("alpha-1.0-py3-none-any.whl", "name", "beta"),
        ("alpha-1.0-py3-none-any.whl", "version", "1.0.1"),
    ],
)
def test_a_form_that_speaks_of_something_else_is_refused(filename: str, field: str, value: str) -> None:
    with pytest.raises(FormInvalid) as refused:
        FileName().check(named(filename, **{field: value}))
    assert field in refused.value.sentence


def test_it_waits_for_what_it_compares() -> None:
    assert FileName().applies(named("alpha-1.0.tar.gz"))
    assert not FileName().applies(named("alpha-1.0.tar.gz", version=""))
    assert not FileName().applies(submission_of(name="alpha", version="1.0", filetype="sdist"))
