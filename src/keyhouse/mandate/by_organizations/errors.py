"""What can be wrong with what an organization asks of its people."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class DeclarationNotHeld(Refusal):
    """Whoever asks others for something holds it themselves, and shows it."""

    code = "declaration-not-held"
    situation = Situation.CONFLICT
    sentence = "You don't hold what you would ask of others, or this session wasn't started with it."
    fix = "Enrol it at your second factors, sign in with it, and declare then."


class DeclarationTooSoon(Refusal):
    """People who have authority already have some days of notice."""

    code = "declaration-too-soon"
    sentence = "People have at least 14 days before something new is refused to them."
    fix = "Choose a later day, and none further than a year ahead."


class DeclarationDayRefused(Refusal):
    """On some days nobody is there to help."""

    code = "declaration-day-refused"
    sentence = "Nothing begins to be refused on a Friday or at a weekend: nobody would be there to help."
    fix = "Choose another day."


class DeclarationSame(Refusal):
    """What is asked for holds already, or is on its way."""

    code = "declaration-same"
    situation = Situation.CONFLICT
    sentence = "This organization asks for just that already."
    fix = "Look at what holds now."


class DeclarationMixed(Refusal):
    """Asking for more in one thing and less in another hides the one behind the other."""

    code = "declaration-mixed"
    situation = Situation.CONFLICT
    sentence = "This would ask for more in one thing and for less in another."
    fix = "Make two changes of it, one after the other."


class DeclarationWaits(Refusal):
    """One loosening waits at a time, and nothing else is declared meanwhile."""

    code = "declaration-waits"
    situation = Situation.CONFLICT
    sentence = "A loosening of what this organization asks for waits already."
    fix = "Take it back, or wait until it is in effect."


class DeclarationOver(Refusal):
    """There is no loosening that waits."""

    code = "declaration-over"
    situation = Situation.CONFLICT
    sentence = "Nothing waits here any more: it is in effect, or was taken back."
    fix = "Look at what holds now."


class DeclarationApprovalRefused(Refusal):
    """A second owner answers in person, and has been one for longer than the wait."""

    code = "declaration-approval-refused"
    situation = Situation.FORBIDDEN
    sentence = "Somebody else answers for a loosening: an owner who has been one for three days, and did not ask for it."
    fix = "Ask another owner of the organization, or wait until it is in effect by itself."


class DeclarationNothing(Refusal):
    """What asks for nothing can't ask for less."""

    code = "declaration-nothing"
    situation = Situation.CONFLICT
    sentence = "This organization asks for nothing beyond what the index does."
    fix = "Declare something first."
