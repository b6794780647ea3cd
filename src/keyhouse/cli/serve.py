"""`keyhouse serve`: from a folder and a port to a running index, and back to nothing."""

from __future__ import annotations

import os
import signal
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from types import FrameType
from typing import Final, Protocol
from urllib.parse import urlsplit

import click
import uvicorn
from uvicorn.supervisors import Multiprocess

from keyhouse.accounts.second_factors.webauthn.key_models import require_models
from keyhouse.cli import announcement, preparation
from keyhouse.cli.listening import CannotListenError, listen
from keyhouse.core import configuration, data_folder, keys, logs
from keyhouse.core.configuration import Configuration, ConfigurationError
from keyhouse.core.data_folder import DataFolderBusyError, Hold, Holder
from keyhouse.core.settings_told import digests_of
from keyhouse.publishing.attestations.errors import TrustedRootDamaged
from keyhouse.publishing.attestations.verifying import require_roots

GRACE_SECONDS: Final = 30
KEEP_ALIVE_SECONDS: Final = 30
WORKER_SECONDS: Final = 30  # a worker that doesn't answer its supervisor for so long is replaced
METRICS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks of the server."""

    host: str
    port: int
    workers: int
    tls_cert: Path | None
    tls_key: Path | None

    @property
    def scheme(self) -> str:
        """Return the scheme people use when nothing stands in front."""
        return "https" if self.tls_cert else "http"


@click.command()
@click.option("--host", default="localhost", show_default=True, help="Address or name to listen on.")
@click.option(
    "--port", default=8400, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one."
)
@click.option("--data", metavar="FOLDER", help="Data folder; as KEYHOUSE_DATA.  [default: ./var]")
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes that answer."
)
@click.option("--tls-cert", type=click.Path(path_type=Path), help="Certificate chain (PEM): serve https.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="Its private key (PEM).")
def command(data: str | None, **wished: object) -> None:
    """Run the index in the foreground until Ctrl-C or SIGTERM; running requests are finished first.

    \b
    Examples:
      keyhouse serve
      keyhouse serve --workers 4 --data /srv/keyhouse
      keyhouse serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
    """  # noqa: D301 - \b is click's own mark
    serve(Wishes(**wished), data)  # type: ignore[arg-type]  # click has read each by the type of its option


def serve(wishes: Wishes, data: str | None) -> None:
    """Serve until told to stop. Raises what stops a start, as one sentence."""
    _on_stop(_stop_at_once)
    _check_tls(wishes)
    settings = _configure(wishes, data)
    require_models()
    _check_roots(settings)
    _check_authority(settings)
    data_folder.make(settings.data)
    with _held(settings) as hold:
        sockets = _listen(wishes, settings)
        settings = _settle_address(wishes, settings, sockets[0].getsockname()[1])
        preparation.prepare(settings)
        announcement.former_keys(settings)  # which may stop the start
        if hold is not None:
            key_id = keys.ring().newest.id
            hold.tell(Holder(os.getpid(), settings.base_url, digests_of(settings, key_id), key_id))
        _run(wishes, settings, sockets)


def _check_roots(settings: Configuration) -> None:
    """Raise ConfigurationError where the roots of trust that are set can't be read."""
    if settings.trusted_root is None:
        return
    try:
        require_roots(settings.trusted_root)
    except TrustedRootDamaged as damaged:
        raise ConfigurationError(damaged.sentence) from damaged


def _check_authority(settings: Configuration) -> None:
    """Raise ConfigurationError where the extra authority can't be read: else each issuer and mail server seems out of order."""
    if settings.ca_file is None:
        return
    try:
        ssl.create_default_context().load_verify_locations(settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"KEYHOUSE_CA_FILE: {settings.ca_file} can't be used: {error}; it takes a file of certificates (PEM)."
        ) from error


def _check_tls(wishes: Wishes) -> None:
    """Look at certificate and key before anything else, so that a wrong file is one sentence."""
    if bool(wishes.tls_cert) != bool(wishes.tls_key):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    if wishes.tls_cert is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(wishes.tls_cert, wishes.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"The certificate {wishes.tls_cert} and its key can't be used: {error}."
        ) from error


def _configure(wishes: Wishes, data: str | None) -> Configuration:
    """Read the configuration; options go into the environment, where worker processes find them."""
    if data is not None:
        os.environ["KEYHOUSE_DATA"] = data
    settings = configuration.use(configuration.read(os.environ, {"data": data} if data is not None else None))
    logs.set_up(settings)
    metrics = urlsplit(f"//{settings.metrics_listen}")
    if settings.metrics_listen and not (metrics.hostname and metrics.port and metrics.port != wishes.port):
        raise ConfigurationError(
            "KEYHOUSE_METRICS_LISTEN takes host:port, with another port than the public one."
        )
    return settings


@contextmanager
def _held(settings: Configuration) -> Iterator[Hold | None]:
    """Hold the data folder. On PostgreSQL several servers may share one; then the first holds it."""
    try:
        hold = data_folder.hold(settings.data)
    except DataFolderBusyError:
        if settings.sqlite_path is not None:
            raise
        yield None
        return
    try:
        yield hold
    finally:
        hold.release()


def _listen(wishes: Wishes, settings: Configuration) -> list[socket]:
    try:
        sockets = listen(wishes.host, wishes.port)
        if settings.metrics_listen:
            private = urlsplit(f"//{settings.metrics_listen}")
            sockets += listen(private.hostname or "", private.port or 0)
    except CannotListenError as error:
        raise click.ClickException(str(error)) from error
    return sockets


