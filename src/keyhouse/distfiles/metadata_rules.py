"""Rules for the metadata inside a file: strict where installers rely on a field, else lenient.

Strict validation of whole files would refuse a good half of well-known real files, so that fields
which only people read are taken as they are.
"""

import re
from collections.abc import Callable, Iterator

from packaging.licenses import canonicalize_license_expression
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from keyhouse.distfiles.description import find_format, renders
from keyhouse.distfiles.filenames import DistributionName
from keyhouse.distfiles.findings import Finding, shown
from keyhouse.distfiles.metadata import FileMetadata
from keyhouse.distfiles.rules import Rules

METADATA_VERSIONS = ("1.0", "1.1", "1.2", "2.1", "2.2", "2.3", "2.4", "2.5")
LONGEST_SUMMARY = 512
LONGEST_NAME = 200
LONGEST_REQUIRES_PYTHON = 500
LONGEST_LICENSE_EXPRESSION = 2000
_FIRST_WITH_LICENSE_FILES = (2, 4)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_PRIVATE = "private ::"
# Python refuses to read numbers of thousands of digits, so that installers would crash
_ENDLESS_NUMBER = re.compile(r"[0-9]{100}")


def judge_metadata(
    metadata: FileMetadata,
    name: DistributionName,
    rules: Rules,
    has_license_file: Callable[[str], bool],
) -> list[Finding]:
    """Return everything that is wrong with the metadata of the file called `name`.

    `has_license_file` tells whether the archive holds a file that License-File names (PEP 639).
    """
    return [
        *_judge_metadata_version(metadata),
        *_judge_name(metadata, name),
        *_judge_version(metadata, name, rules),
        *_judge_requires_python(metadata),
        *_judge_requirements(metadata, rules),
        *_judge_extras(metadata),
        *_judge_license(metadata),
        *_judge_license_files(metadata, has_license_file),
        *_judge_summary(metadata),
        *_judge_classifiers(metadata, rules),
        *_judge_description(metadata),
    ]


def is_valid_name(name: str) -> bool:
    """Tell whether a project or extra may have this name (PEP 508)."""
    return _NAME.fullmatch(name) is not None


def normalise_license(text: str) -> str | None:
    """Return an SPDX expression in its canonical spelling, or None for any other text."""
    if len(text) > LONGEST_LICENSE_EXPRESSION:
        return None
    try:
        return str(canonicalize_license_expression(text))
    except (ValueError, RecursionError):
        return None


def _judge_metadata_version(metadata: FileMetadata) -> Iterator[Finding]:
    if metadata.metadata_version not in METADATA_VERSIONS:
        sentence = (
            f"Metadata-Version {shown(metadata.metadata_version)} is not taken; "
            "build the file with a current tool."
        )
        yield Finding("metadata-version-unsupported", sentence)


def _judge_name(metadata: FileMetadata, name: DistributionName) -> Iterator[Finding]:
    if not is_valid_name(metadata.name) or len(metadata.name) > LONGEST_NAME:
        sentence = f"The Name {shown(metadata.name)} in the metadata is not a valid project name."
        yield Finding("metadata-name", sentence)
    elif canonicalize_name(metadata.name) != name.name:
        sentence = f"The metadata is of {shown(metadata.name)}, the file name of {shown(name.name)}."
        yield Finding("metadata-name", sentence)


def _judge_version(metadata: FileMetadata, name: DistributionName, rules: Rules) -> Iterator[Finding]:
    try:
        version = Version(metadata.version)
    except ValueError:  # also for numbers of thousands of digits
        sentence = f"The Version {shown(metadata.version)} in the metadata is not valid (PEP 440)."
        yield Finding("metadata-release", sentence)
        return
    if version != name.version:
        sentence = f"The metadata is of version {shown(metadata.version)}, the file name of {shown(str(name.version))}."
        yield Finding("metadata-release", sentence)
    if version.local and not rules.allows_local_versions:
        sentence = f"The version {shown(metadata.version)} is a local one (with a plus sign)."
        yield Finding("metadata-local-version", sentence)


