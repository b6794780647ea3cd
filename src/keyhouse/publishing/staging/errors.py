"""What may be refused about staged releases, beside what publishing says itself."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class StagingRefused(Refusal):
    """The family of this feature's refusals."""


class StagingNeedsProject(StagingRefused):
    """A staged file belongs to a project that is there; a name isn't kept by what nobody sees."""

    code = "staging-needs-project"
    sentence = "Only files of a project that is here can be staged."
    fix = "Publish the first release directly; from then on the project can stage its releases."


class StagedMissing(StagingRefused):
    """There is no such staged release: it was published, discarded, has expired, or never was."""

    code = "staged-release-missing"
    situation = Situation.MISSING
    sentence = "There is no such staged release (any more)."
    fix = "The project's page of staged releases shows what waits."


class StagedFileExists(StagingRefused):
    """A file of that name waits already, with other content."""

    code = "staged-file-exists"
    situation = Situation.CONFLICT
    sentence = "A file of this name is staged already, with other content."
    fix = "Discard the staged release, then upload all of its files again."


class StagedTooMany(StagingRefused):
    """So many staged releases wait in a project that nobody would look at one more."""

    code = "staged-releases-too-many"
    situation = Situation.CONFLICT
    sentence = "Too many staged releases of this project wait already."
    fix = "Publish or discard some of them on the project's page of staged releases."


class StagedChanged(StagingRefused):
    """What is staged isn't what somebody looked at; nothing is published that nobody has seen."""

    code = "staged-release-changed"
    situation = Situation.CONFLICT
    sentence = "The staged release has changed since you looked at it. Nothing was published."
    fix = "Look at its files once more, then publish."


class StagedOriginEnded(StagingRefused):
    """What uploaded a staged file isn't trusted any more, so the file isn't either."""

    code = "staged-origin-ended"
    situation = Situation.FORBIDDEN
    sentence = "A staged file was uploaded by something that is no longer trusted."
    fix = "Discard the staged release, then upload its files again."


class StagedBytesMissing(StagingRefused):
    """The stored bytes of a staged file are gone or damaged."""

    code = "staged-bytes-missing"
    situation = Situation.UNAVAILABLE
    sentence = "The stored bytes of a staged file are gone."
    fix = "Discard the staged release, upload its files again, and tell the operators."


class StagedFileTooLarge(StagingRefused):
    """The limit became smaller after the file was staged."""

    code = "staged-file-too-large"
    situation = Situation.TOO_LARGE
    sentence = "A staged file is larger than this project's files may be by now."
    fix = "Ask the operators of this index for a larger limit, or discard the staged release."
