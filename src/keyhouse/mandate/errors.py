"""What can be wrong with mandates, their making and their exceptions."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class MandateInvalid(Refusal):
    """A mandate that is written down can't be one."""

    code = "mandate-invalid"
    situation = Situation.INVALID
    sentence = "This mandate can't be read."
    fix = "Mend the line that is named; nothing was applied."


class MandateRefused(Refusal):
    """The mandate is well-formed and must not be applied as things are."""

    code = "mandate-refused"
    situation = Situation.CONFLICT
    sentence = "This mandate can't be applied now."
    fix = "`keyhouse mandate plan FILE` shows what it would do."


class MandateMissing(Refusal):
    """There is no mandate of that name, or no such version of it."""

    code = "mandate-missing"
    situation = Situation.MISSING
    sentence = "There is no such mandate."
    fix = "`keyhouse mandate status` and the page /mandate/ list them."


class ExemptionInvalid(Refusal):
    """An exemption lacks what makes it accountable, or lasts too long."""

    code = "exemption-invalid"
    situation = Situation.INVALID
    sentence = "This exemption can't be made."
    fix = "Name a person, a mandate in force, a reason, evidence, a compensating control, and an end within 90 days."


class DeletionHeld(Refusal):
    """Deleting a covered project waits, so that nobody deletes it to shed a mandate."""

    code = "deletion-held"
    situation = Situation.FORBIDDEN
    sentence = "Deleting is held while a mandate is between its announcement and its enforcement."
    fix = "Ask for the deletion first; after the hold it may be done."


class DeletionNotHeld(Refusal):
    """Somebody asked for a deletion that nothing holds; an ask is of one announcement and can't be made beforehand."""

    code = "deletion-not-held"
    situation = Situation.CONFLICT
    sentence = "Nothing holds the deletion of this project, so there is nothing to ask for."
    fix = "An owner may delete it now."


class NothingLacking(Refusal):
    """Somebody was to be reminded who has all that is asked of them."""

    code = "nothing-lacking"
    situation = Situation.CONFLICT
    sentence = "This person has all that is asked of them here."
    fix = "There is nothing to remind them of."


class NudgedAlready(Refusal):
    """One reminder a day for each person and project, whoever sends it."""

    code = "nudged-already"
    situation = Situation.TOO_MANY
    sentence = "This person was reminded within the last day."
    fix = "Talk to them, or remind them tomorrow."


class QuestionMalformed(Refusal):
    """What was asked about can't be: an unknown act, an instant without a zone, a parameter twice."""

    code = "question-malformed"
    situation = Situation.INVALID
    sentence = "This question can't be read."
    fix = "Ask with `action`, `project` and `at`, each at most once; `at` looks like 2027-01-01T00:00:00Z."


class LaunchRefused(Refusal):
    """Something is missing that a campaign asks for before it is launched."""

    code = "launch-refused"
    situation = Situation.CONFLICT
    sentence = "This campaign can't be launched yet."
    fix = "Mend what is listed, then launch it again."


class LaunchedAlready(Refusal):
    """The newest version was launched before, and waits or holds."""

    code = "launched-already"
    situation = Situation.CONFLICT
    sentence = "This was launched already."
    fix = "`keyhouse mandate status` says what it waits for. To change it, apply a new version."


class PausedAlready(Refusal):
    """A mandate is paused once at a time; to confirm a pause is another thing."""

    code = "paused-already"
    situation = Situation.CONFLICT
    sentence = "This mandate is paused already."
    fix = "Resume it, or let a second operator confirm the pause."


class PausesUsedUp(Refusal):
    """Whoever pauses alone does so for 30 days a year at most; else one person could put a mandate off for ever (L6)."""

    code = "pauses-used-up"
    situation = Situation.CONFLICT
    sentence = "Your pauses of this mandate have lasted 30 days within a year, and nobody confirmed them."
    fix = (
        "Another operator can pause it. To have its stages later for good, apply a version with other dates."
    )


class NotPaused(Refusal):
    """There is no pause that could be ended or confirmed."""

    code = "not-paused"
    situation = Situation.CONFLICT
    sentence = "This mandate is not paused."
    fix = "There is nothing to do."


class PauseConfirmed(Refusal):
    """A pause was confirmed already."""

    code = "pause-confirmed"
    situation = Situation.CONFLICT
    sentence = "This pause was confirmed already."
    fix = "It goes on until somebody resumes the mandate."


class NothingToPause(Refusal):
    """The mandate is over, or nothing of it is still to come."""

    code = "nothing-to-pause"
    situation = Situation.CONFLICT
    sentence = "Nothing of this mandate is still to come, so there is nothing to pause."
    fix = "To refuse less, roll it back."


class NothingToEnd(Refusal):
    """What is to be rolled back or abandoned isn't in effect, hasn't begun, or is ended or about to be ended already."""

    code = "nothing-to-end"
    situation = Situation.CONFLICT
    sentence = "This mandate can't be ended like this now."
    fix = "`keyhouse mandate status` says in what state it is."


class WordMissing(Refusal):
    """Whoever changes a campaign says why."""

    code = "word-missing"
    situation = Situation.INVALID
    sentence = "This needs a reason of at most 500 characters."
    fix = "Say why in a sentence; it is kept, and shown."
