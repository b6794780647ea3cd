"""Refusals of the pages of a project."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class ArchivesBusy(Refusal):
    """As many archives are being looked into as this server reads at once; other pages go on."""

    code = "archives-busy"
    situation = Situation.UNAVAILABLE
    sentence = "Too many archives are looked into right now."
    fix = "Try again in a few seconds."
    retry_after = 2


class ArchiveMissing(Refusal):
    """The file is known, and its bytes can't be read from the storage at the moment."""

    code = "archive-unavailable"
    situation = Situation.UNAVAILABLE
    sentence = "The bytes of this file can't be read right now."
    fix = "Try again later, or tell the operators of this index."


class ProjectQuarantined(Refusal):
    """Moderators took the project out of circulation; nothing of its files is shown meanwhile."""

    code = "project-quarantined"
    situation = Situation.FORBIDDEN
    sentence = "This project is in quarantine."
    fix = "Its page says what is known. Ask the operators of this index."


class ReleaseQuarantined(Refusal):
    """Moderators took the release out of circulation; nothing of it is shown meanwhile."""

    code = "release-quarantined"
    situation = Situation.FORBIDDEN
    sentence = "This release is in quarantine."
    fix = "The project's page lists its other releases. Ask the operators of this index."
