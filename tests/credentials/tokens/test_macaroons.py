from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.credentials.tokens import macaroons
from keyhouse.credentials.tokens.macaroons import MacaroonMalformed

KEY = b"this is the key"
PREFIX = "keyhouse-"
SMALL = st.binary(max_size=300)


def read_vector_text(text: str) -> macaroons.Macaroon:
    """A V2 line is base64url; a V1 line is base64 of base64."""
    if text.startswith("Ag"):
        return macaroons.read_any(text)
    return macaroons.read_any(base64.b64decode(text).decode())


def read_case(path: Path) -> tuple[bool, bytes, set[bytes], str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    words = dict(line.partition(" ")[::2] for line in lines if not line.startswith("exact "))
    exact = {line.partition(" ")[2].encode() for line in lines if line.startswith("exact ")}
    return "authorized" in words, words["key"].encode(), exact, lines[-1]


def test_all_verification_vectors_give_their_verdict(vectors: Path) -> None:
    cases = sorted((vectors / "macaroons").glob("*.vtest"))
    assert len(cases) == 16
    for path in cases:
        is_authorized, key, exact, text = read_case(path)
        verdict = macaroons.verify(read_vector_text(text), key, exact.__contains__)
        assert verdict is is_authorized, path.name


def test_both_binary_forms_of_the_vectors_are_the_same_macaroon(vectors: Path) -> None:
    cases = sorted((vectors / "macaroons").glob("serialization_*"))
    assert len(cases) == 3
    for path in cases:
        forms = dict(line.split(" ", 1) for line in path.read_text().splitlines())
        v1, v2 = read_vector_text(forms["v1"]), macaroons.read_any(forms["v2"])
        assert v1 == v2 == macaroons.read_any(forms["v2j"])
        assert macaroons.serialize(v1) == base64.urlsafe_b64decode(forms["v2"])


@pytest.mark.parametrize(
    "told",
    [
        "{", "[]", "{}", '{"v":1}', '{"v":2,"i":"a"}', '{"v":2,"i":"a","s":"short"}', '{"v":2,"i":3,"s64":"%s"}',
        '{"v":2,"i":"a","i64":"YQ","s64":"%s"}', '{"v":2,"s64":"%s"}', '{"v":2,"i":"a","c":{},"s64":"%s"}',
        '{"v":2,"i":"a","c":[3],"s64":"%s"}', '{"v":2,"i":"a","c":[{"i":"x","v":"y"}],"s64":"%s"}',
        '{"v":2,"i":"a","c":[{}],"s64":"%s"}', '{"v":2,"i":"a","l":[],"s64":"%s"}', '{"v":2,"i":"a","s64":"!"}',
        '{"v":2,"i":"\\ud800","s64":"%s"}',
    ],
    ids=range(16),
)  # fmt: skip
def test_json_that_is_no_macaroon_is_malformed(told: str) -> None:
    text = told.replace("%s", base64.urlsafe_b64encode(bytes(32)).decode())
    with pytest.raises(MacaroonMalformed):
        macaroons.read_any(base64.urlsafe_b64encode(text.encode()).decode())


def test_the_signature_is_the_published_chain() -> None:
    generator = b"macaroons-key-generator" + bytes(9)
    signature = hmac.digest(generator, KEY, hashlib.sha256)
    for message in (b"keyid", b"account = 1"):
        signature = hmac.digest(signature, message, hashlib.sha256)
    macaroon = macaroons.attenuate(macaroons.mint(KEY, b"keyid"), b"account = 1")
    assert macaroon.signature == signature


@given(key=SMALL, identifier=SMALL, location=SMALL, caveats=st.lists(SMALL, max_size=8))
def test_what_is_written_is_read_back_and_verifies(
    key: bytes, identifier: bytes, location: bytes, caveats: list[bytes]
) -> None:
    macaroon = macaroons.mint(key, identifier, location=location)
    for caveat in caveats:
        macaroon = macaroons.attenuate(macaroon, caveat)
    read = macaroons.read_text(macaroons.text_of(macaroon, PREFIX), PREFIX)
    assert read == macaroon
    assert macaroons.is_signed_by(read, key)
    assert not macaroons.is_signed_by(read, key + b"x")


def narrowed() -> macaroons.Macaroon:
    return macaroons.attenuate(macaroons.mint(KEY, b"0123456789abcdef"), b'["time",null,5]')


@given(data=st.data())
def test_a_changed_byte_anywhere_never_verifies(data: st.DataObject) -> None:
    whole = bytearray(macaroons.serialize(narrowed()))
    position = data.draw(st.integers(0, len(whole) - 1))
    whole[position] ^= data.draw(st.integers(1, 255))
    try:
        changed = macaroons.parse(bytes(whole))
    except MacaroonMalformed:
        return
    assert not macaroons.is_signed_by(changed, KEY)


def test_every_changed_character_of_the_text_is_noticed() -> None:
    text = macaroons.text_of(narrowed(), PREFIX)
    for position in range(len(PREFIX), len(text)):
        other = "A" if text[position] != "A" else "B"
        try:
            changed = macaroons.read_text(text[:position] + other + text[position + 1 :], PREFIX)
        except MacaroonMalformed:
            continue
        assert not macaroons.is_signed_by(changed, KEY)


@given(data=SMALL)
def test_any_bytes_are_read_or_refused_and_never_break_anything(data: bytes) -> None:
    for read in (macaroons.parse, macaroons.parse_v1):
        try:
            macaroon = read(data)
        except MacaroonMalformed:
            continue
        assert len(macaroon.signature) == 32


@given(text=st.text(max_size=200))
def test_any_text_is_read_or_refused_and_never_breaks_anything(text: str) -> None:
    for candidate in (text, PREFIX + text):
        with pytest.raises(MacaroonMalformed):
            macaroons.read_text(candidate, PREFIX)


def test_dropping_a_caveat_breaks_the_signature() -> None:
    whole = narrowed()
    bare = macaroons.Macaroon(whole.location, whole.identifier, (), whole.signature)
    assert not macaroons.is_signed_by(bare, KEY)


def test_order_of_caveats_is_signed() -> None:
    first = macaroons.attenuate(macaroons.attenuate(macaroons.mint(KEY, b"i"), b"a"), b"b")
    swapped = macaroons.Macaroon(b"", b"i", (b"b", b"a"), first.signature)
    assert not macaroons.is_signed_by(swapped, KEY)


GOOD = macaroons.serialize(narrowed())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:-1],
        GOOD + b"\0",
        b"\1" + GOOD[1:],
        b"\3" + GOOD[1:],
        b"{" + GOOD[1:],
        b"\2\2\x80\0\0\0\6\x20" + bytes(32),  # a length not in its shortest form
        b"\2\2\xff\xff\x7f",  # a length beyond the bound
        b"\2\2\1i\0\2\1c\4\1v\0\0\6\x20" + bytes(32),  # a third-party caveat
        b"\2\2\1i\0\1\1l\2\1c\0\0\6\x20" + bytes(32),  # a caveat with a location
        b"\2\1\0\2\1i\0\0\6\x1f" + bytes(31),  # a short signature
        b"\2\1\1l\1\1l\2\1i\0\0\6\x20" + bytes(32),  # two locations
        b"\2\1\1l\0\0\6\x20" + bytes(32),  # no identifier
    ],
)
def test_malformed_binary_is_refused(data: bytes) -> None:
    with pytest.raises(MacaroonMalformed):
        macaroons.parse(data)


