"""`keyhouse dev verify`: JSON lines in, verdicts out, by the very code that serves users. No server, no database."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from keyhouse.accounts import rules as account_rules
from keyhouse.accounts.passwords import sources
from keyhouse.accounts.passwords.errors import PasswordCompromised
from keyhouse.accounts.second_factors.totp import rules as totp
from keyhouse.accounts.second_factors.webauthn.rules import Site
from keyhouse.cli.check import judge_as_upload
from keyhouse.cli.dev_verify_keys import judge_assertion, judge_registration
from keyhouse.cli.surroundings import load_features
from keyhouse.core import clock, configuration
from keyhouse.core.errors import CredentialInvalid, Refusal
from keyhouse.credentials.tokens import macaroons
from keyhouse.credentials.tokens.macaroons import Macaroon, MacaroonMalformed
from keyhouse.credentials.trusted_publishers import jws
from keyhouse.distfiles.description import find_format, render
from keyhouse.distfiles.findings import UnacceptableError
from keyhouse.distfiles.names import judge_new_name, normalise
from keyhouse.mandate.documents import DocumentInvalid, read_mandate
from keyhouse.mandate.errors import MandateInvalid
from keyhouse.mandate.facts import FactsMalformed, read_facts
from keyhouse.mandate.rules import FLOOR, Policy, decide
from keyhouse.publishing.attestations.naming import expected_of
from keyhouse.publishing.attestations.reading import read_document
from keyhouse.publishing.attestations.verifying import Subject, verify_all

Answer = dict[str, Any]


class LineError(Exception):
    """A line that can't be judged; `code` says why."""

    def __init__(self, code: str, sentence: str) -> None:
        """Carry the code and what is wrong."""
        super().__init__(sentence)
        self.code = code


class Line:
    """The fields of one question, taken out by name and type."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        """Take the object that stood on the line."""
        self._body = body

    def text(self, name: str, default: str | None = None) -> str:
        """Return a string; raises LineError where it is missing (and has no default) or something else."""
        value = self._body.get(name)
        value = default if value is None else value
        if not isinstance(value, str):
            raise LineError("fields-wrong", f"`{name}` must be a string.")
        return value

    def number(self, name: str, default: int) -> int:
        """Return a whole number; raises LineError for anything else."""
        value = self._body.get(name)
        value = default if value is None else value
        if not isinstance(value, int) or isinstance(value, bool):
            raise LineError("fields-wrong", f"`{name}` must be a whole number.")
        return value

    def instant(self, name: str) -> datetime:
        """Return an instant; raises LineError where it is none, or has no zone."""
        try:
            return clock.parse_instant(self.text(name))
        except (ValueError, OverflowError) as error:
            raise LineError("fields-wrong", f"`{name}`: {error}.") from error

    def value(self, name: str) -> Any:
        """Return whatever stands there, None where nothing does."""
        return self._body.get(name)

    def table(self, name: str) -> Mapping[str, Any]:
        """Return an object; raises LineError for anything else."""
        value = self._body.get(name)
        if not isinstance(value, dict):
            raise LineError("fields-wrong", f"`{name}` must be an object.")
        return value

    def texts(self, name: str) -> list[str]:
        """Return a list of strings, empty where it is missing; raises LineError for anything else."""
        value = self._body.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise LineError("fields-wrong", f"`{name}` must be a list of strings.")
        return value


@click.command("verify")
def command() -> None:
    """Answer each line of standard input with one line: {"ok": true, …} or {"ok": false, "code": …}.

    \b
    Example:
      echo '{"kind": "name", "name": "alpha"}' | keyhouse dev verify
    """  # noqa: D301 - \b is click's own mark
    for line in sys.stdin.buffer:
        click.echo(json.dumps(answer(line)))
        sys.stdout.flush()


def answer(line: bytes) -> Answer:
    """Return the answer to one line; nothing that stands on it raises."""
    try:
        return {"ok": True, **_judge(line)}
    except UnacceptableError as error:
        return {"ok": False, "code": error.finding.code, "sentence": error.finding.sentence}
    except Refusal as refusal:
        return {"ok": False, "code": refusal.code, "sentence": refusal.sentence}
    except LineError as error:
        return {"ok": False, "code": error.code, "sentence": str(error)}
    except Exception as error:  # noqa: BLE001 - one line must never end the answers to the others
        return {"ok": False, "code": "verdict-impossible", "sentence": f"{type(error).__name__}: {error}"}


def _judge(line: bytes) -> Answer:
    try:
        body = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LineError("line-malformed", "A line holds one JSON object.") from error
    if not isinstance(body, dict):
        raise LineError("line-malformed", "A line holds one JSON object.")
    kind = body.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise LineError("kind-unknown", f"`kind` is one of {', '.join(KINDS)}.")
    return KINDS[kind](Line(body))


def _archive(line: Line) -> Answer:
    path = Path(line.text("path"))
    judgement = judge_as_upload(path, line.text("filename", path.name))
    if not judgement.is_accepted:
        first = judgement.findings[0]
        raise UnacceptableError(first.code, first.sentence)
    return {"name": judgement.name, "version": str(judgement.version), "kind": judgement.kind}


def _description(line: Line) -> Answer:
    content_type = line.text("content_type", "")
    if find_format(content_type) is None:
        raise LineError("metadata-content-type", "The content type of the description is not a known one.")
    html = render(line.text("text"), content_type)
    if html is None:
        raise LineError("metadata-description", "The description does not render.")
    return {"html": html}


def _name(line: Line) -> Answer:
    name = line.text("name")
    finding = judge_new_name(name)
    if finding is not None:
        raise UnacceptableError(finding.code, finding.sentence)
    return {"name": normalise(name)}


def _password(line: Line) -> Answer:
    """Judge by the rules and by what is known here; no service is asked."""
    address, password = line.text("email", ""), line.text("password")
    account_rules.check_password(
        password,
        username=line.text("username", ""),
        addresses=[address] if address else [],
        least_length=configuration.current().password_length,
    )
    if sources.look_up_digest(sources.digest_of(password), with_service=False).is_known:
        raise PasswordCompromised
    return {}


def _totp(line: Line) -> Answer:
    secret = totp.decode_secret(line.text("secret"))
    at = line.instant("at")
    return {"step": totp.verify(secret, line.text("code"), at, line.number("last_step", 0)).step}


def _macaroon(line: Line) -> Answer:
    try:
        key = bytes.fromhex(line.text("key"))
    except ValueError as error:
        raise LineError("fields-wrong", "`key` must be hexadecimal.") from error
    satisfied = {caveat.encode() for caveat in line.texts("satisfied")}
    macaroon = _read_macaroon(line.text("text"))
    if not macaroons.verify(macaroon, key, satisfied.__contains__):
        raise CredentialInvalid
    return {
        "identifier": macaroon.identifier.decode(errors="backslashreplace"),
        "caveats": [caveat.decode(errors="backslashreplace") for caveat in macaroon.caveats],
    }


def _jws(line: Line) -> Answer:
    """Verify a signature by the algorithms that are given, whatever was signed; what is JSON is told as `claims`."""
    key_set = line.table("jwks") if line.value("jwk") is None else {"keys": [line.table("jwk")]}
    algorithms = line.texts("algorithms") or jws.ISSUER_ALGORITHMS
    payload = jws.verify_bytes(line.text("token"), key_set, algorithms)
    try:
        return {"claims": jws.read_json(payload)}
    except ValueError:
        return {"claims": None}


def _oidc(line: Line) -> Answer:
    """Judge an identity token by its issuer's keys, and by a publisher as it is seeded."""
    load_features()
    from keyhouse.cli.dev_verify_identity import judge_identity  # noqa: PLC0415 - Django is set up by now

    return judge_identity(
        line.text("token"),
        provider=line.text("provider"),
        issuer_url=line.text("issuer"),
        key_set=line.table("jwks"),
        audience=line.text("audience"),
        at=line.instant("at"),
        trusted=None if line.value("publisher") is None else line.table("publisher"),
    )


