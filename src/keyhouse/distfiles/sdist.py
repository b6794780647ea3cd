"""The inside of a source distribution: one top folder with PKG-INFO in it (PEP 625, PEP 643)."""

from collections.abc import Iterator

from packaging.utils import canonicalize_name
from packaging.version import Version

from keyhouse.distfiles.filenames import DistributionName
from keyhouse.distfiles.findings import Finding, shown
from keyhouse.distfiles.tar_framing import TarContents


def judge_sdist(contents: TarContents, name: DistributionName) -> list[Finding]:
    """Return everything that is wrong with the lay-out of a source distribution."""
    return [*_judge_top(contents, name), *_judge_metadata_file(contents)]


def find_metadata(contents: TarContents) -> bytes | None:
    """Return PKG-INFO of the only top folder."""
    return next(iter(contents.metadata.values()), None) if len(contents.top_names) == 1 else None


def _judge_top(contents: TarContents, name: DistributionName) -> Iterator[Finding]:
    tops = sorted(contents.top_names)
    if len(tops) != 1 or contents.top_files:
        count = len(tops) or "nothing"
        sentence = f"The archive has {count} at its top; it must have one folder and no more."
        yield Finding("sdist-top-folder", sentence)
    elif not _is_for(tops[0], name):
        sentence = f"The top folder is {shown(tops[0])} and must be {shown(name.stem)}."
        yield Finding("sdist-top-folder", sentence)


def _judge_metadata_file(contents: TarContents) -> Iterator[Finding]:
    if find_metadata(contents) is None:
        yield Finding("sdist-metadata-missing", "The archive has no PKG-INFO in its top folder.")


def _is_for(folder: str, name: DistributionName) -> bool:
    """Older tools spell the folder as the author spelt the name; it still is the one release."""
    project, _, release = folder.rpartition("-")
    try:
        return canonicalize_name(project) == name.name and Version(release) == name.version
    except ValueError:  # also for numbers of thousands of digits
        return False
