"""`keyhouse attestations verify`: what somebody who downloads a file can check, without a server and without network."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any, Final

import click

from keyhouse.core import configuration
from keyhouse.core.errors import Refusal
from keyhouse.distfiles.shown_text import visible
from keyhouse.publishing.attestations.errors import AttestationInvalid
from keyhouse.publishing.attestations.identities import Expected
from keyhouse.publishing.attestations.naming import FORMS, read_publisher
from keyhouse.publishing.attestations.reading import LARGEST, Document, kind_of, read_document
from keyhouse.publishing.attestations.verifying import Subject, Verified, verify_all
from keyhouse.publishing.importing.client import Client, Patience

_BESIDE: Final = (".provenance", ".publish.attestation", ".slsa.attestation")
_PATIENCE: Final = Patience(silence=10.0, page_seconds=30.0, page_bytes=LARGEST, redirects=0, tries=1)
_INTEGRITY: Final = "application/vnd.pypi.integrity.v1+json"
_WORDS: Final = ("repository", "commit", "ref", "workflow", "environment", "run")


@click.group("attestations")
def command() -> None:
    """Check what vouches for a file."""


@command.command("verify")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--publisher", required=True, metavar="PUBLISHER", help=f"Who must have signed: {FORMS}.")
@click.option("--environment", default="", help="The environment that the job must have run in.")
@click.option(
    "--issuer",
    default="",
    metavar="URL",
    help="Of an issuer that isn't the public one; KEYHOUSE_TRUSTED_ROOT must cover it.",
)
@click.option(
    "--provenance",
    metavar="FILE|URL",
    help="Provenance object or attestation; left out, FILE.provenance or FILE.publish.attestation and FILE.slsa.attestation.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(  # noqa: PLR0913 - one argument for each option
    file: Path, *, publisher: str, environment: str, issuer: str, provenance: str | None, as_json: bool
) -> None:
    """Verify that FILE is what PUBLISHER signed; exit 0 if it is, 1 if it isn't.

    Nothing is asked of the network, but for a provenance that is named by its address.

    \b
    Examples:
      keyhouse attestations verify alpha-1.0.tar.gz --publisher github:acme/alpha/release.yml
      keyhouse attestations verify alpha-1.0.tar.gz --publisher gitlab:acme/alpha//.gitlab-ci.yml --environment release
    """  # noqa: D301 - \b is click's own mark
    try:
        expected = read_publisher(publisher, issuer=issuer, environment=environment)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--publisher") from error
    try:
        found = verify_all(_documents(file, provenance), _subject(file), expected)
    except Refusal as refusal:
        _tell_refusal(file, refusal, as_json=as_json)
        sys.exit(1)
    _tell(file, expected, found, as_json=as_json)


def _subject(file: Path) -> Subject:
    with file.open("rb") as opened:
        return Subject(file.name, hashlib.file_digest(opened, "sha256").hexdigest())


def _documents(file: Path, provenance: str | None) -> list[Document]:
    if provenance is None:
        beside = [path for suffix in _BESIDE if (path := file.with_name(file.name + suffix)).is_file()]
        if not beside:
            raise AttestationInvalid(f"Beside {file.name} lies neither a provenance nor an attestation.")
        texts = [_read(path) for path in beside[:1] if path.suffix == ".provenance"] or map(_read, beside)
        return [document for text in texts for document in read_document(text)]
    is_address = provenance.startswith(("https://", "http://"))
    return read_document(_fetch(provenance) if is_address else _read(Path(provenance)))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as opened:
            return opened.read(LARGEST + 1).decode("utf-8", "replace")
    except OSError as error:
        raise AttestationInvalid(f"{path.name} can't be read: {error.strerror}.") from error


def _fetch(address: str) -> str:
    client = Client(address, ca_file=configuration.current().ca_file, patience=_PATIENCE)
    page = client.page(address, _INTEGRITY)
    client.forget()
    if page is None:
        raise AttestationInvalid("There is no provenance at this address.")
    return page.body.decode("utf-8", "replace")


def _tell(file: Path, expected: Expected, found: list[Verified], *, as_json: bool) -> None:
    told = [one.as_dict() for one in found]
    if as_json:
        body = {
            "filename": file.name,
            "ok": True,
            "publisher": expected.document(),
            "attestations": told,
        }
        click.echo(json.dumps(body, indent=1))
        return
    lines = [f"{file.name}: verified"]
    for one in told:
        lines += [f"  {kind_of(one['predicate'])} attestation", *_details(one)]
    click.echo("\n".join(lines))


def _details(one: dict[str, Any]) -> list[str]:
    return [f"    {word}: {visible(one[word])}" for word in _WORDS if word in one]


def _tell_refusal(file: Path, refusal: Refusal, *, as_json: bool) -> None:
    body = {"filename": file.name, "ok": False, "code": refusal.code, "sentence": refusal.sentence}
    click.echo(json.dumps(body, indent=1) if as_json else f"{file.name}: {refusal.line}")
