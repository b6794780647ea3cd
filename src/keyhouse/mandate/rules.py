"""The one function that says whether a session or credential is strong enough for an action. Pure.

`decide(facts, policies, now)` serves gates, pages, dry runs, plans and reports alike, so what a dry run says is what the
gate will do. No database, no clock, no request: the same facts and mandates at the same instant give the same decision.

Rules in their order: the account is in good order; then each mandate in force objects or not, and the union of their
objections holds; operators hold a second factor whatever any mandate says; then a fresh proof where the action needs one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from keyhouse.core import clock
from keyhouse.core.actions import CATALOGUE, REMOVE_LAST, STEP_UP_AGE, Action
from keyhouse.core.actor import PHISHING_RESISTANT_METHODS, SECOND_FACTOR_METHODS
from keyhouse.mandate.documents import Mandate, Stage
from keyhouse.mandate.facts import NEEDING_FACTOR, Asking, Authority, Facts, Object, Person
from keyhouse.mandate.pauses import HELD, Span, elapsed, known
from keyhouse.mandate.selectors import Everyone, View
from keyhouse.mandate.timetables import timetable_of

Verdict = Literal["allow", "warn", "deny"]

FLOOR: Final = "operators-floor"  # the name that decisions of the floor carry; no mandate can have it
# Names that no mandate can have: the floor's, and those of pages that stand among the pages of mandates.
TAKEN_NAMES: Final = frozenset({FLOOR, "organizations", "requests", "stranded"})
FINISH_WITHIN: Final = timedelta(
    minutes=15
)  # a release that was begun before a deadline may be finished so long after
HELD_ACTIONS: Final = frozenset({"project.delete"})
# Acts by which somebody gains authority; for these there is no grace. A token does the former ones only.
FOUNDING: Final = frozenset({"project.create"})
UPLOADS: Final = frozenset({"release.upload", "project.create"})
ACCEPT: Final = "collaborator.accept"
FOUND: Final = "organization.create"
APPLY: Final = "organization.apply"  # what is approved makes an owner without a further act of theirs
JOIN: Final = "organization.accept"
GAINING: Final = FOUNDING | {ACCEPT, FOUND, APPLY, JOIN}
PERSONAL: Final = frozenset({"session", "token"})
OF_A_JOB: Final = frozenset({"host.command"})
# A hold stops publishing and changes of the account; installing goes on.
OPEN_WHILE_HELD: Final = frozenset({"index.read-private", "token.use"})
_BY_ORGANIZATION: Final = (
    "organization"  # through what an owner of an organization has a right in its projects
)
_KEYS: Final = frozenset(
    {"security-key", "passkey"}
)  # either signs in as second factor, and alone where it verifies
_FACTORS_OF: Final = {
    "security-key": _KEYS,
    "passkey": _KEYS,
    "authenticator-app": frozenset({"authenticator-app"}),
    "phishing-resistant": _KEYS,
    "device-bound": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of a mandate that is live. `is_floor_exempt`: the default, or a seeded history, waits for no notice.

    `pauses` are those of its calendar so far, the last one without an end where it is paused; `original` is what was
    written down, where the pauses made something else of it.

    `organization` names the one whose own mandate it is: then it is about acts on that and on its projects, and nothing
    else. `at_once` is the same for whoever gains authority there after it was declared. `told_as`: by what notices of it are
    known, which stays when the organization is renamed, and is another one for each version.
    """

    mandate: Mandate
    version: int = 1
    is_floor_exempt: bool = False
    pauses: tuple[Span, ...] = ()
    original: Mandate | None = None
    organization: str = ""
    at_once: Policy | None = None
    told_as: str = ""

    @property
    def name(self) -> str:
        """Return the mandate's name."""
        return self.mandate.name

    @property
    def notice_name(self) -> str:
        """Return by what notices of it are known."""
        return self.told_as or self.mandate.name

    @property
    def label(self) -> str:
        """Return name and version as ledgers write it."""
        return f"{self.mandate.name}@{self.version}"

    @property
    def as_written(self) -> Mandate:
        """Return the mandate as it was written down, whatever pauses made of it."""
        return self.original or self.mandate

    @property
    def is_paused(self) -> bool:
        """Tell whether its calendar stands still."""
        return bool(self.pauses) and self.pauses[-1][1] is None


@dataclass(frozen=True, slots=True)
class Fix:
    """What to do about a refusal, and the page where it is done."""

    text: str
    path: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer. `code` is empty where nothing stands in the way.

    `since`: from when on it is refused so. `until`: how long it is still allowed, or when a hold ends.
    """

    verdict: Verdict
    code: str = ""
    mandate: str | None = None
    version: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    reason: str = ""
    fix: Fix | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it, keys in one order."""
        return {
            "verdict": self.verdict,
            "code": self.code,
            "mandate": self.mandate,
            "version": self.version,
            "since": clock.format_if_any(self.since),
            "until": clock.format_if_any(self.until),
            "reason": self.reason,
            "fix": {"text": self.fix.text, "path": self.fix.path} if self.fix else None,
        }


