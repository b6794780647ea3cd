"""`python -m demo.chronicle`: puts the audit log of the made-up index in the order of time, before any of it is sealed.

What is seeded is written down as it is made, whenever it is said to have happened, and later steps tell of days in between.
In a real index the log grows as things happen, so whoever reads the made-up one shall find it so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from keyhouse.cli import surroundings
from keyhouse.core import clock

if TYPE_CHECKING:
    from keyhouse.audit.models import Record

DRAFTED: Final = timedelta(days=3)
A_WHILE: Final = timedelta(
    days=30
)  # from the last file of a project to its archive, and from what was deleted to the day it was


def main() -> int:
    """Give each record the time of what it tells, and number all of them anew; done twice, it changes nothing."""
    surroundings.open_index()
    tell_mandates()
    tell_when()
    put_in_order()
    return 0


def tell_mandates() -> None:
    """Let each seeded mandate be proposed some days before its first stage, whose pages tell of the months since."""
    from keyhouse.mandate.models import MandateVersion  # noqa: PLC0415 - Django is set up by now

    for row in MandateVersion.objects.filter(origin="seeded", version=1):
        first = clock.parse_instant(row.document["stages"][0]["at"])
        at = first - DRAFTED
        MandateVersion.objects.filter(pk=row.pk, proposed_at__gt=at).update(proposed_at=at)


def tell_when() -> None:
    """Give what the host wrote at the seeding the instant that its own row says."""
    from keyhouse.audit.models import Record  # noqa: PLC0415 - Django is set up by now

    instants = _instants()
    deleted = Record.objects.filter(about_kind="project", action__endswith=".delete").order_by("-at")
    gone = {name: at - A_WHILE for name, at in deleted.values_list("about_name", "at")}
    for row in Record.objects.filter(actor_kind="host", position=None):
        at = instants[row.action](row) if row.action in instants else None
        if at is None and row.about_kind == "project":
            at = gone.get(row.about_name)  # what was deleted since has no row to tell
        if at is not None and at < row.at:
            Record.objects.filter(pk=row.pk).update(at=at)


def _instants() -> Mapping[str, Callable[[Record], datetime | None]]:
    """Return how each action finds when it was."""
    from keyhouse.accounts.models import Authenticator, Email, SecurityKey, User  # noqa: PLC0415 - the same
    from keyhouse.credentials.tokens.models import Token  # noqa: PLC0415 - the same
    from keyhouse.credentials.trusted_publishers.models import Publisher  # noqa: PLC0415 - the same
    from keyhouse.mandate.models import MandateVersion  # noqa: PLC0415 - the same
    from keyhouse.projects.models import File, Project  # noqa: PLC0415 - the same

    joined = dict(User.objects.values_list("pk", "joined_at"))
    added = {str(pk): at for pk, at in Email.objects.values_list("pk", "added_at")}
    factors = {
        "authenticator": {str(pk): at for pk, at in Authenticator.objects.values_list("pk", "created_at")},
        "security-key": {str(pk): at for pk, at in SecurityKey.objects.values_list("pk", "created_at")},
    }
    minted = {pk.hex: at for pk, at in Token.objects.values_list("pk", "minted_at")}
    trusted = dict(Publisher.objects.values_list("pk", "added_at"))
    proposed = {str(pk): at for pk, at in MandateVersion.objects.values_list("pk", "proposed_at")}
    created = dict(Project.objects.values_list("name", "created_at"))
    uploads = list(
        File.objects.order_by("uploaded_at").values_list("filename", "project__name", "uploaded_at")
    )
    uploaded = {filename: at for filename, _, at in uploads}
    last = {name: at for _, name, at in uploads}

    def archived_at(row: Record) -> datetime | None:
        at = last.get(row.about_name)
        return at + A_WHILE if at else None

    return {
        "user.create": lambda row: joined.get(row.account_id or 0),
        "email.add": lambda row: added.get(row.about_id),
        "second-factor.add": lambda row: factors.get(row.about_kind, {}).get(row.about_id),
        "recovery-codes.replace": lambda row: joined.get(row.account_id or 0),
        "token.mint": lambda row: minted.get(row.about_id),
        "robot-token.mint": lambda row: minted.get(row.about_id),
        "mandate.propose": lambda row: proposed.get(row.about_id),
        "publisher.add": lambda row: trusted.get(row.details["publisher"]),
        "project.create": lambda row: created.get(row.about_name),
        "project.archive": archived_at,
        "release.upload": lambda row: uploaded.get(row.details["filename"]),
    }


def put_in_order() -> None:
    """Give the records their numbers anew, by time; what is personal stays beside its record. Nothing may be sealed by then."""
    from django.db import connection, transaction  # noqa: PLC0415 - the same

    from keyhouse.audit.models import Personal, Record  # noqa: PLC0415 - the same

    numbers = list(Record.objects.order_by("at", "pk").values_list("pk", flat=True))
    if Record.objects.exclude(position=None).exists():
        message = "the audit log of the made-up index is sealed already"
        raise RuntimeError(message)
    with transaction.atomic(), connection.cursor() as cursor:
        for table, column in ((Record._meta.db_table, "id"), (Personal._meta.db_table, "record_id")):  # noqa: SLF001 - Django's own name for it
            cursor.execute(f"UPDATE {table} SET {column} = -{column}")
            cursor.executemany(
                f"UPDATE {table} SET {column} = %s WHERE {column} = %s",
                [(new, -old) for new, old in enumerate(numbers, 1)],
            )


if __name__ == "__main__":
    sys.exit(main())
