"""A small issuer of identities for tests: signs in the process, and serves its keys over TLS where a test asks it to.

issuer = IssuerUnderTest("https://token.actions.githubusercontent.com")
trust(issuer)                            # the index has its keys: no network is needed
token = issuer.token({"repository": "o/r"}, aud="keyhouse:localhost", now=clock.now())

with ServedIssuer(certificate, key) as issuer:   # issuer.url is https://localhost:PORT
    issuer.mode = "slow"                         # MODES
"""

from __future__ import annotations

import base64
import json
import secrets
import ssl
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

GITHUB: Final = "https://token.actions.githubusercontent.com"
GITLAB: Final = "https://gitlab.com"
DISCOVERY: Final = "/.well-known/openid-configuration"
KEYS: Final = "/keys"
MODES: Final = (
    "good",
    "slow",
    "huge",
    "redirecting",
    "wrong-type",
    "not-json",
    "failing",
    "other-issuer",
    "http-keys",
)


@lru_cache(maxsize=16)
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return the same key for the same number: making one takes long."""
    del number
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@lru_cache(maxsize=16)
def ec_key(number: int = 0) -> ec.EllipticCurvePrivateKey:
    """Return the same key on P-256 for the same number."""
    del number
    return ec.generate_private_key(ec.SECP256R1())


def public_jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kid: str) -> dict[str, Any]:
    """Return the public half as a key set has it."""
    if isinstance(key, rsa.RSAPrivateKey):
        public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    public.pop("key_ops", None)
    return {**public, "kid": kid, "use": "sig", "alg": "RS256" if "n" in public else "ES256"}


def compact(
    header: Mapping[str, Any] | bytes, claims: Mapping[str, Any] | bytes, signature: bytes = b""
) -> str:
    """Write a token by hand, for those that no library writes."""
    parts = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in (header, claims)]
    return ".".join(base64.urlsafe_b64encode(one).rstrip(b"=").decode() for one in (*parts, signature))


class IssuerUnderTest:
    """Signs what it is told to. `keys` holds the private keys by name; what is there is in `jwks`."""

    def __init__(self, url: str = GITHUB) -> None:
        self.url = url
        self.keys: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = {"first": rsa_key(0)}

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [public_jwk(key, kid) for kid, key in self.keys.items()]}

    @property
    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "jwks_uri": self.url + KEYS,
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        }

    def rotate(self, kid: str = "second") -> None:
        """Sign with a new key from now on, and forget the others."""
        self.keys = {kid: rsa_key(len(kid) + 1)}

    def claims(
        self, claims: Mapping[str, Any] | None = None, *, aud: Any = None, now: datetime | None = None
    ) -> dict[str, Any]:
        """Return the claims of a token that is valid for five minutes from now on; a None takes one out."""
        instant = int((now or datetime.now().astimezone()).timestamp())
        whole = {
            "iss": self.url,
            "aud": aud,
            "iat": instant,
            "nbf": instant,
            "exp": instant + int(timedelta(minutes=5).total_seconds()),
            "jti": secrets.token_hex(8),
            **(claims or {}),
        }
        return {name: value for name, value in whole.items() if value is not None}

    def token(
        self,
        claims: Mapping[str, Any] | None = None,
        *,
        aud: Any = None,
        now: datetime | None = None,
        kid: str | None = None,
        alg: str | None = None,
        header: Mapping[str, Any] | None = None,
        key: Any = None,
    ) -> str:
        """Return a signed token; without a key, by the first one (or the one of that name)."""
        name = kid if kid in self.keys else next(iter(self.keys))
        signing = key if key is not None else self.keys[name]
        algorithm = alg or ("RS256" if isinstance(signing, rsa.RSAPrivateKey) else "ES256")
        headers = {"kid": kid or name, **(header or {})}
        return jwt.encode(
            self.claims(claims, aud=aud, now=now), signing, algorithm=algorithm, headers=headers
        )


def trust(issuer: IssuerUnderTest, provider: str = "", now: datetime | None = None, **facts: Any) -> Any:
    """Put an issuer on the list with its keys as fetched now, by hand; returns its row. Needs the database."""
    from keyhouse.core import clock  # noqa: PLC0415 - journeys use this file without Django
    from keyhouse.credentials.trusted_publishers.issuers import BUILT_IN  # noqa: PLC0415 - the same
    from keyhouse.credentials.trusted_publishers.models import Issuer  # noqa: PLC0415 - the same

    at = now or clock.now()
    known = BUILT_IN.get(issuer.url)
    row, _ = Issuer.objects.update_or_create(
        url=issuer.url,
        defaults={
            "provider": provider or (known.provider if known else "custom"),
            "added_at": at,
            "keys": issuer.jwks,
            "keys_at": at,
            "asked_at": at,  # so nobody asks over the network for the next minute
            **facts,
        },
    )
    return row


class ServedIssuer(IssuerUnderTest):
    """The same, with a server that tells its keys, as well or as badly as `mode` says. Used as a context."""

    def __init__(self, certificate: Path, key: Path, *, host: str = "localhost") -> None:
        self.mode = "good"
        self.asked: list[str] = []  # paths, in their order
        self.released = threading.Event()  # ends whoever is slow
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        super().__init__(f"https://{host}:{self._server.server_address[1]}")

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Return status, content type and body."""
        document = self.discovery if path == DISCOVERY else self.jwks
        if self.mode == "other-issuer" and path == DISCOVERY:
            document = {**document, "issuer": "https://other.example"}
        if self.mode == "http-keys" and path == DISCOVERY:
            document = {**document, "jwks_uri": document["jwks_uri"].replace("https", "http")}
        body = json.dumps(document).encode()
        if self.mode == "huge" and path == KEYS:
            body = b'{"keys": [' + b" " * 2**21 + b"]}"
        if self.mode == "not-json":
            body = b"<html>"
        statuses = {"failing": 503, "redirecting": 302}
        kind = "text/html" if self.mode == "wrong-type" else "application/json"
        return statuses.get(self.mode, 200), kind, body


def _handler(issuer: ServedIssuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            status, kind, body = issuer.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if status == 302:
                self.send_header("Location", issuer.url + "/elsewhere")
            self.end_headers()
            if issuer.mode == "slow":
                self._drip(body)
            else:
                self.wfile.write(body)

        def _drip(self, body: bytes) -> None:
            for byte in body:
                if issuer.released.wait(0.2):
                    return
                self.wfile.write(bytes([byte]))
                self.wfile.flush()

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def make_certificate(folder: Path, *names: str) -> tuple[Path, Path]:
    """Make a certificate for localhost (or these names) that vouches for itself; returns its file and that of its key.

    The index believes it where `KEYHOUSE_CA_FILE` names the first.
    """
    key = ec_key(99)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer under test")])
    now = datetime.now(UTC)
    names = names or ("localhost",)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "issuer-cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "issuer-key.pem").write_bytes(key.private_bytes(*pem))
    return folder / "issuer-cert.pem", folder / "issuer-key.pem"


def wait_until(condition: Any, seconds: float = 5.0) -> None:
    """Wait for something that another thread does."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it didn't happen in time"
        time.sleep(0.01)