def _settle_address(wishes: Wishes, settings: Configuration, port: int) -> Configuration:
    """Let the base URL follow scheme and port where nobody set it."""
    if settings.sources["base_url"] != "default":
        return settings
    usual = {"http": 80, "https": 443}[wishes.scheme]
    os.environ["KEYHOUSE_BASE_URL"] = f"{wishes.scheme}://localhost{'' if port == usual else f':{port}'}"
    return configuration.use(configuration.read(os.environ))


def _run(wishes: Wishes, settings: Configuration, sockets: list[socket]) -> None:
    """Run the keepers here and the server here or in workers, until told to stop."""
    config = _server_configuration(wishes, settings)
    server = uvicorn.Server(config)
    if wishes.workers == 1:
        # The server takes the signals itself once it runs and raises them again when it has stopped: obeyed by then.
        _on_stop(server.handle_exit)
    if wishes.tls_cert is not None:
        os.environ[configuration.SERVED_CERTIFICATE] = str(wishes.tls_cert.resolve())
    with _accompanied(_companions(settings)), _metrics_folder(wishes):
        announcement.announce(settings, wishes.host)
        _close_connections()
        if wishes.workers == 1:
            server.run(sockets)
        else:
            Multiprocess(config, sockets).run()
    _leave()


def _close_connections() -> None:
    """Give back what this thread used to prepare; from here on others ask the database."""
    from django.db import connections  # noqa: PLC0415 - Django is set up by now

    connections.close_all()


def _on_stop(act: Callable[[int, FrameType | None], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, act)


def _stop_at_once(number: int, frame: FrameType | None) -> None:
    """Stop a start that has answered nobody yet; what it was doing is rolled back or done again."""
    del number, frame
    sys.exit(0)


def _server_configuration(wishes: Wishes, settings: Configuration) -> uvicorn.Config:
    return uvicorn.Config(
        "keyhouse.web.asgi:application",
        http="keyhouse.web.server:Protocol",
        loop="uvloop",
        ws="none",
        lifespan="on",
        interface="asgi3",
        workers=wishes.workers,
        log_config=logs.configured(settings),
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_worker_healthcheck=WORKER_SECONDS,
        ssl_certfile=wishes.tls_cert,
        ssl_keyfile=wishes.tls_key,
    )


class Companion(Protocol):
    """Something that works beside the requests for as long as this one process serves."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """Come to an end."""


def _companions(settings: Configuration) -> list[Companion]:
    """Return who works beside requests: lists of the index, a CDN in front, what mandates and roles need, the chain of the audit log, mails and their domains, rows of the search."""
    from keyhouse.accounts.addresses.keeping import DomainWatch  # noqa: PLC0415 - Django is set up by now
    from keyhouse.accounts.keeping import Keeper as AccountKeeper  # noqa: PLC0415 - Django is set up by now
    from keyhouse.audit.sealing import Sealer  # noqa: PLC0415 - Django is set up by now
    from keyhouse.audit.works import Bookkeeper  # noqa: PLC0415 - Django is set up by now
    from keyhouse.credentials.tokens.keeping import Keeper as TokenKeeper  # noqa: PLC0415 - the same
    from keyhouse.credentials.trusted_publishers.keeping import Keeper as PublisherKeeper  # noqa: PLC0415 - the same
    from keyhouse.index.keeper import Keeper as IndexKeeper  # noqa: PLC0415 - only a server needs it
    from keyhouse.index.purging import Purger  # noqa: PLC0415 - only a server needs it
    from keyhouse.mail.delivery import Postman  # noqa: PLC0415 - Django is set up by now
    from keyhouse.mandate.completion.keeping import Keeper as CompletionKeeper  # noqa: PLC0415 - the same
    from keyhouse.mandate.keeping import Keeper as MandateKeeper  # noqa: PLC0415 - Django is set up by now
    from keyhouse.mandate.simulation.keeping import Keeper as SimulationKeeper  # noqa: PLC0415 - Django is set up by now
    from keyhouse.projects.collaborators.keeping import Keeper as CollaboratorsKeeper  # noqa: PLC0415 - the same
    from keyhouse.projects.life_cycle.keeping import Keeper as RemovalKeeper  # noqa: PLC0415 - Django is set up by now
    from keyhouse.projects.search.filling import Filler  # noqa: PLC0415 - Django is set up by now
    from keyhouse.publishing.staging.keeping import Keeper as StagingKeeper  # noqa: PLC0415 - Django is set up by now

    return [
        Bookkeeper(),
        IndexKeeper(settings),
        Purger(settings),
        MandateKeeper(),
        CompletionKeeper(),
        SimulationKeeper(),
        AccountKeeper(),
        RemovalKeeper(),
        StagingKeeper(),
        TokenKeeper(),
        CollaboratorsKeeper(),
        PublisherKeeper(),
        Sealer(),
        Postman(),
        DomainWatch(),
        Filler(),
    ]


@contextmanager
def _accompanied(companions: Sequence[Companion]) -> Iterator[None]:
    """Let them work until the server has stopped; the last one begun stops first."""
    with ExitStack() as stack:
        for one in companions:
            one.start()
            stack.callback(one.stop)
        yield


@contextmanager
def _metrics_folder(wishes: Wishes) -> Iterator[None]:
    """Give several workers a folder for their numbers; whoever is asked adds them up."""
    if wishes.workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="keyhouse-metrics-") as folder:
        os.environ[METRICS_FOLDER] = folder
        yield


def _leave() -> None:
    """Leave with 0 even where a thread hangs: what is durable was durable before each answer."""
    sys.stdout.flush()
    sys.stderr.flush()
    watchdog: Callable[[int], None] = os._exit
    timer = threading.Timer(5.0, watchdog, (0,))
    timer.daemon = True
    timer.start()
