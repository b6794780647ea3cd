"""Whether anybody honest can come back to full authority by themselves: the account as a small state machine. Pure.

A `Situation` says how an account stands, what its person still has, and what their session has proven. A `Step` is
something that they (or time, co-owners, operators) can do, with the guard and the effect that the real flow has. `search`
finds the shortest way from every situation to "compliant with authority" (mandate X10, A31). Everybody here has authority
over a critical project, so that holds last longest: whoever has less meets fewer waits and no other wall.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Final, Literal

# `lost`: verified, and it takes mails, but its person can't read it any more
Mail = Literal["verified", "unverified", "bounced", "domain-gone", "lost"]
# `mailed`: good, and set by a mailed link, so that it proves no more than the mailbox; `disabled`: known to others
Password = Literal["good", "mailed", "disabled", "forgotten", "none"]
# `touch`: a key in hand that can't tell who holds it, so it opens nothing alone; `dead`: made for a former name of the site
Key = Literal["none", "passkey", "touch", "lost", "dead"]
App = Literal["none", "in-hand", "lost", "disabled"]
# `held`: by anything that time alone ends; `code-held`, `dormant`: after a recovery code, after a first enrolment
Account = Literal["open", "held", "code-held", "dormant", "dormant-code-held", "frozen"]
Transport = Literal["works", "off", "stuck"]
# `fresh`: known since lately; `waiting`, `waited`: it waits instead of a mail, and has waited
Browser = Literal["known", "unknown", "fresh", "waiting", "waited"]
# `factor?`: the password was right; `app?` and the like: all was right, but the browser is unknown
Proven = Literal["", "password", "app", "code", "key", "factor?", "password?", "app?", "code?"]
Case = Literal["", "begun", "settled", "ready"]
Who = Literal["person", "time", "co-owners", "operators"]


@dataclass(frozen=True, slots=True)
class Situation:
    """How an account stands, and what its person has. `reset`: on hold until a factor is proven after a new password.

    `co_owners`: whether compliant people own its projects, too, and answer for the person. `mailed_proof`: the session has
    shown that mail reaches it, or a recovery code instead. `case`: how far a recovery case is.
    """

    mail: Mail
    password: Password
    key: Key
    app: App
    codes: bool
    account: Account
    reset: bool
    co_owners: bool
    transport: Transport
    browser: Browser
    proven: Proven = ""
    mailed_proof: bool = False
    case: Case = ""

    @property
    def has_factor(self) -> bool:
        """Whether a factor was ever enrolled, whatever became of it."""
        return self.key != "none" or self.app != "none"

    @property
    def needs_key(self) -> bool:
        """Whether the index knows a key that works, so that it asks for a proof by one."""
        return self.key in {"passkey", "touch", "lost"}

    @property
    def reads_mail(self) -> bool:
        """Whether a mail to the verified address comes to its person."""
        return self.transport == "works" and self.mail == "verified"

    @property
    def seems_to_read_mail(self) -> bool:
        """Whether the index can't but think so."""
        return self.transport == "works" and self.mail in {"verified", "lost"}

    @property
    def is_held(self) -> bool:
        """Whether nothing that protects the account may change now."""
        return self.reset or self.account != "open"

    @property
    def is_strong(self) -> bool:
        """Whether the session has proven the strongest factor that the account has."""
        if not self.has_factor:
            return self.proven == "password"
        return self.proven == "key" or (self.proven == "app" and not self.needs_key)

    @property
    def has_good_address(self) -> bool:
        """Whether the primary address is verified and takes mails; where none can be sent, verified is all there is."""
        if self.transport == "works":
            return self.mail == "verified"
        return self.mail in {"verified", "bounced", "lost"}


def is_compliant(now: Situation) -> bool:
    """Whether this session may do what is gated: a good address, an open account, the strongest factor proven."""
    rests = now.is_held or now.password == "disabled"  # noqa: S105 - a state, not a password
    return now.has_factor and now.is_strong and not rests and now.has_good_address and not now.case


@dataclass(frozen=True, slots=True)
class Step:
    """Something that can be done: `words` for people, `may` tells whether now, `do` what it leads to."""

    name: str
    words: str
    who: Who
    may: Callable[[Situation], bool]
    do: Callable[[Situation], Situation]

    def __str__(self) -> str:
        """Return its name."""
        return self.name


# ---- effects that several steps share


