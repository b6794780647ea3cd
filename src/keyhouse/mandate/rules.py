"""Who may do what under the rule that is in force: whoever can change something holds a second factor. Pure.

`decide` takes facts and gives a decision; gate, pages and dry runs ask this one function. The rule of this version is
fixed: the session or credential in hand was proven with a second factor, the primary address is verified, the account
is in good order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from keyhouse.core.actor import Strength

Verdict = Literal["allow", "warn", "deny"]

PERSONAL: Final = frozenset({"session", "token"})
# Done by the index itself or by whoever has the machine. They propose what needs two people and never approve it.
OF_THE_HOST: Final = frozenset({"host"})
OF_A_JOB: Final = frozenset({"host.command"})
# A hold stops publishing and changes of the account; installing goes on.
OPEN_WHILE_HELD: Final = frozenset({"index.read-private", "token.use"})


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of the account. `has_factor`: a second factor is enrolled now, whoever is asking."""

    state: str
    email_is_verified: bool
    has_factor: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision rests on: the asking kind with its proven strength, the person behind it, the action."""

    kind: str
    proved: Strength
    person: Person
    action: str


@dataclass(frozen=True, slots=True)
class Fix:
    """What to do about a refusal, and the page where it is done."""

    text: str
    path: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer. `code` is empty where nothing stands in the way."""

    verdict: Verdict
    code: str = ""
    reason: str = ""
    fix: Fix | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


ALLOWED: Final = Decision("allow")


def decide(facts: Facts) -> Decision:
    """Return the first objection among the rules, in their order, or that it is allowed."""
    if facts.kind in OF_THE_HOST or (facts.kind == "job" and facts.action in OF_A_JOB):
        return ALLOWED
    for rule in RULES:
        if decision := rule(facts):
            return decision
    return ALLOWED


def _deny(code: str, reason: str, fix: str, path: str) -> Decision:
    return Decision("deny", code, reason, Fix(fix, path))


def _somebody(facts: Facts) -> Decision | None:
    if facts.kind in PERSONAL:
        return None
    if facts.kind == "nobody":
        return _deny("sign-in-required", "Nobody is signed in.", "Sign in to go on.", "/account/sign-in/")
    return _deny(
        "role-required", "This isn't done without a person.", "Sign in and do it on the pages.", "/account/"
    )


def _open_account(facts: Facts) -> Decision | None:
    """Refuse frozen accounts, and every state that isn't known here."""
    if facts.person.state in {"active", "held", "password-disabled"}:
        return None
    return _deny(
        "account-frozen",
        "This account is frozen.",
        "Talk to the operators of this index.",
        "/account/",
    )


def _no_hold(facts: Facts) -> Decision | None:
    if facts.person.state != "held" or facts.action in OPEN_WHILE_HELD:
        return None
    return _deny(
        "account-held", "This account is on hold.", "Sign in to see why and until when.", "/account/"
    )


def _good_password(facts: Facts) -> Decision | None:
    """Let tokens go on after a leak of the password, where the password alone opens nothing."""
    if facts.person.state != "password-disabled" or (facts.kind == "token" and facts.person.has_factor):
        return None
    return _deny(
        "account-held",
        "This account rests: its password is known to others and was disabled.",
        "Set a new password.",
        "/account/password/",
    )


def _verified_address(facts: Facts) -> Decision | None:
    if facts.person.email_is_verified:
        return None
    return _deny(
        "email-unverified",
        "The primary e-mail address of this account is not verified.",
        "Verify it on your account page.",
        "/account/",
    )


def _second_factor(facts: Facts) -> Decision | None:
    if facts.proved.has_second_factor:
        return None
    if facts.kind == "token":
        return _deny(
            "credential-weak",
            "This credential was made without a second factor.",
            "Sign in with your second factor and create a new one.",
            "/account/tokens/",
        )
    if facts.person.has_factor:
        return _deny(
            "second-factor-required",
            "This needs a second factor, and this session was started without one.",
            "Prove your second factor.",
            "/account/step-up/",
        )
    return _deny(
        "second-factor-required",
        "This needs a second factor.",
        "Set up an authenticator app on your account page.",
        "/account/second-factors/",
    )


RULES: Final[tuple[Callable[[Facts], Decision | None], ...]] = (
    _somebody,
    _open_account,
    _no_hold,
    _good_password,
    _verified_address,
    _second_factor,
)
