from collections.abc import Sequence

import pytest

from keyhouse.distfiles.agreement import agree
from keyhouse.distfiles.metadata import FileMetadata

_FILE = FileMetadata(
    metadata_version="2.4",
    name="My.Alpha",
    version="1.0",
    requires_python=">=3.9,<4",
    requires_dist=('beta[Y,x]>=1,<2; python_version < "3.12"', "gamma"),
    provides_extra=("Docs_Extra",),
    license="Do what\n        you like",
    license_files=("LICENSE", "AUTHORS"),
)


def codes(fields: dict[str, str | Sequence[str]], metadata: FileMetadata = _FILE) -> list[str]:
    return [finding.code for finding in agree(fields, metadata)]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "my-alpha", "version": "1.0.0"},
        {"name": "My.Alpha", "version": "v1.0", "metadata_version": "2.1"},
        {"requires_python": "<4, >=3.9"},
        {"requires_dist": ["gamma", 'Beta[x,y] (<2,>=1) ; python_version<"3.12"']},
        {"provides_extra": "docs-extra"},
        {"license": "Do what you like"},
        {"license_file": ["AUTHORS", "LICENSE"]},
        {"license": "UNKNOWN", "requires_python": "", "requires_dist": [], "license_expression": " "},
        {"summary": "another one", "classifiers": ["Nonsense"], "home_page": "https://other"},
    ],
)
def test_honest_clients_agree(fields: dict[str, str | Sequence[str]]) -> None:
    assert codes(fields) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "beta"},
        {"name": ["my-alpha", "beta"]},
        {"version": "1.0.1"},
        {"version": "nonsense"},
        {"requires_python": ">=3.9"},
        {"requires_python": "nonsense"},
        {"requires_dist": ["gamma"]},
        {"requires_dist": ["gamma", "beta[x,y]>=1,<2"]},
        {"requires_dist": ['beta[x,y]>=1,<2; python_version < "3.12"', "gamma", "delta"]},
        {"requires_dist": ["gamma", 'beta[x]>=1,<2; python_version < "3.12"']},
        {"requires_dist": ["("]},
        {"provides_extra": ["docs-extra", "more"]},
        {"license": "MIT"},
        {"license_expression": "MIT"},
        {"license_file": ["LICENSE"]},
        {"license_files": ["LICENSE", "AUTHORS", "NOTICE"]},
    ],
)
def test_each_contradiction_is_one_finding(fields: dict[str, str | Sequence[str]]) -> None:
    assert codes(fields) == ["metadata-disagrees"]


def test_a_field_that_only_the_form_has_disagrees() -> None:
    bare = FileMetadata(metadata_version="2.1", name="alpha", version="1.0")
    for field, value in [
        ("requires_dist", "beta"),
        ("requires_python", ">=3"),
        ("license", "MIT"),
        ("provides_extra", "x"),
    ]:
        assert codes({field: value}, bare) == ["metadata-disagrees"]


def test_a_license_expression_may_come_as_license() -> None:
    metadata = FileMetadata("2.4", "alpha", "1.0", license_expression="MIT OR Apache-2.0")
    assert codes({"license": "mit or apache-2.0"}, metadata) == []
    assert codes({"license_expression": "MIT  OR Apache-2.0"}, metadata) == []
    assert codes({"license": "GPL-3.0-only"}, metadata) == ["metadata-disagrees"]


def test_direct_urls_are_compared_too() -> None:
    metadata = FileMetadata("2.1", "alpha", "1.0", requires_dist=("beta @ https://example.org/one.whl",))
    assert codes({"requires_dist": "beta@ https://example.org/one.whl"}, metadata) == []
    assert codes({"requires_dist": "beta @ https://example.org/two.whl"}, metadata) == ["metadata-disagrees"]


@pytest.mark.parametrize("text", ["9" * 5000, "(" * 10_000, "\x00", "a; " + "(" * 5000])
def test_hostile_fields_only_disagree(text: str) -> None:
    for field in (
        "name",
        "version",
        "requires_python",
        "requires_dist",
        "license",
        "provides_extra",
        "license_file",
    ):
        assert codes({field: text}) == ["metadata-disagrees"]
