"""What whoever runs a command is told where the database can't be used."""

from __future__ import annotations

import sys
from typing import Final
from urllib.parse import urlsplit

from keyhouse.core import configuration
from keyhouse.core.configuration import ConfigurationError

SECONDS: Final = 5
_NO_RIGHT: Final = "42501"  # PostgreSQL's `insufficient_privilege`
_DOCTOR: Final = "`keyhouse doctor` looks for what is wrong."


def told(error: Exception) -> tuple[str, str] | None:
    """Return a sentence and what to do; None where the error is no such trouble."""
    if "django.db" not in sys.modules:
        return None
    from django.db import DatabaseError, OperationalError  # noqa: PLC0415 - commands without a database need none

    if not isinstance(error, DatabaseError):
        return None
    try:
        url = configuration.current().database_url
    except ConfigurationError:
        return None
    if url and getattr(error.__cause__, "sqlstate", "") == _NO_RIGHT:
        return _without_right(url)
    if not isinstance(error, OperationalError):
        return None
    fix = "Look at KEYHOUSE_DATABASE_URL, and whether PostgreSQL runs and lets that role in. " if url else ""
    return f"The database can't be used: {_reason(url) or _last_line(error)}.", fix + _DOCTOR


def _without_right(url: str) -> tuple[str, str]:
    role, name = urlsplit(url).username or "that role", urlsplit(url).path.lstrip("/")
    return (
        "PostgreSQL lets the role of KEYHOUSE_DATABASE_URL make no tables in its database.",
        f"Let it own the database, as PostgreSQL's administrator: `ALTER DATABASE {name} OWNER TO {role}`.",
    )


def _reason(url: str) -> str:
    """Return why no connection is made, which whoever waited for one of the pool isn't told; empty where one is made."""
    if not url:
        return ""
    import psycopg  # noqa: PLC0415 - only with PostgreSQL

    try:
        psycopg.connect(url, connect_timeout=SECONDS).close()
    except psycopg.Error as error:
        return _last_line(error)
    return ""


def _last_line(error: Exception) -> str:
    """Return the line that says why; what PostgreSQL asks back below it is left out."""
    lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith(("\t", " "))]
    return (lines or [type(error).__name__])[-1].strip().rstrip(".")
