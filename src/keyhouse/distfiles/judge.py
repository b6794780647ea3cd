"""Judge one file by the rules of an index, whole or step by step.

The steps are those of an upload, in its order: file name, archive, lay-out of the wheel or sdist,
metadata. Each is asked once; the archive is opened in one of them only and read through once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from packaging.version import Version

from keyhouse.distfiles import sdist
from keyhouse.distfiles.filenames import ZIP_SDIST, DistributionName, parse_any_spelling, parse_filename
from keyhouse.distfiles.findings import Finding, UnacceptableError
from keyhouse.distfiles.metadata import FileMetadata, parse_metadata
from keyhouse.distfiles.metadata_rules import judge_metadata
from keyhouse.distfiles.rules import Bounds, Rules
from keyhouse.distfiles.source import Source, open_source
from keyhouse.distfiles.tar_framing import TarContents, looks_like_gzip, looks_like_tar, read_tar_gz
from keyhouse.distfiles.wheel import WheelContents, judge_wheel, read_wheel
from keyhouse.distfiles.zip_framing import looks_like_zip, read_zip
from keyhouse.distfiles.zip_sdist import read_zip_sdist

__all__ = ["Bounds", "Examination", "Judgement", "Rules", "judge"]

_LICENSES: Final = "licenses"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is wrong with a file, and what it says of itself as far as it could be read."""

    filename: str
    findings: tuple[Finding, ...]
    kind: Literal["wheel", "sdist"] | None
    name: str | None
    version: Version | None
    build: str | None
    tags: frozenset[str]
    metadata: FileMetadata | None
    metadata_bytes: bytes | None

    @property
    def is_accepted(self) -> bool:
        """Tell whether the index would take the file."""
        return not self.findings


class Examination:
    """One file under examination; ask the steps in their order.

    `name`, `metadata` and `metadata_bytes` are there after the step that reads them. A step that
    cannot do its work because an earlier one found the file unreadable finds nothing more.
    """

    def __init__(self, path: Path, filename: str, rules: Rules) -> None:
        """Take the file at `path`, to be published under `filename`."""
        self._path = path
        self._filename = filename
        self._rules = rules
        self._wheel: WheelContents | None = None
        self._sdist: TarContents | None = None
        self.name: DistributionName | None = None
        self.metadata: FileMetadata | None = None
        self.metadata_bytes: bytes | None = None

    def judge_filename(self) -> list[Finding]:
        """Read the file name (upload step 7); a badly spelt one still tells what the file is."""
        try:
            self.name = parse_any_spelling(self._filename, takes_zip=self._rules.reads_zip_sdists)
            parse_filename(self._filename)
        except UnacceptableError as error:
            return [error.finding]
        return []

    def judge_archive(self) -> list[Finding]:
        """Read the archive through once, checking frame, paths, bounds and checksums (step 11)."""
        if self.name is None:
            return []
        try:
            with open_source(self._path) as source:
                self._read(source, self.name)
        except UnacceptableError as error:
            return [error.finding]
        return []

    def judge_layout(self) -> list[Finding]:
        """Judge what makes the archive a wheel or an sdist (steps 12 and 13)."""
        if self.name is not None and self._wheel is not None:
            findings = judge_wheel(self._wheel, self.name, self._rules)
            self.metadata_bytes = self._wheel.find_text("METADATA")
            return findings
        if self.name is not None and self._sdist is not None:
            self.metadata_bytes = sdist.find_metadata(self._sdist)
            return sdist.judge_sdist(self._sdist, self.name)
        return []

    def judge_metadata(self) -> list[Finding]:
        """Judge the metadata inside the file (step 14, without the upload form)."""
        if self.name is None or self.metadata_bytes is None:
            return []
        if len(self.metadata_bytes) > self._rules.bounds.metadata_size:
            return [Finding("metadata-too-large", "The metadata file is too large.")]
        try:
            self.metadata = parse_metadata(self.metadata_bytes)
        except UnacceptableError as error:
            return [error.finding]
        return judge_metadata(self.metadata, self.name, self._rules, self._has_license_file)

    def _read(self, source: Source, name: DistributionName) -> None:
        _check_size(source, self._rules.bounds)
        _check_not_polyglot(source)
        if name.kind == "wheel":
            members = read_zip(source, self._rules.bounds)
            self._wheel = read_wheel(source, members, self._rules)
        elif self._filename.endswith(ZIP_SDIST):
            self._sdist = read_zip_sdist(source, self._rules.bounds)
        else:
            self._sdist = read_tar_gz(source, self._rules.bounds)

    def _has_license_file(self, path: str) -> bool:
        if self._wheel is not None:
            return f"{self._wheel.dist_infos[0]}/{_LICENSES}/{path}" in self._wheel.digests
        if self._sdist is not None:
            return f"{next(iter(self._sdist.top_names))}/{path}" in self._sdist.files
        return False


def judge(path: Path, filename: str | None = None, rules: Rules | None = None) -> Judgement:
    """Judge the file at `path` as an upload of `filename` would, and return every finding.

    Without `filename` the name of `path` counts, without `rules` those of a public index.
    """
    filename = path.name if filename is None else filename
    examination = Examination(path, filename, rules or Rules.public())
    steps = (
        examination.judge_filename,
        examination.judge_archive,
        examination.judge_layout,
        examination.judge_metadata,
    )
    findings = tuple(finding for step in steps for finding in step())
    name = examination.name
    return Judgement(
        filename=filename,
        findings=findings,
        kind=name.kind if name else None,
        name=name.name if name else None,
        version=name.version if name else None,
        build=name.build if name else None,
        tags=name.tags if name else frozenset(),
        metadata=examination.metadata,
        metadata_bytes=examination.metadata_bytes,
    )


def _check_size(source: Source, bounds: Bounds) -> None:
    if bounds.file_size is not None and source.size > bounds.file_size:
        sentence = f"The file is larger than {bounds.file_size} bytes."
        raise UnacceptableError("file-too-large", sentence)


def _check_not_polyglot(source: Source) -> None:
    is_tar = looks_like_gzip(source) or looks_like_tar(source)
    if is_tar and looks_like_zip(source):
        sentence = "The file can be read as a ZIP and as a TAR archive."
        raise UnacceptableError("archive-polyglot", sentence)