def _let_in(now: Situation, proven: Proven) -> Situation:
    """Complete a sign-in, or let it wait for its confirmation where the browser is unknown."""
    if now.browser in {"unknown", "waiting"}:
        unsure: dict[str, Proven] = {"password": "password?", "app": "app?", "code": "code?"}
        return replace(now, proven=unsure[proven])
    if now.browser == "waited":
        return _on_hold(replace(now, proven=proven, browser="fresh"), "held")
    return replace(now, proven=proven)


_BOTH: Final[frozenset[Account]] = frozenset({"code-held", "dormant"})
_WITHOUT_CODE: Final[dict[Account, Account]] = {"code-held": "open", "dormant-code-held": "dormant"}
_A_DAY_LATER: Final[dict[Account, Account]] = {"dormant": "open", "dormant-code-held": "code-held"}


def _on_hold(now: Situation, account: Account) -> Situation:
    if now.account in {"open", account}:
        return replace(now, account=account)
    if {now.account, account} <= {*_BOTH, "dormant-code-held"}:
        return replace(now, account="dormant-code-held")
    return replace(now, account="held")


def _ended(now: Situation) -> Situation:
    """End the session: a day passed, or what protects the account changed."""
    return replace(now, proven="", mailed_proof=False)


# ---- signing in


def _signs_in_at_all(now: Situation) -> bool:
    return now.account != "frozen" and not now.case and not now.proven


def _may_enter_password(now: Situation) -> bool:
    return _signs_in_at_all(now) and now.password in {"good", "mailed"}


def _enter_password(now: Situation) -> Situation:
    return replace(now, proven="factor?") if now.has_factor else _let_in(now, "password")


def _may_use_passkey(now: Situation) -> bool:
    return _signs_in_at_all(now) and now.key == "passkey"


def _use_key(now: Situation) -> Situation:
    browser: Browser = "known" if now.browser == "known" else "fresh"
    after = replace(now, proven="key", reset=False, browser=browser)
    return replace(after, account=_WITHOUT_CODE.get(after.account, after.account))


def _may_enter_app(now: Situation) -> bool:
    return now.proven == "factor?" and now.app == "in-hand"


def _enter_app(now: Situation) -> Situation:
    after = _let_in(now, "app")
    if after.proven != "app":
        return after
    return replace(after, reset=False, account=_WITHOUT_CODE.get(after.account, after.account))


def _may_use_code(now: Situation) -> bool:
    return now.proven == "factor?" and now.codes


def _use_code(now: Situation) -> Situation:
    return _on_hold(_let_in(now, "code"), "code-held")


def _is_unsure(now: Situation) -> bool:
    return now.proven in {"password?", "app?", "code?"}


def _confirm(now: Situation) -> Situation:
    sure: dict[str, Proven] = {"password?": "password", "app?": "app", "code?": "code"}
    after = replace(now, proven=sure[now.proven], browser="fresh")
    if after.proven != "app":
        return after
    return replace(after, reset=False, account=_WITHOUT_CODE.get(after.account, after.account))


def _may_confirm_by_app(now: Situation) -> bool:
    return now.proven == "code?" and now.app == "in-hand" and not now.seems_to_read_mail


def _confirm_new_browser(now: Situation) -> Situation:
    return _on_hold(replace(now, proven="app", browser="fresh", reset=False), "held")


def _may_confirm_by_code(now: Situation) -> bool:
    return now.proven == "app?" and now.codes and not now.seems_to_read_mail


def _wait_for_browser(now: Situation) -> Situation:
    """Let a day pass: as long as an account is dormant, and shorter than other holds.

    Where mails are sent, three days, as long as any hold: whoever waits for the one waits for the other.
    """
    later = "open" if now.seems_to_read_mail else _A_DAY_LATER.get(now.account, now.account)
    return replace(_ended(now), browser="waited", account=later)


def _wait_for_hold(now: Situation) -> Situation:
    """Let a hold end, and a browser that waits meanwhile have waited."""
    return replace(_ended(now), account="open", browser=_waited(now.browser))


def _waited(browser: Browser) -> Browser:
    return "waited" if browser == "waiting" else browser


# ---- factors


def _is_suspect(now: Situation) -> bool:
    """Whether a first enrolment calls for a mailed proof and a day's wait."""
    return now.browser != "known"


def _may_prove_mailbox(now: Situation) -> bool:
    is_asked = _is_first(now) and _is_suspect(now) and now.seems_to_read_mail and not now.mailed_proof
    return is_asked and now.reads_mail


