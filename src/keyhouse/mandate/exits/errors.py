"""What can be wrong with ways out of a mandate."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class RequestOpen(Refusal):
    """Whoever asks the operators for something asks for one thing at a time."""

    code = "request-open"
    situation = Situation.CONFLICT
    sentence = "You have asked for something already, and it waits for its answer."
    fix = "Wait for the answer, or take it back."


class RequestMissing(Refusal):
    """There is no such request, or it isn't yours."""

    code = "request-missing"
    situation = Situation.MISSING
    sentence = "There is no such request."
    fix = "Look at the list once more."


class RequestOver(Refusal):
    """A request that was answered or taken back can't be answered again."""

    code = "request-over"
    situation = Situation.CONFLICT
    sentence = "This was answered or taken back meanwhile."
    fix = "Look at the list once more; nothing was done now."


class RequestMalformed(Refusal):
    """A request says why, and an exemption also what shows it and what protects the account meanwhile."""

    code = "request-malformed"
    situation = Situation.INVALID
    sentence = "Something is missing, or longer than 500 characters."
    fix = "Fill in every field, each in one line."


class RequestedOften(Refusal):
    """Somebody asks again and again."""

    code = "requested-often"
    situation = Situation.TOO_MANY
    sentence = "You have asked three times within the last 30 days."
    fix = "Write to the operators of this index; they can propose an exemption by themselves."


class OwnedByOthers(Refusal):
    """Whoever isn't alone steps down; nothing has to be laid down for that."""

    code = "owned-by-others"
    situation = Situation.CONFLICT
    sentence = "Somebody else owns this, too, so you can step down at once."
    fix = "Step down instead; nothing happens to what you leave."


class LaidDownOver(Refusal):
    """There is nothing left to take back."""

    code = "laid-down-over"
    situation = Situation.CONFLICT
    sentence = "This isn't being laid down by you, or it took effect already."
    fix = "Look at the page once more."
