import json

import pytest

from keyhouse.distfiles.findings import UnacceptableError
from keyhouse.distfiles.metadata import FileMetadata, parse_metadata
from tests.distfiles.builders import metadata_bytes

_FULL = """Metadata-Version: 2.5
Name: My.Alpha
Version: 1.0
Platform: any
Supported-Platform: linux
Summary: What it does
Keywords: one,two three
Home-page: https://example.org
Download-URL: https://example.org/dl
Author: Ada
Author-email: ada@example.org
Maintainer: Bob
Maintainer-email: bob@example.org
License-Expression: MIT
License-File: LICENSE
Classifier: Typing :: Typed
Requires-Dist: beta>=1; extra == "x"
Requires-Python: >=3.9
Requires-External: libc
Provides-Dist: gamma
Obsoletes-Dist: delta
Provides-Extra: x
Project-URL: Source, https://example.org/src
Dynamic: Classifier
Import-Name: my.alpha
Import-Namespace: my
Description-Content-Type: text/markdown
X-Unknown: ignored

# Title

with ümlauts
"""


def refusal(data: bytes) -> str:
    with pytest.raises(UnacceptableError) as caught:
        parse_metadata(data)
    return caught.value.finding.code


def test_every_field_is_read() -> None:
    assert parse_metadata(_FULL.encode()) == FileMetadata(
        metadata_version="2.5",
        name="My.Alpha",
        version="1.0",
        summary="What it does",
        description="# Title\n\nwith ümlauts\n",
        description_content_type="text/markdown",
        author="Ada",
        author_email="ada@example.org",
        maintainer="Bob",
        maintainer_email="bob@example.org",
        license_expression="MIT",
        license_files=("LICENSE",),
        keywords=("one", "two three"),
        classifiers=("Typing :: Typed",),
        platforms=("any",),
        supported_platforms=("linux",),
        home_page="https://example.org",
        download_url="https://example.org/dl",
        project_urls=(("Source", "https://example.org/src"),),
        requires_python=">=3.9",
        requires_dist=('beta>=1; extra == "x"',),
        requires_external=("libc",),
        provides_dist=("gamma",),
        obsoletes_dist=("delta",),
        provides_extra=("x",),
        dynamic=("Classifier",),
        import_names=("my.alpha",),
        import_namespaces=("my",),
    )


def test_line_endings_of_windows_are_read() -> None:
    assert parse_metadata(_FULL.replace("\n", "\r\n").encode()).description.startswith("# Title\r\n")
    assert parse_metadata(_FULL.replace("\n", "\r\n").encode()).license_expression == "MIT"


def test_the_dictionary_is_json() -> None:
    fields = json.loads(json.dumps(parse_metadata(_FULL.encode()).as_dict()))
    assert fields["project_urls"] == {"Source": "https://example.org/src"}
    assert fields["classifiers"] == ["Typing :: Typed"]
    assert fields["description"].startswith("# Title")


def test_a_description_in_the_headers_is_unfolded() -> None:
    folded = metadata_bytes(extra="Description: One\n        two\n          three\n        \n        four")
    assert parse_metadata(folded).description == "One\ntwo\n  three\n\nfour"
    barred = metadata_bytes(extra="Description: One\n       |two\n       |  three")
    assert parse_metadata(barred).description == "One\ntwo\n  three"


def test_unknown_means_nothing() -> None:
    metadata = parse_metadata(metadata_bytes(extra="License: UNKNOWN\nPlatform: UNKNOWN\nHome-page: UNKNOWN"))
    assert (metadata.license, metadata.platforms, metadata.home_page) == ("", (), "")
    assert parse_metadata(metadata_bytes(extra="Description: UNKNOWN")).description == ""
    assert parse_metadata(metadata_bytes(description="UNKNOWN\n")).description == ""


@pytest.mark.parametrize(
    "field",
    [
        "Name: beta",
        "Version: 2.0",
        "Requires-Python: >=3",
        "Metadata-Version: 2.1",
        "License: MIT\nLicense: X",
    ],
)
def test_a_single_field_given_twice_is_refused(field: str) -> None:
    assert refusal(metadata_bytes(extra=f"Requires-Python: >=2\n{field}")) == "metadata-repeated"


def test_wrong_encodings_are_taken_where_only_people_read() -> None:
    data = metadata_bytes(extra="Author: X").replace(b"Author: X", b"Author: J\xfcrgen") + b"gr\xfcn"
    metadata = parse_metadata(data)
    assert metadata.author == ""
    assert metadata.description == "gr\ufffdn"


def test_wrong_encodings_are_refused_where_installers_read() -> None:
    data = metadata_bytes(extra="Requires-Dist: X").replace(b"Dist: X", b"Dist: J\xfcrgen")
    assert refusal(data) == "metadata-malformed"


def test_a_nul_never_gets_on() -> None:
    data = metadata_bytes(extra="Author: a\x00b\nProject-URL: a\x00b, https://x", description="a\x00b")
    assert "\x00" not in json.dumps(parse_metadata(data).as_dict()).replace("\\u0000", "\x00")


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xff\xfe", b"no headers here", b"Name", b": x", b"\0" * 50])
def test_anything_else_gives_empty_fields(data: bytes) -> None:
    assert parse_metadata(data).version == ""


@pytest.mark.parametrize(
    "fields",
    [
        b"".join(b"X-%d: 1\n" % number for number in range(200_000)),
        b"Classifier: x\n" * 200_000,
        b"From here\n" + b"".join(b"X-%d: 1\r" % number for number in range(200_000)),
    ],
)
def test_endless_lists_of_fields_are_refused_before_they_are_read(fields: bytes) -> None:
    with pytest.raises(UnacceptableError, match="metadata-malformed"):
        parse_metadata(b"Metadata-Version: 2.1\nName: a\nVersion: 1\n" + fields + b"\n")


def test_lines_of_the_description_are_no_fields() -> None:
    lines = b"".join(b"line %d: text\n" % number for number in range(20_000))
    assert parse_metadata(metadata_bytes() + lines).description == lines.decode()
