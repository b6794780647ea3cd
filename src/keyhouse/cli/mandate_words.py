"""What `keyhouse mandate` prints: the same facts as data and as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from keyhouse.accounts.oversight import approvals
from keyhouse.core import clock
from keyhouse.mandate import console, words
from keyhouse.mandate.campaigns import timeline
from keyhouse.mandate.defaults import BEGINNING
from keyhouse.mandate.documents import in_words, read_mandate
from keyhouse.mandate.models import Exemption, MandateVersion

Data = Mapping[str, Any]
MOST_ACTS: Final = 3  # told of many


def instant(written: str | None) -> str:
    """Say an instant as people read it, of one as JSON has it."""
    if not written:
        return "some day"
    at = clock.parse_instant(written)
    return "the beginning" if at <= BEGINNING else words.moment(at)


def lasting(length: timedelta) -> str:
    """Say how long something took, to the second."""
    return str(timedelta(seconds=round(length.total_seconds())))


# ---- plans


def plan(told: Data) -> str:
    """Return a plan as lines."""
    return "\n".join(_plan_lines(told))


def _plan_lines(told: Data) -> Iterator[str]:
    label = f"{told['mandate']}@{told['version']}"
    yield f"{label}, a new mandate" if told["is_new"] else f"{label}, a new version"
    for one in told["differences"]:
        yield from _difference(one)
    if not told["differences"]:
        yield "  nothing is different"
    yield f"People: {told['touched']} of {told['people']} touched, {told['tightened']} refused more, {told['loosened']} refused less."
    for one in told["touches"]:
        alone = (
            "can't stand alone" if one["people"] is None else f"{one['people']} of {told['people']} people"
        )
        yield f"  by {one['section']} alone: {alone}"
    yield from _forecast_lines(told)
    if "timeline" in told:
        yield from timeline.told(told["timeline"]).splitlines()
    yield from _verdict(told)


def _difference(one: Data) -> Iterator[str]:
    before, after, place = one["before"], one["after"], in_words(one["path"])
    if isinstance(before, list) and isinstance(after, list):
        signed = [f"-{name}" for name in before if name not in after]
        signed += [f"+{name}" for name in after if name not in before]
        yield f"  ~ {place}: {' '.join(signed) or 'in another order'}"
    elif before is None:
        yield f"  + {place}: {_shown(after)}"
    elif after is None:
        yield f"  - {place}: {_shown(before)}"
    else:
        yield f"  ~ {place}: {_shown(before)} -> {_shown(after)}"


def _shown(value: Any) -> str:
    return " ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def _forecast_lines(told: Data) -> Iterator[str]:
    for one in told["forecasts"]:
        names = f": {', '.join(one['first_refused'])}" if one["first_refused"] else ""
        when = "now" if one["what"] == "now" else f"{instant(one['at'])}  {one['what']}"
        more = ", …" if one["refused"] > len(one["first_refused"]) > 0 else ""
        yield (
            f"  {when}: {one['covered']} of {told['people']} people covered,"
            f" {one['compliant']} compliant, {one['exempt']} exempt, {one['refused']} refused{names}{more}"
        )


def _verdict(told: Data) -> Iterator[str]:
    for one in told["warnings"]:
        yield f"Warning: {_remark(one)}"
    for one in told["refusals"]:
        yield f"Refused: {_remark(one)}"
    if told["is_loosening"]:
        yield "It loosens: what is refused now would be allowed, for example"
        for case in told["loosenings"]:
            yield f"  {case}"
    else:
        yield "It loosens nothing."


def _remark(one: Data) -> str:
    line = f"line {one['line']}: " if one.get("line") else ""
    path = f"{in_words(one['path'])}: " if one["path"] else ""
    return f"{line}{path}{one['reason']}"


def outcome(row: MandateVersion, *, is_new: bool, now: datetime) -> str:
    """Return what became of a file that was applied."""
    if row.is_draft:
        known = "" if is_new else " already"
        return f"{row} is a draft{known}. `keyhouse mandate launch {row.name}` launches it."
    if row.effective_at is None:
        known = "" if is_new else " already"
        return f"{row} waits for approval{known}, at /mandate/proposals/. {_whose_approval(row)}"
    if row.effective_at > now:
        return f"{row} takes effect on {instant(clock.format_if_any(row.effective_at))}, and can be withdrawn until then."
    return f"{row} is in effect." if is_new else f"Nothing changes: {row} says the same."


def _whose_approval(row: MandateVersion) -> str:
    return approvals.standing(row.proposed_by, row.approved_by).sentence


# ---- versions


def version_dict(row: MandateVersion) -> dict[str, Any]:
    """Return a version as JSON has it."""
    return {
        "name": row.name,
        "version": row.version,
        "origin": row.origin,
        "digest": row.digest,
        "is_draft": row.is_draft,
        "is_loosening": row.is_loosening,
        "proposed_at": clock.format_if_any(row.proposed_at),
        "proposed_by": row.proposed_by,
        "approved_at": clock.format_if_any(row.approved_at),
        "approved_by": row.approved_by,
        "effective_at": clock.format_if_any(row.effective_at),
        "withdrawn_at": clock.format_if_any(row.withdrawn_at),
        "withdrawn_by": row.withdrawn_by,
        "document": row.document,
    }


def version(row: MandateVersion) -> str:
    """Return a version as lines."""
    mandate = read_mandate(row.document)
    stages = [
        f"  {_since(stage.at)}  {words.state(stage)}{_narrowed(stage.who)}: {words.effect(stage)}"
        for stage in mandate.stages
    ]
    return "\n".join(
        [
            f"{row}: {mandate.title}",
            f"Why: {mandate.reason}" + (f" ({mandate.link})" if mandate.link else ""),
            f"Who: {words.who(mandate.who)}",
            f"What: {words.accepted(mandate)}",
            (
                f"Notice: {mandate.floor.days} days, the unreached at most {mandate.unreached_cap.days};"
                f" deletions are held for {mandate.deletion_hold.days}"
            ),
            f"Weak tokens: {mandate.credentials.before} those from before, {mandate.credentials.grace} later ones",
            "Stages:",
            *stages,
            f"Proposed by {row.proposed_by} on {words.moment(row.proposed_at)}" + _approval(row),
            _effect_of(row),
        ]
    )


def _narrowed(who: Any) -> str:
    return f" for {words.who(who)}" if who is not None else ""


def _approval(row: MandateVersion | Exemption) -> str:
    return f", approved by {', '.join(row.approved_by)}" if row.approved_by else ""


def _effect_of(row: MandateVersion) -> str:
    if row.withdrawn_at is not None:
        return f"Withdrawn by {row.withdrawn_by} on {words.moment(row.withdrawn_at)}"
    if row.is_draft:
        return f"A draft; `keyhouse mandate launch {row.name}` launches it"
    if row.effective_at is None:
        return f"Waits for approval at /mandate/proposals/. {_whose_approval(row)}"
    return f"In effect from {_since(row.effective_at)} on"


def _since(at: datetime) -> str:
    return "the beginning" if at <= BEGINNING else words.moment(at)


# ---- how people stand


def status(told: Data) -> str:
    """Return what is live, waiting and coming as lines."""
    lines = [line for one in told["live"] for line in _adoption_lines(one, most=1)]
    if not lines:
        lines = ["No mandate is live."]
    lines += [
        f"Waiting: {one['name']}@{one['version']}, proposed by {one['proposed_by']} on {instant(one['proposed_at'])};"
        f" at /mandate/proposals/. {one['told']}"
        for one in told["waiting"]
    ]
    lines += [
        f"Coming: {one['name']}@{one['version']} takes effect on {instant(one['effective_at'])},"
        f" proposed by {one['proposed_by']}"
        for one in told["coming"]
    ]
    for one in told.get("shadows", ()):
        line = one["timeline"]
        how = (
            "stale, and somebody has to decide"
            if one["is_stale"]
            else "in its shadow, where it refuses nobody"
        )
        lines += [f"{line['mandate']}@{line['version']} is {how}", *timeline.told(line).splitlines()[1:]]
    return "\n".join(lines)


def adoption(told: Data) -> str:
    """Return how people stand by a mandate as lines."""
    return "\n".join(_adoption_lines(told))


def _adoption_lines(told: Data, most: int | None = None) -> Iterator[str]:
    yield f"{told['mandate']}@{told['version']}: {told['title']}"
    yield from _forecast_lines({**told, "forecasts": told["forecasts"][:most]})
    if any(not one["is_past"] for one in told.get("timeline", {}).get("events", ())):
        yield from timeline.told(told["timeline"]).splitlines()[1:]
    yield from (f"Warning: {one}" for one in told.get("moved", ()))


def standing(told: Data) -> str:
    """Return what is asked of a person as lines."""
    is_open = any(not one["is_met"] and not one["exempt_until"] for one in told["asked"])
    left = "something is to be done" if is_open else "nothing is left to do"
    lines = [f"{told['user']}: {left if is_open or told['is_met'] else 'exempt, and not complying'}"]
    for one in told["asked"]:
        lines.append(f"  {one['mandate']}{_number(one)}: {one['title']} ({_state(one)})")
        lines += [f"    {_effect(effect)}" for effect in one["effects"]]
    if told["next"]:
        lines.append(f"Next: {told['next']['text']} {told['next']['path']}")
    return "\n".join(lines)


def _effect(effect: Data) -> str:
    at = instant(effect["at"])
    when = f"refused since {at}" if effect["refused"] else f"will be refused from {at} on"
    acts = effect["acts"]
    more = f", and {len(acts) - MOST_ACTS} acts more" if len(acts) > MOST_ACTS else ""
    where = f" (only for {', '.join(effect['projects'])})" if effect["projects"] else ""
    return f"{when}{where}: {'; '.join(acts[:MOST_ACTS])}{more}"


def _number(told: Data) -> str:
    """Return the version as ledgers write it; the operators' floor has none."""
    return f"@{told['version']}" if told["version"] else ""