ALLOWED: Final = Decision("allow")


def decide(facts: Facts, policies: Iterable[Policy], now: datetime) -> Decision:
    """Return what the gate answers at `now` while these policies are live."""
    action = CATALOGUE.get(facts.action)
    if action is None:
        return _deny("gate-unavailable", "There is no such action.", Fix("Ask for another one.", "/help/"))
    if not action.gated or facts.asking.kind == "host" or _is_own_job(facts):
        return ALLOWED
    if not _is_in_order(facts):
        for rule in _RULES:
            if refusal := rule(facts, action):
                return refusal
    return _decide_by_mandates(facts, action, policies, now)


def _is_in_order(facts: Facts) -> bool:
    """Tell whether none of `_RULES` has anything to say; of nearly everybody this is soon known."""
    person = facts.person
    return person.state == "active" and person.verified_email and facts.asking.kind in PERSONAL


def _decide_by_mandates(facts: Facts, action: Action, policies: Iterable[Policy], now: datetime) -> Decision:
    view = View(facts.person, prospective(facts))
    denials: list[Objection] = []
    warnings: list[Objection] = []
    staged: list[Policy] = []
    earliest: datetime | None = None
    for policy in policies:
        found = _weigh(policy, facts, view, now, earliest)
        if found is None:
            continue
        if found.is_denial:
            denials.append(found)
            earliest = found.at if earliest is None else min(earliest, found.at or earliest)
        elif found.why == "staged":
            staged.append(policy)
        else:
            warnings.append(found)
    if denials:
        return _worded(_told_first(denials, facts), facts)
    refusal = _operators_floor(facts, action) or _stale_proof(facts, action, now)
    return refusal or _warn(facts, warnings, staged, view, now)


def _warn(
    facts: Facts, warnings: list[Objection], staged: Iterable[Policy], view: View, now: datetime
) -> Decision:
    """Tell the first warning; those of stages are worked out here, since nobody is told of them beside a refusal."""
    first = min(warnings, key=_order) if warnings else None
    for policy in staged:
        found = _warn_early(policy, facts, view, now, first)
        if found is not None and (first is None or _order(found) < _order(first)):
            first = found
    return ALLOWED if first is None else _worded(first, facts)


_FAR: Final = datetime.max.replace(tzinfo=UTC)


def _order(objection: Objection) -> tuple[datetime, str]:
    return objection.at or _FAR, objection.policy.name


def _told_first(denials: Sequence[Objection], facts: Facts) -> Objection:
    """Return the denial to tell: the earliest; of several holds the one that ends last, as until then nothing is gained."""
    first = min(denials, key=_order)
    if first.why != "deletion-held":
        return first
    holds = sorted((one for one in denials if one.why == "deletion-held"), key=_order)
    return max(holds, key=lambda one: _hold_ends(one.policy, facts) or _FAR)


def _is_own_job(facts: Facts) -> bool:
    return facts.asking.kind == "job" and facts.action in OF_A_JOB


def _deny(code: str, reason: str, fix: Fix) -> Decision:
    return Decision("deny", code, reason=reason, fix=fix)


# ---- whatever any mandate says


def _somebody(facts: Facts, action: Action) -> Decision | None:
    kind = facts.asking.kind
    if kind in PERSONAL or (kind == "publisher" and _is_for_publishers(action)):
        return None
    if kind == "nobody":
        return _deny(
            "sign-in-required", "Nobody is signed in.", Fix("Sign in to go on.", "/account/sign-in/")
        )
    return _deny(
        "role-required",
        "This isn't done without a person.",
        Fix("Sign in and do it on the pages.", "/account/"),
    )


def _is_for_publishers(action: Action) -> bool:
    """Whether CI does this by itself: publishing, and reading the private projects that it publishes to."""
    return action.set == "publishing" or action.name == "index.read-private"


def _open_account(facts: Facts, action: Action) -> Decision | None:
    """Refuse suspended and frozen accounts, and every state that isn't known here."""
    del action
    if facts.person.state in {"active", "held", "password-disabled"}:
        return None
    if facts.person.state == "suspended":
        return _deny(
            "account-suspended",
            "This account is suspended.",
            Fix("Talk to the operators of this index.", "/account/"),
        )
    return _deny(
        "account-frozen", "This account is frozen.", Fix("Talk to the operators of this index.", "/account/")
    )


