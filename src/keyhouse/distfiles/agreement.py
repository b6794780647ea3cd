"""Compare what the upload form says with the metadata in the file.

The file is what is served, so a form that says something else would show people one thing and
give installers another. Clients spell fields in their own ways (order, blanks, UNKNOWN, older
metadata versions): only the meaning is compared, and a field that was not sent cannot disagree.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from keyhouse.distfiles.findings import Finding
from keyhouse.distfiles.metadata import FileMetadata
from keyhouse.distfiles.metadata_rules import normalise_license

FormFields = Mapping[str, str | Sequence[str]]
_UNKNOWN: Final = "UNKNOWN"


def agree(form_fields: FormFields, metadata: FileMetadata) -> list[Finding]:
    """Return a finding for each form field that contradicts the file.

    `form_fields` maps the names of the upload form (`requires_dist`, `license_file`, ...) to one
    value or several. Compared are name, version, Requires-Python, dependencies, extras and
    licence; whatever else is served comes from the file alone.
    """
    sent = {field: _values(value) for field, value in form_fields.items()}
    return [finding for check in _CHECKS for finding in check(sent, metadata)]


_Sent = Mapping[str, list[str]]
_Check = Callable[[_Sent, FileMetadata], Iterator[Finding]]


def _values(value: str | Sequence[str]) -> list[str]:
    values = [value] if isinstance(value, str) else list(value)
    stripped = (_collapse(text) for text in values)
    return [text for text in stripped if text and text != _UNKNOWN]


def _collapse(text: str) -> str:
    return " ".join(text.split())


def _differs(field: str) -> Iterator[Finding]:
    sentence = f"The form field {field} differs from the metadata in the file."
    yield Finding("metadata-disagrees", sentence)


def _check_name(sent: _Sent, metadata: FileMetadata) -> Iterator[Finding]:
    expected = canonicalize_name(metadata.name)
    if any(canonicalize_name(name) != expected for name in sent.get("name", [])):
        yield from _differs("name")


def _check_version(sent: _Sent, metadata: FileMetadata) -> Iterator[Finding]:
    expected = _version(metadata.version)
    if any(_version(version) != expected for version in sent.get("version", [])):
        yield from _differs("version")


def _check_requires_python(sent: _Sent, metadata: FileMetadata) -> Iterator[Finding]:
    expected = _specifiers(metadata.requires_python)
    if any(_specifiers(text) != expected for text in sent.get("requires_python", [])):
        yield from _differs("requires_python")


def _check_dependencies(sent: _Sent, metadata: FileMetadata) -> Iterator[Finding]:
    given = {_requirement(text) for text in sent.get("requires_dist", [])}
    if given and given != {_requirement(text) for text in metadata.requires_dist}:
        yield from _differs("requires_dist")


def _check_extras(sent: _Sent, metadata: FileMetadata) -> Iterator[Finding]:
    given = {canonicalize_name(extra) for extra in sent.get("provides_extra", [])}
    if given and given != {canonicalize_name(extra) for extra in metadata.provides_extra}:
        yield from _differs("provides_extra")


def _check_license(sent: _Sent, metadata: FileMetadata) -> Iterator[Finding]:
    """Compare meanings: some clients send an expression as `license`, some the other way round."""
    allowed = {_license(text) for text in (metadata.license, metadata.license_expression) if text}
    for field in ("license", "license_expression"):
        if any(_license(text) not in allowed for text in sent.get(field, [])):
            yield from _differs(field)


def _check_license_files(sent: _Sent, metadata: FileMetadata) -> Iterator[Finding]:
    for field in ("license_file", "license_files"):
        given = set(sent.get(field, []))
        if given and given != {_collapse(path) for path in metadata.license_files}:
            yield from _differs(field)


_CHECKS: Final[tuple[_Check, ...]] = (
    _check_name,
    _check_version,
    _check_requires_python,
    _check_dependencies,
    _check_extras,
    _check_license,
    _check_license_files,
)


def _version(text: str) -> object:
    try:
        return Version(text)
    except ValueError:
        return text


def _specifiers(text: str) -> object:
    try:
        return frozenset(str(specifier) for specifier in SpecifierSet(text))
    except ValueError:
        return _collapse(text)


def _requirement(text: str) -> object:
    try:
        found = Requirement(text)
    except (ValueError, RecursionError):
        return _collapse(text)
    extras = frozenset(canonicalize_name(extra) for extra in found.extras)
    specifiers = frozenset(str(specifier) for specifier in found.specifier)
    return canonicalize_name(found.name), extras, specifiers, found.url, str(found.marker or "")


def _license(text: str) -> str:
    collapsed = _collapse(text)
    return normalise_license(collapsed) or collapsed
