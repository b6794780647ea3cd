"""Asking an issuer over TLS: what comes, and what is refused of what may come."""

from __future__ import annotations

import dataclasses
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.oidc_issuer import (
    DISCOVERY,
    KEYS,
    ServedIssuer,
    ec_key,
    make_certificate,
    public_jwk,
    rsa_key,
    wait_until,
)

from keyhouse.core import configuration, outgoing
from keyhouse.credentials.trusted_publishers import keys_client
from keyhouse.credentials.trusted_publishers.errors import IssuerUnanswered

Certificate = tuple[Path, Path]
ANY: Final = "0.0.0.0"  # noqa: S104 - never asked


@pytest.fixture
def issuer(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedIssuer]:
    settings = dataclasses.replace(configuration.current(), ca_file=certificate[0])
    monkeypatch.setattr(configuration, "current", lambda: settings)
    with ServedIssuer(*certificate) as found:
        yield found


def _fetch(issuer: ServedIssuer) -> keys_client.Found:
    return keys_client.fetch_keys(issuer.url, may_be_private=True)


def _sentence(issuer: ServedIssuer) -> str:
    with pytest.raises(IssuerUnanswered) as refusal:
        _fetch(issuer)
    return refusal.value.sentence


def test_discovery_then_keys(issuer: ServedIssuer) -> None:
    issuer.keys["second"] = ec_key()
    found = _fetch(issuer)
    assert found.key_set == issuer.jwks
    assert (found.keys_url, found.count) == (issuer.url + KEYS, 2)
    assert issuer.asked == [DISCOVERY, KEYS]


BADLY: Final = {
    "huge": "more than 262,144 bytes",
    "redirecting": "answers 302",
    "failing": "answers 503",
    "wrong-type": "text/html",
    "not-json": "no proper JSON",
    "other-issuer": "is of 'https://other.example'",
    "http-keys": "begins with https://",
}


@pytest.mark.parametrize("mode", BADLY)
def test_a_bad_answer_is_none(issuer: ServedIssuer, mode: str) -> None:
    issuer.mode = mode
    assert BADLY[mode] in _sentence(issuer)
    assert "/elsewhere" not in issuer.asked


def test_whoever_drips_is_left_in_time(issuer: ServedIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_client, "BOUNDS", dataclasses.replace(keys_client.BOUNDS, seconds=0.5))
    issuer.mode, began = "slow", time.monotonic()
    assert "no answer within 0.5 seconds" in _sentence(issuer)
    assert time.monotonic() - began < 2
    # nobody waits for it any longer, on no thread
    wait_until(lambda: keys_client._places._value == keys_client.AT_ONCE)


def test_no_more_are_asked_at_once_than_may_be(issuer: ServedIssuer) -> None:
    for _ in range(keys_client.AT_ONCE):
        assert keys_client._places.acquire(blocking=False)
    try:
        assert "asked as often as it may be" in _sentence(issuer)
    finally:
        for _ in range(keys_client.AT_ONCE):
            keys_client._places.release()
    assert issuer.asked == []


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"keys": []}, ""),
        ({}, "no list of keys"),
        ({"keys": {}}, "no list of keys"),
        ({"keys": ["x"]}, "no list of keys"),
        ({"keys": [{}] * 65}, "more than 64 keys"),
        ([], "no proper JSON"),
    ],
)
def test_what_a_key_set_may_be(
    issuer: ServedIssuer, monkeypatch: pytest.MonkeyPatch, document: Any, words: str
) -> None:
    monkeypatch.setattr(ServedIssuer, "jwks", document)
    if words:
        assert words in _sentence(issuer)
    else:
        assert _fetch(issuer).key_set == {"keys": []}


