"""Reading what was sent: bounded, strict, and tidied to the members that PEP 740 names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from keyhouse.publishing.attestations.errors import AttestationInvalid, AttestationRepeated

Document = Mapping[str, Any]

# by how the names of the predicates end that PEP 740 knows; which these are is judged by the library's list
KINDS: Final[Mapping[str, str]] = {"/attestations/publish/v1": "publish", "/provenance/v1": "SLSA provenance"}
LARGEST: Final = (
    512 * 1024
)  # characters of all attestations of a file; real ones have about ten thousand each

_DEEPEST: Final = 16  # levels of nesting; real ones have eight


def kind_of(predicate: str) -> str:
    """Return what people call a verified statement of this predicate."""
    return next((kind for end, kind in KINDS.items() if predicate.endswith(end)), "unknown")


def read_field(text: str) -> list[Document]:
    """Return the attestations of the form field, tidied; raises AttestationInvalid or AttestationRepeated."""
    body = _plain(read_json(text))
    if not isinstance(body, list) or not body:
        raise AttestationInvalid("The field attestations must be a JSON list of attestations.")
    if len(body) > len(KINDS):
        raise AttestationRepeated(f"A file has at most {len(KINDS)} attestations, one of each kind.")
    return [tidied(one) for one in body]


def read_document(text: str) -> list[Document]:
    """Return the attestations of a file as tools write it: one attestation, or a whole provenance object."""
    body = _plain(read_json(text))
    if isinstance(body, dict) and "attestation_bundles" in body:
        bundles = body["attestation_bundles"]
        if not isinstance(bundles, list) or not all(isinstance(one, dict) for one in bundles):
            raise AttestationInvalid("The provenance holds no list of bundles.")
        found = [tidied(one) for bundle in bundles for one in _list_of(bundle.get("attestations"))]
        if not found:
            raise AttestationInvalid("The provenance holds no attestation.")
        return found
    return [tidied(body)]


def read_json(text: str) -> Any:
    """Parse JSON in which no object says a thing twice; raises AttestationInvalid."""
    if len(text) > LARGEST:
        raise AttestationInvalid(f"The attestations have more than {LARGEST} characters.")
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise AttestationInvalid("The attestations can't be read as JSON.") from error


def tidied(body: Any) -> Document:
    """Return an attestation with the members of PEP 740 and no others; raises AttestationInvalid."""
    material, envelope = _table(body, "verification_material"), _table(body, "envelope")
    entries = material.get("transparency_entries")
    if body.get("version") != 1 or isinstance(body["version"], bool):
        raise AttestationInvalid("An attestation is of another version than 1.")
    if not isinstance(entries, list) or len(entries) != 1 or not isinstance(entries[0], dict):
        raise AttestationInvalid("An attestation must have one entry of a transparency log.")
    return {
        "version": 1,
        "verification_material": {
            "certificate": _text(material, "certificate"),
            "transparency_entries": entries,
        },
        "envelope": {"statement": _text(envelope, "statement"), "signature": _text(envelope, "signature")},
    }


def _plain(value: Any, depth: int = 0) -> Any:
    """Return what was read, if every database can keep it and every program read it; raises AttestationInvalid.

    An entry of a log may have members that nobody checks. They are served as they came, so they must be harmless.
    """
    if isinstance(value, float) or depth > _DEEPEST:
        raise AttestationInvalid("The attestations hold a fraction, or are nested too deeply.")
    if isinstance(value, str):
        _require_text(value)
    elif isinstance(value, dict):
        for name, part in value.items():
            _require_text(name)
            _plain(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            _plain(part, depth + 1)
    return value


def _require_text(text: str) -> None:
    if "\0" in text or (not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text)):
        raise AttestationInvalid("The attestations hold a NUL or half of a character.")


def _table(body: Any, name: str) -> Mapping[str, Any]:
    part = body.get(name) if isinstance(body, dict) else None
    if not isinstance(part, dict):
        raise AttestationInvalid(f"An attestation lacks {name}.")
    return part


def _text(part: Mapping[str, Any], name: str) -> str:
    value = part.get(name)
    if not isinstance(value, str) or not value:
        raise AttestationInvalid(f"An attestation lacks {name}.")
    return value


def _list_of(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise AttestationInvalid("A bundle holds no list of attestations.")
    return value


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            message = "a member stands twice"
            raise ValueError(message)
        found[name] = value
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)
