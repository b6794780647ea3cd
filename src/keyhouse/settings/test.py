"""Settings of the test-suite: the real ones, on a throw-away data folder and database."""

from __future__ import annotations

from keyhouse.settings.base import *  # noqa: F403
from keyhouse.settings.base import DATABASES

# The read plane opens the database by the configuration's own address, so the test runner must use that very one.
DATABASES["default"]["TEST"] = {"NAME": DATABASES["default"]["NAME"]}
