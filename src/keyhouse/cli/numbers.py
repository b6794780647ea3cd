"""Numbers as commands take them: bounded, so that one that no database holds is wrong use and never a failure."""

from __future__ import annotations

from typing import Final

import click

ID: Final = click.IntRange(1, 2**63 - 1)  # of a row
VERSION: Final = click.IntRange(1, 2**31 - 1)  # of a mandate
AMOUNT: Final = click.IntRange(1, 10**9)  # of things, at most
AMOUNT_OR_ALL: Final = click.IntRange(0, 10**9)  # 0: all