def _no_hold(facts: Facts, action: Action) -> Decision | None:
    if facts.person.state != "held" or action.name in OPEN_WHILE_HELD or _goes_on(facts):
        return None
    until = facts.person.held_until
    is_there = facts.asking.kind == "session"
    return Decision(
        "deny",
        "account-held",
        until=until,
        reason=f"This account is on hold until {_written(until)}." if until else "This account is on hold.",
        fix=Fix(
            "Your account page says why, and what ends it earlier."
            if is_there
            else "Sign in to see why, and what ends it earlier.",
            "/account/",
        ),
    )


def _goes_on(facts: Facts) -> bool:
    """Tell whether CI goes on while the person behind it is on hold: where another owner could step in.

    The gate asks about that for publishers and robot tokens, and for no other token.
    """
    shared = None if facts.object is None else facts.object.shared
    return shared is not False if facts.asking.kind == "publisher" else shared is True


def _good_password(facts: Facts, action: Action) -> Decision | None:
    """Let credentials go on after a leak of the password, where the password alone opens nothing."""
    del action
    is_guarded = facts.asking.kind in {"token", "publisher"} and bool(facts.person.factors)
    if facts.person.state != "password-disabled" or is_guarded:
        return None
    return _deny(
        "account-held",
        "This account rests: its password is known to others and was disabled.",
        Fix("Set a new password.", "/account/password/"),
    )


def _verified_address(facts: Facts, action: Action) -> Decision | None:
    """Ask people who manage something for a verified address; for credentials in use the mandate decides."""
    is_managing = action.set == "management" or action.name == "token.mint"
    if facts.asking.kind != "session" or not is_managing or facts.person.verified_email:
        return None
    return _unverified()


def _unverified() -> Decision:
    return _deny(
        "email-unverified",
        "The primary e-mail address of this account is not verified.",
        Fix("Verify it on your account page.", "/account/"),
    )


def _operators_floor(facts: Facts, action: Action) -> Decision | None:
    """Ask operators, moderators and auditors for a second factor: nothing lowers this."""
    if NEEDING_FACTOR.isdisjoint(facts.person.roles):
        return None
    if action.name == REMOVE_LAST:
        return _last_factor(FLOOR, None, None)
    if has_second_factor(facts):
        return None
    code, sentence, fix = _weakness(facts, is_any_enough=True)
    return Decision("deny", code, FLOOR, reason=f"{sentence} Operators always need one.", fix=fix)


_RULES: Final[tuple[Callable[[Facts, Action], Decision | None], ...]] = (
    _somebody,
    _open_account,
    _no_hold,
    _good_password,
    _verified_address,
)


def _stale_proof(facts: Facts, action: Action, now: datetime) -> Decision | None:
    """Ask for a fresh proof of a session, by a key where the account has one (ASVS 7.5.3)."""
    if facts.asking.kind != "session" or not action.step_up:
        return None
    at, needs_key = facts.asking.at, not _KEYS.isdisjoint(facts.person.factors)
    is_strongest = not needs_key or not PHISHING_RESISTANT_METHODS.isdisjoint(facts.asking.proved)
    if is_strongest and at is not None and now - at <= STEP_UP_AGE:
        return None
    return _deny(
        "step-up-required",
        "Prove once more that it is you.",
        Fix(f"Confirm with your {'security key' if needs_key else 'second factor'}.", "/account/step-up/"),
    )


# ---- one mandate


class Objection(NamedTuple):
    """What one mandate has against an act: a denial since `at`, or a warning until then. `why` names its words."""

    policy: Policy
    is_denial: bool
    at: datetime | None
    why: Literal["weak", "last-factor", "deletion-held", "staged", "publisher"] = "weak"


def objection(
    policy: Policy, facts: Facts, view: View, now: datetime, *, counts_holds: bool = True
) -> Objection | None:
    """Return what one live mandate has against it, or None; `view` is of the same facts.

    `counts_holds`: deletions that wait are refused, too; without it the schedule alone is asked.
    """
    found = _weigh(policy, facts, view, now, counts_holds=counts_holds)
    return _warn_early(policy, facts, view, now) if found is not None and found.why == "staged" else found


def _weigh(  # noqa: PLR0913 - what a decision rests on, and how much of the answer is wanted
    policy: Policy,
    facts: Facts,
    view: View,
    now: datetime,
    earliest: datetime | None = None,
    *,
    counts_holds: bool = True,
) -> Objection | None:
    """Return what a mandate has against it, but for what a stage may warn of: that is `staged`, for whomever it covers.

    `earliest`: another mandate refuses it since then, so whatever is told later needn't be worked out.
    """
    if policy.organization:
        policy = for_this_act(policy, facts)
    mandate = policy.mandate
    if now < mandate.announced_at:
        return None
    if facts.action == REMOVE_LAST:
        return _keeps_last(policy, view, now)
    if counts_holds and facts.action in HELD_ACTIONS and is_deletion_held(policy, facts, now, view):
        return Objection(policy, True, mandate.announced_at, "deletion-held")
    if not mandate.takes_tokens and (found := _weigh_token(policy, facts, now)):
        return found
    disposition = "keep" if is_accepted(mandate, facts.asking) else _disposition(mandate, facts.asking)
    is_enough = disposition == "keep" and facts.person.verified_email
    if is_enough or (facts.exemptions and is_exempt(policy, facts, now)):
        return None
    return _weigh_weak(policy, facts, view, now, disposition, earliest)


