"""Why a file, a project or a whole source can't be imported, beside what the index says of any file."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class ImportRefused(Refusal):
    """The family of this feature's refusals."""


class SourceUnusable(ImportRefused):
    """What was named is neither a folder nor an index that can be read."""

    code = "source-unusable"
    sentence = "This can't be imported from."
    fix = "Name a folder of distribution files, a bandersnatch tree, or the address of an index."


class SourceEmpty(ImportRefused):
    """The source can be read, and lists no project, or none that is wanted: it is hardly the one that was meant."""

    code = "source-empty"
    sentence = "No project is there."
    fix = "Look at the folder or address, which may be a page to sign in at, and at --include and --exclude."


class SourceUnanswered(ImportRefused):
    """The source doesn't answer, answers too slowly, or breaks off."""

    code = "source-unanswered"
    situation = Situation.UNAVAILABLE
    sentence = "The source doesn't answer."
    fix = "Run the same command again: what is here already is passed over."


class SourcePageInvalid(ImportRefused):
    """A page of the source is no page of an index, or too large to be one."""

    code = "source-page-invalid"
    sentence = "A page of the source can't be read."
    fix = "Look at the address: it is the one that pip would be given as --index-url."


class SourceEntryInvalid(ImportRefused):
    """The source lists something that can't be a file: no name, no address, or something that isn't a regular file."""

    code = "source-entry-invalid"
    sentence = "The source lists something that is no distribution file."
    fix = "Look at it there, and leave it out or mend it."


class HostNotAllowed(ImportRefused):
    """A link or redirect leads to another host than the one that was named."""

    code = "host-not-allowed"
    situation = Situation.FORBIDDEN
    sentence = "This leads to another host than the one that was named."
    fix = "If its files really lie there, allow it: --allow-host HOST."


class SourceDigestDiffers(ImportRefused):
    """The bytes that came are not those whose digest or size the source tells."""

    code = "source-digest-differs"
    sentence = "The bytes that came are not those that the source promises."
    fix = "Run it again; if it stays so, the file was changed or damaged there, and must not be trusted."


class ProjectDiffers(ImportRefused):
    """A file stands on the page of another project than its name says."""

    code = "source-project-differs"
    sentence = "This file belongs to another project than the one that lists it."
    fix = "Look at the source: somebody has put it into the wrong place."


class YankedAlone(ImportRefused):
    """One file of a release is yanked and others are not; here a release is yanked as a whole."""

    code = "yanked-alone"
    sentence = "This file was yanked and others of its release were not; a release is yanked as a whole here."
    fix = "Nothing needs doing: installers passed it by. Whoever pinned it needs another build of it."


class OwnersInvalid(ImportRefused):
    """The file of owners can't be read, or names somebody who can't be an owner."""

    code = "owners-invalid"
    sentence = "The file of owners can't be used."
    fix = "It is a CSV file whose first line is project,person,role."


class ImportStopped(ImportRefused):
    """Somebody stopped it, or it had to stop; what is done stays done."""

    code = "import-stopped"
    situation = Situation.UNAVAILABLE
    sentence = "Stopped; what was imported stays."
    fix = "The same command goes on where it was."
