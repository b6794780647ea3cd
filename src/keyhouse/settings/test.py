"""Settings of the test-suite: the real ones, on a throw-away data folder and database for each process of the runner.

The surroundings are made here and not in a `conftest.py`: the runner reads these settings before any of those.
"""

# ruff: noqa: E402 - the surroundings come before everything that reads them

from __future__ import annotations

import os
import secrets
import tempfile
from urllib.parse import urlsplit, urlunsplit

_FOR_TESTS = {"KEYHOUSE_REQUIRE", "KEYHOUSE_VECTORS", "KEYHOUSE_CORPUS", "KEYHOUSE_DATABASE_URL"}


def _own_surroundings() -> None:
    """Give this process its own data folder and database, whatever the machine's settings are."""
    for name in [name for name in os.environ if name.startswith("KEYHOUSE_") and name not in _FOR_TESTS]:
        del os.environ[name]
    os.environ["KEYHOUSE_ENVIRONMENT"] = "test"
    os.environ["KEYHOUSE_DATA"] = tempfile.mkdtemp(prefix="keyhouse-test-")
    url = os.environ.get("KEYHOUSE_DATABASE_URL", "")
    if url:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        name = f"/keyhouse_test_{worker}_{secrets.token_hex(4)}"
        os.environ["KEYHOUSE_DATABASE_URL"] = urlunsplit(urlsplit(url)._replace(path=name))


_own_surroundings()

from keyhouse.settings.base import *  # noqa: F403 - settings are names of this module
from keyhouse.settings.base import DATABASES

# The read plane opens the database by the configuration's own address, so the test runner must use that very one.
DATABASES["default"]["TEST"] = {"NAME": DATABASES["default"]["NAME"]}
