"""What a simulation found, in lines for a terminal and in rows for a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from keyhouse.core import clock
from keyhouse.mandate import words
from keyhouse.mandate.documents import in_words
from keyhouse.mandate.simulation.models import Simulation
from keyhouse.mandate.simulation.queries import FRESH_FOR

REACH: Final = {
    "ok": "mail reaches them",
    "bounced": "mail came back",
    "domain-gone": "the domain of their address is gone",
    "unverified": "their address was never verified",
    "none": "no address",
}
ACTIVITY: Final = {
    "signs-in": "signed in within a year",
    "token-only": "only publish by credentials",
    "dormant": "not seen for a year",
}
_WORDS: Final = {
    **REACH,
    **ACTIVITY,
    "none": "none",
    "no-second-factor": "no second factor",
    "authenticator-app": "authenticator app",
    "phishing-resistant": "security key or passkey",
    "security-key": "security key",
    "over-a-year": "over a year old",
    "over-90-days": "over 90 days old",
    "newer": "newer",
}
GROUPS: Final = ("role", "method", "reach", "activity", "state")


def kept(row: Simulation) -> dict[str, Any]:
    """Return what is known of a simulation beside what it found, as JSON has it."""
    return {
        "id": row.pk,
        "mandate": row.mandate,
        "version": row.version,
        "digest": row.digest,
        "snapshot": row.snapshot,
        "made_at": clock.format_instant(row.made_at),
        "made_by": row.made_by,
        "counts_until": clock.format_instant(row.made_at + FRESH_FOR),
    }


def word(name: str) -> str:
    """Say a class of people or credentials in words."""
    return _WORDS.get(name) or words.role(name)


def when(mark: Mapping[str, Any]) -> str:
    """Say what instant a mark is."""
    return f"{words.moment(clock.parse_instant(mark['at']))}  {mark['what']}" if mark["at"] else "now"


def text(result: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """Return a simulation as lines."""
    return "\n".join(_lines(result, known))


def _lines(result: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[str]:
    people, covered, about = result["people"], result["covered"], result["mandate"]
    yield f"{about['name']}@{about['version']}, simulated on {people:,} people (snapshot {result['snapshot'][:12]})."
    yield (
        f"Covered: {covered['count']:,} of {people:,}, of whom {covered['compliant']:,} comply with what they have now."
    )
    yield from _groups(covered["by"])
    for mark in result["stages"]:
        yield f"{when(mark)}: {mark['refused']:,} of {covered['count']:,} refused" + _newly(mark)
        yield from _groups(mark["refused_by"])
        if mark["first_refused"]:
            yield f"    first: {', '.join(mark['first_refused'])}"
    yield from _places(result)
    lost = result["unreachable"]
    yield f"No mail reaches {lost['count']:,} of {covered['count']:,} covered people, {lost['not_compliant']:,} of them without what is asked for."
    yield from _credentials(result)
    yield from _cohorts(result["cohorts"])
    yield from _critical(result["critical"])
    if known:
        yield f"Kept as number {known['id']}; a launch takes it until {words.moment(clock.parse_instant(known['counts_until']))}."


def _newly(mark: Mapping[str, Any]) -> str:
    return f" ({mark['newly_refused']:,} only by this mandate, {mark['exempt']:,} exempt)"


def _groups(groups: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    for name in GROUPS:
        counts = groups[name]
        if counts:
            yield f"    by {name}: " + ", ".join(f"{word(one)} {count:,}" for one, count in counts.items())


def _places(result: Mapping[str, Any]) -> Iterator[str]:
    projects = result["projects"]
    yield (
        f"Projects: {projects['covered']:,} of {projects['total']:,} covered; {projects['orphaned']:,} without an owner who"
        f" could act at the end ({projects['orphaned_dependents']:,} dependents, {projects['orphaned_clients']:,} clients in"
        f" {projects['clients_days']} days), {projects['sole_owner_refused']:,} of them with one owner;"
        f" {projects['no_reachable_owner']:,} without an owner whom mail reaches."
    )
    for one in projects["first_orphaned"]:
        yield f"    {one['name']}: {one['dependents']:,} dependents, {one['clients']:,} clients"
    for name in ("organizations", "teams"):
        places = result[name]
        yield f"{name.capitalize()}: {places['orphaned']:,} of {places['covered']:,} covered without anybody who could act at the end."


def _credentials(result: Mapping[str, Any]) -> Iterator[str]:
    for kind, rows in result["credentials"].items():
        live = sum(one["live"] for one in rows)
        yield f"Live {kind}s: {live:,}, refused at the end {sum(one['refused'][-1] for one in rows):,}"
        for one in rows:
            whose = "covered people" if one["covered"] else "others"
            age = f", {word(one['age'])}" if "age" in one else ""
            yield f"    {word(one['strength'])}, of {whose}{age}: {one['live']:,}, refused at the end {one['refused'][-1]:,}"


def _cohorts(cohorts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in cohorts:
        within = one["of_smaller"]
        nested = (
            f"; all {within:,} of the smaller one" if within and within == one["of_smaller_within"] else ""
        )
        yield f"Cohort {one['percent']:g} % of seed {one['seed']}: {one['people']:,} people, {one['covered']:,} covered{nested}"


def _critical(criteria: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for one in criteria:
        criterion = one["criterion"]
        yield f"Critical by {words.metric(criterion['metric'])} over {criterion['window_days']} days: {one['now']:,} projects, {one['then']:,} if worked out now"
        for name, sign in (("entering", "comes"), ("leaving", "goes")):
            if one[name]["count"]:
                yield f"    {sign}: {one[name]['count']:,} ({', '.join(one[name]['first'])})"


def difference(found: Mapping[str, Any]) -> str:
    """Return a comparison of two mandates as lines."""
    return "\n".join(_difference_lines(found))


def _difference_lines(found: Mapping[str, Any]) -> Iterator[str]:
    before, after = found["before"], found["after"]
    yield f"{before['name']} ({before['digest'][:8]}) and {after['name']} ({after['digest'][:8]}), {found['people']:,} people"
    for one in found["differences"]:
        yield f"    {in_words(one['path'])}: {value(one['before'])} -> {value(one['after'])}"
    if not found["differences"]:
        yield "    They say the same."
    covered = found["covered"]
    yield f"Covered: {covered['before']:,} and {covered['after']:,}" + _moved(covered)
    for mark in found["stages"]:
        yield f"{when(mark)}: refused {mark['refused_before']:,} and {mark['refused_after']:,}" + _moved(mark)


def value(said: Any) -> str:
    """Write a value of a document; what isn't there is nothing."""
    if said is None:
        return "nothing"
    return " ".join(str(one) for one in said) if isinstance(said, list) else str(said)