def _may_prove_by_code(now: Situation) -> bool:
    is_asked = _is_first(now) and _is_suspect(now) and now.seems_to_read_mail and not now.mailed_proof
    return is_asked and now.codes


def _is_first(now: Situation) -> bool:
    return now.proven == "password" and not now.has_factor


def _may_enrol_first(now: Situation) -> bool:
    lacks_proof = _is_suspect(now) and now.seems_to_read_mail and not now.mailed_proof
    return _is_first(now) and not lacks_proof


def _enrol_first(now: Situation) -> Situation:
    after = replace(now, app="in-hand", proven="app", reset=False)
    return _on_hold(after, "dormant") if _is_suspect(now) else after


def _may_enrol_another(now: Situation) -> bool:
    return now.has_factor and now.proven in {"app", "code", "key"}


def _enrol_app(now: Situation) -> Situation:
    return replace(now, app="in-hand", proven="app" if now.proven == "code" else now.proven, reset=False)


def _enrol_key(now: Situation) -> Situation:
    return replace(now, key="passkey", proven="key", reset=False)


# ---- address and password


def _may_change_addresses(now: Situation) -> bool:
    return now.is_strong and not now.is_held and now.transport == "works"


def _may_verify(now: Situation) -> bool:
    is_complete = now.proven in {"password", "app", "code", "key"}
    return is_complete and not now.is_held and now.transport == "works" and now.mail == "unverified"


def _may_verify_by_hand(now: Situation) -> bool:
    is_open = not now.is_held and not now.case
    return is_open and now.transport != "works" and now.mail in {"unverified", "domain-gone"}


def _may_replace_address(now: Situation) -> bool:
    return _may_change_addresses(now) and now.mail in {"bounced", "domain-gone", "lost"}


def _may_choose_password(now: Situation) -> bool:
    """Tell whether somebody who came in by a passkey can set a new password in place of one that others know."""
    return now.is_strong and not now.is_held and now.password == "disabled"  # noqa: S105 - a state


def _may_reset(now: Situation) -> bool:
    is_reached = now.transport == "works" and now.mail in {"verified", "unverified"}
    is_closed = now.account == "frozen" or bool(now.case) or bool(now.proven)
    return is_reached and not is_closed and now.password in {"disabled", "forgotten", "none"}


def _reset(now: Situation) -> Situation:
    return replace(now, mail="verified", password="mailed", reset=True)  # noqa: S106 - a state, not a password


# ---- recovery


def _may_thaw(now: Situation) -> bool:
    has_one = now.app == "in-hand" or now.key in {"passkey", "touch"}
    return now.account == "frozen" and now.reads_mail and has_one and not now.case


def _thaw(now: Situation) -> Situation:
    kept: Password = "mailed" if now.password == "mailed" else "good"  # noqa: S105 - a state, not a password
    return replace(now, account="held", password=kept, reset=False)


def _may_begin_case(now: Situation) -> bool:
    """Tell whether a link arrives: at a verified address, or where there is none at the one on file, unless it is frozen."""
    reads_claimed = now.transport == "works" and now.mail == "unverified" and now.account != "frozen"
    return (now.reads_mail or reads_claimed) and not now.case


def _may_begin_with_code(now: Situation) -> bool:
    """Tell whether a recovery code is a second proof beside the mailbox, which has to be a verified one."""
    return now.reads_mail and now.codes and not now.case


def _may_begin_with(*proofs: Literal["code", "app", "key"]) -> Callable[[Situation], bool]:
    """Return what tells whether these are there; nobody needs a password or a mailbox for them."""

    def may(now: Situation) -> bool:
        held = {"code": now.codes, "app": now.app == "in-hand", "key": now.key in {"passkey", "touch"}}
        return all(held[one] for one in proofs) and now.account != "frozen" and not now.case

    return may


def _finish_case(now: Situation) -> Situation:
    return replace(
        now,
        password="good",  # noqa: S106 - a state, not a password
        key="none",
        app="in-hand",
        codes=True,
        account="held",
        reset=False,
        browser="known",
        proven="app",
        case="",
    )


def _wait_for_case(now: Situation) -> Situation:
    """Let three days pass, as long as any hold that was there when the case began, and any wait of a browser."""
    later: Account = "frozen" if now.account == "frozen" else "open"
    return replace(now, case="ready", account=later, browser=_waited(now.browser))