def test_size_and_number_of_caveats_are_bounded() -> None:
    macaroon = macaroons.mint(KEY, b"i")
    for _ in range(macaroons.MAX_CAVEATS):
        macaroon = macaroons.attenuate(macaroon, b"c")
    assert macaroons.parse(macaroons.serialize(macaroon)) == macaroon
    with pytest.raises(MacaroonMalformed):
        macaroons.parse(macaroons.serialize(macaroons.attenuate(macaroon, b"c")))
    with pytest.raises(MacaroonMalformed):
        macaroons.parse(macaroons.serialize(macaroons.mint(KEY, bytes(macaroons.MAX_BYTES))))


@pytest.mark.parametrize(
    "text",
    [
        "pypi-AgEA",
        "AgEA",
        "KEYHOUSE-AgEA",
        "keyhouse-Ag EA",
        "keyhouse-Ag==EA",
        "keyhouse-A+/a",
        "keyhouse-é",
    ],
)
def test_other_prefixes_and_alphabets_are_refused(text: str) -> None:
    with pytest.raises(MacaroonMalformed):
        macaroons.read_text(text, PREFIX)


def test_padding_is_taken_when_right_and_spare_bits_must_be_zero() -> None:
    text = macaroons.text_of(narrowed(), "")
    padded = text + "=" * (-len(text) % 4)
    assert macaroons.decode(padded) == macaroons.decode(text)
    with pytest.raises(MacaroonMalformed):
        macaroons.decode(padded + "=")
    with pytest.raises(MacaroonMalformed):
        macaroons.decode("AB")  # the same byte as AA


def test_the_server_takes_no_version_1(vectors: Path) -> None:
    forms = dict(
        line.split(" ", 1) for line in (vectors / "macaroons/serialization_1").read_text().splitlines()
    )
    with pytest.raises(MacaroonMalformed):
        macaroons.read_text(PREFIX + base64.b64decode(forms["v1"]).decode(), PREFIX)


@pytest.mark.parametrize(
    "data",
    [
        b"0004",
        b"zzzzlocation x\n",
        b"001clocation http://example.org",
        b"0010location x\n" + b"000fidentifier",
        b"ffff",
    ],
)
def test_malformed_version_1_is_refused(data: bytes) -> None:
    with pytest.raises(MacaroonMalformed):
        macaroons.parse_v1(data)
