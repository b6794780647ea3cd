"""A process that counts for a simulation. Light until Django is set up: whoever starts it imports this first."""

from __future__ import annotations

import logging
import os
from multiprocessing.connection import Connection
from typing import Final

from keyhouse.core import configuration
from keyhouse.core.configuration import Configuration

DJANGO_SETTINGS: Final = "keyhouse.settings.base"
_log = logging.getLogger("keyhouse.simulation")


def work(settings: Configuration, pipe: Connection) -> None:
    """Count what the other end asks for; what goes wrong is told there, and the end of that one is ours, too."""
    configuration.use(settings)
    os.environ["DJANGO_SETTINGS_MODULE"] = DJANGO_SETTINGS
    try:
        import django  # noqa: PLC0415 - a process of its own begins without it

        django.setup()
        from keyhouse.mandate.simulation.running import count_for  # noqa: PLC0415 - models need Django

        count_for(pipe.recv(), pipe)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:  # noqa: BLE001 - told at the other end, which gives up
        _log.exception("a part of a simulation failed")
        pipe.send(type(error).__name__)
