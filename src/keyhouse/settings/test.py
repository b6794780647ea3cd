"""Settings of the test-suite: the real ones, on a throw-away data folder."""

from __future__ import annotations

import os
import tempfile

os.environ.setdefault("KEYHOUSE_ENVIRONMENT", "test")
os.environ.setdefault("KEYHOUSE_DATA", tempfile.mkdtemp(prefix="keyhouse-test-"))

from keyhouse.settings.base import *  # noqa: F403 - the environment must be set first