def test_only_keys_that_can_be_used_are_kept(issuer: ServedIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    good = public_jwk(rsa_key(0), "good")
    curves: list[Any] = [[], {}, None, 7]
    keys = [
        {**good, "x5c": ["AAAA"], "x5t": "x"},
        {**good, "kid": "encrypting", "use": "enc"},
        {**good, "kid": "leaked", "d": "AQAB"},
        {"kty": "oct", "kid": "shared", "k": "AAAA"},
        {**good, "kid": "broken", "n": "AQAB"},
        {"kty": "XX"},
        *({"kty": "EC", "crv": curve, "x": "AAAA", "y": "AAAA"} for curve in curves),
    ]
    monkeypatch.setattr(ServedIssuer, "jwks", {"keys": keys})
    found = _fetch(issuer)
    assert found.key_set == {"keys": [good]}
    assert found.count == 10


@pytest.mark.parametrize("told", [[], {}, None, 7, True])
def test_a_document_of_nobody_is_none(
    issuer: ServedIssuer, monkeypatch: pytest.MonkeyPatch, told: Any
) -> None:
    monkeypatch.setattr(ServedIssuer, "discovery", {"issuer": told, "jwks_uri": f"{issuer.url}/keys"})
    assert "is of 'nobody'" in _sentence(issuer)


@pytest.mark.parametrize(
    "address",
    ["http://localhost/k", "https://u@localhost/k", "https:///k", "https://localhost/k#x", "https://localhost/a b",
     "https://localhost:99999/k", "file:///etc/passwd", "", 7, None, ["https://localhost/k"], "https://localhost/" + "x" * 500],
)  # fmt: skip
def test_where_keys_may_be(issuer: ServedIssuer, monkeypatch: pytest.MonkeyPatch, address: Any) -> None:
    monkeypatch.setattr(ServedIssuer, "discovery", {"issuer": issuer.url, "jwks_uri": address})
    assert "begins with https://" in _sentence(issuer)
    assert issuer.asked == [DISCOVERY]


def test_a_private_address_is_asked_only_where_that_is_allowed(issuer: ServedIssuer) -> None:
    with pytest.raises(IssuerUnanswered, match="not an address of the public internet"):
        keys_client.fetch_keys(issuer.url, may_be_private=False)
    assert issuer.asked == []


def test_keys_at_a_private_address_are_no_way_in(
    issuer: ServedIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A public issuer that names an address inside: the document is read, the inside is not asked."""
    monkeypatch.setattr(
        ServedIssuer, "discovery", {"issuer": issuer.url, "jwks_uri": "https://inside.example/k"}
    )
    real = socket.getaddrinfo

    def look_up(host: str, port: int, *rest: Any, **more: Any) -> list[Any]:
        if host == "inside.example":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", port))]
        return real(host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(outgoing, "is_public", lambda address: address.is_loopback)
    with pytest.raises(IssuerUnanswered, match=r"169\.254\.169\.254"):
        keys_client.fetch_keys(issuer.url, may_be_private=False)
    assert issuer.asked == [DISCOVERY]


def test_the_address_that_was_judged_is_the_one_that_is_asked(
    issuer: ServedIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that changes its address between two look-ups gains nothing: there is one look-up for each connection."""
    looked, connected = [], []
    real_look, real_connect = socket.getaddrinfo, socket.create_connection

    def look_up(host: str, port: int, *rest: Any, **more: Any) -> list[Any]:
        looked.append(host)
        return real_look("127.0.0.1", port, *rest, **more)

    def connect(place: tuple[str, int], *more: Any, **most: Any) -> socket.socket:
        connected.append(place[0])
        return real_connect(place, *more, **most)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    _fetch(issuer)
    assert connected == ["127.0.0.1"] * 2
    assert [one for one in looked if one == "localhost"] == ["localhost"] * 2


def test_a_certificate_of_nobody_is_not_believed(
    tmp_path: Path, issuer: ServedIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(configuration.current(), ca_file=None)
    monkeypatch.setattr(configuration, "current", lambda: settings)
    assert ssl.SSLCertVerificationError.__name__ in _sentence(issuer)


def test_a_certificate_for_another_name_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_certificate(tmp_path, "other.example")
    settings = dataclasses.replace(configuration.current(), ca_file=made[0])
    monkeypatch.setattr(configuration, "current", lambda: settings)
    with ServedIssuer(*made) as issuer:
        assert ssl.SSLCertVerificationError.__name__ in _sentence(issuer)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", ANY, "255.255.255.255",
     "224.0.0.1", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
     "2002:7f00:1::", "2002:a00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2001:db8::1", "240.0.0.1",
     "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b:1::7f00:1", "fec0::1", "4000::1"],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not outgoing.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "140.82.112.1", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_that_are_public(address: str) -> None:
    assert outgoing.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["224.0.0.1", ANY, "255.255.255.255", "ff02::1", "::"])
def test_what_is_not_one_host_is_never_asked(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = [(family, socket.SOCK_STREAM, 6, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(IssuerUnanswered, match="not an address of the public internet"):
        keys_client.fetch_keys("https://ci.example", may_be_private=True)


def test_one_bad_address_of_a_name_spoils_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443)) for one in ("8.8.8.8", "192.168.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("asked"))
    with pytest.raises(IssuerUnanswered, match=r"192\.168\.0\.1"):
        keys_client.fetch_keys("https://ci.example", may_be_private=False)
