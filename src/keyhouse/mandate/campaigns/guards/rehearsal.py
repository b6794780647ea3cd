"""A rehearsal by an accelerated clock, where the mandate asks for one; this version of Keyhouse can't make any."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from keyhouse.mandate.campaigns.guards.guard import Guard, Missing
from keyhouse.mandate.documents import Mandate


def _look(mandate: Mandate, now: datetime) -> Iterator[Missing]:
    del mandate, now
    yield Missing(
        "rehearsal",
        "No rehearsal was held; rehearsals come with a later version of Keyhouse.",
        "Take `rehearsal` out of `[launch] requires` until then.",
    )


REHEARSAL: Final = Guard("rehearsal", "The whole campaign was rehearsed by an accelerated clock.", _look)
