from __future__ import annotations

import pytest
from django.test import Client
from tests.web.archives import store, tar_of, zip_of
from tests.web.rows import make_file, make_project, make_release, make_whole

from keyhouse import storage
from keyhouse.distfiles import listing
from keyhouse.projects.models import File, Project
from keyhouse.storage.memory import MemoryBlobs
from keyhouse.web.project_pages import inspecting
from keyhouse.web.project_pages.inspecting import AT_ONCE, Kept, Listing

pytestmark = pytest.mark.django_db
WHEEL = "alpha-1.0-py3-none-any.whl"
SDIST = "alpha-1.0.tar.gz"


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspecting, "_kept", Kept())


def address_of(file: File) -> str:
    return f"/project/alpha/1.0/files/{file.filename}/"


def stored(content: bytes, filename: str = WHEEL, **fields: object) -> File:
    return store(make_release(make_project("alpha")), filename, content, **fields)


def shown(client: Client, address: str, status: int = 200) -> str:
    response = client.get(address, headers={"Accept": "text/html"})
    assert response.status_code == status
    assert len(response.content) < 100_000
    return response.content.decode()


@pytest.mark.parametrize("filename", [WHEEL, SDIST])
def test_a_file_shows_how_it_was_published_and_what_is_inside(client: Client, filename: str) -> None:
    members = [("alpha/__init__.py", b"x = '<b>1</b>'\n"), ("alpha/data.bin", b"\0\x01")]
    content = (zip_of if filename == WHEEL else tar_of)(members)
    address = address_of(file := stored(content, filename, client="twine/7.0 <x>"))
    page = shown(client, address)
    for part in (
        "<dd>ada</dd>",
        "with an API token",
        "twine/7.0 &lt;x&gt;",
        file.sha256,
        file.blake2,
        "alpha/data.bin",
    ):
        assert part in page
    assert "15 bytes" in page
    assert "x = &#x27;&lt;b&gt;1&lt;/b&gt;&#x27;" in shown(client, f"{address}?member=1")
    assert "no text" in shown(client, f"{address}?member=2")


@pytest.mark.parametrize("member", ["0", "3", "-1", "x", "9" * 30, "%00", "\u0661"])
def test_members_that_are_not_there_are_not_found(client: Client, member: str) -> None:
    address = address_of(stored(zip_of([("a/", b""), ("b", b"1")])))
    shown(client, f"{address}?member={member}", 404)
    shown(client, f"{address}?member=1", 404)  # a folder


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("alpha/exe\u202ecod.py", "alpha/exe\\u{202e}cod.py"),
        ("alpha/a\u200bb.py", "alpha/a\\u{200b}b.py"),
        ("alpha/<script>alert(1)</script>", "alpha/&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("alpha/" + "o" + "\u0301" * 40, "o\u0301\u0301\\u{0301}"),
        ("alpha/" + "x" * 200 + "/" + "y" * 200, "…"),
    ],
)
def test_odd_names_are_shown_harmlessly(client: Client, name: str, seen: str) -> None:
    for content, filename in ((zip_of([(name, b"text")]), WHEEL), (tar_of([(name, b"text")]), SDIST)):
        Project.objects.all().delete()
        page = shown(client, address_of(stored(content, filename)))
        assert seen in page
        assert not {"\u202e", "\u200b"} & set(page)
        assert "<script>" not in page


@pytest.mark.parametrize(
    "members",
    [
        [("../../etc/passwd", b"")],
        [("/etc/passwd", b"")],
        [("a/../../b", b"")],
        [("a\x1b[31mb", b"")],
        [("a", b"1"), ("a", b"2")],
        [("C:/x", b"")],
    ],
)
def test_what_the_rules_refuse_is_not_listed_and_says_why(
    client: Client, members: list[tuple[str, bytes]]
) -> None:
    page = shown(client, address_of(stored(zip_of(members))))
    assert "This archive can't be listed." in page
    assert "?member=" not in page
    assert "\x1b" not in page


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"\x1f\x8b\x08", b"no archive" * 100])
@pytest.mark.parametrize("filename", [WHEEL, SDIST])
def test_what_is_no_archive_has_a_page_that_says_so(client: Client, content: bytes, filename: str) -> None:
    assert "can't be listed" in shown(client, address_of(stored(content, filename)))