def _judge_requires_python(metadata: FileMetadata) -> Iterator[Finding]:
    if not _is_specifier(metadata.requires_python):
        sentence = f"Requires-Python {shown(metadata.requires_python)} is not a valid specifier."
        yield Finding("metadata-requires-python", sentence)


def _is_specifier(text: str) -> bool:
    if len(text) > LONGEST_REQUIRES_PYTHON or _ENDLESS_NUMBER.search(text):
        return False
    try:
        SpecifierSet(text)
    except ValueError:
        return False
    return True


def _judge_requirements(metadata: FileMetadata, rules: Rules) -> Iterator[Finding]:
    fields = (metadata.requires_dist, metadata.provides_dist, metadata.obsoletes_dist)
    for text in (text for field in fields for text in field):
        requirement = _parse_requirement(text)
        if requirement is None:
            sentence = f"The requirement {shown(text)} is not valid (PEP 508)."
            yield Finding("metadata-requirement", sentence)
        elif requirement.url and not rules.allows_direct_urls:
            sentence = f"The requirement {shown(text)} points at a URL; name a version instead."
            yield Finding("metadata-direct-url", sentence)


def _parse_requirement(text: str) -> Requirement | None:
    if _ENDLESS_NUMBER.search(text):
        return None
    try:
        return Requirement(text)
    except (ValueError, RecursionError):
        return None


def _judge_extras(metadata: FileMetadata) -> Iterator[Finding]:
    for extra in metadata.provides_extra:
        if not is_valid_name(extra):
            yield Finding("metadata-extra", f"The extra {shown(extra)} does not have a valid name.")


def _judge_license(metadata: FileMetadata) -> Iterator[Finding]:
    if not metadata.license_expression:
        return
    if metadata.license:
        sentence = "License and License-Expression exclude each other; keep the expression."
        yield Finding("metadata-license", sentence)
    if normalise_license(metadata.license_expression) is None:
        sentence = f"License-Expression {shown(metadata.license_expression)} is not valid SPDX."
        yield Finding("metadata-license", sentence)


def _judge_license_files(
    metadata: FileMetadata, has_license_file: Callable[[str], bool]
) -> Iterator[Finding]:
    """Before Metadata-Version 2.4 the field meant whatever a tool wanted (PEP 639)."""
    known = metadata.metadata_version in METADATA_VERSIONS
    if not known or _numbers(metadata.metadata_version) < _FIRST_WITH_LICENSE_FILES:
        return
    for path in metadata.license_files:
        if not has_license_file(path):
            sentence = f"The License-File {shown(path)} is not in the archive."
            yield Finding("metadata-license-file", sentence)


def _judge_summary(metadata: FileMetadata) -> Iterator[Finding]:
    if len(metadata.summary) > LONGEST_SUMMARY or len(metadata.summary.splitlines()) > 1:
        sentence = f"The summary must be one line of at most {LONGEST_SUMMARY} characters."
        yield Finding("metadata-summary", sentence)


def _judge_classifiers(metadata: FileMetadata, rules: Rules) -> Iterator[Finding]:
    for classifier in metadata.classifiers:
        if classifier.lower().startswith(_PRIVATE):
            if not rules.allows_private_classifiers:
                sentence = f"The classifier {shown(classifier)} keeps the file off this index."
                yield Finding("metadata-private-classifier", sentence)
        elif not _is_known_classifier(classifier):
            sentence = f"The classifier {shown(classifier)} is not a known one."
            yield Finding("metadata-classifier", sentence)


def _is_known_classifier(classifier: str) -> bool:
    """Take deprecated ones too: they were right when an old release was made."""
    from trove_classifiers import classifiers, deprecated_classifiers  # noqa: PLC0415 - read when first needed

    return classifier in classifiers or classifier in deprecated_classifiers


def _judge_description(metadata: FileMetadata) -> Iterator[Finding]:
    content_type = metadata.description_content_type
    if find_format(content_type) is None:
        sentence = f"The description type {shown(content_type)} is not plain, rst or markdown."
        yield Finding("metadata-content-type", sentence)
    elif not renders(metadata.description, content_type):
        sentence = "The description does not render; check its markup (reStructuredText)."
        yield Finding("metadata-description", sentence)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
