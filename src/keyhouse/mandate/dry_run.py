"""What the gate would say, now or at another instant, to whoever asks with the session or credential in hand.

Authority is asked first, as every door does, and then the very function that the gate asks. Of the question nothing is
kept, neither as a gated attempt nor as a notice; only the token in hand counts as used, as wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from packaging.version import InvalidVersion, Version

from keyhouse.core import actions, clock, configuration
from keyhouse.core.actions import CATALOGUE, Thing
from keyhouse.core.actor import Actor, at_project, at_release
from keyhouse.core.errors import CredentialInvalid, GateUnavailable, Refusal, SignInRequired, Situation
from keyhouse.credentials.tokens import queries as tokens
from keyhouse.credentials.tokens.authentication import works_at
from keyhouse.credentials.tokens.reader import READ_PRIVATE, require_right_to_read
from keyhouse.credentials.trusted_publishers.publisher_errors import TrustedPublisherRequired
from keyhouse.distfiles.filenames import LONGEST_VERSION
from keyhouse.distfiles.metadata_rules import LONGEST_NAME, is_valid_name
from keyhouse.distfiles.names import normalise
from keyhouse.mandate import gates
from keyhouse.mandate.declarations import NOWHERE
from keyhouse.mandate.errors import QuestionMalformed
from keyhouse.mandate.homes import home_to_be
from keyhouse.mandate.queries import Basis, basis_of
from keyhouse.mandate.rules import ALLOWED, Decision, Fix
from keyhouse.projects.collaborators.queries import invitations_of_person
from keyhouse.projects.models import Project
from keyhouse.projects.reading import is_hidden
from keyhouse.projects.rules import (
    FORMER_OWNERS_ACTION,
    INVITED,
    MAINTAINER,
    OWNER,
    ROLE_ACTIONS,
    ROLELESS_ACTIONS,
)

UPLOAD: Final = "release.upload"
CREATION: Final = "project.create"
# Acts that are done to a project; whatever project is named, others are asked about without it.
_ABOUT_PROJECTS: Final = frozenset(
    {*ROLE_ACTIONS[OWNER], *ROLE_ACTIONS[MAINTAINER], *ROLELESS_ACTIONS, FORMER_OWNERS_ACTION}
)
TOKEN_USE: Final = "token.use"  # noqa: S105 - an action, which takes no right of its own
_PATHS: Final = {"release.upload": "/account/tokens/", "project.create": "/account/tokens/"}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: one act (or, empty, all gated ones), on a project or none, at an instant."""

    at: datetime
    action: str = ""
    project: str = ""  # normalised
    version: str = ""  # canonical; a token may be narrowed to one release
    is_now: bool = True  # no other instant was asked about


def read_question(asked: dict[str, str], now: datetime) -> Question:
    """Read the parts of a question, each a text that was given once; raises QuestionMalformed."""
    action, project = asked.get("action", ""), asked.get("project", "")
    if ("action" in asked) and action not in CATALOGUE:
        raise QuestionMalformed("There is no such action.", fix="The documentation lists all of them.")
    if "project" in asked and not (len(project) <= LONGEST_NAME and is_valid_name(project)):
        raise QuestionMalformed("No project can have that name.")
    at = _read_instant(asked["at"]) if "at" in asked else now
    version = _read_version(asked["version"]) if "version" in asked else ""
    return Question(at, action, normalise(project), version, is_now="at" not in asked)


def _read_instant(text: str) -> datetime:
    try:
        return clock.parse_instant(text)
    except (ValueError, OverflowError) as error:
        raise QuestionMalformed("`at` is no instant with a zone.") from error


def _read_version(text: str) -> str:
    try:
        if len(text) <= LONGEST_VERSION:
            return str(Version(text))
    except InvalidVersion:
        pass
    raise QuestionMalformed("That is no version.")


def decision_on(actor: Actor, question: Question) -> Decision:
    """Return what the doors would answer to one act.

    Raises SignInRequired for nobody, and GateUnavailable where it can't be found out.
    """
    return _decisions(actor, question, [question.action])[question.action]


def decisions_on(actor: Actor, question: Question) -> dict[str, Decision]:
    """Return what the doors would answer to each gated act, by its name; raises as `decision_on`."""
    return _decisions(actor, question, [name for name, action in sorted(CATALOGUE.items()) if action.gated])


def _decisions(actor: Actor, question: Question, names: Sequence[str]) -> dict[str, Decision]:
    try:
        if not question.is_now and not works_at(actor, question.at):
            return dict.fromkeys(names, _OVER)
        answers = _Answers(_at(actor, question.at), question)
        return {name: answers.to(name) for name in names}
    except gates.UNREADABLE as error:
        raise GateUnavailable from error


# A token that is over by then, or wasn't made yet.
_OVER: Final = Decision(
    "deny",
    CredentialInvalid.code,
    reason="This token is not valid at that instant.",
    fix=Fix("Make one that is.", "/account/tokens/"),
)


def _at(actor: Actor, at: datetime) -> Actor:
    """Return who asks as they would stand there then.

    A session that will have ended by then is taken as one that was started anew and proven alike; otherwise every
    question about the future would be answered by `step-up-required`.
    """
    proved_at, life = actor.strength.at, timedelta(hours=configuration.current().session_hours)
    if actor.kind != "session" or proved_at is None or at - proved_at < life:
        return actor
    return replace(actor, strength=replace(actor.strength, at=at))


