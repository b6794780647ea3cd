"""Step 9: the digests in the form are those of the bytes that arrived."""

from __future__ import annotations

from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.errors import DigestDiffers
from keyhouse.publishing.upload.form import DIGESTS
from keyhouse.publishing.upload.submission import Stage, Submission


class Digests(Check):
    """Compares every digest that was sent; hexadecimal in either case."""

    name = "digests"
    stage = Stage.BODY

    def check(self, submission: Submission) -> None:
        """Raise DigestDiffers."""
        content = submission.received
        arrived = dict(zip(DIGESTS, (content.md5, content.sha256, content.blake2), strict=True))
        for field, digest in arrived.items():
            sent = submission.form.one(field).lower()
            if sent and sent != digest:
                raise DigestDiffers(f"The digest in {field} is not that of the file that arrived.")
