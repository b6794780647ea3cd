"""What a doctor sees through the base URL, as people and clients do: proxies, TLS, names, reason phrases, sizes."""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTP_PORT, HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlsplit

from keyhouse.cli.doctor_findings import Finding, hint, ok, problem
from keyhouse.core import clock, probes
from keyhouse.core.configuration import Configuration
from keyhouse.core.keys import KeyFileError
from keyhouse.core.networks import is_address, is_in

_SECONDS: Final = 10.0
_LONGEST: Final = 64 * 1024
_SEEN: Final = 403
_TOO_LARGE: Final = 413
_ABOUT: Final = "base URL"
_READY: Final = ("readers_lack", "writers_lack", "impaired")  # lists of sentences at /health/ready


@dataclass(frozen=True, slots=True)
class Answered:
    """Status, reason phrase and body of an answer."""

    status: int
    reason: str
    body: bytes


def check_name(settings: Configuration) -> Iterator[Finding]:
    """Look whether browsers allow security keys there: a name, and https, or `localhost`."""
    parts = urlsplit(settings.base_url)
    host = parts.hostname or ""
    if is_address(host):
        fix = "Give the machine a name, let a proxy end TLS for it, or give --tls-cert and --tls-key, and set KEYHOUSE_BASE_URL=https://NAME."
        yield problem(
            _ABOUT,
            f"{settings.base_url} is an IP address: browsers allow no security keys there, over TLS neither.",
            fix,
        )
    elif parts.scheme == "http" and host != "localhost":
        fix = "Let a proxy end TLS and set KEYHOUSE_BASE_URL=https://…, or give --tls-cert and --tls-key."
        yield problem(
            _ABOUT, f"{settings.base_url} is plain http: browsers allow no security keys there.", fix
        )
    elif host == "localhost":
        fix = "Set KEYHOUSE_BASE_URL to the address that others use, before people set up security keys."
        yield hint(_ABOUT, "It is localhost: keys that are set up there live there only.", fix)
    else:
        yield ok(_ABOUT, f"{settings.base_url}; security keys know it as {settings.key_name}.")


def check_way(settings: Configuration) -> Iterator[Finding]:
    """Ask the server through its base URL what arrives."""
    try:
        found = _ask(settings, "GET", probes.PATH, {probes.HEADER: probes.sign(clock.now())})
    except KeyFileError:
        return  # told already
    except ssl.SSLError as error:
        fix = "Mend the certificate (its names, its end, its chain); KEYHOUSE_CA_FILE names an authority of your own."
        yield problem(_ABOUT, f"TLS fails there: {error.reason or error}.", fix)
        return
    except (OSError, HTTPException) as error:
        fix = "Start the server, or mend name, proxy or port; from inside a container the name may lead elsewhere (--offline)."
        yield _find_tls(settings) or problem(_ABOUT, f"Nobody answers at {settings.base_url}: {error}.", fix)
        return
    told = _read(found)
    if told is None:
        fix = "The name leads to something else, or to a server with another key file."
        yield _find_tls(settings) or problem(
            _ABOUT, f"What answers at {settings.base_url} isn't this index (status {found.status}).", fix
        )
        return
    yield ok(_ABOUT, f"{settings.base_url} leads here.")
    yield from _judge(settings, told, found)
    yield from _check_size(settings)
    yield from _check_ready(settings)


def _find_tls(settings: Configuration) -> Finding | None:
    """Tell where TLS is spoken at an address that says plain http; servers answer http there in many ways, or not at all."""
    parts = urlsplit(settings.base_url)
    if parts.scheme != "http":
        return None
    host, port = parts.hostname or "", parts.port or HTTP_PORT
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is said there
    try:
        with socket.create_connection((host, port), _SECONDS) as plain:
            context.wrap_socket(plain, server_hostname=host).close()
    except (OSError, ValueError):
        return None
    place = parts.netloc if parts.port else f"{parts.netloc}:{port}"
    fix = f"Set KEYHOUSE_BASE_URL=https://{place.removesuffix(':443')}{parts.path}"
    return problem(_ABOUT, f"What answers at {settings.base_url} speaks TLS, and not plain http.", fix)


def _judge(settings: Configuration, told: dict[str, Any], found: Answered) -> Iterator[Finding]:
    yield from judge_proxy(settings, told)
    expected = urlsplit(settings.base_url).netloc
    if told.get("host") != expected:
        fix = "Let the proxy pass the Host header as it came."
        yield hint("proxy", f"The host arrives as {told.get('host')}, not as {expected}.", fix)
    if not found.reason.startswith("probe-seen:"):
        fix = "twine shows nothing but the phrase, so tell people to use uv, or the page of refusals; see docs/operate/proxies.md."
        yield hint("proxy", "The reason phrase of answers is lost on the way, as always with HTTP/2.", fix)
    else:
        yield ok("proxy", "Reason phrases arrive, so twine can say why an upload is refused.")


