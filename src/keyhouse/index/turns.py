"""Work that one process at a time does, of all those that share a database."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from keyhouse.core import configuration
from keyhouse.index.database import open_database

T = TypeVar("T")


def unless_busy(lock: str, act: Callable[[], T]) -> T | None:
    """Do something while nobody else does what has this lock, and return what it does; None where somebody is at it.

    Raises UnavailableError where the database can't be asked, and what the act raises.
    """
    database = open_database(configuration.current())
    try:
        with database.alone(lock) as is_mine:
            return act() if is_mine else None
    finally:
        database.close()