# What is never announced: what an organization's mandate is for acts elsewhere.
_SILENT: Final = Policy(Mandate("", "", "", Everyone(), frozenset(), "", ()))


def for_this_act(policy: Policy, facts: Facts) -> Policy:
    """Return an organization's mandate as it is for this act; it is about nothing outside of the organization.

    Whoever gains authority after it was declared has no grace. Authority over a project that came into the organization
    later was held before the mandate covered it, and has grace.
    """
    if facts.object is None or facts.object.organization != policy.organization:
        return _SILENT
    if policy.at_once is None or not _is_gained_since(policy, facts):
        return policy
    return policy.at_once


def _is_gained_since(policy: Policy, facts: Facts) -> bool:
    if facts.action in GAINING:
        return True
    since, covered = _held_there(policy, facts)
    return since is not None and since >= covered


def _held_there(policy: Policy, facts: Facts) -> tuple[datetime | None, datetime]:
    """Return since when the authority was held, and since when an organization's mandate covers it.

    That is its announcement, or when the project came there. Who owns a project by the organization holds it for as long as
    they have owned that, whenever the project came.
    """
    announced_at = policy.mandate.announced_at
    if any(one.via == _BY_ORGANIZATION for one in facts.entries_of_object):
        owned = [
            one.since
            for one in facts.authority
            if one.kind == "organization" and one.name == policy.organization and one.since is not None
        ]
        return min(owned, default=None), announced_at
    came_at = facts.object.organization_since if facts.object else None
    return facts.held_since[0], announced_at if came_at is None else max(came_at, announced_at)


def _weigh_token(policy: Policy, facts: Facts, now: datetime) -> Objection | None:
    """Weigh an upload by a token, however strong, where a mandate lets trusted publishers publish alone.

    It is about the projects that it covers: whom it covers by another project of theirs goes on here.
    """
    mandate, name = policy.mandate, facts.object.name if facts.object else ""
    is_upload = facts.action in UPLOADS and facts.asking.kind == "token"
    if not is_upload or is_exempt(policy, facts, now):
        return None
    entries = tuple(one for one in prospective(facts) if not name or one.name == name)
    view = View(facts.person, entries, mandate.announced_at)
    if not mandate.who.matches(view):
        return None
    timetable = timetable_of(mandate, acts_of(facts))
    scheduled = timetable.denied_from(timetable.last_begun(now), view)
    if scheduled is not None:
        return _refuse(policy, facts, scheduled, now, "refuse")._replace(why="publisher")
    if not timetable.is_warned(view, now):
        return None
    coming = timetable.next_denial(view, now)
    until = None if coming is None else known(deadline(policy, facts, coming, now))
    return Objection(policy, False, until, "publisher")


def _weigh_weak(  # noqa: PLR0913, PLR0917 - as above
    policy: Policy, facts: Facts, view: View, now: datetime, disposition: str, earliest: datetime | None
) -> Objection | None:
    """Weigh it for a credential that proves too little, or, with the disposition `keep`, for an address not verified.

    What the schedule says of nobody isn't asked of the selector, which is most of the work.
    """
    mandate = policy.mandate
    timetable = timetable_of(mandate, acts_of(facts))
    at = timetable.last_begun(now)
    is_expiring = disposition == "expire" and mandate.credentials.at is not None
    soonest = _expiry(mandate) if is_expiring else timetable.soonest[at]
    if soonest is not None:
        if earliest is not None and soonest > earliest:
            return None
        # turned to this mandate; what was worked out for others stays
        view.announced_at = mandate.announced_at
        if not mandate.who.matches(view):
            return None
        scheduled = soonest if is_expiring else timetable.denied_from(at, view)
        if scheduled is not None:
            is_told = earliest is None or scheduled <= earliest
            return _refuse(policy, facts, scheduled, now, disposition) if is_told else None
    return Objection(policy, False, None, "staged") if earliest is None and timetable.warned[at] else None


def _keeps_last(policy: Policy, view: View, now: datetime) -> Objection | None:
    """Keep the last factor of covered people; an exemption is from having one, and never a way to shed it."""
    mandate = policy.mandate
    view.announced_at = mandate.announced_at
    if not mandate.who.matches(view):
        return None
    since = denied_since(mandate, view, _REMOVING, now)
    return None if since is None else Objection(policy, True, since, "last-factor")


