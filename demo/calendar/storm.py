"""The wave of recoveries of January 2024: cases pile up, the campaign pauses by itself, and two operators let it go on."""

from __future__ import annotations

from typing import Final

from demo.calendar.shape import Shape
from keyhouse.accounts.models import Authenticator, RecoveryCase
from keyhouse.accounts.recovery import words
from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.mandate.campaigns import services, signals
from keyhouse.mandate.models import Pause

LIMIT_HOURS: Final = 72
_FEWEST: Final = 5


def size(shape: Shape) -> int:
    """Return how many ask to come back within a few days: 1 of 200 accounts, put in."""
    return max(_FEWEST, shape.accounts // 200)


def break_out(shape: Shape, *, by: Actor) -> int:
    """Let people who enrolled and lost their factor since write to those who run the index; each gets a case."""
    holding = Authenticator.objects.filter(
        user__username__startswith="person-", user__emails__verified_at__isnull=False
    )
    names = list(holding.order_by("pk").values_list("user__username", flat=True)[: size(shape)])
    for name in names:
        words.propose(name, "They wrote that their phone is gone.", hands_over=False, by=by, now=clock.now())
    return len(names)


def look(mandate: str) -> Pause | None:
    """Look at the figures as the keeper does; returns the pause that goes on."""
    signals.look_after(clock.now())
    return Pause.objects.filter(mandate=mandate, ended_at=None).first()


def decide_all(*, by: Actor) -> int:
    """Answer every case: these people found their factor, or codes in a drawer, while they waited."""
    open_ones = list(RecoveryCase.objects.filter(state=RecoveryCase.State.OPEN))
    for case in open_ones:
        words.refuse(case.pk, "They came in by a saved code meanwhile.", by=by, now=clock.now())
    return len(open_ones)


def go_on(mandate: str, *, confirmed_by: Actor, resumed_by: Actor) -> Pause:
    """Let a second person stand behind the pause, and another end it."""
    services.confirm_pause(mandate, why="The cases are being decided.", by=confirmed_by)
    return services.resume(mandate, why="Every case is decided.", by=resumed_by)
