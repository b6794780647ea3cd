"""Step 4: the project. One that exists needs a role; a new one a good name and room for new projects.

Authority is asked first in either case, so that nobody without it learns whether the project exists.
"""

from __future__ import annotations

from functools import partial

from packaging.version import Version

from keyhouse.core import actions, configuration, creators, naming
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, at_project, at_release
from keyhouse.core.switches import NewProjectsFrozen
from keyhouse.distfiles.names import judge_new_name, normalise
from keyhouse.projects import queries
from keyhouse.projects.errors import NameRefused
from keyhouse.publishing.staging.errors import StagingNeedsProject
from keyhouse.publishing.upload.checks.check import Check
from keyhouse.publishing.upload.creation import count_creation
from keyhouse.publishing.upload.submission import Stage, Submission


class ProjectAuthority(Check):
    """Finds the project and asks whether this actor may upload to it, or make it."""

    name = "project"
    stage = Stage.FIELDS

    def applies(self, submission: Submission) -> bool:
        """Wait for name and version; a token may be narrowed to one release."""
        return bool(submission.form.one("name") and submission.form.one("version"))

    def check(self, submission: Submission) -> None:
        """Set the project; raises RoleRequired, StagingNeedsProject, or why there can't be a new one."""
        name, version = submission.form.one("name"), str(Version(submission.form.one("version")))
        submission.actor = at_release(submission.actor, version)
        project = submission.project = queries.find_project(normalise(name))
        submission.is_new_project = project is None
        submission.actor = at_project(submission.actor, project.pk if project else None, normalise(name))
        action, thing = asked_of(submission)
        actions.require_authority(submission.actor, action, thing)
        if submission.is_new_project:
            if submission.is_to_be_staged:
                raise StagingNeedsProject
            check_new_project(name, submission.actor)
            submission.creation = count_creation(submission.actor)


def asked_of(submission: Submission) -> tuple[str, Thing]:
    """Return the action an upload is, and what it is done to."""
    project = submission.project
    if project is not None:
        return "release.upload", Thing("project", project.pk, project.normalized_name)
    return "project.create", Thing("project", None, normalise(submission.form.one("name")))


def check_new_project(name: str, by: Actor) -> None:
    """Judge the making of a project: open for new ones, by whom, and the name rules.

    Where another upload made it since it was looked for, this one goes on, and joins it or is refused at the end.
    """
    if configuration.current().uploads == "existing":
        raise NewProjectsFrozen
    creators.require(by)
    finding = judge_new_name(name, partial(queries.is_like_another, normalise(name)))
    if finding is not None:
        raise NameRefused(finding.sentence)
    objection = naming.find_objection(name, () if by.user_id is None else (by.user_id,))
    if objection is not None:
        raise NameRefused(objection)