def covers(policy: Policy, facts: Facts) -> bool:
    """Tell whether the mandate is about this person."""
    if policy.organization and (facts.object is None or facts.object.organization != policy.organization):
        return False
    return policy.mandate.who.matches(View(facts.person, facts.authority, policy.mandate.announced_at))


def covers_through(policy: Policy, person: Person, entries: tuple[Authority, ...]) -> bool:
    """Tell whether the mandate is about this person by these entries of their authority alone."""
    return policy.mandate.who.matches(View(person, entries, policy.mandate.announced_at))


def is_compliant(mandate: Mandate, person: Person) -> bool:
    """Tell whether the person holds what the mandate asks for, and can be reached."""
    return person.verified_email and holds_accepted(mandate, person)


def holds_accepted(mandate: Mandate, person: Person) -> bool:
    """Tell whether the person holds what the mandate asks for, reached or not."""
    is_bound = "device-bound" in mandate.accept and person.has_device_bound
    return is_bound or not _accepted(mandate.accept).isdisjoint(person.factors)


@lru_cache(maxsize=256)  # everybody's factors are looked at by the same few lists
def _accepted(methods: frozenset[str]) -> frozenset[str]:
    return frozenset().union(*(_FACTORS_OF[method] for method in methods))


def has_second_factor(facts: Facts) -> bool:
    """Tell whether any second factor stands behind what asks."""
    return not SECOND_FACTOR_METHODS.isdisjoint(facts.asking.proved)


def satisfies(mandate: Mandate, facts: Facts) -> bool:
    """Tell whether what was proven is among the accepted methods, or the mandate lets this credential be."""
    return is_accepted(mandate, facts.asking) or _disposition(mandate, facts.asking) == "keep"


def is_accepted(mandate: Mandate, asking: Asking) -> bool:
    """Tell whether what was proven is among the accepted methods."""
    if not mandate.proofs.isdisjoint(asking.proved):
        return True
    if not asking.device_bound or "device-bound" not in mandate.accept:
        return False
    return not PHISHING_RESISTANT_METHODS.isdisjoint(asking.proved)


def _disposition(mandate: Mandate, asking: Asking) -> str:
    """Return what becomes of a token below the accepted strength; a person's own session gets no such thing."""
    if asking.kind != "token":
        return "refuse"
    is_old = asking.at is not None and asking.at < mandate.announced_at
    return mandate.credentials.before if is_old else mandate.credentials.grace


def is_exempt(policy: Policy, facts: Facts, now: datetime) -> bool:
    """Tell whether an exemption from this version holds for the person at `now`."""
    return any(
        one.mandate == policy.name
        and one.version in {None, policy.version}
        and (one.since is None or one.since <= now)
        and now < one.until
        for one in facts.exemptions
    )


def prospective(facts: Facts) -> tuple[Authority, ...]:
    """Return the authority, with what this very act would give: the first upload makes an owner.

    An invitation gives the role that it names, with whatever makes the project critical; where it isn't known which,
    it may be either.
    """
    if facts.action not in GAINING:
        return facts.authority
    if facts.action in _OF_ORGANIZATIONS:
        return (*facts.authority, *_prospective_membership(facts))
    thing = facts.object or Object("project")
    roles = (
        ("owner",) if facts.action in FOUNDING else (thing.gives,) if thing.gives else ("owner", "maintainer")
    )
    gained = (Authority("project", thing.name, role, None, "prospective", thing.critical) for role in roles)
    return (*facts.authority, *gained)


_FOUNDER: Final = frozenset({FOUND, APPLY})
_OF_ORGANIZATIONS: Final = _FOUNDER | {JOIN}


def _prospective_membership(facts: Facts) -> Iterator[Authority]:
    thing = facts.object or Object("organization")
    every = ("owner",) if facts.action in _FOUNDER else ("owner", "manager", "member")
    for role in (thing.gives,) if thing.gives else every:
        yield Authority("organization", thing.name, role, None, "prospective")


def stages_in_force(mandate: Mandate, view: View, now: datetime) -> list[Stage]:
    """Return the stages that hold for a covered person, the general one first."""
    at = _last_begun(mandate, now)
    return (
        [] if at is None else [one for one in mandate.holding[at] if one.who is None or one.who.matches(view)]
    )


def _last_begun(mandate: Mandate, now: datetime) -> int | None:
    at = len(mandate.stages) - 1
    while at >= 0 and mandate.stages[at].at > now:
        at -= 1
    return None if at < 0 else at


def acts_of(facts: Facts) -> frozenset[str]:
    """Return the actions that this is, by name: whatever a token does is also a use of it."""
    return _BY_TOKEN[facts.action] if facts.asking.kind == "token" else _BY_OTHERS[facts.action]


