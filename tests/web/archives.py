"""Archives with odd insides, and rows and blobs for them."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Sequence

from tests.web.rows import make_file

from keyhouse import storage
from keyhouse.projects.models import File, Release
from keyhouse.storage.blobs import key_of

Members = Sequence[tuple[str, bytes]]


def zip_of(members: Members) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def tar_of(members: Members, links: Sequence[tuple[str, str]] = ()) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return gzip.compress(out.getvalue(), mtime=0)


def store(release: Release, filename: str, content: bytes, **fields: object) -> File:
    """Keep the bytes as a blob and make the row of the file."""
    blake2 = hashlib.blake2b(content + filename.encode(), digest_size=32).hexdigest()
    temp = storage.blobs().incoming()
    temp.write_bytes(content)
    storage.blobs().keep(temp, key_of(blake2, filename))
    return make_file(release, filename, blake2=blake2, size=len(content), **fields)