def _read_macaroon(text: str) -> Macaroon:
    """Read base64url of V1 or V2, with or without our prefix; V1 also in the doubled encoding some tools print."""
    bare = text.strip().removeprefix(configuration.current().token_prefix)
    try:
        return macaroons.read_any(bare)
    except MacaroonMalformed:
        return _read_doubled(bare)


def _read_doubled(text: str) -> Macaroon:
    try:
        return macaroons.read_any(macaroons.decode(text).decode("ascii"))
    except (MacaroonMalformed, UnicodeDecodeError) as error:
        raise CredentialInvalid from error


def _attestation(line: Line) -> Answer:
    """Verify a file's attestation, or its whole provenance, by the roots of trust that the server would use."""
    distribution = Path(line.text("distribution"))
    with distribution.open("rb") as file:
        subject = Subject(distribution.name, hashlib.file_digest(file, "sha256").hexdigest())
    documents = read_document(Path(line.text("attestation")).read_text("utf-8", "replace"))
    found = verify_all(documents, subject, expected_of(line.table("publisher")))
    return {"attestations": [one.as_dict() for one in found]}


def _decide(line: Line) -> Answer:
    """Decide by the mandates that are given, and no others; what operators are always asked for holds beside them."""
    try:
        facts = read_facts(line.value("facts"))
    except FactsMalformed as error:
        raise LineError("facts-malformed", f"{error}.") from error
    return decide(facts, _policies(line.value("mandates")), line.instant("at")).as_dict()


def _policies(documents: Any) -> list[Policy]:
    if not isinstance(documents, list):
        raise LineError("fields-wrong", "`mandates` must be a list of documents.")
    found: dict[str, Policy] = {}
    for number, body in enumerate(documents):
        try:
            mandate = read_mandate(body)
        except DocumentInvalid as error:
            raise MandateInvalid(f"mandates[{number}]: {error}.") from error
        if mandate.name in {*found, FLOOR}:
            raise MandateInvalid(f"mandates[{number}]: the name {mandate.name} is taken.")
        found[mandate.name] = Policy(mandate)
    return list(found.values())


def _site(line: Line) -> Site:
    verification = line.text("user_verification", "preferred")
    return Site(line.text("origin"), line.text("rp_id"), needs_user_verified=verification == "required")


def _registration(line: Line) -> Answer:
    return judge_registration(line.table("options"), line.table("response"), _site(line))


def _assertion(line: Line) -> Answer:
    return judge_assertion(
        line.table("options"), line.table("response"), line.table("credential"), _site(line)
    )


KINDS: Final[dict[str, Callable[[Line], Answer]]] = {
    "archive": _archive,
    "description": _description,
    "name": _name,
    "password": _password,
    "totp": _totp,
    "webauthn-registration": _registration,
    "webauthn-assertion": _assertion,
    "macaroon": _macaroon,
    "jws": _jws,
    "oidc": _oidc,
    "decide": _decide,
    "attestation": _attestation,
}