_REMOVING: Final = frozenset({REMOVE_LAST})
_BY_OTHERS: Final = {name: frozenset({name}) for name in CATALOGUE}
_BY_TOKEN: Final = {name: frozenset({name, "token.use"}) for name in CATALOGUE}


def denied_since(mandate: Mandate, view: View, acts: frozenset[str], now: datetime) -> datetime | None:
    """Return from when on, without a break, the schedule refuses any of these to a covered person; None: not now."""
    return timetable_of(mandate, acts).denied_since(view, now)


def next_denial(mandate: Mandate, view: View, acts: frozenset[str], now: datetime) -> datetime | None:
    """Return when the schedule will begin to refuse any of these to a covered person, or None."""
    return timetable_of(mandate, acts).next_denial(view, now)


def deadline(policy: Policy, facts: Facts, scheduled: datetime, now: datetime) -> datetime:
    """Return when a refusal scheduled for that instant is real for this person.

    Whoever held authority before the mandate covered them has the notice floor from their first delivered notice on
    (one of an earlier announcement doesn't count: a tightened mandate gives its grace anew); somebody no notice reaches
    waits for the hard cap. For whoever became covered later, as a project of theirs became critical, both count from
    then on. Authority gained since, and what was minted since, has no grace. Where the mandate allows it, they may have
    put it off. In a pause none of these days goes by; a deadline that it holds is `pauses.HELD`.
    """
    if policy.organization:
        return _deadline_there(policy, facts, scheduled, now)
    if policy.is_floor_exempt or not _has_grace(policy.mandate, facts):
        return scheduled
    scheduled = _counted_from(policy.mandate, facts, scheduled)
    told = _first_told(policy, facts, now)
    if policy.pauses:
        found = _paused_deadline(policy, scheduled, told)
    else:
        found = _once_told(policy.mandate, scheduled, told)
    return max([found, *_snoozed(policy, facts, now)]) if facts.snoozes else found


def _once_told(mandate: Mandate, scheduled: datetime, told: datetime | None) -> datetime:
    cap = scheduled + mandate.unreached_cap
    return cap if told is None or told > cap else max(scheduled, told + mandate.floor)


def _deadline_there(policy: Policy, facts: Facts, scheduled: datetime, now: datetime) -> datetime:
    """Return the same under an organization's mandate, for whoever held authority there before it covered them.

    In a project that came there since, the floor counts from then on at the soonest.
    """
    held, since = _held_there(policy, facts)
    if policy.at_once is None or held is None or _is_weak_and_late(policy.mandate, facts):
        return scheduled
    if since > policy.mandate.announced_at:
        scheduled = max(scheduled, since + policy.mandate.floor)
    elif scheduled <= policy.mandate.announced_at:  # what is refused at once
        return scheduled
    return _once_told(policy.mandate, scheduled, _first_told(policy, facts, now))


def _counted_from(mandate: Mandate, facts: Facts, scheduled: datetime) -> datetime:
    """Return from when on floor and cap count: for whom only a criterion covers, not before it did (S4)."""
    if not mandate.criteria or not facts.held_since[1]:
        return scheduled
    plain = tuple(replace(one, critical=frozenset()) for one in facts.authority)
    if mandate.who.matches(View(facts.person, plain, mandate.announced_at)):
        return scheduled
    covered = [one.covered_since for one in facts.authority if one.covered_since is not None]
    return max(scheduled, min(covered)) if covered else scheduled


def _snoozed(policy: Policy, facts: Facts, now: datetime) -> list[datetime]:
    """Return until when the person put this deadline off (N7): so often as the mandate allows, operators never.

    As with notices, what was put off under an earlier announcement counts no more.
    """
    mandate = policy.mandate
    if not NEEDING_FACTOR.isdisjoint(facts.person.roles):
        return []
    mine = sorted(
        (one.since, one.until)
        for one in facts.snoozes
        if one.mandate == mandate.name and mandate.announced_at <= one.since <= now
    )
    return [elapsed(since, until - since, policy.pauses) for since, until in mine[: mandate.snoozing.times]]


def _paused_deadline(policy: Policy, scheduled: datetime, told: datetime | None) -> datetime:
    """Return the same where the time of pauses doesn't count."""
    cap = elapsed(scheduled, policy.mandate.unreached_cap, policy.pauses)
    if told is None or told > cap:
        return cap
    return max(scheduled, elapsed(told, policy.mandate.floor, policy.pauses))


def _first_told(policy: Policy, facts: Facts, now: datetime) -> datetime | None:
    first, announced_at = None, policy.mandate.announced_at
    for at in facts.told_at.get(policy.notice_name, ()):
        if announced_at <= at <= now and (first is None or at < first):
            first = at
    return first


