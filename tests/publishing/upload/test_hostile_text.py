"""Text of all kinds inside files: stored and served as it is, or refused; the same on both databases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.distfiles.builders import build_sdist, build_wheel, metadata_bytes
from tests.publishing.driver import build_body, build_content, headers_of, send, upload

from keyhouse.projects.models import File, IndexPage, Project

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("wired", "empty_store", "ada"),
]
HEAD = b"Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n"


@pytest.mark.parametrize(
    "rest",
    [
        b"Summary: nul \x00 here\nAuthor: \x00\nKeywords: \x00,a\nProject-URL: \x00, \x00\n\n\x00body\x00\n",
        b"Author: \xff\xfe latin\nSummary: ok\n\n\xff\xfe\n",
        b"Author: \xed\xa0\x80 surrogate\n\n\xed\xa0\x80\n",
        "Author: \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16").encode()
        + b"\n\n\\ud800 \\u0000\n",
        b"Author: =?utf-8?q?=00=ED=A0=80?=\nAuthor-Email: =?x?b?//79?=\n\nbody\n",
        b"Project-URL: a, javascript:alert(1)\nHome-Page: javascript:x\nDownload-URL: data:,\n\nbody\n",
        b"Project-URL: "
        + b"u" * 5000
        + b", "
        + b"v" * 5000
        + b"\nLicense: "
        + b"x" * 100_000
        + b"\n\nbody\n",
        b'Summary: </script>"\'<b>\nRequires-Python: ===3"><b>\n\n<b>\n',
        b"Content-Type: multipart/mixed; boundary=x\nMIME-Version: 1.0\n\n--x\n\nbody\n--x--\n",
        b"Content-Transfer-Encoding: base64\n\n////\n",
        b"\r\n\r\rbody\r\x0b\x0c\x1c\x85\xe2\x80\xa8\n",
        b"Author: a\n b\r\n\tc\r\n\r\nbody\n",
        b"Keywords: \xe2\x80\xa8,\x1c,\xc2\x85\nPlatform: \x1b[31m\n\n\x1b]0;x\x07\n",
        b"Classifier: x\x00y\n\nbody\n",
        b"Requires-Dist: beta>=1; extra == '" + b"x" * 3000 + b"'\n\nbody\n",
    ],
)
def test_text_is_served_as_valid_json_or_refused(tmp_path: Path, rest: bytes) -> None:
    for path in (
        build_wheel(tmp_path, metadata=HEAD + rest),
        build_sdist(tmp_path, metadata=HEAD + rest),
    ):
        answer = upload(path)
        assert answer.status in {200, 400}, answer.line
        assert File.objects.filter(filename=path.name).exists() == (answer.status == 200)
    for page in IndexPage.objects.filter(form="json", is_gone=False):
        document = json.loads(bytes(page.body).decode())
        assert b"\x00" not in bytes(page.body)
        assert json.dumps(document, ensure_ascii=False).encode()
    for page in IndexPage.objects.filter(form="html", is_gone=False):
        assert b"<b>" not in bytes(page.body)


@pytest.mark.parametrize("length", [200, 201, 230])
def test_names_of_every_length_are_stored_or_refused(tmp_path: Path, length: int) -> None:
    answer = upload(build_sdist(tmp_path, "a" * length))
    assert answer.status == (200 if length == 200 else 400), answer.line
    assert Project.objects.count() == (length == 200)


@pytest.mark.parametrize("zeros", [70, 99])
def test_versions_are_stored_however_many_zeros_end_them(tmp_path: Path, zeros: int) -> None:
    path = build_sdist(tmp_path, "a", "10").rename(tmp_path / f"a-10{'.0' * zeros}.tar.gz")
    answer = upload(path, version="10", name="a", filetype="sdist")
    assert answer.status == 200, answer.line


def test_long_tags_programs_and_specifiers_are_stored_or_refused(tmp_path: Path) -> None:
    tag = ".".join(f"py3{number}" for number in range(36)) + "-none-any"
    path = build_wheel(tmp_path, "a", "1.0", tag=tag)
    answer = upload(path, headers={"user-agent": "\xff" * 5000})
    assert answer.status == 200, answer.line
    metadata = metadata_bytes("b", extra="Requires-Python: " + ",".join(["!=3.0.*"] * 63))
    answer = upload(build_wheel(tmp_path, "b", metadata=metadata))
    assert answer.code == "metadata-requires-python"


def test_a_file_name_cannot_forge_a_line_of_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "keyhouse.upload")
    body = build_body(None, name="alpha", version="1.0", filetype="sdist")
    forged = build_content("a\n12:00:00  uploaded b.whl by ada\x1b[2J", b"x")
    answer = send([forged + body], headers_of(body))
    assert answer.status == 400
    assert [line for line in caplog.messages if not line.isprintable()] == []
    assert len(caplog.messages) == 1
