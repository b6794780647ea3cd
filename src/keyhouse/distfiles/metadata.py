"""The metadata inside a file (METADATA or PKG-INFO), read leniently into one typed record.

Source: the core metadata specification with PEP 241, 314, 345, 566, 643, 639 and 794. Only bytes
that cannot be read at all stop here; whether the fields are good enough is `metadata_rules`.
"""

import dataclasses
import email.errors
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, NoReturn, cast

from packaging.metadata import RawMetadata, parse_email

from keyhouse.distfiles.findings import UnacceptableError, shown

_UNKNOWN: Final = "UNKNOWN"
_SINGLE = frozenset(
    {
        "metadata-version",
        "name",
        "version",
        "summary",
        "description-content-type",
        "license",
        "license-expression",
        "requires-python",
    }
)
# looking up one field takes as long as there are fields, and every name is looked up
_MOST_FIELDS: Final = 10_000
_MOST_NAMES: Final = 200
_ESSENTIAL = _SINGLE | {"requires-dist", "provides-extra", "license-file", "classifier"}


@dataclass(frozen=True, slots=True)
class FileMetadata:
    """Everything a file says of itself; an empty string or tuple is a field that is not there."""

    metadata_version: str
    name: str
    version: str
    summary: str = ""
    description: str = ""
    description_content_type: str = ""
    author: str = ""
    author_email: str = ""
    maintainer: str = ""
    maintainer_email: str = ""
    license: str = ""
    license_expression: str = ""
    license_files: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    classifiers: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    supported_platforms: tuple[str, ...] = ()
    home_page: str = ""
    download_url: str = ""
    project_urls: tuple[tuple[str, str], ...] = ()
    requires_python: str = ""
    requires_dist: tuple[str, ...] = ()
    requires_external: tuple[str, ...] = ()
    provides_dist: tuple[str, ...] = ()
    obsoletes_dist: tuple[str, ...] = ()
    provides_extra: tuple[str, ...] = ()
    dynamic: tuple[str, ...] = ()
    import_names: tuple[str, ...] = ()
    import_namespaces: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them: tuples as lists, `project_urls` as an object."""
        values = _values_of(self)
        fields: dict[str, Any] = {
            key: [*value] if type(value) is tuple else value for key, value in zip(_KEYS, values, strict=True)
        }
        fields["project_urls"] = dict(self.project_urls)
        return fields


_KEYS: Final = tuple(field.name for field in dataclasses.fields(FileMetadata))
_values_of: Final = attrgetter(*_KEYS)


def parse_metadata(data: bytes) -> FileMetadata:
    """Read a metadata file; raise `UnacceptableError` where a field that counts is unreadable."""
    raw, unparsed = _parse(data)
    _check_unparsed(unparsed)
    fields = cast("Mapping[str, Any]", raw)
    values: dict[str, Any] = {key: _text(fields, key) for key in _TEXTS}
    values |= {key: _texts(fields, key) for key in _LISTS}
    values["description"] = _description(fields, unparsed)
    urls = fields.get("project_urls") or {}
    values["project_urls"] = tuple((_known(label), _known(url)) for label, url in urls.items())
    return FileMetadata(**values)


_TEXTS: Final = (
    "metadata_version",
    "name",
    "version",
    "summary",
    "description_content_type",
    "author",
    "author_email",
    "maintainer",
    "maintainer_email",
    "license",
    "license_expression",
    "home_page",
    "download_url",
    "requires_python",
)
_LISTS: Final = (
    "license_files",
    "keywords",
    "classifiers",
    "platforms",
    "supported_platforms",
    "requires_dist",
    "requires_external",
    "provides_dist",
    "obsoletes_dist",
    "provides_extra",
    "dynamic",
    "import_names",
    "import_namespaces",
)


def _parse(data: bytes) -> tuple[RawMetadata, dict[str, list[Any]]]:
    """Read the headers alone where they end properly: a long body costs a line parser too much."""
    head, body = _split(data)
    raw, unparsed = _parse_email(head)
    if "description" in raw or "description" in unparsed:
        return _parse_email(data)
    if body:
        try:
            raw["description"] = body.decode()
        except UnicodeDecodeError:
            unparsed["description"] = [body]
    return raw, unparsed


def _split(data: bytes) -> tuple[bytes, bytes]:
    for blank in (b"\n\n", b"\r\n\r\n"):
        head, separator, body = data.partition(blank)
        if separator and b"\r" not in head.replace(b"\r\n", b""):
            return head + blank, body
    return data, b""


def _parse_email(data: bytes) -> tuple[RawMetadata, dict[str, list[Any]]]:
    names = [line.partition(b":")[0].lower() for line in _header_lines(data)]
    if len(names) > _MOST_FIELDS or len(set(names)) > _MOST_NAMES:
        _refuse_malformed("it has too many fields")
    try:
        raw, unparsed = parse_email(data)
    except (ValueError, LookupError, TypeError, AssertionError, email.errors.MessageError):
        _refuse_malformed("it is not a list of headers")
    return raw, cast("dict[str, list[Any]]", unparsed)


def _header_lines(data: bytes) -> Iterator[bytes]:
    """Yield the lines that begin a field, up to the first empty line or the first that is none."""
    for line in data.splitlines():
        if line.startswith((b" ", b"\t", b"From ")):
            continue  # the reader skips the separator of mailboxes, wherever it stands
        if b":" not in line:
            return
        yield line


def _check_unparsed(unparsed: Mapping[str, list[Any]]) -> None:
    for field, values in unparsed.items():
        if field in _SINGLE and len(values) > 1:
            sentence = f"The field {shown(field)} occurs more than once in the metadata."
            raise UnacceptableError("metadata-repeated", sentence)
        if field in _ESSENTIAL:
            _refuse_malformed(f"the field {shown(field)} is not UTF-8 text")


def _description(fields: Mapping[str, Any], unparsed: Mapping[str, list[Any]]) -> str:
    """Return the description wherever it stands, even where its encoding is wrong."""
    if "description" not in fields:
        values = [value for value in unparsed.get("description", []) if value]
        return _known(_lenient(values[-1])) if values else ""
    text = str(fields["description"])
    return _known(_unfold(text))


def _lenient(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _unfold(text: str) -> str:
    """Undo how a description was folded into a header (PEP 314: eight blanks, or a bar)."""
    first, newline, rest = text.partition("\n")
    lines = rest.split("\n")
    if not newline or not all(line.startswith((" ", "\t")) or not line.strip() for line in lines):
        return text
    if all(line.lstrip().startswith("|") for line in lines if line.strip()):
        return "\n".join([first, *(line.lstrip().removeprefix("|") for line in lines)])
    return first + newline + textwrap.dedent(rest)


def _text(fields: Mapping[str, Any], key: str) -> str:
    return _known(str(fields.get(key, "")).strip())


def _texts(fields: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = (_known(str(value).strip()) for value in fields.get(key) or [])
    return tuple(value for value in values if value)


def _known(text: str) -> str:
    """Older tools wrote UNKNOWN for a field that was not given."""
    return "" if text.strip() == _UNKNOWN else text.replace("\x00", "\ufffd")


def _refuse_malformed(why: str) -> NoReturn:
    raise UnacceptableError("metadata-malformed", f"The metadata cannot be read: {why}.")
