"""The watch on mail domains: once a day each domain of a verified address is looked for.

One that was missing on three days in a row is gone: its addresses count as verified no longer, since whoever registers
it anew reads their mail. The name system is asked outside of transactions; each answer is kept at once, so a watch that
is cut off goes on where it was.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Count, Q

from keyhouse.accounts import emails, links
from keyhouse.accounts.addresses import letters, rules
from keyhouse.accounts.addresses.looking_up import Lookup, find_lookup
from keyhouse.accounts.addresses.queries import find_alarm
from keyhouse.accounts.addresses.rules import Answer, Watched, domain_of
from keyhouse.accounts.models import Email, MailDomain, User
from keyhouse.accounts.recovery.cases import stop_without_address
from keyhouse.audit.services import Act, record_all
from keyhouse.core import actions, configuration
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, job

AT_ONCE: Final = 16  # questions
COUNTED: Final = timedelta(hours=24)  # over which people who lost an address are counted
JOB: Final = job("mail-domains")

_log = logging.getLogger("keyhouse.accounts")


def watch_domains(now: datetime, lookup: Lookup | None = None) -> dict[str, int]:
    """Ask about every domain that is due, and judge those that are gone; returns how many were found and lost.

    Without name servers nothing happens. Only answers that say something are counted.
    """
    lookup = lookup or find_lookup()
    if lookup is None:
        return {"domains_asked": 0, "domains_gone": 0}
    _keep_rows()
    return {"domains_asked": _ask_due(lookup, now), "domains_gone": _judge(now)}


def _keep_rows() -> None:
    """Have a row for each domain that is watched, and none for others: one that is trusted now is forgotten."""
    counted = Email.objects.filter(Q(verified_at__isnull=False) | Q(domain_gone_at__isnull=False))
    used = {domain_of(one) for one in counted.values_list("address", flat=True).iterator()}
    trusted = configuration.current().mail_domains_trusted
    wanted = {domain for domain in used if rules.is_watched(domain, trusted)}
    known = set(MailDomain.objects.values_list("domain", flat=True))
    MailDomain.objects.bulk_create(
        [MailDomain(domain=domain) for domain in sorted(wanted - known)],
        ignore_conflicts=True,
        batch_size=500,
    )
    for some in _in_parts(sorted(known - wanted)):
        MailDomain.objects.filter(domain__in=some).delete()


def _in_parts(domains: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(domains), 500):
        yield domains[start : start + 500]


def _ask_due(lookup: Lookup, now: datetime) -> int:
    """Ask some at a time, and keep the answers. When nothing is answered at all the rest isn't asked: no network."""
    due = [row for row in MailDomain.objects.order_by("asked_at", "pk") if _known(row).is_due(now)]
    said = 0
    with ThreadPoolExecutor(AT_ONCE, "mail-domains") as pool:
        for start in range(0, len(due), AT_ONCE):
            part = due[start : start + AT_ONCE]
            answers = list(pool.map(lookup, [row.domain for row in part]))
            for row, answer in zip(part, answers, strict=True):
                keep_answer(row.domain, answer, now)
            said += sum(answer != "unknown" for answer in answers)
            if all(answer == "unknown" for answer in answers):
                break
    return said


def _known(row: MailDomain) -> Watched:
    return Watched(row.asked_at, row.answer, row.missing_count, row.missing_at)


def keep_answer(domain: str, answer: Answer, now: datetime) -> None:
    """Write what the name system says of a domain; one that is there again ends what was held against it."""
    with transaction.atomic():
        row = MailDomain.objects.select_for_update().filter(domain=domain).first()
        if row is None:
            return
        told = rules.after_answer(_known(row), answer, now)
        row.asked_at, row.answer = told.asked_at, told.answer
        row.missing_count, row.missing_at = told.missing_count, told.missing_at
        if not told.missing_count:
            row.gone_at = row.stopped_at = None
        row.save()


