"""Step 7: the file's name, spelt in the one canonical way, of the project and version the form says."""

from __future__ import annotations

from typing import Final

from packaging.utils import canonicalize_name
from packaging.version import Version

from keyhouse.distfiles.filenames import parse_filename
from keyhouse.distfiles.findings import UnacceptableError, shown
from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.errors import FormInvalid
from keyhouse.publishing.upload.submission import Stage, Submission

_FILE_TYPE: Final = {"wheel": "bdist_wheel", "sdist": "sdist"}
_NEEDED: Final = ("name", "version", "filetype")


class FileName(Check):
    """Reads the file's name and compares it with the form."""

    name = "file name"
    stage = Stage.FIELDS

    def applies(self, submission: Submission) -> bool:
        """Wait for the fields it is compared with."""
        return submission.filename is not None and all(map(submission.form.one, _NEEDED))

    def check(self, submission: Submission) -> None:
        """Set the name; raises UnacceptableError or FormInvalid."""
        form, filename = submission.form, submission.filename or ""
        name = parse_filename(filename)
        if name.version.local and not submission.rules.allows_local_versions:
            sentence = f"The version {shown(str(name.version))} is a local one (with a plus sign)."
            raise UnacceptableError("metadata-local-version", sentence)
        if form.one("filetype") != _FILE_TYPE[name.kind]:
            raise FormInvalid(f"The field filetype must be {_FILE_TYPE[name.kind]} for this file name.")
        if canonicalize_name(form.one("name")) != name.name:
            raise FormInvalid(f"The field name is of another project than {shown(filename)}.")
        if Version(form.one("version")) != name.version:
            raise FormInvalid(f"The field version is another one than that of {shown(filename)}.")
        submission.name = name