def _moved(counts: Mapping[str, Any]) -> str:
    told = []
    for name in ("only_after", "only_before"):
        if counts[name]:
            which = "the latter" if name == "only_after" else "the former"
            told.append(f"{counts[name]:,} only by {which} ({', '.join(counts['first_' + name])})")
    return "; " + "; ".join(told) if told else ""


def instant_of(mark: Mapping[str, Any]) -> datetime | None:
    """Return the instant of a mark; None: now."""
    return clock.parse_instant(mark["at"]) if mark["at"] else None


def group_rows(groups: Mapping[str, Mapping[str, int]]) -> list[tuple[str, list[tuple[str, int]]]]:
    """Return who is meant by each way to tell people apart, in words; ways that tell nobody are left out."""
    return [
        (name, [(word(one), count) for one, count in groups[name].items()]) for name in GROUPS if groups[name]
    ]


def credential_rows(kinds: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return credentials in words, those of covered people first."""
    rows = [
        {
            "kind": kind,
            "strength": word(one["strength"]),
            "age": word(one.get("age", "")),
            "is_covered": one["covered"],
            "live": one["live"],
            "refused": one["refused"][-1],
        }
        for kind, several in kinds.items()
        for one in several
    ]
    return sorted(rows, key=lambda one: not one["is_covered"])