def _state(one: Data) -> str:
    if one["exempt_until"]:
        return f"exempt until {instant(one['exempt_until'])}"
    return "met" if one["is_met"] else "not met"


def decision(told: Data) -> str:
    """Return what the gate would answer as lines."""
    verdict = {"allow": "allowed", "warn": "allowed with a warning", "deny": "refused"}[told["verdict"]]
    lines = [
        f"{words.act(told['action'])} ({told['action']}) by {told['user']}, {instant(told['at'])}: {verdict}"
    ]
    if told["code"]:
        lines.append(f"  {told['code']}: {told['reason']}")
    if told["mandate"]:
        lines.append(f"  by {told['mandate']}{_number(told)}" + _span(told))
    if told["fix"]:
        lines.append(f"  {told['fix']['text']} {told['fix']['path']}")
    return "\n".join(lines)


def _span(told: Data) -> str:
    since = f" since {instant(told['since'])}" if told["since"] else ""
    until = f" until {instant(told['until'])}" if told["until"] else ""
    return since + until


def tokens(told: Data) -> str:
    """Return the counts of tokens as lines."""
    live = told["live"]
    return "\n".join(
        [
            f"{told['accepted']} of {live} live API tokens are strong enough, or of people whom no mandate covers.",
            f"{told['weak_before']} of {live} are weaker and were made before the mandate was announced.",
            f"{told['weak_in_grace']} of {live} are weaker and were made since.",
        ]
    )


