"""What of the index needs somebody: each look is one question that stops counting early, whatever the size of the index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from django.db.models import QuerySet

from keyhouse.accounts import lone_address
from keyhouse.accounts.addresses.queries import find_alarm
from keyhouse.accounts.models import Proposal, RecoveryCase, User
from keyhouse.audit.models import Record
from keyhouse.core.switches import EVERYTHING
from keyhouse.credentials.trusted_publishers.issuers import silent_issuers
from keyhouse.mail import queries as mail
from keyhouse.mandate.campaigns.emergency import used_lately
from keyhouse.mandate.exits.queries import open_request_rows
from keyhouse.mandate.metrics.queries import latest_of_all, without_complying_owner
from keyhouse.mandate.models import Exemption, MandateVersion
from keyhouse.organizations import queries as organizations
from keyhouse.projects.ownership import projects_without_owner
from keyhouse.safety.reports.queries import open_reports
from keyhouse.safety.switches.queries import thrown_switches
from keyhouse.web.console.index_facts import disk, find_certificate_end
from keyhouse.web.console.works import troubled_works
from keyhouse.web.operating import Tab
from keyhouse.web.readiness import Readiness
from keyhouse.web.templatetags.shown import length_in_words

CONSOLE: Final = "/operator/"
COUNTED_TO: Final = 1000  # counting on would cost more than it tells
LOW_SHARE: Final = 10  # a disk is low with less than a tenth free
CERTIFICATE_SOON: Final = timedelta(days=21)
UNSEALED_SOON: Final = timedelta(minutes=5)
Severity = Literal["danger", "warn"]


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that needs somebody: what, where to look, how badly."""

    sentence: str
    address: str = ""
    severity: Severity = "warn"

    @property
    def word(self) -> str:
        """Return how badly, in a word."""
        return "now" if self.severity == "danger" else "soon"


def needs_attention(readiness: Readiness, now: datetime) -> list[Attention]:
    """Return what needs somebody, the worst first; each has the page that tells more, where there is one."""
    found = [*_lacking(readiness), *(one for look in _LOOKS if (one := look(now)) is not None)]
    return sorted(found, key=lambda one: one.severity)


def for_offices(found: Iterable[Attention], tabs: Iterable[Tab]) -> list[Attention]:
    """Return the same without links to pages that whoever looks may not open."""
    addresses = tuple(tab.address for tab in tabs if tab.address != CONSOLE)
    return [one if one.address.startswith(addresses) else replace(one, address="") for one in found]


def _lacking(readiness: Readiness) -> Iterator[Attention]:
    for sentence in dict.fromkeys((*readiness.readers_lack, *readiness.writers_lack)):
        yield Attention(sentence, severity="danger")
    for sentence in readiness.impaired:
        if sentence != lone_address.SENTENCE:  # which is told with the address
            yield Attention(sentence)


def _counted(rows: QuerySet[Any], one: str, many: str) -> str:
    """Say how many rows there are, up to a number, or nothing for none; `many` has the place of the number."""
    count = rows[: COUNTED_TO + 1].count()
    if count <= 1:
        return one if count else ""
    return many.format(f"More than {COUNTED_TO}" if count > COUNTED_TO else count)


def _about(sentence: str, address: str, severity: Severity = "warn") -> Attention | None:
    return Attention(sentence, address, severity) if sentence else None


def _lone_address(now: datetime) -> Attention | None:
    address = lone_address.find_lone_address(now)
    return _about(f"{lone_address.SENTENCE} It is {address}." if address else "", "", "danger")


def _stuck_mail(now: datetime) -> Attention | None:
    if mail.is_off():
        return Attention("Mail is off: no mail server is set, so nobody gets a mail.", "/operator/mail/")
    told = "Mail is stuck: a security mail has waited for more than 15 minutes." if mail.is_stuck(now) else ""
    return _about(told, "/operator/mail/", "danger")


def _failed_mail(now: datetime) -> Attention | None:
    del now
    told = _counted(mail.failed(), "A mail was never sent.", "{} mails were never sent.")
    return _about(told, "/operator/mail/")


def _domain_alarm(now: datetime) -> Attention | None:
    del now
    told = "The watch on mail domains has stopped and needs a decision." if find_alarm() else ""
    return _about(told, "/operator/accounts/", "danger")


def _frozen(now: datetime) -> Attention | None:
    del now
    rows = User.objects.filter(state=User.State.FROZEN)
    told = _counted(
        rows, "An account is frozen: its owner said that it was not them.", "{} accounts are frozen."
    )
    return _about(told, "/operator/people/?state=frozen")


def _emergency_accounts(now: datetime) -> Attention | None:
    names = ", ".join(used_lately(now))
    told = f"An account kept for emergencies was signed in to within seven days: {names}." if names else ""
    return _about(told, "/operator/audit/?action=session.start", "danger")


def _switches(now: datetime) -> Attention | None:
    """Tell of what is stopped: urgent where it would stay so by itself, or where nothing goes on."""
    on = thrown_switches(now)
    told = ", ".join(f"{one.name} ({_left(one.until_at, now)})" for one in on)
    is_urgent = any(one.until_at is None or one.name == EVERYTHING for one in on)
    return _about(
        f"Stopped by a switch: {told}." if on else "",
        "/operator/switches/",
        "danger" if is_urgent else "warn",
    )


