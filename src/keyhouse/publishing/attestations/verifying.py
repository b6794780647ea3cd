"""Whether an attestation is about this file, and was signed by this publisher."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import parse_sdist_filename, parse_wheel_filename

from keyhouse.core import configuration
from keyhouse.distfiles.findings import shown
from keyhouse.publishing.attestations.errors import (
    AttestationFileDiffers,
    AttestationInvalid,
    AttestationPredicateUnknown,
    AttestationPublisherDiffers,
    AttestationRepeated,
    IssuerNotCovered,
    TrustedRootDamaged,
)
from keyhouse.publishing.attestations.identities import Expected
from keyhouse.publishing.attestations.reading import Document, read_json
from keyhouse.publishing.attestations.signers import Signer

if TYPE_CHECKING:
    from sigstore.verify import Verifier

_STATEMENT: Final = "https://in-toto.io/Statement/v1"

_FIX: Final = (
    "Set KEYHOUSE_TRUSTED_ROOT to a file of roots, or to nothing for those that came with this version."
)

_log = logging.getLogger("keyhouse.attestations")


@dataclass(frozen=True, slots=True)
class Subject:
    """The file that is spoken of: its name, and its SHA-256 in lower-case hex."""

    filename: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Verified:
    """An attestation that holds: the kind of statement (`reading.kind_of` has its name), and who signed it."""

    predicate: str
    signer: Signer

    def as_dict(self) -> dict[str, Any]:
        """Return what is kept with the file and told by the command line."""
        return {"predicate": self.predicate, **self.signer.shown()}


class _Roots:
    """The verifier for each file of roots, made when it is first needed and again when the file changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[Path | None, tuple[object, Verifier]] = {}

    def find(self, path: Path | None) -> Verifier:
        """Return it; raises TrustedRootDamaged."""
        from keyhouse.publishing.attestations import library  # noqa: PLC0415 - takes a second

        with self._lock:
            try:
                stamp = None if path is None else (path.stat().st_mtime_ns, path.stat().st_size)
                made = self._made.get(path)
                if made is None or made[0] != stamp:
                    made = self._made[path] = (stamp, library.load_verifier(path))
            except (
                Exception
            ) as error:  # the library raises errors of many kinds for what isn't a file of roots
                _log.error(
                    "%s can't be used for attestations: %s", path or "the library's own root", why(error)
                )
                raise TrustedRootDamaged from error
            return made[1]


_roots = _Roots()


def require_roots(path: Path) -> None:
    """Read a file of roots; where that can't be done, raise a TrustedRootDamaged that names it, for the operator."""
    try:
        _roots.find(path)
    except TrustedRootDamaged as damaged:
        reason = why(damaged.__cause__)
        raise TrustedRootDamaged(f"{path} can't be used: {reason}.") from damaged


def why(error: BaseException | None) -> str:
    """Return in a few words why a file of roots can't be read."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError):
        return error.strerror or "it can't be read"
    return "it is no trusted_root.json"


def verify_all(documents: Sequence[Document], subject: Subject, expected: Expected) -> list[Verified]:
    """Verify the attestations of one file, at most one of each kind. Raises refusals of `errors`.

    Takes milliseconds for each, a second more for the first of a process; to be called on a thread.
    """
    found = [verify(document, subject, expected) for document in documents]
    if len({one.predicate for one in found}) != len(found):
        raise AttestationRepeated
    return found


def verify(document: Document, subject: Subject, expected: Expected) -> Verified:
    """Verify one attestation, without network; raises refusals of `errors`."""
    from keyhouse.publishing.attestations import library  # noqa: PLC0415 - takes a second

    path = configuration.current().trusted_root
    _require_covered(expected, path)
    verifier = _roots.find(path)
    try:
        payload, signer = library.check_signature(document, expected, verifier)
    except library.OtherPublisherError as other:
        sentence = (
            f"An attestation was signed by another publisher: its {other.name} is not the configured one."
        )
        raise AttestationPublisherDiffers(sentence) from other
    except Exception as error:  # the libraries raise errors of many kinds for what somebody made up
        _log.info("an attestation doesn't hold: %s: %s", type(error).__name__, shown(str(error)))
        raise AttestationInvalid from error
    return Verified(_judge_statement(payload, subject), signer)


def _require_covered(expected: Expected, path: Path | None) -> None:
    if not expected.is_public and path is None:
        raise IssuerNotCovered(
            f"The public roots of trust don't cover {shown(expected.issuer_url)}, so its attestations can't be checked here."
        )
    if not expected.is_complete:
        raise IssuerNotCovered("This kind of publisher can't be compared with what an attestation says.")


def _judge_statement(payload: bytes, subject: Subject) -> str:
    """Return the kind of a statement about this file; raises what is wrong with it."""
    statement = read_json(payload.decode("utf-8", "replace"))
    subjects = statement.get("subject") if isinstance(statement, dict) else None
    if not isinstance(subjects, list) or statement.get("_type") != _STATEMENT:
        raise AttestationInvalid("An attestation holds no statement (in-toto, version 1).")
    if len(subjects) != 1 or not isinstance(subjects[0], dict):
        raise AttestationFileDiffers("An attestation must speak of one file, and of no other.")
    _judge_subject(subjects[0], subject)
    predicate = statement.get("predicateType")
    from keyhouse.publishing.attestations import library  # noqa: PLC0415 - takes a second

    if not isinstance(predicate, str) or predicate not in library.PREDICATES:
        raise AttestationPredicateUnknown(
            f"Attestations of the kind {shown(str(predicate))} are not taken here."
        )
    return predicate


def _judge_subject(found: Mapping[str, Any], subject: Subject) -> None:
    name, digest = found.get("name"), found.get("digest")
    if not isinstance(name, str) or not _is_same_file(name, subject.filename):
        raise AttestationFileDiffers(f"An attestation is about the file {shown(str(name))}.")
    if not isinstance(digest, dict) or digest.get("sha256") != subject.sha256:
        raise AttestationFileDiffers("An attestation is about other bytes than those of the file.")


def _is_same_file(one: str, other: str) -> bool:
    return one == other or (_parsed(one) is not None and _parsed(one) == _parsed(other))


def _parsed(filename: str) -> object:
    """Return the parts of a file name, equal for all its spellings, or None."""
    try:
        is_wheel = filename.endswith(".whl")
        return parse_wheel_filename(filename) if is_wheel else parse_sdist_filename(filename)
    except ValueError:
        return None


def provenance_of(documents: Sequence[Document], expected: Expected) -> dict[str, Any]:
    """Return the provenance object (PEP 740) of a file whose attestations were verified."""
    bundle = {"publisher": expected.document(), "attestations": list(documents)}
    return {"version": 1, "attestation_bundles": [bundle]}
