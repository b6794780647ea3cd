"""Numbers as commands take them: bounded, so that one that no database holds is wrong use and never a failure."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

import click

ID: Final = click.IntRange(1, 2**63 - 1)  # of a row
VERSION: Final = click.IntRange(1, 2**31 - 1)  # of a mandate
AMOUNT: Final = click.IntRange(1, 10**9)  # of things, at most
AMOUNT_OR_ALL: Final = click.IntRange(0, 10**9)  # 0: all

_UNITS: Final = ("", "k", "m", "g", "t", "p")
_SIZE: Final = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,9})?) ?(?:([kmgtp]?)(i?)b)?", re.IGNORECASE)


class Size(click.ParamType[int]):
    """A number of bytes, plain or with a unit: `500000`, `500MB` (of thousands) or `2GiB` (of 1024); from 1 to `most`."""

    name = "size"

    def __init__(self, most: int) -> None:
        """Take up to so many bytes."""
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the bytes; anything else is wrong use."""
        found = _SIZE.fullmatch(str(value))
        if found is None or (found[3] and not found[2]):
            self.fail("write bytes or a size, for example 500000, 500MB, 1.5GB or 2GiB", param, ctx)
        step = 1024 if found[3] else 1000
        size = Decimal(found[1]) * step ** _UNITS.index((found[2] or "").lower())
        if size != int(size) or not 1 <= size <= self._most:
            self.fail(f"it is a whole number of bytes, from 1 to {self._most:,}", param, ctx)
        return int(size)