def judge_proxy(settings: Configuration, told: dict[str, Any]) -> Iterator[Finding]:
    """Compare what forwarding headers arrived with which proxies are trusted."""
    peer, forwarding = str(told.get("peer", "")), list(told.get("forwarding", []))
    is_trusted = is_in(peer, settings.trusted_proxies)
    if forwarding and not is_trusted:
        fix = f"If {peer} is your proxy, set KEYHOUSE_TRUSTED_PROXIES={_network_of(peer)}; if not, all is well: they are ignored."
        yield problem(
            "proxy",
            f"Forwarding headers ({', '.join(map(str, forwarding))}) come from {peer}, which isn't trusted.",
            fix,
        )
    elif is_trusted and "x-forwarded-for" not in forwarding:
        fix = "Let the proxy set X-Forwarded-For: without it everybody shares the proxy's limits."
        yield problem("proxy", f"The proxy at {peer} is trusted and doesn't say whom it speaks for.", fix)
    elif is_trusted:
        yield ok("proxy", f"The proxy at {peer} is trusted and tells whom it speaks for.")
    else:
        yield ok("proxy", "There is none on this way that writes forwarding headers.")


def _check_size(settings: Configuration) -> Iterator[Finding]:
    """Announce an upload of the largest size without sending it: a proxy with a lower limit refuses at once."""
    headers = {"Content-Length": str(settings.file_limit), "Content-Type": "multipart/form-data; boundary=probe",
               "Expect": "100-continue"}  # fmt: skip
    try:
        found = _ask(settings, "POST", "/legacy/", headers)
    except (OSError, HTTPException):
        yield hint(
            "proxy",
            "An announced upload got no answer before its body.",
            "Let the proxy not buffer request bodies.",
        )
        return
    if found.status == _TOO_LARGE:
        fix = "nginx: client_max_body_size 0; and proxy_request_buffering off;"
        yield problem("proxy", "Something on the way refuses files of the largest size allowed here.", fix)
    else:
        yield ok("proxy", "Uploads of the largest size are let through, and judged before their bodies.")


def _check_ready(settings: Configuration) -> Iterator[Finding]:
    """Pass on what the server itself says it lacks."""
    try:
        found = _ask(settings, "GET", "/health/ready", {})
    except (OSError, HTTPException):
        yield problem("service", "The server doesn't tell whether it is ready.", "Its log says more.")
        return
    yield from judge_ready(found)


def judge_ready(found: Answered) -> Iterator[Finding]:
    """Pass on what stands in an answer of `/health/ready`; a proxy may have one of its own there."""
    told = _read_ready(found.body)
    if told is None:
        yield problem(
            "service",
            f"What answers at /health/ready isn't this index (status {found.status}).",
            "Let the proxy pass /health/ready on, or keep its own answers to another path.",
        )
        return
    lacks = dict.fromkeys((*told["readers_lack"], *told["writers_lack"]))
    for sentence in lacks:
        yield problem("service", sentence, "The server's log says more.")
    for sentence in told["impaired"]:
        yield hint("service", sentence, "It goes on without; docs/operate/ tells about each.")
    if not lacks:
        yield ok("service", "It takes reads and writes.")


def _read_ready(body: bytes) -> dict[str, list[str]] | None:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    lists = [told.get(name) for name in _READY] if isinstance(told, dict) else [None]
    is_ours = all(
        isinstance(one, list) and all(isinstance(sentence, str) for sentence in one) for one in lists
    )
    return told if is_ours else None


def _network_of(address: str) -> str:
    try:
        return str(ipaddress.ip_network(address))
    except ValueError:
        return address


def _read(found: Answered) -> dict[str, Any] | None:
    if found.status != _SEEN:
        return None
    try:
        told = json.loads(found.body)
    except (ValueError, RecursionError):
        return None
    is_ours = isinstance(told, dict) and "peer" in told and isinstance(told.get("forwarding"), list)
    return told if is_ours else None


def _ask(settings: Configuration, method: str, path: str, headers: dict[str, str]) -> Answered:
    parts = urlsplit(settings.base_url)
    connection = _connect(settings, parts.scheme, parts.hostname or "", parts.port)
    try:
        connection.putrequest(method, parts.path.rstrip("/") + path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return Answered(answer.status, answer.reason, answer.read(_LONGEST))
    finally:
        connection.close()


def _connect(settings: Configuration, scheme: str, host: str, port: int | None) -> HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        if settings.ca_file is not None:
            context.load_verify_locations(settings.ca_file)
        return HTTPSConnection(host, port, timeout=_SECONDS, context=context)
    return HTTPConnection(host, port, timeout=_SECONDS)