def _judge(now: datetime, *, whatever: bool = False) -> int:
    """Take the domains that are gone from their addresses, unless too many people would lose one; then stop and alarm."""
    rows = list(
        MailDomain.objects.filter(missing_count__gte=rules.MISSING_DAYS, gone_at=None).order_by("domain")
    )
    if not rows:
        return 0
    affected = _addresses_in({row.domain for row in rows})
    people = {email.user_id for found in affected.values() for email in found} | _lately_touched(now)
    is_stopped = any(row.stopped_at for row in rows)  # until somebody has looked, or the domain is back
    if not whatever and (is_stopped or rules.is_too_many(len(people), _count_accounts())):
        _stop(rows, len(people), now)
        return 0
    for row in rows:
        _lose(row, affected[row.domain], now)
    return len(rows)


def _addresses_in(domains: set[str]) -> dict[str, list[Email]]:
    found: dict[str, list[Email]] = defaultdict(list)
    for email in Email.objects.filter(domain_gone_at=None).order_by("pk").iterator(chunk_size=2000):
        domain = domain_of(email.address)
        if domain in domains:
            found[domain].append(email)
    return found


def _lately_touched(now: datetime) -> set[int]:
    rows = Email.objects.filter(domain_gone_at__gt=now - COUNTED)
    return set(rows.values_list("user_id", flat=True))


def _count_accounts() -> int:
    people = User.objects.exclude(state=User.State.DELETED)
    return int(people.aggregate(count=Count("pk"))["count"])


def _stop(rows: Sequence[MailDomain], people: int, now: datetime) -> None:
    stopped = MailDomain.objects.filter(pk__in=[row.pk for row in rows], stopped_at=None)
    if stopped.update(stopped_at=now):
        alarm = find_alarm()
        _log.error(
            "%s %d people would be touched.", alarm.sentence if alarm else "The watch stopped.", people
        )


def _lose(row: MailDomain, affected: Sequence[Email], now: datetime) -> None:
    """Count the addresses of one domain as unproven, all of them or none, and tell their people elsewhere."""
    with transaction.atomic():
        changed = MailDomain.objects.filter(pk=row.pk, gone_at=None).update(gone_at=now, stopped_at=None)
        if not changed:
            return
        people = sorted({email.user_id for email in affected})
        # the accounts before their addresses: whoever changes these takes the locks in this order, too
        list(User.objects.select_for_update().filter(pk__in=people).order_by("pk").values_list("pk"))
        affected = _still_in(row.domain, people)
        ids = [email.pk for email in affected]
        Email.objects.filter(pk__in=ids, domain_gone_at=None).update(
            verified_at=None, verified_by="", domain_gone_at=now
        )
        record_all((_act(email) for email in affected), by=JOB)
        for user_id in sorted({email.user_id for email in affected}):
            links.end_links(user_id, *links.DEAD_AFTER_CHANGE, links.VERIFY_ADDRESS)
            _tell(user_id, row.domain, [one.address for one in affected if one.user_id == user_id], now)


def _still_in(domain: str, people: Sequence[int]) -> list[Email]:
    """Return the addresses of these people in a domain as they are now: one may have been put back since it was read."""
    rows = Email.objects.filter(user_id__in=people, domain_gone_at=None).order_by("pk")
    return [email for email in rows if domain_of(email.address) == domain]


def _act(email: Email) -> Act:
    return Act("email.lose-domain", Thing("email", email.pk), email.user_id)


def _tell(user_id: int, domain: str, lost: Sequence[str], now: datetime) -> None:
    user = User.objects.get(pk=user_id)
    stop_without_address(user, by=JOB, now=now)
    emails.tell(user, letters.lost_domain(domain, lost, now), now=now)


def go_on(*, by: Actor, now: datetime) -> int:
    """Take the domains that the watch stopped at from their addresses: an operator has looked. Returns how many domains."""
    actions.require(by, "host.command")
    return _judge(now, whatever=True) if find_alarm() else 0
