"""The names of the points at which tests may kill the process."""

from __future__ import annotations

from typing import Final

POINTS: Final = frozenset(
    {
        "upload.received",  # the body is in the temporary file
        "upload.blob-stored",  # the blob is synced, no row tells of it
        "brownout.ended",
        "campaign.rows-written",  # inside the transaction that ends it, before its record and mails
        "snooze.written",  # inside its transaction, before its record
        "upload.rows-written",  # inside the transaction, before its commit
        "upload.committed",  # before the answer is sent
        "import.files-written",  # all files of a project are here, what its source says of the whole is not
        "staging.rows-written",  # the file waits, inside the transaction
        "staging.committed",
        "staging.release-written",  # all files of a staged release are published, inside the transaction
        "staging.published",
        "staging.discard-written",
        "staging.blobs-removed",  # of what ended; its rows are there still
        "yank.rows-written",
        "yank.committed",
        "deletion.rows-written",
        "deletion.committed",
        "invitation.rows-written",
        "invitation.accepted",
        "role.ended",
        "organization.rows-written",
        "membership.ended",
        "declaration.rows-written",  # what an organization asks of its people, inside the transaction
        "exit.asked",
        "exit.answered",
        "exit.laid-down",
        "project.moved",
        "project.readers-written",
        "status.rows-written",
        "status.committed",
        "restore.rows-written",
        "restore.committed",
        "purge.noticed",  # there are changes, and nobody is told yet
        "purge.told",  # the CDN knows of them, and that isn't written down
        "sweep.marked",  # it can't be brought back any more, and nothing is gone
        "sweep.blobs-removed",
        "backup.database-copied",
        "backup.blobs-copied",
        "mail.claimed",  # the try is noted, nothing is handed over
        "mail.file-written",  # under another name, synced
        "mail.handed-over",  # the mail server has it, or the file its name; no row tells of it
        "switch.rows-written",
        "name.rows-written",
        "suspension.rows-written",
        "office.rows-written",
        "address.rows-written",  # verified on the word of operators or the host
        "proposal.rows-written",
        "quarantine.rows-written",
        "quarantine.committed",
        "report.rows-written",
        "leak.rows-written",
        "reminder.rows-written",
        "notice.rows-written",  # a group of people is told, inside the transaction
        "notice.committed",
        "exchange.spent",  # inside the transaction, the identity is marked as shown, nothing is minted
        "exchange.rows-written",
        "exchange.committed",  # before the answer is sent
        "passwords.noted",
        "passwords.written",
    }
)


def check_point(point: str) -> None:
    """Raise ValueError for a point that is not in the catalogue."""
    if point not in POINTS:
        raise ValueError("one of " + ", ".join(sorted(POINTS)))