def _has_grace(mandate: Mandate, facts: Facts) -> bool:
    if facts.action in GAINING:
        return False
    if _is_weak_and_late(mandate, facts):
        return False
    since, is_covered_late = facts.held_since
    return is_covered_late or (since is not None and since < mandate.announced_at)


def _is_weak_and_late(mandate: Mandate, facts: Facts) -> bool:
    """Tell whether it is a weak token or publisher made in the grace period, which dies with it (A6)."""
    asking = facts.asking
    is_late = (
        asking.kind in {"token", "publisher"} and asking.at is not None and asking.at >= mandate.announced_at
    )
    return is_late and not satisfies(mandate, facts)


def _expiry(mandate: Mandate) -> datetime | None:
    """Return when tokens expire that the mandate lets be until then."""
    at = mandate.credentials.at
    return None if at is None else max(mandate.announced_at, at)


def _refuse(policy: Policy, facts: Facts, scheduled: datetime, now: datetime, disposition: str) -> Objection:
    """Refuse from the deadline on; before it, or where the mandate says so of old tokens, warn."""
    if disposition == "warn":
        return Objection(policy, is_denial=False, at=None)
    since = deadline(policy, facts, scheduled, now)
    if since >= HELD:
        return Objection(policy, is_denial=False, at=None)
    if _is_finishing(facts, since, now):
        return Objection(policy, is_denial=False, at=since + FINISH_WITHIN)
    return Objection(policy, is_denial=now >= since, at=since)


def _warn_early(
    policy: Policy, facts: Facts, view: View, now: datetime, first: Objection | None = None
) -> Objection | None:
    """Return of what a stage warns the people it covers; `first`: what is told unless this comes before it."""
    mandate = policy.mandate
    view.announced_at = mandate.announced_at
    timetable = timetable_of(mandate, acts_of(facts))
    if not mandate.who.matches(view) or not timetable.is_warned(view, now):
        return None
    coming = timetable.next_denial(view, now)
    if first is not None and (coming or _FAR, policy.name) > _order(first):
        return None  # no deadline is before what is scheduled
    until = None if coming is None else known(deadline(policy, facts, coming, now))
    return Objection(policy, is_denial=False, at=until)


def _is_finishing(facts: Facts, since: datetime, now: datetime) -> bool:
    """Let a release that this credential began before the instant be finished, so that none is published by half."""
    begun = facts.object.begun_at if facts.object else None
    is_begun = facts.action == "release.upload" and begun is not None and begun < since
    return is_begun and since <= now < since + FINISH_WITHIN


def is_on_its_way(mandate: Mandate, now: datetime) -> bool:
    """Tell whether it is announced and not yet enforced for everybody it covers."""
    at = _last_begun(mandate, now)
    return at is not None and mandate.on_its_way[at]


def is_deletion_held(policy: Policy, facts: Facts, now: datetime, view: View | None = None) -> bool:
    """Tell whether deleting this project waits: covered, by a mandate announced and not yet enforced (S5, A18).

    It is the project that is covered, through any of its people: who asks may be outside the mandate, or exempt from it.
    `view`, where there is one, is of the same facts.
    """
    if policy.organization or not is_on_its_way(policy.mandate, now):
        return False
    if not _covers_object(policy, facts, view or View(facts.person, facts.authority)):
        return False
    ends = _hold_ends(policy, facts)
    return ends is None or now < ends


def _covers_object(policy: Policy, facts: Facts, view: View) -> bool:
    if facts.object is not None and policy.name in facts.object.held_by:
        return True
    entries = facts.entries_of_object
    return bool(entries) and policy.mandate.who.matches(view.within(entries, policy.mandate.announced_at))


def _hold_ends(policy: Policy, facts: Facts) -> datetime | None:
    """Return when the hold ends that began with the ask; one from before the announcement was about something else."""
    asked = facts.object.deletion_asked_at if facts.object else None
    is_of_it = asked is not None and asked >= policy.mandate.announced_at
    return asked + policy.mandate.deletion_hold if asked is not None and is_of_it else None


def hold_on(facts: Facts, policies: Iterable[Policy], now: datetime) -> Decision | None:
    """Return what holds the deletion of the object of these facts, whoever asks and however strongly; None: nothing."""
    held = [
        Objection(one, True, one.mandate.announced_at, "deletion-held")
        for one in policies
        if is_deletion_held(one, facts, now)
    ]
    return _worded(_told_first(held, facts), facts) if held else None


# ---- words