def _answer(now: Situation) -> Situation:
    """Open a case by two operators; their link waits only where a mail could warn its owner."""
    return replace(_ended(now), case="ready" if now.transport == "off" else "settled")


def _case(case: Case) -> Callable[[Situation], Situation]:
    return lambda now: replace(_ended(now), case=case)


STEPS: Final = (
    Step("enter-password", "sign in with the password", "person", _may_enter_password, _enter_password),
    Step("enter-passkey", "sign in with the passkey", "person", _may_use_passkey, _use_key),
    Step("enter-app", "give the code of the app", "person", _may_enter_app, _enter_app),
    Step("enter-code", "give a recovery code", "person", _may_use_code, _use_code),
    Step(
        "enter-key",
        "use the security key",
        "person",
        lambda now: now.proven == "factor?" and now.key in {"passkey", "touch"},
        _use_key,
    ),
    Step(
        "confirm-by-mail",
        "confirm the new browser by the mailed link",
        "person",
        lambda now: _is_unsure(now) and now.reads_mail,
        _confirm,
    ),
    Step(
        "confirm-by-app",
        "confirm the new browser by the app",
        "person",
        _may_confirm_by_app,
        _confirm_new_browser,
    ),
    Step(
        "confirm-by-code",
        "confirm the new browser by a recovery code",
        "person",
        _may_confirm_by_code,
        _confirm_new_browser,
    ),
    Step(
        "begin-wait",
        "let the new browser wait, as announced",
        "person",
        _is_unsure,
        lambda now: replace(_ended(now), browser="waiting"),
    ),
    Step(
        "wait-for-browser",
        "wait until the new browser counts",
        "time",
        lambda now: now.browser == "waiting" and not now.case,
        _wait_for_browser,
    ),
    Step(
        "prove-mailbox",
        "follow the link mailed before a first factor",
        "person",
        _may_prove_mailbox,
        lambda now: replace(now, mailed_proof=True),
    ),
    Step(
        "prove-by-code",
        "give a recovery code in place of that mail",
        "person",
        _may_prove_by_code,
        lambda now: _on_hold(replace(now, mailed_proof=True), "code-held"),
    ),
    Step("enrol-first", "add a first factor", "person", _may_enrol_first, _enrol_first),
    Step("enrol-app", "add an authenticator app", "person", _may_enrol_another, _enrol_app),
    Step("enrol-key", "add a passkey", "person", _may_enrol_another, _enrol_key),
    Step(
        "verify-address",
        "verify the address by the mailed link",
        "person",
        _may_verify,
        lambda now: replace(now, mail="verified"),
    ),
    Step(
        "replace-address",
        "add another address, verify it, make it the primary one",
        "person",
        _may_replace_address,
        lambda now: _on_hold(replace(now, mail="verified"), "held"),
    ),
    Step(
        "choose-password",
        "set a new password, signed in",
        "person",
        _may_choose_password,
        lambda now: replace(now, password="good"),  # noqa: S106 - a state, not a password
    ),
    Step("reset-password", "set a new password by the mailed link", "person", _may_reset, _reset),
    Step(
        "wait-for-hold",
        "wait until the hold ends",
        "time",
        lambda now: now.account not in {"open", "frozen"} and not now.case,
        _wait_for_hold,
    ),
    Step(
        "confirmed-by-co-owner",
        "a co-owner confirms that it was them",
        "co-owners",
        lambda now: now.account in {"code-held", "dormant"} and now.co_owners and not now.case,
        lambda now: replace(now, account="open"),
    ),
    Step("thaw", "open the frozen account by mail, new password and factor", "person", _may_thaw, _thaw),
    Step(
        "begin-case",
        "ask for a way back by the mailed link",
        "person",
        lambda now: _may_begin_case(now) and now.co_owners,
        _case("begun"),
    ),
    Step(
        "begin-case-with-password",
        "ask for a way back by the mailed link and the password",
        "person",
        lambda now: _may_begin_case(now) and now.password == "good",  # noqa: S105 - a state, not a password
        _case("settled"),
    ),
    Step(
        "begin-case-with-code",
        "ask for a way back by the mailed link and a recovery code",
        "person",
        _may_begin_with_code,
        _case("settled"),
    ),
    Step(
        "begin-case-with-factors",
        "ask for a way back by a recovery code and the app, in this browser",
        "person",
        _may_begin_with("code", "app"),
        _case("settled"),
    ),
    Step(
        "begin-case-with-code-and-key",
        "ask for a way back by a recovery code and the security key, in this browser",
        "person",
        _may_begin_with("code", "key"),
        _case("settled"),
    ),
    Step(
        "begin-case-with-app-and-key",
        "ask for a way back by the app and the security key, in this browser",
        "person",
        _may_begin_with("app", "key"),
        _case("settled"),
    ),
    Step(
        "vouch",
        "co-owners vouch",
        "co-owners",
        lambda now: now.case == "begun" and now.co_owners,
        _case("settled"),
    ),
    Step(
        "wait-for-case",
        "wait until the announced instant",
        "time",
        lambda now: now.case == "settled",
        _wait_for_case,
    ),
    Step(
        "finish-case",
        "set password, factor and codes anew by the link of the case, or in the browser that began it",
        "person",
        lambda now: now.case == "ready",
        _finish_case,
    ),
)
# What others do where nothing of the above is open; beside these the host can always hand a link over.
WITH_OPERATORS: Final = (
    *STEPS,
    Step(
        "operators-answer",
        "two operators answer for the person, and hand the link of a case over",
        "operators",
        lambda now: not now.case,
        _answer,
    ),
    Step(
        "verify-by-hand",
        "two operators or the host verify the address of a person whom they met",
        "operators",
        _may_verify_by_hand,
        lambda now: replace(now, mail="verified"),
    ),
    Step(
        "mend-mail",
        "an operator lets mails leave again",
        "operators",
        lambda now: now.transport != "works",
        lambda now: replace(now, transport="works"),
    ),
)


