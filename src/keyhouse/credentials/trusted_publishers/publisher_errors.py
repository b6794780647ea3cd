"""Refusals about the publishers that projects trust."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class PublisherRefused(Refusal):
    """The family of every refusal about publishers."""


class PublisherInvalid(PublisherRefused):
    """A field of a publisher can't be like that; `field` names it."""

    code = "publisher-invalid"
    sentence = "A trusted publisher can't be set up like that."
    fix = "Correct the field that is named."

    def __init__(self, field: str = "", sentence: str | None = None) -> None:
        """Take the name of the field and what is wrong with it."""
        self.field = field
        super().__init__(sentence)


class PublisherExists(PublisherRefused):
    """The project trusts this publisher already."""

    code = "publisher-exists"
    situation = Situation.CONFLICT
    sentence = "This publisher is trusted here already."
    fix = "See the list of publishers."


class PublisherMissing(PublisherRefused):
    """There is no such publisher where one was looked for."""

    code = "publisher-missing"
    situation = Situation.MISSING
    sentence = "There is no such trusted publisher."
    fix = "See the list of publishers."


class PublishersTooMany(PublisherRefused):
    """One person may have so many publishers that wait for a project, and a project so many in all."""

    code = "publishers-too-many"
    situation = Situation.CONFLICT
    sentence = "There are as many trusted publishers as there may be."
    fix = "Remove one that nobody needs."


class EnvironmentUnseen(PublisherRefused):
    """There is nothing to constrain a publisher to."""

    code = "publisher-environment-unseen"
    situation = Situation.CONFLICT
    sentence = "No environment was seen that this publisher could be constrained to."
    fix = "Publish once from a job with an environment, or set up a publisher with one."


class TrustedPublisherRequired(PublisherRefused):
    """The project takes files from trusted publishers only."""

    code = "trusted-publisher-required"
    situation = Situation.FORBIDDEN
    sentence = "This project takes files from trusted publishers only."
    fix = "Set up a trusted publisher on the project's publishing page."
