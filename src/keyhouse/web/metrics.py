"""Measurements in the form Prometheus reads, right also with several workers.

With one worker they live in memory. With more, `serve` sets `PROMETHEUS_MULTIPROC_DIR` before they start: each worker
then keeps its numbers in files of that folder, and whoever is asked adds them up.
"""

from __future__ import annotations

import math
import os
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.registry import REGISTRY

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"

REQUESTS: Final = Counter("keyhouse_requests", "Requests answered", ["plane", "status"])
SECONDS: Final = Histogram(
    "keyhouse_request_seconds",
    "Time from the request's header to the end of the answer",
    ["plane"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
REFUSALS: Final = Counter("keyhouse_refusals", "Requests refused, by stable code", ["plane", "code"])
CHAINED: Final = Gauge("keyhouse_audit_chained", "Audit records in the chain", multiprocess_mode="mostrecent")
WAITING: Final = Gauge(
    "keyhouse_audit_waiting", "Audit records that wait to be chained", multiprocess_mode="mostrecent"
)
HEAD: Final = Gauge(
    "keyhouse_audit_head",
    "What the chain commits to: the first twelve hexadecimal digits of its last link, as a number",
    multiprocess_mode="mostrecent",
)
OPEN_CASES: Final = Gauge(
    "keyhouse_recovery_cases_open", "Recovery cases that are open", multiprocess_mode="mostrecent"
)
CASE_AGE: Final = Gauge(
    "keyhouse_recovery_case_age_seconds",
    "Age of the open recovery cases",
    ["quantile"],
    multiprocess_mode="mostrecent",
)

APPLICATIONS_WAITING: Final = Gauge(
    "keyhouse_organization_applications_waiting",
    "Applications for organizations that wait for the operators",
    multiprocess_mode="mostrecent",
)
APPLICATION_AGE: Final = Gauge(
    "keyhouse_organization_applications_oldest_seconds",
    "Since when the oldest of them waits; 0: none waits",
    multiprocess_mode="mostrecent",
)
MAILS_WAITING: Final = Gauge(
    "keyhouse_mail_waiting", "Mails that wait to be delivered", ["lane"], multiprocess_mode="mostrecent"
)
MAILS_FAILED: Final = Gauge(
    "keyhouse_mail_failed",
    "Mails on record that were not sent and never will be",
    multiprocess_mode="mostrecent",
)
SECURITY_MAIL_AGE: Final = Gauge(
    "keyhouse_mail_oldest_security_seconds",
    "Since when the oldest security mail waits; 0: none waits",
    multiprocess_mode="mostrecent",
)

SHARE_PART: Final = Gauge(
    "keyhouse_mandate_part",
    "Those of the denominator who comply, or as docs/operate/metrics.md says, when it was counted last",
    ["mandate", "denominator"],
    multiprocess_mode="mostrecent",
)
SHARE_WHOLE: Final = Gauge(
    "keyhouse_mandate_whole",
    "The denominator itself; an empty mandate is the index",
    ["mandate", "denominator"],
    multiprocess_mode="mostrecent",
)
MANDATE_COUNTED: Final = Gauge(
    "keyhouse_mandate_counted_timestamp_seconds",
    "When it was counted last",
    ["mandate"],
    multiprocess_mode="mostrecent",
)
MANDATE_PEOPLE: Final = Gauge(
    "keyhouse_mandate_people",
    "People covered who are refused now, are asked by the next stage, or are exempt",
    ["mandate", "standing"],
    multiprocess_mode="mostrecent",
)
MANDATE_UNREACHED: Final = Gauge(
    "keyhouse_mandate_unreached",
    "People covered who lack what is asked and whom no notice reached, by why, when it was counted last",
    ["mandate", "reason"],
    multiprocess_mode="mostrecent",
)
MANDATE_REFUSALS: Final = Gauge(
    "keyhouse_mandate_refusals_today",
    "Refusals of the day when it was counted last",
    ["mandate"],
    multiprocess_mode="mostrecent",
)

# Reads are counted by plain numbers and handed over once a second: an answer costs less than a counter with a lock.
reads: Final[Tally[int]] = Tally()


def count_refusal(plane: str, code: str) -> None:
    """Count one refusal by its stable code."""
    REFUSALS.labels(plane, code).inc()


def count_request(plane: str, status: int, seconds: float) -> None:
    """Count one answer of pages or upload."""
    REQUESTS.labels(plane, str(status)).inc()
    SECONDS.labels(plane).observe(seconds)


def set_audit(chained: int, link: str, waiting: int) -> None:
    """Tell how many records are chained, the last link (hex) and how many records wait.

    Of the link only as much as any number of a measurement holds exactly, 48 bits: too many to be met by chance.
    """
    CHAINED.set(chained)
    HEAD.set(int(link[:12], 16))
    WAITING.set(waiting)


def set_case_ages(ages: Sequence[timedelta]) -> None:
    """Measure the open recovery cases; `ages` are the youngest first."""
    OPEN_CASES.set(len(ages))
    for quantile in (0.5, 0.95):
        at = max(0, math.ceil(quantile * len(ages)) - 1)
        CASE_AGE.labels(str(quantile)).set(ages[at].total_seconds() if ages else 0)


def set_adoption(mandate: str, counted_at: float, shares: Mapping[str, tuple[int, int]]) -> None:
    """Measure adoption of one mandate, or by an empty name of the index: part and whole by denominator."""
    MANDATE_COUNTED.labels(mandate).set(counted_at)
    for key, (part, whole) in shares.items():
        SHARE_PART.labels(mandate, key).set(part)
        SHARE_WHOLE.labels(mandate, key).set(whole)


def set_standings(mandate: str, standings: Mapping[str, int], refusals: int) -> None:
    """Measure how many people stand how by one mandate, and how often it refused today."""
    MANDATE_REFUSALS.labels(mandate).set(refusals)
    for standing, count in standings.items():
        MANDATE_PEOPLE.labels(mandate, standing).set(count)


def set_unreached(mandate: str, reasons: Mapping[str, int]) -> None:
    """Measure whom no notice of a mandate reached, by why."""
    for reason, count in reasons.items():
        MANDATE_UNREACHED.labels(mandate, reason).set(count)


def hand_over_reads() -> None:
    """Move the tally of reads into the counters; called on the event loop, where the tally is kept."""
    for status, count in list(reads.items()):
        del reads[status]
        REQUESTS.labels("index", str(status)).inc(count)


def render() -> bytes:
    """Return all measurements as text, added up over the workers."""
    return generate_latest(_registry())


def _registry() -> CollectorRegistry:
    if FOLDER_VARIABLE not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library leaves it untyped
    return registry
