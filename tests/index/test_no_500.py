"""Whatever is asked of the read plane: an answer, never a defect."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.index.conftest import Client, Index
from tests.web.asgi_client import _ask as send

pytestmark = pytest.mark.django_db(transaction=True)
SHAPES = (
    *(
        "/simple",
        "/simple/",
        "/simple/{}/",
        "/simple/{}",
        "/simple/{}/{}",
        "/files/{}/{}/{}/{}",
        "/pypi/{}/json",
        "/{}",
    ),
    *(
        "/pypi/{}/{}/json",
        "/integrity/{}/{}/{}/provenance",
        "/rss/{}.xml",
        "/rss/project/{}/releases.xml",
        "/stats.json",
    ),
)
MEANT = (
    b"alpha",
    b"Alpha",
    b"1.0",
    b"updates",
    b"packages",
    b"alpha-1.0-py3-none-any.whl",
    b"alpha-1.0-py3-none-any.whl.metadata",
)
HOSTILE = (
    *(
        b"",
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
        b"..",
        b".",
        b"a" * 5000,
        b"9" * 5000,
        b"%",
        b"'--",
        b"\\",
        b"\xe2\x80\xae",
    ),
    *(b"\r\nX: y", b"\xc4\xb0", b"1!0", b"1.0+\xc3\xa9", b"*", b";", b"{}", b"%2f"),
)
values = st.one_of(st.sampled_from(MEANT), st.sampled_from(HOSTILE), st.binary(max_size=8))
HEADERS = {
    "Accept": (
        b"*/*",
        b"text/html",
        b"application/vnd.pypi.simple.v1+json",
        b";q=,,",
        b"a/b;q=9e999",
        b"\xff",
        b"," * 9000,
    ),
    "Accept-Encoding": (b"gzip", b"zstd;q=nan", b"br;q=1, *;q=0", b"\x00", b"identity;q=0"),
    "Range": (
        b"bytes=0-",
        b"bytes=-0",
        b"bytes=9-1",
        b"bytes=" + b"1" * 5000 + b"-",
        b"bytes=0-0,1-1",
        b"bytes=\xb2-",
        b"lines=1-2",
    ),
    "If-None-Match": (b"*", b'"x"', b"W/", b'"' * 5000, b"\xff"),
    "If-Modified-Since": (b"yesterday", b"Thu, 01 Jan 9999999 00:00:00 GMT", b"\xff"),
    "If-Range": (b'"x"', b"\xff", b""),
    "Authorization": (
        b"Basic !!!",
        b"Basic AAAA",
        b"Bearer \xff",
        b"Basic " + b"QQ==" * 5000,
        b"Basic //8=",
        b"",
    ),
    "Cookie": (b"=", b"a=b; a=b", b"\xff" * 50, b"__Host-keyhouse=\x00"),
}
headers = st.lists(
    st.sampled_from(sorted(HEADERS)).flatmap(
        lambda name: st.tuples(st.just(name), st.sampled_from(HEADERS[name]))
    ),
    max_size=4,
)


def attack(client: Client, most: int) -> None:
    """Ask again and again; a defect is raised as it is."""

    @settings(max_examples=most, suppress_health_check=list(HealthCheck), database=None)
    @given(
        st.sampled_from(SHAPES),
        st.lists(values, min_size=4, max_size=4),
        values,
        headers,
        st.sampled_from(("GET", "HEAD", "POST", "\x00")),
    )
    def ask(shape: str, parts: list[bytes], query: bytes, sent: list[tuple[str, bytes]], method: str) -> None:
        # as a server decodes it
        path = shape.format(*(part.decode("utf-8", "replace") for part in parts)).replace("?", "")
        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query,
            "headers": [(name.lower().encode(), value) for name, value in sent],
            "client": ("192.0.2.7", 4711),
        }
        answered = client.loop.run_until_complete(send(client.plane, scope, [b""]))
        assert 200 <= answered.status < 500

    ask()


@pytest.mark.parametrize("reads", ["public", "private"])
def test_nothing_that_is_asked_is_answered_by_a_defect(index: Index, open_client: Any, reads: str) -> None:
    index.publish("alpha", "1.0")
    attack(open_client(reads=reads), 200)


@pytest.mark.slow
def test_nor_is_much_more_of_it(index: Index, open_client: Any) -> None:
    index.publish("alpha", "1.0")
    attack(open_client(), 5000)
