"""What became of the mails: the outbox knows nobody, so its ends are looked up here, and count as notice from then on.

A notice is delivered when the first of somebody's addresses has it. One that came back from all of them later isn't.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db import transaction
from django.db.models.functions import Lower

from keyhouse.accounts.models import Email
from keyhouse.mail import queries as mails
from keyhouse.mail.models import FAILED as MAIL_FAILED
from keyhouse.mail.models import OVER, Bounce, Mail
from keyhouse.mail.models import SENT as MAIL_SENT
from keyhouse.mail.rules import fold_address
from keyhouse.mandate.models import Notice
from keyhouse.mandate.notices.models import BOUNCED, FAILED, QUEUED, SENT, SUPPRESSED, Delivery
from keyhouse.mandate.notices.services import key_of
from keyhouse.mandate.queries import live_policies

AT_ONCE: Final = 300  # deliveries of one transaction
LEAST_LOOKS: Final = 10  # chunks that are looked at although nothing in them has ended
BOUNCES_SINCE: Final = timedelta(days=7)  # mails come back for so long


class End(NamedTuple):
    """How a letter ended, and when."""

    state: str
    at: datetime


def follow(now: datetime) -> int:
    """Note what became of queued notices, and of delivered ones that came back; returns how many. Raises DatabaseError."""
    last, ended, looks = 0, 0, 0
    while rows := list(Delivery.objects.filter(state=QUEUED, pk__gt=last).order_by("pk")[:AT_ONCE]):
        last, looks = rows[-1].pk, looks + 1
        found = _note_ends(rows, now)
        ended += found
        if not found and looks >= LEAST_LOOKS:  # mails leave in their order; what is behind waits as well
            break
    return ended + _note_returns(now)


def _note_ends(rows: Sequence[Delivery], now: datetime) -> int:
    ends = _ends_of(rows, now)
    over = [row for row in rows if row.letter in ends]
    for row in over:
        row.state, row.ended_at = ends[row.letter]
    if over:
        with transaction.atomic():
            Delivery.objects.bulk_update(over, ["state", "ended_at"])
            _write_notices([row for row in over if row.state == SENT], now)
    return len(over)


def _ends_of(rows: Sequence[Delivery], now: datetime) -> dict[str, End]:
    keys = {key_of(row.letter, number): row.letter for row in rows for number in range(row.addresses)}
    mails_of: dict[str, list[Mail]] = defaultdict(list)
    for mail in Mail.objects.filter(key__in=list(keys)).defer("content_sealed"):
        mails_of[keys[mail.key or ""]].append(mail)
    bounced = _came_back([mail for several in mails_of.values() for mail in several])
    found = {row.letter: _end_of(mails_of[row.letter], bounced, now) for row in rows}
    return {letter: end for letter, end in found.items() if end is not None}


def _end_of(several: Sequence[Mail], bounced: Mapping[str, datetime], now: datetime) -> End | None:
    """Return how a letter ended, or None while it may still arrive somewhere."""
    arrived = [one.ended_at for one in several if one.state == MAIL_SENT and one.ended_at is not None]
    if arrived:
        # without a mail server mails become files where nobody looks: that reaches nobody
        return End(FAILED if mails.is_off() else SENT, min(arrived))
    if any(one.state not in OVER for one in several):
        return None
    at = max((one.ended_at for one in several if one.ended_at is not None), default=now)
    if any(one.state == MAIL_FAILED and _is_back(one, bounced) for one in several):
        return End(BOUNCED, at)
    is_tried = any(one.state == MAIL_FAILED for one in several) or not several
    return End(FAILED if is_tried else SUPPRESSED, at)


def _came_back(several: Iterable[Mail]) -> dict[str, datetime]:
    """Return of these addresses those that permanently return mail, folded, and since when."""
    folded = {fold_address(one.address) for one in several if one.state == MAIL_FAILED}
    standing = Bounce.objects.filter(address__in=folded, kind="permanent", cleared_at=None)
    return dict(standing.order_by("at").values_list("address", "at"))


def _is_back(mail: Mail, bounced: Mapping[str, datetime]) -> bool:
    at = bounced.get(fold_address(mail.address))
    return at is not None and at >= mail.queued_at


def _write_notices(rows: Sequence[Delivery], now: datetime) -> None:
    """Let deadlines count from here on; where a mandate was announced anew, from its new notice on."""
    new = [
        Notice(user_id=row.user_id, mandate=row.mandate, kind=row.kind, delivered_at=row.ended_at or now)
        for row in rows
    ]
    announced = {one.name: one.mandate.announced_at for one in live_policies(now)}
    known = Notice.objects.filter(
        user_id__in={row.user_id for row in rows}, mandate__in={row.mandate for row in rows}
    )
    kept = {(one.user_id, one.mandate, one.kind): one for one in known}
    for one in new:
        old = kept.get((one.user_id, one.mandate, one.kind))
        since = announced.get(one.mandate)
        if old is not None and since is not None and old.delivered_at < since <= one.delivered_at:
            old.delivered_at = one.delivered_at
            old.save(update_fields=["delivered_at"])
    Notice.objects.bulk_create(new, ignore_conflicts=True)


# ---- what came back later


def _note_returns(now: datetime) -> int:
    """Take back that a notice was delivered where every mail of it came back since; returns how many."""
    since = now - BOUNCES_SINCE
    back = Bounce.objects.filter(kind="permanent", cleared_at=None, at__gt=since)
    bounced: dict[str, datetime] = dict(back.order_by("at").values_list("address", "at"))
    if not bounced:
        return 0
    people = Email.objects.annotate(folded=Lower("address")).filter(folded__in=list(bounced))
    ids = set(people.values_list("user_id", flat=True))
    rows = list(Delivery.objects.filter(user_id__in=ids, state=SENT, ended_at__gt=since).order_by("pk"))
    return sum(_take_back(row, bounced, now) for row in rows)


def _take_back(row: Delivery, bounced: Mapping[str, datetime], now: datetime) -> bool:
    keys = [key_of(row.letter, number) for number in range(row.addresses)]
    several = list(Mail.objects.filter(key__in=keys).defer("content_sealed"))
    if not several or not all(_is_back(one, bounced) for one in several):
        return False
    with transaction.atomic():
        Delivery.objects.filter(pk=row.pk, state=SENT).update(state=BOUNCED, ended_at=now)
        mine = Notice.objects.filter(user_id=row.user_id, mandate=row.mandate, kind=row.kind)
        mine.filter(delivered_at=row.ended_at or now).delete()
    return True