def _left(until: datetime | None, now: datetime) -> str:
    return "without an end" if until is None else f"for {length_in_words((until - now).total_seconds())} more"


def _cases(now: datetime) -> Attention | None:
    rows = RecoveryCase.objects.filter(state=RecoveryCase.State.OPEN, expires_at__gt=now)
    told = _counted(rows, "A recovery case is open", "{} recovery cases are open")
    oldest = rows.order_by("opened_at").values_list("opened_at", flat=True).first()
    return _about(f"{told}, the oldest for {_lasting(oldest, now)}." if told else "", "/operator/recovery/")


def _requests(now: datetime) -> Attention | None:
    rows = open_request_rows()
    told = _counted(
        rows, "Somebody asks for an exemption or a key", "{} people ask for an exemption or a key"
    )
    oldest = rows.order_by("asked_at").values_list("asked_at", flat=True).first()
    address = "/operator/mandates/requests/"
    return _about(f"{told}, the first for {_lasting(oldest, now)}." if told else "", address)


def _lasting(since: datetime | None, now: datetime) -> str:
    return length_in_words(0.0 if since is None else (now - since).total_seconds())


def _left_alone(now: datetime) -> Attention | None:
    """Tell of covered projects no owner of which complies, as they were counted last."""
    days = {name: day for name, day in latest_of_all(now.date()).items() if name}
    alone = {name: without_complying_owner(day) for name, day in days.items()}
    most = max(alone, key=lambda name: alone[name], default="")
    if not most or not alone[most]:
        return None
    which = "covered project has" if alone[most] == 1 else "covered projects have"
    return Attention(f"{alone[most]} {which} no owner who complies with “{most}”.", _STRANDED)


_STRANDED: Final = "/operator/mandates/stranded/"


def _proposals(now: datetime) -> Attention | None:
    versions = MandateVersion.objects.filter(withdrawn_at=None, effective_at=None)
    exemptions = Exemption.objects.filter(withdrawn_at=None, effective_at=None, until__gt=now)
    count = versions.count() + exemptions.count()
    told = "A proposal about mandates waits." if count == 1 else f"{count} proposals about mandates wait."
    return _about(told if count else "", "/mandate/proposals/")


def _own_proposals(now: datetime) -> Attention | None:
    del now
    rows = Proposal.objects.filter(done_at=None, ended_at=None)
    told = _counted(
        rows, "A proposal about an office or an owner waits.", "{} proposals about offices and owners wait."
    )
    return _about(told, "/operator/proposals/")


def _ownerless(now: datetime) -> Attention | None:
    del now
    rows = projects_without_owner()
    told = _counted(rows, "A project has no owner who could act.", "{} projects have no owner who could act.")
    return _about(told, "/operator/projects/?only=ownerless")


def _reports(now: datetime) -> Attention | None:
    del now
    told = _counted(
        open_reports(), "A report about a project is open.", "{} reports about projects are open."
    )
    return _about(told, "/operator/reports/")


def _applications(now: datetime) -> Attention | None:
    count, age = organizations.age_of_applications(now)
    told = (
        "An application for an organization waits"
        if count == 1
        else f"{count} applications for organizations wait"
    )
    since = f", the oldest for {age.days} days" if age.days > 1 else ""
    return _about(f"{told}{since}." if count else "", "/operator/applications/")


def _works(now: datetime) -> Attention | None:
    names = ", ".join(troubled_works(now))
    return _about(f"What runs beside requests is in trouble: {names}." if names else "", "/operator/jobs/")


def _silent_issuers(now: datetime) -> Attention | None:
    silent = silent_issuers(now)
    told = f"An issuer gave no answer when its keys were asked for: {silent[0].url}." if silent else ""
    return _about(told, "/operator/issuers/")


def _unsealed(now: datetime) -> Attention | None:
    rows = Record.objects.filter(position=None, at__lt=now - UNSEALED_SOON)
    told = "Audit records have waited for more than five minutes to be sealed." if rows.exists() else ""
    return _about(told, "/operator/audit/", "danger")


def _disk_low(now: datetime) -> Attention | None:
    del now
    found = disk()
    told = "The disk of the files is nearly full." if found.free * LOW_SHARE < found.total else ""
    return _about(told, "", "danger")


def _certificate_ends(now: datetime) -> Attention | None:
    end = find_certificate_end()
    told = "The certificate of this server ends soon." if end and end - now < CERTIFICATE_SOON else ""
    return _about(told, "", "danger")


_LOOKS: Final[tuple[Callable[[datetime], Attention | None], ...]] = (
    _lone_address,
    _stuck_mail,
    _failed_mail,
    _domain_alarm,
    _switches,
    _frozen,
    _emergency_accounts,
    _cases,
    _proposals,
    _requests,
    _own_proposals,
    _left_alone,
    _ownerless,
    _reports,
    _applications,
    _works,
    _silent_issuers,
    _unsealed,
    _disk_low,
    _certificate_ends,
)
