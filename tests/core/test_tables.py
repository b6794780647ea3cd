"""Tables that operators write by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyhouse.core.tables import TableError, read_table


def test_rows_come_with_their_lines_and_without_blanks(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes('\ufeffName, Address \n ada ,"a@x, y"\n\nbob,b\n'.encode())
    assert list(read_table(path, ("name", "address"), ("role",))) == [
        (2, {"name": "ada", "address": "a@x, y", "role": ""}),
        (4, {"name": "bob", "address": "b", "role": ""}),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"name;address;role\r\nada;a@x;\r\n;;\r\n",
        b"name\taddress\nada\ta@x\n",
        b'"name","address"\r\n"ada","a@x",,\r\n,,,\r\n',
        b"name,address\rada,a@x\r",
        b"\xff\xfe" + "name\taddress\r\nada\ta@x\r\n".encode("utf-16-le"),
        b"\xfe\xff" + "name;address\nada;a@x\n".encode("utf-16-be"),
    ],
)
def test_what_spreadsheets_write_is_read(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    rows = list(read_table(path, ("name", "address"), ("role",)))
    assert rows == [(2, {"name": "ada", "address": "a@x", "role": ""})]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "'t.csv' is empty"),
        (b"\xef\xbb\xbf\r\n", "'t.csv' is empty"),
        (
            b"joe,j@example.org\n",
            "must name the columns name and address, and may name role; it is 'joe, j@example.org'",
        ),
        (b"name\nx\n", "must name"),
        (b"name,address,colour\nx,y,z\n", "and may name role"),
        (b"name,address,name\nx,y,z\n", "must name"),
        (b"name,address\nx\n", "Line 2 needs"),
        (b"name,address\nx,y,z\n", "Line 2 needs"),
        (b"name,address\nx,\n", "Line 2 needs"),
        (b"name,address\nx,\x1b[2J\n", "Line 2 holds"),
        (b"name,address\nx," + b"y" * 2000 + b"\n", "Line 2 holds"),
        (b"name,address\n\xff,y\n", "not UTF-8"),
        (b'name,address\n"' + b"x" * 200_000, "no CSV"),
        (b"x" * (8 * 2**20 + 1), "more than"),
        ("name,address\nx,y\n".encode("utf-16-le"), "must name"),  # without a mark
        (b"\xff\xfen\0a", "not UTF-16"),
        (b"\xff\xfe\x00\xd8\n\0", "not UTF-16"),
        (b"\xff\xfe\r\0\n\0", "'t.csv' is empty"),
        (b"\xff\xfe\0\0" + "name,address\nx,y\n".encode("utf-32-le"), "must name"),
        (b"\xff\xfe" + "name,address\nx,\x1b\n".encode("utf-16-le"), "Line 2 holds"),
        (b"\xff\xfe" + f"name,address\nx,{'y' * 1001}\n".encode("utf-16-le"), "Line 2 holds"),
        (b"\xff\xfe" + b"x" * (8 * 2**20 - 1), "more than"),
    ],
)
def test_what_is_no_such_table_is_one_sentence(tmp_path: Path, data: bytes, told: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    with pytest.raises(TableError, match=told):
        list(read_table(path, ("name", "address"), ("role",)))


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="can't be read"):
        list(read_table(tmp_path / "none", ("name",)))
