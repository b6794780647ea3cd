"""Step 1: the form. What is there must make sense; at the end everything needed must be there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from packaging.version import InvalidVersion, Version

from keyhouse.distfiles.findings import shown
from keyhouse.distfiles.metadata_rules import METADATA_VERSIONS, is_valid_name
from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.errors import ActionGone, FormInvalid
from keyhouse.publishing.upload.form import ACTION, DIGESTS, STAGE
from keyhouse.publishing.upload.submission import Stage, Submission

_UPLOAD: Final = "file_upload"
_GONE: Final = frozenset({"submit", "submit_pkg_info", "doc_upload"})
_FILE_TYPES: Final = ("bdist_wheel", "sdist")
_REQUIRED: Final = (ACTION, "filetype", "name", "version")
_HEXADECIMAL: Final = re.compile(r"[0-9a-fA-F]+")
_LONGEST_VERSION: Final = 200  # characters; beyond it no file name could hold it


class SensibleForm(Check):
    """Judges the fields that are there, at every stage, since a field may come twice after the file."""

    name = "sensible form"
    stage = Stage.FIELDS
    is_asked_at_every_stage = True

    def check(self, submission: Submission) -> None:
        """Raise ActionGone or FormInvalid."""
        form = submission.form
        if form.one(ACTION) in _GONE:
            raise ActionGone
        if repeated := form.repeated():
            raise FormInvalid(f"The field {shown(repeated[0])} was sent more than once.")
        for field, is_right in _RULES.items():
            value = form.one(field)
            if value and not is_right(value):
                raise FormInvalid(f"The field {field} can't be {shown(value)}.", fix=_FIXES.get(field))


class CompleteForm(Check):
    """Judges that nothing is missing, once nothing more comes."""

    name = "complete form"
    stage = Stage.BODY

    def check(self, submission: Submission) -> None:
        """Raise FormInvalid."""
        form = submission.form
        for field in _REQUIRED:
            if not form.one(field):
                raise FormInvalid(f"The field {field} is missing.")
        if submission.filename is None:
            raise FormInvalid("The form holds no file in the field content.")
        if not any(form.one(field) for field in DIGESTS):
            raise FormInvalid("The form holds no digest of the file (sha256_digest).")


def _is_version(text: str) -> bool:
    try:
        return len(text) <= _LONGEST_VERSION and bool(Version(text))
    except InvalidVersion:
        return False


def _is_digest(length: int) -> Callable[[str], bool]:
    return lambda text: len(text) == length and _HEXADECIMAL.fullmatch(text) is not None


_RULES: Final[dict[str, Callable[[str], bool]]] = {
    ACTION: _UPLOAD.__eq__,
    STAGE: "1".__eq__,
    "protocol_version": "1".__eq__,
    "metadata_version": METADATA_VERSIONS.__contains__,
    "name": is_valid_name,
    "version": _is_version,
    "filetype": _FILE_TYPES.__contains__,
    **{field: _is_digest(length) for field, length in DIGESTS.items()},
}
_FIXES: Final = {
    STAGE: "It is 1, or left out; a project that stages its uploads stages all of them.",
    "metadata_version": "Build the file with a current tool.",
    "name": "A name has letters, digits and, inside, . _ - (PEP 508).",
    "version": "See PEP 440 for how a version is written.",
    "filetype": "It is bdist_wheel or sdist.",
}
