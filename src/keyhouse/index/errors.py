"""What the read plane refuses, and the one table from refusal to status."""

from __future__ import annotations

from typing import Final

from keyhouse.core.errors import NotFound, Refusal, Situation


class AddressTooLong(Refusal):
    """No address of this index is that long."""

    code = "address-too-long"
    sentence = "No address of this index is that long."
    fix = "Check the address; names, versions and file names are all short."


class ReadsOnly(Refusal):
    """Installers' addresses take GET and HEAD."""

    code = "reads-only"
    sentence = "This address is only for reading."
    fix = "Use GET or HEAD; uploads go to /legacy/."


class NotAcceptable(Refusal):
    """None of the forms the client takes is one we have (RFC 9110 15.5.7)."""

    code = "not-acceptable"
    sentence = "This page does not exist in any form that the request accepts."
    fix = (
        "Accept application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html or text/html, "
        "or name one of them as ?format=."
    )


class ReadRefused(Refusal):
    """A private index was asked without a credential that may read."""

    code = "read-refused"
    situation = Situation.UNAUTHENTICATED
    sentence = "This index is private, and the request has no credential that may read here."
    fix = "Use an API token that may read: user name __token__, the token as the password."


class FileQuarantined(Refusal):
    """Moderators took the file out of circulation."""

    code = "file-quarantined"
    situation = Situation.FORBIDDEN
    sentence = "This file is in quarantine."
    fix = "Pin another version, or ask the operators of this index."


class RangeOutside(Refusal):
    """The range begins behind the end of the file."""

    code = "range-outside"
    sentence = "The range asked for lies outside of the file."
    fix = "Ask for the whole file."


class ProvenanceMissing(NotFound):
    """There are no attestations of this file."""

    code = "provenance-missing"
    sentence = "There is no provenance of this file here."


class IndexUnavailable(Refusal):
    """The database can't be asked, and the answer isn't in memory."""

    code = "index-unavailable"
    situation = Situation.UNAVAILABLE
    sentence = "The index can't look this up right now."
    fix = "Try again in a few seconds."
    retry_after = 5


class BytesMissing(Refusal):
    """The index knows the file, and its bytes aren't where they should be."""

    code = "file-bytes-missing"
    situation = Situation.UNAVAILABLE
    sentence = "This index knows the file but can't read its bytes."
    fix = "Tell the operators of this index; `keyhouse storage verify` lists what is wrong."
    retry_after = 60


STATUS: Final = {
    Situation.INVALID: 400,
    Situation.UNAUTHENTICATED: 401,
    Situation.FORBIDDEN: 403,
    Situation.MISSING: 404,
    Situation.CONFLICT: 409,
    Situation.GONE: 410,
    Situation.TOO_LARGE: 413,
    Situation.TOO_MANY: 429,
    Situation.UNAVAILABLE: 503,
}
_OWN_STATUS: Final[dict[type[Refusal], int]] = {
    AddressTooLong: 414,
    ReadsOnly: 405,
    NotAcceptable: 406,
    RangeOutside: 416,
}


def status_of(refusal: Refusal) -> int:
    """Return the HTTP status of a refusal."""
    return _OWN_STATUS.get(type(refusal)) or STATUS[refusal.situation]
