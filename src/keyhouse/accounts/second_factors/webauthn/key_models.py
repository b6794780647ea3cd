"""Models of security keys, by a metadata file that an operator puts there: who made them, and which are no good any more.

The file is the payload of the FIDO Metadata Service as JSON (MDS 3.1, 3.1.6). Nothing is fetched. A damaged file stops the
start; where a good one is replaced by a damaged one under way, no key counts as attested until it is mended.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from keyhouse.core import configuration
from keyhouse.core.configuration import ConfigurationError

LARGEST: Final = 32 * 2**20  # bytes; the service's own has a quarter of that
LONGEST_NAME: Final = 200
_BROKEN: Final = frozenset({"REVOKED", "USER_VERIFICATION_BYPASS"})
_COMPROMISE: Final = "_COMPROMISE"
_CERTIFIED: Final = "FIDO_CERTIFIED"
_NO_AAGUID: Final = str(UUID(int=0))  # of keys that don't tell their model

_log = logging.getLogger("keyhouse.accounts")


class KeyModelsDamaged(ConfigurationError):  # noqa: N818 - it names what is wrong
    """The metadata file can't be used; the message says why."""


@dataclass(frozen=True, slots=True)
class KeyModel:
    """One model: its name, the certificates (DER) that its attestation leads to, and whether it is still sound."""

    name: str
    roots: tuple[bytes, ...]
    is_sound: bool = True


Models = Mapping[str, KeyModel]  # by AAGUID, as it is written (RFC 9562)
NONE: Final[Models] = MappingProxyType({})


def read_models(raw: bytes) -> Models:
    """Read the text of a metadata file. Raises KeyModelsDamaged."""
    try:
        told = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        hint = "; it is still signed and packed" if raw.startswith(b"eyJ") else ""
        raise KeyModelsDamaged(f"it is not JSON{hint}") from error
    found: dict[str, KeyModel] = {}
    for number, entry in enumerate(_list(told, "entries", "the file")):
        where = f"entry {number}"
        if not isinstance(entry, Mapping):
            raise KeyModelsDamaged(f"{where} is no object")
        aaguid = _aaguid(entry, where)
        if aaguid is None:  # a model of another protocol, which never answers here
            continue
        if aaguid in found:
            raise KeyModelsDamaged(f"{where} is about a model that another entry is about, too")
        found[aaguid] = _model(entry, where)
    if not found:
        raise KeyModelsDamaged("it lists no model")
    return MappingProxyType(found)


def _aaguid(entry: Mapping[str, Any], where: str) -> str | None:
    value = entry.get("aaguid")
    if value is None:
        return None
    try:
        written = str(UUID(value)) if isinstance(value, str) else ""
    except ValueError:
        written = ""
    if not written:
        raise KeyModelsDamaged(f"{where} has an `aaguid` that is none")
    return None if written == _NO_AAGUID else written


def _model(entry: Mapping[str, Any], where: str) -> KeyModel:
    told = entry.get("metadataStatement")
    text = told.get("description") if isinstance(told, Mapping) else None
    words = " ".join(text.split()) if isinstance(text, str) else ""
    name = "".join(one for one in words if one.isprintable())[:LONGEST_NAME]
    if not name:
        raise KeyModelsDamaged(f"{where} has no `metadataStatement.description`")
    roots = tuple(
        _certificate(one, where) for one in _list(told, "attestationRootCertificates", where, is_needed=False)
    )
    reports = _list(entry, "statusReports", where, is_needed=False)
    return KeyModel(name, roots, _is_sound(reports, where))


def _list(told: object, key: str, where: str, *, is_needed: bool = True) -> Sequence[Any]:
    value = told.get(key) if isinstance(told, Mapping) else None
    if value is None and not is_needed:
        return ()
    if not isinstance(value, list):
        raise KeyModelsDamaged(f"{where} has no list `{key}`")
    return value


def _certificate(text: object, where: str) -> bytes:
    try:
        return base64.b64decode("".join(str(text).split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyModelsDamaged(f"{where} has a certificate that is not base64") from error


def _is_sound(reports: Sequence[Any], where: str) -> bool:
    """Tell whether the last word about the model's safety is a good one; of two of one day the bad one counts."""
    words = [_judged(one, where) for one in reports]
    return not max((word for word in words if word is not None), default=(date.min, False))[1]


def _judged(report: object, where: str) -> tuple[date, bool] | None:
    """Return since when a report holds and whether it is a bad one; None: it says nothing about safety.

    That there is an update says nothing of the keys that didn't get it. A bad word without a day holds while it stands.
    """
    status = report.get("status") if isinstance(report, Mapping) else None
    if not isinstance(report, Mapping) or not isinstance(status, str):
        raise KeyModelsDamaged(f"{where} has a status report without `status`")
    is_bad = status in _BROKEN or status.endswith(_COMPROMISE)
    if not is_bad and not status.startswith(_CERTIFIED):
        return None
    told = report.get("effectiveDate")
    try:
        return (date.fromisoformat(told) if told else date.max if is_bad else date.min), is_bad
    except (TypeError, ValueError) as error:
        raise KeyModelsDamaged(f"{where} has a status report with an `effectiveDate` that is none") from error


class _Kept:
    """The file as this process has read it: read anew when another one takes its place."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mark: tuple[object, ...] = ()
        self._found: Models | KeyModelsDamaged = NONE
        self._told: object = None

    def find(self, path: Path) -> Models:
        with self._lock:
            mark = _mark_of(path)
            if mark != self._mark:
                self._found, self._mark = _load(path), mark
            found = self._found
        if isinstance(found, KeyModelsDamaged):
            raise KeyModelsDamaged(*found.args)
        return found

    def tell(self, damage: KeyModelsDamaged) -> None:
        """Put damage into the log, once for each state of the file: every enrolment and key list meets it."""
        with self._lock:
            is_news, self._told = self._told != self._mark, self._mark
        if is_news:
            _log.error("%s No key counts as attested until it is mended.", damage)


def _mark_of(path: Path) -> tuple[object, ...]:
    try:
        found = path.stat()
    except OSError as error:
        return (path, error.errno)
    return (path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _load(path: Path) -> Models | KeyModelsDamaged:
    try:
        return read_models(_read(path))
    except KeyModelsDamaged as damage:
        why = str(damage)
    except OSError as error:
        why = error.strerror or type(error).__name__
    return KeyModelsDamaged(f"KEYHOUSE_KEY_MODELS: {path} can't be used: {why}.")


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise KeyModelsDamaged("there is no such file")
    with path.open("rb") as file:
        raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise KeyModelsDamaged(f"it is larger than {LARGEST // 2**20} MiB")
    return raw


_kept = _Kept()


def require_models() -> Models | None:
    """Return the models of the file that is set, or None where none is set. Raises KeyModelsDamaged."""
    path = configuration.current().key_models
    return None if path is None else _kept.find(path)


def find_models() -> Models | None:
    """Return them, and none at all while the file is damaged: then no key is attested."""
    try:
        return require_models()
    except KeyModelsDamaged as damage:
        _kept.tell(damage)
        return NONE


def find_unsafe() -> frozenset[str]:
    """Return the AAGUIDs of models that the file reports unsafe."""
    return frozenset(aaguid for aaguid, model in (find_models() or NONE).items() if not model.is_sound)