class _Answers:
    """Answers about several acts: what they rest on is read once for each thing, and for each way of asking."""

    def __init__(self, actor: Actor, question: Question) -> None:
        self._actor, self._question = actor, question
        self._project_id = tokens.find_project_id(question.project) if question.project else None
        self._bases: dict[tuple[bool, Thing | None], Basis] = {}
        self._hidden_from: dict[int | None, bool] = {}

    def to(self, action: str) -> Decision:
        """Return what the doors would answer to one act."""
        question = self._question
        actor = self._reading if action == READ_PRIVATE else self._acting
        asked, thing = _asked_of(question, action, self._seen_by(actor, action))
        refusal = _find_refusal(actor, asked[0], thing, question.project)
        if refusal is not None:
            return _denial(refusal, asked[0])
        found = [self._weigh(actor, name, thing) for name in asked]
        home = home_to_be(actor, question.project) if len(asked) > 1 else None
        if home is not None:
            found.append(self._weigh(actor, UPLOAD, home))
        if actor.kind == "token" and action == UPLOAD and thing is not None:
            found += _of_switch(thing)
        return min(found, key=_severity, default=ALLOWED)

    def _weigh(self, actor: Actor, action: str, thing: Thing | None) -> Decision:
        key = action == READ_PRIVATE, thing
        if key not in self._bases:
            basis = basis_of(actor, thing, self._question.at)
            # what isn't there for whoever asks stands in no organization either
            is_there = thing is None or thing.kind != "project" or thing.id is not None
            self._bases[key] = basis if is_there else basis._replace(there=NOWHERE)
        return gates.weigh_by(self._bases[key], action)[1]

    def _seen_by(self, actor: Actor, action: str) -> int | None:
        """Return the number of the project, or None of one that isn't there for whoever asks.

        Only who takes its name is told that it is taken, and who is invited there may ask about accepting that.
        """
        if action in {UPLOAD, CREATION} or not self._is_hidden_from(actor):
            return self._project_id
        return self._project_id if action in ROLE_ACTIONS[INVITED] and self._is_invited(actor) else None

    def _is_invited(self, actor: Actor) -> bool:
        if actor.user_id is None or self._project_id is None:
            return False
        mine = invitations_of_person(actor.user_id, self._question.at)
        return mine.filter(project_id=self._project_id).exists()

    def _is_hidden_from(self, actor: Actor) -> bool:
        who = actor.user_id
        if who not in self._hidden_from:
            self._hidden_from[who] = is_hidden(who, self._question.project)
        return self._hidden_from[who]

    @cached_property
    def _acting(self) -> Actor:
        version = self._question.version
        return self._turned(at_release(self._actor, version) if version else self._actor)

    @cached_property
    def _reading(self) -> Actor:
        """Return who asks to read, which is never about one release."""
        return self._turned(self._actor)

    def _turned(self, actor: Actor) -> Actor:
        name = self._question.project
        return at_project(actor, self._project_id, name) if name else actor


def _of_switch(thing: Thing) -> list[Decision]:
    """Return the denial of a project whose owners let trusted publishers publish alone, as the upload has it after the gate."""
    if not Project.objects.filter(pk=thing.id or 0, only_publishers=True).exists():
        return []
    refusal = TrustedPublisherRequired()
    fix = Fix(refusal.fix, f"/manage/project/{thing.name}/publishing/")
    return [Decision("deny", refusal.code, reason=refusal.sentence, fix=fix)]


def _asked_of(
    question: Question, action: str, project_id: int | None
) -> tuple[tuple[str, ...], Thing | None]:
    """Return the acts that doors ask about, and the thing: an upload to a new name makes a project, too."""
    if not question.project or action not in _ABOUT_PROJECTS:
        return (action,), None
    thing = Thing("project", project_id, question.project)
    is_new = action == UPLOAD and project_id is None
    return ((CREATION, UPLOAD) if is_new else (action,)), thing


def _find_refusal(actor: Actor, action: str, thing: Thing | None, project: str) -> Refusal | None:
    """Return why the doors would say no before the gate is asked, or None."""
    try:
        if action == READ_PRIVATE:
            require_right_to_read(actor, project or None)
        elif action != TOKEN_USE:
            actions.require_authority(actor, action, thing)
    except Refusal as refusal:
        if isinstance(refusal, SignInRequired) or refusal.situation is Situation.UNAVAILABLE:
            raise
        return refusal
    return None


def _denial(refusal: Refusal, action: str) -> Decision:
    fix = Fix(refusal.fix, _PATHS.get(action, "/manage/projects/"))
    return Decision("deny", refusal.code, reason=refusal.sentence, fix=fix)


def _severity(decision: Decision) -> tuple[int, bool, float]:
    """Order: what is refused, then what will be refused soonest, then what is allowed. Of equals the first wins."""
    rank = ("deny", "warn", "allow").index(decision.verdict)
    if rank == 0 or decision.until is None:
        return rank, True, 0.0
    return rank, False, decision.until.timestamp()
