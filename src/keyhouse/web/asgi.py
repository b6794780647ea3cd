"""The one ASGI callable: the read plane, the upload, and Django for everything else.

`ROUTES` below is the whole table of what does not go through Django's addresses; each method there names its action.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from keyhouse.core import configuration, logs, probes
from keyhouse.core.configuration import Configuration
from keyhouse.core.networks import client_address
from keyhouse.index.asgi import ReadPlane
from keyhouse.index.lane import Lane
from keyhouse.web.asgi_types import App, Receive, Scope, Send, answer, find_header, refuse
from keyhouse.web.control_plane import ControlPlane
from keyhouse.web.health import Health, Measurements
from keyhouse.web.metrics import hand_over_reads
from keyhouse.web.observed import Observed
from keyhouse.web.seen import PEER_KEY, seen
from keyhouse.web.wsgi import make_handler

HAND_OVER_SECONDS: Final = 1.0
_GARBAGE: Final = (
    20_000,
    20,
    100,
)  # objects made since the last search, and how often older ones are searched
_TURN: Final = 0.0001  # seconds a thread may hold the interpreter while another wants it


@dataclass(frozen=True, slots=True)
class Route:
    """One exact path beside Django: what each method is, and who answers."""

    app: App
    actions: Mapping[str, str]


class Application:
    """Sends each request to its plane."""

    def __init__(self, settings: Configuration, pages: App, index: Any, upload: Any, *beside: Any) -> None:
        """Join the planes; `index` is the read plane, `upload` the ASGI callable of `POST /legacy/`.

        What else lives as long as this process does stands in `beside`: it has `startup` and `shutdown`.
        """
        self._settings = settings
        self._index = index
        self._upload = upload
        self._pages = pages
        self._beside = beside
        self._measurements = Measurements(settings)
        self._private_port = port_of(settings.metrics_listen)
        self.routes = _routes(Health(), self._measurements, upload)

    def find_lane(self, port: int) -> Lane | None:
        """Return the fast lane of a port, or None: measurements have none."""
        lane: Lane | None = getattr(self._index, "lane", None)
        return None if self._private_port and port == self._private_port else lane

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the server's life."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await Lifespan(*self._beside, self._index, self._upload).follow(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._private_port and (scope.get("server") or ("", 0))[1] == self._private_port:
            await self._measurements.private(scope, receive, send)
            return
        if self._settings.trusted_proxies:
            _find_client(scope, self._settings)
        if self._index.owns(scope["path"]):
            await self._index(scope, receive, send)
            return
        await self._answer_beside(scope, receive, send)

    async def _answer_beside(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self.routes.get(scope["path"])
        if route is None:
            await self._pages(scope, receive, send)
        elif ("GET" if scope["method"] == "HEAD" else scope["method"]) in route.actions:
            await route.app(scope, receive, send)
        else:
            from keyhouse.web.errors import MethodNotAllowed  # noqa: PLC0415 - it stands on models, set up by now

            allowed = ", ".join(sorted(route.actions)).encode()
            await refuse(send, 405, MethodNotAllowed(), [(b"allow", allowed)])


def _routes(health: Health, measurements: Measurements, upload: App) -> dict[str, Route]:
    return {
        "/legacy/": Route(Observed(upload, "upload"), {"POST": "release.upload"}),
        "/legacy": Route(_with_slash, {"POST": "release.upload", "GET": "site.read"}),
        "/health/live": Route(health.live, {"GET": "service.health"}),
        "/health/ready": Route(health.ready, {"GET": "service.health"}),
        probes.PATH: Route(seen, {"GET": "service.health"}),
        "/metrics": Route(measurements.public, {"GET": "service.metrics"}),
    }


async def _with_slash(scope: Scope, receive: Receive, send: Send) -> None:
    """Send an upload to the address with its slash; 308 keeps method and body (RFC 9110 15.4.9)."""
    del scope, receive
    await answer(send, 308, b"", extra=[(b"location", b"/legacy/"), (b"connection", b"close")])


def _find_client(scope: Scope, settings: Configuration) -> None:
    """Put the client's address where the proxy's was."""
    peer = scope.get("client") or ("", 0)
    scope[PEER_KEY] = peer[0]
    forwarded = (find_header(scope, b"x-forwarded-for") or b"").decode("latin-1")
    scope["client"] = (client_address(peer[0], forwarded, settings.trusted_proxies), peer[1])


def port_of(listen: str) -> int:
    """Return the port of `host:port`, 0 for an empty text."""
    return int(listen.rpartition(":")[2]) if listen else 0


class Lifespan:
    """Start and stop of what lives in each process: the read plane's state, the counting of reads, the gate's history."""

    def __init__(self, *parts: Any) -> None:
        """Take the planes and what else may have a life of its own."""
        self._parts = [part for part in parts if hasattr(part, "startup")]
        self._counting: asyncio.Task[None] | None = None

    async def follow(self, receive: Receive, send: Send) -> None:
        """Answer the server's events until it stops."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _start(self) -> None:
        _follow_parent()
        for part in self._parts:
            await part.startup()
        _collect_garbage_seldom()
        # whoever comes back from the disk or the database, and the loop that reads requests, would wait 5 ms each time
        sys.setswitchinterval(_TURN)
        self._counting = asyncio.create_task(_hand_over_reads())

    async def _stop(self) -> None:
        if self._counting:
            self._counting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._counting
        hand_over_reads()
        for part in reversed(self._parts):
            await part.shutdown()


def _collect_garbage_seldom() -> None:
    """Leave what the start made out of every later search for garbage, and search less often.

    Nearly everything a request makes is freed without it; the search took some 5 % of an upload.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE)


async def _hand_over_reads() -> None:
    while True:
        await asyncio.sleep(HAND_OVER_SECONDS)
        hand_over_reads()


def _follow_parent() -> None:
    """Stop this worker when the process that started it is gone: nobody would stop it, and it holds the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_stop_after, args=(parent.sentinel,), name="parent", daemon=True).start()


def _stop_after(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def make_application(settings: Configuration) -> Application:
    """Build the callable of this process: Django first, since the upload's checks are its code."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "keyhouse.settings.base"
    pages = Observed(ControlPlane(make_handler(), settings), "pages")
    from keyhouse.mandate.history import Writer  # noqa: PLC0415 - it stands on models
    from keyhouse.publishing.upload.asgi import Upload  # noqa: PLC0415 - beside it

    return Application(settings, pages, ReadPlane(settings), Upload(), Writer())


def __getattr__(name: str) -> Application:
    """Make `keyhouse.web.asgi:application` when a server asks for it, not at every import of this module."""
    if name != "application":
        raise AttributeError(name)
    settings = configuration.current()
    logs.set_up(settings)
    globals()["application"] = made = make_application(settings)
    return made
