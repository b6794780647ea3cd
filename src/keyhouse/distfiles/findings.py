"""What can be wrong with a distribution file: one stable code for each situation.

A finding's sentence is one line of printable ASCII, because it may become the reason phrase of an
HTTP answer; whatever comes out of a file is quoted with `shown` before it goes into one.
"""

from dataclasses import dataclass
from typing import Final

from keyhouse.core.errors import Refusal, Situation

CODES: Final[dict[str, str]] = {
    "filename-too-long": "The file name has more than 250 characters.",
    "filename-characters": "The file name holds a control character, a path part or non-ASCII.",
    "filename-extension": "The file is neither a wheel (.whl) nor a source distribution (.tar.gz).",
    "filename-malformed": "The file name does not follow PEP 427 (wheels) or PEP 625 (sdists).",
    "filename-not-canonical": "The file name is not spelt in the canonical form.",
    "file-too-large": "The file is larger than the limit.",
    "file-unreadable": "The file cannot be opened or read.",
    "archive-malformed": "The file is not an archive of the kind its name says.",
    "archive-truncated": "The archive ends too early.",
    "archive-polyglot": "The file can be read as two kinds of archive.",
    "archive-surplus-data": "There is data before, between or after the parts of the archive.",
    "archive-headers-differ": "Two headers of the archive say different things about a member.",
    "archive-zip64": "The ZIP64 records are missing, surplus or wrong.",
    "archive-extra-field": "An extra field of a ZIP member is malformed or could rename the member.",
    "archive-pax-header": "An extended TAR header is malformed or changes what readers see.",
    "archive-data-descriptor": "A ZIP member has its sizes behind its data.",
    "archive-encrypted": "A ZIP member is encrypted.",
    "archive-compression": "A ZIP member is neither stored nor deflated.",
    "archive-member-kind": "A member is not a regular file, a folder or a link that is allowed.",
    "archive-link": "A link points outside the archive or at something that is not there.",
    "archive-path": "The path of a member is absolute, leaves the archive or is badly spelt.",
    "archive-path-too-long": "The path of a member is too long.",
    "archive-duplicate": "Two members of the archive have the same path, or one is inside another.",
    "archive-too-many-members": "The archive has too many members.",
    "archive-expansion": "The archive expands to too much.",
    "archive-corrupt": "A member does not have the size or the checksum that its header says.",
    "wheel-dist-info": "The wheel does not have exactly one .dist-info folder for its release.",
    "wheel-file-missing": "WHEEL, METADATA or RECORD is missing from the .dist-info folder.",
    "wheel-file-invalid": "WHEEL cannot be read or names an unknown version of the format.",
    "wheel-tags-differ": "The tags inside WHEEL are not those of the file name.",
    "wheel-platform": "The platform tag is not one that this index takes.",
    "wheel-entry-points": "entry_points.txt cannot be read or names an unsafe script.",
    "record-malformed": "RECORD cannot be read as lines of path, hash and size.",
    "record-incomplete": "A file of the wheel is not in RECORD.",
    "record-surplus": "RECORD lists a file that is not in the wheel, or lists one twice.",
    "record-weak-hash": "RECORD has no hash, or one weaker than SHA-256, for a file.",
    "record-wrong-hash": "The hash in RECORD is not that of the file.",
    "record-wrong-size": "The size in RECORD is not that of the file.",
    "sdist-top-folder": "The sdist does not have exactly the one top folder its name asks for.",
    "sdist-metadata-missing": "There is no PKG-INFO in the top folder of the sdist.",
    "metadata-too-large": "The metadata file is too large.",
    "metadata-malformed": "The metadata file cannot be read.",
    "metadata-repeated": "A field that may occur once occurs several times in the metadata.",
    "metadata-version-unsupported": "The Metadata-Version is not one that this index takes.",
    "metadata-name": "The project name inside the file is missing, invalid or another one.",
    "metadata-release": "The version inside the file is missing, invalid or another one.",
    "metadata-local-version": "The version has a local part, which a public index does not take.",
    "metadata-summary": "The summary is longer than 512 characters or than one line.",
    "metadata-requires-python": "Requires-Python is not a valid version specifier.",
    "metadata-requirement": "A dependency is not a valid requirement.",
    "metadata-direct-url": "A dependency points at a URL, which a public index does not take.",
    "metadata-extra": "The name of an extra is not valid.",
    "metadata-license": "The licence fields are not valid, or contradict each other.",
    "metadata-license-file": "A file named as License-File is not in the archive.",
    "metadata-classifier": "A classifier is not one of the known ones.",
    "metadata-private-classifier": "A 'Private ::' classifier keeps the file off a public index.",
    "metadata-content-type": "The content type of the description is not a known one.",
    "metadata-description": "The description does not render.",
    "metadata-disagrees": "A field of the upload form differs from the metadata in the file.",
    "name-refused": "The name cannot be given to a new project.",
}

_SHOWN_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: a stable `code` of `CODES` and a sentence for a person."""

    code: str
    sentence: str

    def __post_init__(self) -> None:
        """Keep the catalogue complete."""
        if self.code not in CODES:
            message = f"unknown finding code {self.code!r}"
            raise ValueError(message)

    def __str__(self) -> str:
        """Return the first line of a refusal."""
        return f"{self.code}: {self.sentence}"


class UnacceptableError(Refusal):
    """Stop the reading of a file: nothing after this point can be trusted."""

    code = "file-unacceptable"
    situation = Situation.INVALID

    def __init__(self, code: str, sentence: str) -> None:
        """Carry one finding, whose code is more exact than the family's."""
        self.finding = Finding(code, sentence)
        super().__init__(sentence)

    @property
    def line(self) -> str:
        """Return the line of the finding."""
        return str(self.finding)


def shown(text: str, most: int = _SHOWN_LENGTH) -> str:
    """Quote `text` from a file: printable ASCII, at most `most` characters."""
    spelt = ascii(text)
    return spelt if len(spelt) <= most else f"{spelt[: most - 4]}...{spelt[-1]}"