def test_an_archive_that_expands_too_much_is_not_listed(client: Client) -> None:
    page = shown(client, address_of(stored(tar_of([("a/b", bytes(80_000_000))]), SDIST)))
    assert "expands to more than is allowed" in page


def test_reading_gives_up_after_a_while(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    file = stored(zip_of([("a", b"1")]))
    monkeypatch.setattr(inspecting, "LONGEST_READING", 0.0)
    assert "longer than a page may wait" in shown(client, address_of(file))


def test_many_members_are_paged_and_links_are_told(client: Client) -> None:
    members = [(f"alpha-1.0/{number:04}-{'&' * 240}", b"") for number in range(150)]
    address = address_of(stored(tar_of(members, [("alpha-1.0/z", "0001")]), SDIST))
    first, second = shown(client, address), shown(client, f"{address}?page=2")
    assert "151 members" in first
    assert "alpha-1.0/0100-" in second
    assert "alpha-1.0/z → 0001" in second
    assert "How it was published" not in second


@pytest.mark.parametrize("text", ["\"'" * 60_000, "\u202e" * 40_000, "é" * 70_000, "a\r\nb"])
def test_long_and_odd_text_stays_small_and_inert(client: Client, text: str) -> None:
    page = shown(client, address_of(stored(zip_of([("a.txt", text.encode())]))) + "?member=1")
    assert ("Only the beginning is shown" in page) == (len(text) > 10)
    assert "\u202e" not in page
    assert "\r" not in page


def test_a_corrupt_member_says_so(client: Client) -> None:
    content = bytearray(zip_of([("a.txt", b"stored text that is damaged" * 9)]))
    content[40] ^= 0xFF
    assert "can't be read out of the archive" in shown(
        client, address_of(stored(bytes(content))) + "?member=1"
    )


def test_quarantine_shows_nothing_of_a_file(client: Client) -> None:
    file = stored(zip_of([("secret.txt", b"hidden")]))
    File.objects.update(is_quarantined=True, quarantine_reason="Steals <keys>")
    for query in ("", "?member=1", "?page=2"):
        page = shown(client, address_of(file) + query, 403)
        assert "Steals &lt;keys&gt;" in page
        assert "secret.txt" not in page
    File.objects.update(is_quarantined=False)
    Project.objects.update(status="quarantined")
    assert "project-quarantined" in shown(client, address_of(file), 403)


def test_a_file_belongs_to_its_release(client: Client) -> None:
    stored(zip_of([("a", b"1")]))
    other = make_file(make_whole("beta"), "beta-1.0-py3-none-any.whl")
    for filename in (other.filename, "nothing.whl", "%2e%2e", "a%00b", "x" * 4000):
        shown(client, f"/project/alpha/1.0/files/{filename}/", 404)


def test_no_more_than_two_are_read_at_once_and_listings_are_kept(client: Client) -> None:
    file = stored(zip_of([("a", b"1")]))
    for _ in range(AT_ONCE):
        assert inspecting._places.acquire(blocking=False)
    try:
        response = client.get(address_of(file))
        assert (response.status_code, response["Retry-After"]) == (503, "2")
    finally:
        for _ in range(AT_ONCE):
            inspecting._places.release()
    shown(client, address_of(file))
    storage.blobs().remove(file.path)
    shown(client, address_of(file))  # kept
    assert "archive-unavailable" in shown(client, address_of(file) + "?member=1", 503)


def test_kept_listings_are_bounded() -> None:
    kept = Kept(most=10)
    members = (listing.Member("a", "file"),) * 4
    for key in "abc":
        kept.keep(key, Listing(members))
    assert [key for key in "abc" if kept.find(key)] == ["b", "c"]
    kept.keep("d", Listing(members * 9))
    assert kept.find("d") is None


def test_blobs_that_lie_in_no_file_are_read_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = MemoryBlobs()
    monkeypatch.setattr(storage, "blobs", lambda: blobs)
    for content, filename in ((zip_of([("a.txt", b"here")]), WHEEL), (tar_of([("a.txt", b"here")]), SDIST)):
        Project.objects.all().delete()
        address = address_of(stored(content, filename))
        assert "a.txt" in shown(client, address)
        assert ">here</pre>" in shown(client, f"{address}?member=1")
