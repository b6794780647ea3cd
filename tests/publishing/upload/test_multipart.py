from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.core.errors import Refusal
from keyhouse.publishing.upload.errors import BodyMalformed, FormInvalid, FormTooLarge
from keyhouse.publishing.upload.multipart import (
    FormBounds,
    MultipartReader,
    parse_boundary,
    parse_disposition,
)

BOUNDARY = "xyz"
BOUNDS = FormBounds(fields=10, field_size=100, form_size=4000, header_size=300)


def part(disposition: str, value: bytes) -> bytes:
    return b"--xyz\r\nContent-Disposition: " + disposition.encode() + b"\r\n\r\n" + value + b"\r\n"


def field(name: str, value: bytes = b"v") -> bytes:
    return part(f'form-data; name="{name}"', value)


def content(value: bytes, filename: str = "a.whl") -> bytes:
    return part(f'form-data; name="content"; filename="{filename}"', value)


END = b"--xyz--\r\n"


def read(body: bytes, size: int = 65536, bounds: FormBounds = BOUNDS) -> tuple[MultipartReader, bytes]:
    reader = MultipartReader(BOUNDARY, lambda name: name in {"name", "version", "gone"}, bounds)
    taken = b""
    for start in range(0, len(body), size):
        reader.feed(body[start : start + size])
        taken += b"".join(reader.take_content())
    reader.finish()
    return reader, taken


@pytest.mark.parametrize("size", [1, 2, 3, 7, 65536])
def test_fields_and_file_come_out_however_the_body_is_cut(size: int) -> None:
    data = b"\r\n--xy\r\n--xyz" + bytes(range(256)) + b"\r\n-"
    body = (
        field("name", b"alpha") + field("other", b"x" * 50) + content(data) + field("version", b"1.0") + END
    )
    reader, taken = read(body, size)
    assert reader.fields == [("name", "alpha"), ("version", "1.0")]
    assert reader.filename == "a.whl"
    assert taken == data
    assert reader.content_size == len(data)


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_file_comes_out_as_it_went_in(data: bytes, size: int) -> None:
    if b"\r\n--xyz" in b"\r\n" + data:
        return
    assert read(content(data) + END, size)[1] == data


@given(st.binary(max_size=600))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    reader = MultipartReader(BOUNDARY, lambda name: name == "name", BOUNDS)
    try:
        reader.feed(b"--xyz\r\n" + data)
        reader.finish()
    except Refusal:
        return


@given(st.data())
def test_a_mutated_form_is_read_or_refused(data: st.DataObject) -> None:
    body = bytearray(field("name", b"alpha") + content(b"bytes") + field("version", b"1") + END)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    reader = MultipartReader(BOUNDARY, lambda name: name == "name", BOUNDS)
    try:
        reader.feed(bytes(body))
        reader.finish()
    except Refusal:
        return


def test_a_body_that_ends_too_early_is_refused_wherever_it_ends() -> None:
    body = field("name", b"alpha") + content(b"bytes") + b"--xyz--"
    for end in range(len(body)):
        with pytest.raises(BodyMalformed):
            read(body[:end])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"--other\r\n",
        b"--xyz\r\nContent-Disposition: form-data\r\n\r\nv\r\n" + END,
        b"--xyz\r\nContent-Type: text/plain\r\n\r\nv\r\n" + END,
        b"--xyz\r\n\r\nv\r\n" + END,
        b"--xyz\r\nno header\r\n\r\nv\r\n" + END,
        part('attachment; name="name"', b"v") + END,
        part('form-data; name="name"; name="version"', b"v") + END,
        part('form-data; name="name', b"v") + END,
        part('form-data; name=""', b"v") + END,
        b'--xyz\r\nContent-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"'
        b"\r\n\r\nv\r\n" + END,
        b"--xyz\r\nX: " + b"y" * 500 + b"\r\n\r\nv\r\n" + END,
    ],
)
def test_a_malformed_body_is_refused(body: bytes) -> None:
    with pytest.raises(BodyMalformed):
        read(body)


@pytest.mark.parametrize(
    "body",
    [
        content(b"a") + content(b"b") + END,
        field("content") + END,
        part('form-data; name="name"; filename="x"', b"v") + END,
        field("name", b"\xff\xfe") + END,
    ],
)
def test_a_form_with_impossible_parts_is_refused(body: bytes) -> None:
    with pytest.raises(FormInvalid):
        read(body)


@pytest.mark.parametrize(
    "body",
    [
        field("x") * 11 + END,
        field("name", b"v" * 101) + END,
        field("x", b"v" * 5000) + END,
        content(b"v") + END + b"tail" * 2000,
        b"\r\n" * 4000 + content(b"v") + END,
    ],
)
def test_a_form_beyond_its_bounds_is_refused(body: bytes) -> None:
    with pytest.raises(FormTooLarge):
        read(body)


def test_the_file_itself_does_not_count_as_form() -> None:
    assert read(content(b"v" * 100_000) + END)[0].content_size == 100_000


def test_ten_thousand_fields_are_refused_by_the_bounds_in_use() -> None:
    with pytest.raises(FormTooLarge):
        read(field("requires_dist") * 10_000 + END, bounds=FormBounds())


def test_unknown_fields_and_files_are_passed_over() -> None:
    body = part('form-data; name="gpg_signature"; filename="a.asc"', b"sig") + field("name", b"a") + END
    assert read(body)[0].fields == [("name", "a")]


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ('Multipart/Form-Data; boundary="a b:c"', "a b:c"),
        ("multipart/form-data; charset=utf-8; boundary=abc", "abc"),
        ("multipart/form-data; boundary=----------GHSKFJDLGDS7543FJ_$"[:-1], "----------GHSKFJDLGDS7543FJ_"),
        ("multipart/form-data;boundary=abc; charset=utf-8", "abc"),
    ],
)
def test_the_boundary_is_found(header: str, boundary: str) -> None:
    assert parse_boundary(header) == boundary


@pytest.mark.parametrize(
    "header",
    [
        "",
        "text/plain",
        "multipart/mixed; boundary=abc",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        'multipart/form-data; boundary="ends with blank "',
        "multipart/form-data; boundary=" + "a" * 71,
        "multipart/form-data; boundary=a\x00b",
        "multipart/form-data; boundary=\u00e9",
        "multipart/form-data; boundary=a, multipart/form-data; boundary=b",
    ],
)
def test_a_header_without_a_usable_boundary_is_refused(header: str) -> None:
    with pytest.raises(BodyMalformed):
        parse_boundary(header)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('form-data; name="name"', ("name", None)),
        ("form-data; name=name", ("name", None)),
        ('form-data; name="content"; filename="a-1.whl"', ("content", "a-1.whl")),
        ('form-data; filename="a-1.whl"; name="content"', ("content", "a-1.whl")),
        (r'form-data; name="content"; filename="a\"b\\c"', ("content", 'a"b\\c')),
        ('form-data; name="content"; filename="C:\\dir\\a.whl"', ("content", "C:\\dir\\a.whl")),
        ("form-data; name=\":action\"; filename*=utf-8''x", (":action", None)),
        ('form-data; name="content"; filename="../a;b.whl"', ("content", "../a;b.whl")),
        ('form-data; name="content"; filename=""', ("content", "")),
    ],
)
def test_a_part_says_which_field_it_is(header: str, found: tuple[str, str | None]) -> None:
    assert parse_disposition(header) == found


@given(st.text(max_size=80))
def test_any_disposition_is_read_or_refused(text: str) -> None:
    try:
        parse_disposition("form-data;" + text)
    except BodyMalformed:
        return
