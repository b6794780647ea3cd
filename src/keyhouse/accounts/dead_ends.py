"""The situations from which nobody comes back without an operator, in kinds, each with its reason and what is left. Pure.

`docs/security/dead-ends.md` is made of this. A situation that belongs to no kind is a fault of the product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from keyhouse.accounts.reachability import WITH_OPERATORS, Situation, Ways, next_of, way_from

_OPERATORS: Final = "Step 4: two operators answer for the person, and their link sets the account up anew. Step 5: the host hands over a link."
_CO_OWNERS: Final = "Step 3: as soon as one compliant person owns a project with them, a word of theirs beside the mailbox is enough."
_BY_HAND: Final = "Two operators verify the address of a person whom they met, in the console (or one, announced a day ahead), or the host does (`keyhouse user verify-address`)."
_MAIL: Final = "An operator lets mails leave; then nothing more is needed than what the person has."


def proofs(now: Situation) -> frozenset[str]:
    """Return what the person can still prove, each once: a password that a mail has set is no more than the mailbox."""
    reads = now.transport == "works" and (
        now.mail == "verified" or (now.mail == "unverified" and now.account != "frozen")
    )
    held = {
        "mailbox": reads,
        "password": now.password == "good" or (now.password == "mailed" and not reads),  # noqa: S105 - a state
        "app": now.app == "in-hand",
        "key": now.key in {"passkey", "touch"},
        "code": now.codes,
    }
    return frozenset(name for name, is_there in held.items() if is_there)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of dead end: what it is called, why it has to be one, what is left to do."""

    name: str
    what: str
    why: str
    left: str
    has: Callable[[Situation], bool]


def _waits_for_mail(now: Situation) -> bool:
    return now.transport != "works"


KINDS: Final = (
    Kind(
        "everything is lost",
        "No password, no factor that works, no code, and no mailbox.",
        "Nothing tells the person from anybody else.",
        _OPERATORS,
        lambda now: not proofs(now),
    ),
    Kind(
        "the mailbox alone",
        "A mailbox, perhaps a password that it has set; no factor that works, no code, and no compliant co-owner.",
        "Everything is lost but one proof, and coming back takes two (NIST SP 800-63B-4 4.2.2.2): whoever takes over a mailbox would have the account. The password that a mail has set is that mailbox once more.",
        f"{_CO_OWNERS} {_OPERATORS}",
        lambda now: proofs(now) == {"mailbox"},
    ),
    Kind(
        "one proof alone, without the mailbox",
        "Only a password, only an app, only a key that opens nothing alone, or only recovery codes; no mailbox.",
        "Everything is lost but one proof, and coming back takes two. Whoever found the sheet of codes, the key or the unlocked telephone, or stole the password, has exactly what the person has here.",
        _OPERATORS,
        lambda now: len(proofs(now)) == 1 and now.key != "passkey",
    ),
    Kind(
        "frozen, without the mailbox",
        "Somebody said that it was not them; no mail comes to an address that was verified before.",
        "Who froze the account says that others have its password or factors: what is left proves nothing any more, and the one thing that does, a mail to an address from before, doesn't come. Were two factors enough, freezing would stop nobody who stole two. Freezing takes that mailbox, or a session that has proven everything.",
        _OPERATORS,
        lambda now: now.account == "frozen" and "mailbox" not in proofs(now),
    ),
    Kind(
        "no mail can be sent, and nothing is verified",
        "The person signs in, but the index sends no mails, so no address can be verified.",
        "It is the index that stands still, and no account: where mails never left, nobody is here, since the link of an invitation is handed over by hand and counts as verified by the host. Only operators bring this about, by switching mail off or leaving it broken. Without a verified address nobody manages anything, and only a mail that arrives verifies one, or the word of two operators or of whoever runs the machine; whatever the account did by itself would verify what nobody looked at.",
        f"{_BY_HAND} {_MAIL} Or {_OPERATORS[0].lower()}{_OPERATORS[1:]}",
        lambda now: _waits_for_mail(now) and now.mail in {"unverified", "domain-gone"},
    ),
)


def kind_of(now: Situation) -> Kind | None:
    """Return the first kind that a dead end belongs to."""
    return next((kind for kind in KINDS if kind.has(now)), None)


_ANSWER: Final = ("operators-answer", "wait-for-case", "finish-case")
_AT_ONCE: Final = ("operators-answer", "finish-case")
_OPERATORS_DO: Final = (("verify-by-hand",), ("mend-mail",), _ANSWER, _AT_ONCE, ("mend-mail", *_ANSWER))


def way_with_operators(start: Situation, ways: Ways) -> list[str] | None:
    """Return a way from a dead end by what operators do, as names of steps; None where not even that leads on."""
    for names in _OPERATORS_DO:
        after = _after(start, names)
        rest = way_from(after, ways) if after else None
        if rest is not None:
            return [*names, *(step.name for step, _ in rest)]
    return None


def _after(now: Situation, names: tuple[str, ...]) -> Situation | None:
    """Return what these steps lead to, or None where one of them can't be done."""
    for name in names:
        found = [after for step, after in next_of(now, WITH_OPERATORS) if step.name == name]
        if not found:
            return None
        now = found[0]
    return now