# ---- all situations


def can_exist(now: Situation) -> bool:
    """Whether the product can bring an account there: some combinations contradict themselves."""
    if now.reset and now.password in {"good", "none"}:
        return False  # a reset sets a password by mail; on hold nobody changes or removes it
    if now.account == "dormant" and not now.has_factor:
        return False  # that hold follows the enrolment of a factor, and the last one can't be removed on hold
    if now.account == "frozen" and now.browser == "known":
        return False  # freezing forgets all browsers
    return now.password != "none" or now.key != "none"  # noqa: S105 - only passkeys make one unnecessary


def everything() -> Iterator[Situation]:
    """Return every situation that an account can be found in, with nobody signed in."""
    parts = (
        ("verified", "unverified", "bounced", "domain-gone", "lost"),
        ("good", "mailed", "disabled", "forgotten", "none"),
        ("none", "passkey", "touch", "lost", "dead"),
        ("none", "in-hand", "lost", "disabled"),
        (False, True),
        ("open", "held", "dormant", "frozen"),
        (False, True),
        (False, True),
        ("works", "off", "stuck"),
        ("known", "unknown"),
    )
    return filter(can_exist, (Situation(*one) for one in product(*parts)))  # type: ignore[arg-type]  # mypy can't tell which


# ---- the search


Way = tuple[Step, Situation]
Ways = dict[Situation, Way | None]


def next_of(now: Situation, steps: Iterable[Step] = STEPS) -> Iterator[Way]:
    """Return what can be done now, and where each leads."""
    return ((step, step.do(now)) for step in steps if step.may(now))


def search(starts: Iterable[Situation], steps: Iterable[Step] = STEPS) -> Ways:
    """Return for each situation from which there is a way its first step of the shortest (None at the goal)."""
    before = _explore(starts, tuple(steps))
    found: Ways = {one: None for one in before if is_compliant(one)}
    queue = deque(found)
    while queue:
        after = queue.popleft()
        for one, step in before[after]:
            if one not in found:
                found[one] = (step, after)
                queue.append(one)
    return found


def _explore(
    starts: Iterable[Situation], steps: tuple[Step, ...]
) -> dict[Situation, list[tuple[Situation, Step]]]:
    """Return every situation that can be come to, each with those before it."""
    before: dict[Situation, list[tuple[Situation, Step]]] = defaultdict(list)
    queue, seen = list(starts), set[Situation]()
    while queue:
        now = queue.pop()
        if now in seen:
            continue
        seen.add(now)
        before.setdefault(now, [])
        for step, after in () if is_compliant(now) else next_of(now, steps):
            before[after].append((now, step))
            queue.append(after)
    return before


def way_from(start: Situation, ways: Ways) -> list[Way] | None:
    """Return the shortest way from a situation, step by step; None where there is none."""
    if start not in ways:
        return None
    found: list[Way] = []
    while way := ways[start]:
        found.append(way)
        start = way[1]
    return found
