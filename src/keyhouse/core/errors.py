"""The root of every refusal: a stable code, what happened, what to do.

The domain knows no HTTP. A refusal names its *situation* (`Situation`), and each edge (pages, upload,
read plane, command line) has one table from situation to answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import ClassVar


class Situation(Enum):
    """What kind of no this is; each edge maps it to its own form of answer."""

    INVALID = "invalid"  # what was sent can't be right, whoever sent it
    UNAUTHENTICATED = "unauthenticated"  # nobody we know, or a credential we don't accept
    FORBIDDEN = "forbidden"  # known, and not allowed
    MISSING = "missing"  # there is no such thing (or none this actor may know of)
    CONFLICT = "conflict"  # right in itself, but not in the present state
    GONE = "gone"  # was here once and will not come back
    TOO_LARGE = "too-large"
    TOO_MANY = "too-many"  # a limit on attempts or creation; see `retry_after`
    UNAVAILABLE = "unavailable"  # ours to mend; trying later may help


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not a defect
    """A refusal somebody outside may read.

    Subclasses set `code`, `situation` and a default `sentence`; a raiser may give a more exact sentence.
    `fix` says what to do, `retry_after` (whole seconds) when it may help to try again. A refusal by the gate carries
    the whole `decision` as JSON has it, for machines.
    """

    code: ClassVar[str] = "refused"
    situation: ClassVar[Situation] = Situation.INVALID
    sentence: str = "This was refused."
    fix: str = ""
    retry_after: int | None = None
    decision: Mapping[str, object] | None = None

    def __init__(
        self,
        sentence: str | None = None,
        *,
        fix: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        """Take the exact sentence, fix and waiting time where the class's own are too general."""
        self.sentence = sentence if sentence is not None else type(self).sentence
        self.fix = fix if fix is not None else type(self).fix
        self.retry_after = retry_after if retry_after is not None else type(self).retry_after
        super().__init__(self.line)

    @property
    def line(self) -> str:
        """Return the one readable line `code: sentence` that every client gets first."""
        return f"{self.code}: {self.sentence}"


class NotFound(Refusal):
    """Nothing here, or nothing this actor may know of."""

    code = "not-found"
    situation = Situation.MISSING
    sentence = "There is nothing at this address."


class SignInRequired(Refusal):
    """The act needs somebody, and nobody is signed in."""

    code = "sign-in-required"
    situation = Situation.UNAUTHENTICATED
    sentence = "Sign in to go on."


class CredentialInvalid(Refusal):
    """One text for unknown, malformed, expired and revoked credentials, so that none can be told apart."""

    code = "credential-invalid"
    situation = Situation.FORBIDDEN
    sentence = "This credential is not valid here."
    fix = "Create a new API token on your account page."


class RoleRequired(Refusal):
    """The actor holds no role that may do this to this thing."""

    code = "role-required"
    situation = Situation.FORBIDDEN
    sentence = "You don't have a role that allows this."
    fix = "Ask an owner of the project."


class StepUpRequired(Refusal):
    """The proof this session rests on is too old or too weak for this act (ASVS 7.5.3)."""

    code = "step-up-required"
    situation = Situation.FORBIDDEN
    sentence = "Prove once more that it is you."
    fix = "Confirm with your second factor."


class SecondFactorRequired(Refusal):
    """The act needs a session or credential proven with a second factor."""

    code = "second-factor-required"
    situation = Situation.FORBIDDEN
    sentence = "This needs a second factor."
    fix = "Set up a security key or an authenticator app on your account page, then sign in with it."


class StrongerFactorRequired(Refusal):
    """A second factor was proven, and a mandate asks for a stronger one."""

    code = "stronger-factor-required"
    situation = Situation.FORBIDDEN
    sentence = "This needs a stronger second factor than the one proven."
    fix = "Sign in with a security key or passkey."


class CredentialWeak(Refusal):
    """The credential was made in a session that had proven less than is asked for."""

    code = "credential-weak"
    situation = Situation.FORBIDDEN
    sentence = "This credential was made without a second factor."
    fix = "Sign in with your second factor and create a new one."


class EmailUnverified(Refusal):
    """No management without a verified primary address."""

    code = "email-unverified"
    situation = Situation.FORBIDDEN
    sentence = "Your primary e-mail address is not verified."
    fix = "Verify it on your account page."


class AccountHeld(Refusal):
    """The account rests until its owner proves more."""

    code = "account-held"
    situation = Situation.FORBIDDEN
    sentence = "This account is on hold."
    fix = "Sign in to see why and until when."


class AccountFrozen(Refusal):
    """The account was frozen, by its owner or by operators."""

    code = "account-frozen"
    situation = Situation.FORBIDDEN
    sentence = "This account is frozen."
    fix = "Talk to the operators of this index."


class AccountSuspended(Refusal):
    """Operators closed the account; no way back of its owner opens it."""

    code = "account-suspended"
    situation = Situation.FORBIDDEN
    sentence = "This account is suspended."
    fix = "Talk to the operators of this index."


class GateUnavailable(Refusal):
    """The gate can't be asked (nothing wired, or facts can't be gathered): privileged acts are refused."""

    code = "gate-unavailable"
    situation = Situation.UNAVAILABLE
    sentence = "It can't be decided right now whether this is allowed."
    fix = "Try again in a minute."


def all_refusals() -> dict[str, type[Refusal]]:
    """Return every refusal class that is loaded, by code (for the docs and for tests)."""
    found: dict[str, type[Refusal]] = {}
    waiting = list(Refusal.__subclasses__())
    while waiting:
        cls = waiting.pop()
        waiting.extend(cls.__subclasses__())
        if "code" in vars(cls):
            found.setdefault(cls.code, cls)
    return found
