"""`/health/live`, `/health/ready` and `/metrics`: answered beside the pages, so that busy pages don't hide the state."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import parse_qs

from keyhouse.core import clock
from keyhouse.core.configuration import Configuration
from keyhouse.core.errors import NotFound
from keyhouse.web import metrics, readiness
from keyhouse.web.asgi_types import Receive, Scope, Send, answer, find_header, refuse
from keyhouse.web.readiness import Readiness

JSON: Final = b"application/json"
KEPT_SECONDS: Final = 1.0  # asking often must not cost the disk
JUDGED_SECONDS: Final = 5.0
NO_ANSWER: Final = Readiness(
    ("The database doesn't answer in time.",), ("The database doesn't answer in time.",)
)


class Health:
    """Tells whether the process runs (`live`) and whether it can serve (`ready`)."""

    def __init__(self) -> None:
        """Judge on a thread of its own: it must answer when all others wait."""
        self._thread = ThreadPoolExecutor(1, "health")
        self._found: tuple[float, Readiness] | None = None
        self._judging: asyncio.Future[Readiness] | None = None

    async def live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200 while the process runs."""
        del scope, receive
        await answer(send, 200, b'{"live": true}\n', JSON)

    async def ready(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200 when pages can be read; with `?for=writes` 503 while writers lack anything."""
        del receive
        found = await self._judge()
        asked_for_writes = parse_qs(scope["query_string"].decode("latin-1")).get("for") == ["writes"]
        lack = found.writers_lack if asked_for_writes else found.readers_lack
        body = {
            "ready": not lack,
            "readers_lack": found.readers_lack,
            "writers_lack": found.writers_lack,
            "impaired": found.impaired,
        }
        await answer(send, 503 if lack else 200, json.dumps(body).encode() + b"\n", JSON)

    async def _judge(self) -> Readiness:
        if self._found and time.monotonic() - self._found[0] < KEPT_SECONDS:
            return self._found[1]
        if self._judging is None or self._judging.done():
            self._judging = asyncio.get_running_loop().run_in_executor(self._thread, readiness.judge)
        try:
            found = await asyncio.wait_for(asyncio.shield(self._judging), JUDGED_SECONDS)
        except TimeoutError:
            return NO_ANSWER
        self._found = (time.monotonic(), found)
        return found


class Measurements:
    """`/metrics`: open on its own port, on the public one only to who has the token, otherwise not there."""

    def __init__(self, settings: Configuration) -> None:
        """Take token and port from the configuration."""
        self._token = settings.metrics_token

    async def public(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer whoever has the token; to everybody else there is nothing here."""
        given = (find_header(scope, b"authorization") or b"").removeprefix(b"Bearer ")
        if not self._token or not hmac.compare_digest(given, self._token.encode()):
            await refuse(send, 404, NotFound())
            return
        await self.private(scope, receive, send)

    async def private(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer anybody who reaches the private port."""
        del receive
        if scope["path"] != "/metrics" or scope["method"] not in {"GET", "HEAD"}:
            await refuse(send, 404, NotFound())
            return
        metrics.hand_over_reads()
        text = await asyncio.get_running_loop().run_in_executor(None, _measure)
        await answer(send, 200, text, metrics.CONTENT_TYPE.encode())


def _measure() -> bytes:
    """Return all measurements (runs in a thread); those of the database stay what they were while it is away."""
    from django.db import DatabaseError, close_old_connections  # noqa: PLC0415 - Django is set up by now

    try:
        _measure_audit()
        _measure_mail()
        _measure_cases()
        _measure_applications()
        _measure_adoption()
    except DatabaseError:
        logging.getLogger("keyhouse.web").warning(
            "what the database knows can't be measured right now", exc_info=True
        )
    finally:
        close_old_connections()
    return metrics.render()


def _measure_audit() -> None:
    from keyhouse.audit import sealing  # noqa: PLC0415 - Django is set up by now
    from keyhouse.audit.chain import BEGINNING  # noqa: PLC0415 - as above

    head, waiting = sealing.find_head(), sealing.count()[1]
    metrics.set_audit(head.position if head else 0, head.chain if head else BEGINNING, waiting)


def _measure_cases() -> None:
    from keyhouse.accounts.recovery.queries import open_ages  # noqa: PLC0415 - Django is set up by now

    metrics.set_case_ages(open_ages(clock.now()))


def _measure_applications() -> None:
    from keyhouse.organizations.queries import age_of_applications  # noqa: PLC0415 - Django is set up by now

    waiting, age = age_of_applications(clock.now())
    metrics.APPLICATIONS_WAITING.set(waiting)
    metrics.APPLICATION_AGE.set(age.total_seconds())


def _measure_adoption() -> None:
    from keyhouse.mandate.metrics import queries, rules  # noqa: PLC0415 - Django is set up by now
    from keyhouse.mandate.notices.queries import REASONS  # noqa: PLC0415 - the same

    for name, day in queries.latest_of_all(clock.now().date()).items():
        if day.counts is None or day.counted_at is None:
            continue
        shares = {one.key: one.share_of(day.counts) for one in rules.DENOMINATORS}
        parts = {key: (share.part, share.whole) for key, share in shares.items()}
        metrics.set_adoption(name, day.counted_at.timestamp(), parts)
        covered = day.counts["people"]["covered"]
        standings = {one: covered[one] for one in ("refused", "coming", "exempt")}
        metrics.set_standings(name, standings, day.counts["hits"]["attempts"])
        if name:
            unreached = day.counts.get("unreached", {})
            metrics.set_unreached(name, {why: unreached.get(why, 0) for why in REASONS})


def _measure_mail() -> None:
    from keyhouse.mail import queries  # noqa: PLC0415 - Django is set up by now

    security, bulk = queries.waiting_by_lane()
    for lane in (security, bulk):
        metrics.MAILS_WAITING.labels(lane.lane).set(lane.count)
    metrics.MAILS_FAILED.set(queries.failed().count())
    age = (clock.now() - security.oldest_at).total_seconds() if security.oldest_at else 0.0
    metrics.SECURITY_MAIL_AGE.set(max(age, 0.0))