def _worded(found: Objection, facts: Facts) -> Decision:
    """Say what an objection means and what to do about it."""
    policy = found.policy
    if found.why == "deletion-held":
        return _worded_hold(policy, facts)
    if found.why == "last-factor":
        return _last_factor(policy.name, policy.version, found.at)
    code, sentence, fix = _only_publishers(facts) if found.why == "publisher" else _told(policy, facts)
    who = f"The organization {policy.organization}" if policy.organization else f"Mandate {policy.name}"
    if found.is_denial:
        reason = f"{sentence} {who} refuses that since {_written(found.at)}."
        return Decision("deny", code, policy.name, policy.version, found.at, None, reason, fix)
    told = f"will refuse that from {_written(found.at)} on" if found.at else "asks for more"
    reason = f"{sentence} {who} {told}."
    return Decision("warn", code, policy.name, policy.version, None, found.at, reason, fix)


def _worded_hold(policy: Policy, facts: Facts) -> Decision:
    ends, days = _hold_ends(policy, facts), policy.mandate.deletion_hold.days
    told = f"until {_written(ends)}" if ends else f"for {days} days after you ask for it"
    advice = "Wait for that day, or archive the project." if ends else "Ask for the deletion, or archive it."
    return Decision(
        "deny",
        "deletion-held",
        policy.name,
        policy.version,
        policy.mandate.announced_at,
        ends,
        f"Deleting a project that the mandate “{policy.name}” covers is held {told}.",
        Fix(advice, f"/mandate/deletion/{facts.object.name if facts.object else ''}/"),
    )


def _last_factor(mandate: str, version: int | None, since: datetime | None) -> Decision:
    return Decision(
        "deny",
        "second-factor-last",
        mandate,
        version,
        since,
        reason="This is the last second factor of an account that needs one.",
        fix=Fix("Add the new one first, then remove this one.", "/account/second-factors/"),
    )


@lru_cache(maxsize=1024)  # mostly the same few instants: those of stages
def _written(instant: datetime | None) -> str:
    return "" if instant is None else clock.format_instant(instant)


def _told(policy: Policy, facts: Facts) -> tuple[str, str, Fix]:
    if satisfies(policy.mandate, facts):
        unverified = _unverified()
        return unverified.code, unverified.reason, unverified.fix or Fix("", "/account/")
    return _weakness(facts, is_any_enough=not has_second_factor(facts), stronger=_other_factor(policy, facts))


def _other_factor(policy: Policy, facts: Facts) -> Fix:
    """Return the way to a factor that the mandate accepts, for whoever has proven another one."""
    is_held = holds_accepted(policy.mandate, facts.person)
    if policy.mandate.accept == {"authenticator-app"}:
        return _USE_AN_APP if is_held else _ADD_AN_APP
    return _USE_A_KEY if is_held else _ADD_A_KEY


def _only_publishers(facts: Facts) -> tuple[str, str, Fix]:
    name = facts.object.name if facts.object else ""
    path = (
        f"/manage/project/{name}/publishing/"
        if name and facts.action not in FOUNDING
        else "/account/publishers/"
    )
    fix = Fix("Set up a trusted publisher, and publish by it.", path)
    return "trusted-publisher-required", "This is published by trusted publishers only.", fix


def _weakness(facts: Facts, *, is_any_enough: bool, stronger: Fix | None = None) -> tuple[str, str, Fix]:
    """Return code, sentence and fix for what was proven being too little; `stronger`: the way to what would do."""
    if facts.asking.kind == "token":
        return _weak_token(is_any_enough=is_any_enough)
    if facts.asking.kind == "publisher":
        sentence = "This publisher was set up in a session that proved too little."
        return "credential-weak", sentence, _CONFIRM
    if not is_any_enough:
        sentence = "This needs a stronger second factor than this session has proven."
        return "stronger-factor-required", sentence, stronger or _USE_A_KEY
    if facts.person.factors:
        sentence = "This needs a second factor, and this session has proven none."
        return "second-factor-required", sentence, _PROVE
    return "second-factor-required", "This needs a second factor.", _SET_UP


def _weak_token(*, is_any_enough: bool) -> tuple[str, str, Fix]:
    lack = "without a second factor" if is_any_enough else "with too weak a second factor"
    return "credential-weak", f"This token was made {lack}.", _NEW_TOKEN


_CONFIRM: Final = Fix("Let a compliant owner confirm it.", "/account/publishers/")
_USE_A_KEY: Final = Fix("Prove your security key or passkey.", "/account/step-up/")
_ADD_A_KEY: Final = Fix("Set up a security key or passkey.", "/account/security-keys/add/")
_USE_AN_APP: Final = Fix("Prove your authenticator app.", "/account/step-up/")
_ADD_AN_APP: Final = Fix("Set up an authenticator app.", "/account/second-factors/add/")
_PROVE: Final = Fix("Prove your second factor.", "/account/step-up/")
_SET_UP: Final = Fix("Set one up on your account page.", "/account/second-factors/")
_NEW_TOKEN: Final = Fix("Sign in with your second factor and make a new one.", "/account/tokens/")