# ---- exemptions


def exemption_dict(row: Exemption) -> dict[str, Any]:
    """Return an exemption as JSON has it."""
    return {
        "id": row.pk,
        "user": row.user.username,
        "mandate": row.version.name,
        "version": row.version.version,
        "until": clock.format_if_any(row.until),
        "reason": row.reason,
        "evidence": row.evidence,
        "control": row.control,
        "proposed_at": clock.format_if_any(row.proposed_at),
        "proposed_by": row.proposed_by,
        "approved_at": clock.format_if_any(row.approved_at),
        "approved_by": row.approved_by,
        "effective_at": clock.format_if_any(row.effective_at),
        "withdrawn_at": clock.format_if_any(row.withdrawn_at),
        "withdrawn_by": row.withdrawn_by,
    }


def exemption(row: Exemption, now: datetime) -> str:
    """Return an exemption as a line."""
    by = f"proposed by {row.proposed_by}" + _approval(row)
    return (
        f"{row.pk}  {row.user.username} from {row.version}  {_phase(row, now)}  {row.reason}"
        f"  ({row.control or 'nothing else protects meanwhile'})  {by}"
    )


def _phase(row: Exemption, now: datetime) -> str:
    if row.withdrawn_at is not None:
        return f"withdrawn on {words.moment(row.withdrawn_at)}"
    if row.until <= now:
        return f"ended on {words.moment(row.until)}"
    if row.effective_at is None:
        whose = console.standing_of(row).sentence
        return f"waits for approval at /mandate/proposals/, until {words.moment(row.until)}: {whose}"
    if row.effective_at > now:
        return f"takes effect on {words.moment(row.effective_at)}, until {words.moment(row.until)}"
    return f"until {words.moment(row.until)}"
