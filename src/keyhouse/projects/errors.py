"""Refusals about projects, releases and files."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class ProjectsRefusal(Refusal):
    """The family of every refusal of this feature."""


class ProjectNotFound(ProjectsRefusal):
    """There is no such project, release or file (any more)."""

    code = "project-not-found"
    situation = Situation.MISSING
    sentence = "There is no such project here."


class ProjectOwned(ProjectsRefusal):
    """Whoever looks after a project is asked first, whatever operators think."""

    code = "project-owned"
    situation = Situation.CONFLICT
    sentence = "An owner of this project looks after it."
    fix = "Ask them: an owner lets others in on the project's page."


class ProjectMoveRefused(ProjectsRefusal):
    """Many depend on the project, and somebody would lose it without having been asked."""

    code = "project-move-refused"
    situation = Situation.CONFLICT
    sentence = "Many depend on this project, and other owners would lose it by this move."
    fix = "Let them have a role of their own in the project first, or leave it by their own act."


class TeamElsewhere(ProjectsRefusal):
    """A team gives rights in projects of its own organization only."""

    code = "team-elsewhere"
    situation = Situation.CONFLICT
    sentence = "The organization of this project has no such team."
    fix = "Look at the teams of the organization."


class NameRefused(ProjectsRefusal):
    """A new project can't have this name."""

    code = "name-refused"
    sentence = "A project can't have this name."
    fix = "Choose another name."


class ProjectArchived(ProjectsRefusal):
    """Archived projects take no files."""

    code = "project-archived"
    situation = Situation.FORBIDDEN
    sentence = "This project is archived and takes no new files."
    fix = "An owner can take it out of the archive on the project's page."


class UploadsWait(ProjectsRefusal):
    """While a file was on its way, its project was made to stage its uploads."""

    code = "uploads-wait"
    situation = Situation.CONFLICT
    sentence = "Since a moment ago, uploads to this project wait for a person."
    fix = "Upload the file again; it will be staged."


class ProjectQuarantined(ProjectsRefusal):
    """While operators look at a project, nobody changes it."""

    code = "project-quarantined"
    situation = Situation.FORBIDDEN
    sentence = "This project is in quarantine and can't be changed."
    fix = "Talk to the operators of this index."


class ReleaseQuarantined(ProjectsRefusal):
    """While operators look at a release, nobody changes it and installers don't see it."""

    code = "release-quarantined"
    situation = Situation.FORBIDDEN
    sentence = "This release is in quarantine and can't be changed."
    fix = "Talk to the operators of this index."


class FileHeld(ProjectsRefusal):
    """What operators look at must not vanish, nor what holds it."""

    code = "file-held"
    situation = Situation.FORBIDDEN
    sentence = "A file in quarantine can't be deleted, nor what holds it."
    fix = "Talk to the operators of this index."


class ProjectTooLarge(ProjectsRefusal):
    """The project's files would become larger than its limit."""

    code = "project-too-large"
    situation = Situation.TOO_LARGE
    sentence = "The project's files would become larger than its limit."
    fix = "Delete files that nobody needs, or ask the operators for a higher limit."


class FileExists(ProjectsRefusal):
    """A file of this name is here with other bytes. Uploading clients know it by how the sentence begins."""

    code = "file-exists"
    sentence = "File already exists, with other content."
    fix = "Release a new version, or give a wheel a build number."


class FileNameUsed(ProjectsRefusal):
    """The file name belonged to a file that was deleted; what it stood for must never change."""

    code = "file-name-used"
    sentence = "This file name was used before and deleted; a file name is never used twice."
    fix = "Release a new version, or give a wheel a build number."


class ContentExists(ProjectsRefusal):
    """The same bytes are here under another file name."""

    code = "content-exists"
    sentence = "The same content is here under another file name."
    fix = "Upload the file under its own name."


class SecondSourceDistribution(ProjectsRefusal):
    """A release has one source distribution at most."""

    code = "second-sdist"
    sentence = "This release has a source distribution already."
    fix = "Release a new version."


class ReleaseClosed(ProjectsRefusal):
    """A release that has been out for long takes no new files, so that nobody slips one in."""

    code = "release-closed"
    sentence = "This release is too old for new files."
    fix = "Release a new version."


class OwnerMissing(ProjectsRefusal):
    """A project has at least one owner."""

    code = "owner-missing"
    sentence = "A project needs an owner."
    fix = "Name a person who will own the project."


class ReasonRefused(ProjectsRefusal):
    """A reason that everybody reads is one line of readable text."""

    code = "reason-refused"
    sentence = "A reason is one line of at most 500 characters."
    fix = "Shorten it; leave out line breaks and control characters."
