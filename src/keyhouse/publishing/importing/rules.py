"""What history may be forgiven, and what the files of one project mean together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from keyhouse.core.errors import Refusal
from keyhouse.distfiles.filenames import ZIP_SDIST, DistributionName, parse_any_spelling
from keyhouse.distfiles.findings import Finding, UnacceptableError, shown
from keyhouse.distfiles.names import normalise
from keyhouse.projects.errors import FileExists, SecondSourceDistribution
from keyhouse.projects.rules import LONGEST_REASON
from keyhouse.publishing.importing.errors import ProjectDiffers, SourceEntryInvalid, YankedAlone
from keyhouse.publishing.importing.offers import Offer, Offered

# Refusals of today's rules that only people or better tools would mind: old releases may keep these with --lenient.
# Frames, paths, digests, RECORD, names, platforms, and whatever leads installers elsewhere is never forgiven.
FORGIVABLE: Final[dict[str, str]] = {
    "filename-not-canonical": "the file keeps its name as it is",
    "filename-extension": "a source distribution in a .zip archive is taken",
    "metadata-version-unsupported": "Metadata-Version 2.0, which some tools wrote once, is taken",
    "metadata-summary": "the summary is cut where it is listed",
    "metadata-requires-python": "Requires-Python is left out of the index page",
    "metadata-requirement": "the dependency stays as it is; installers skip it or say why not",
    "metadata-extra": "the extra stays as it is",
    "metadata-license": "the licence fields stay as they are",
    "metadata-license-file": "the missing licence file stays named",
    "metadata-classifier": "the unknown classifier stays as it is",
    "metadata-content-type": "the description isn't shown",
    "metadata-description": "the description isn't shown",
}
_OLD_METADATA_VERSION: Final = "2.0"
_FIRST_YEAR: Final = 2000  # no index had files before


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is left of the findings about a file: the first that refuses it (None: it is taken), and what was forgiven."""

    refused: Finding | None
    forgiven: tuple[Finding, ...]


def forgive(
    findings: Iterable[Finding], filename: str, metadata_version: str, *, is_lenient: bool
) -> Verdict:
    """Part what an old file may have from what none may."""
    forgiven: list[Finding] = []
    for finding in findings:
        if not (is_lenient and _is_forgivable(finding, filename, metadata_version)):
            return Verdict(finding, tuple(forgiven))
        forgiven.append(finding)
    return Verdict(None, tuple(forgiven))


def _is_forgivable(finding: Finding, filename: str, metadata_version: str) -> bool:
    if finding.code == "filename-extension":
        return filename.endswith(ZIP_SDIST)
    if finding.code == "metadata-version-unsupported":
        return metadata_version == _OLD_METADATA_VERSION
    return finding.code in FORGIVABLE


@dataclass(frozen=True, slots=True)
class Placed:
    """One offer with what its name says, and why it can't be taken whatever it holds (None: nothing so far).

    `yanked`: the reason for which its whole release is yanked, None: it isn't. `behind`: the source distribution that is
    taken in its place; it comes where that one turns out to be broken.
    """

    offer: Offer
    name: DistributionName | None
    refusal: Refusal | None
    yanked: str | None = None
    behind: str = ""


def place(offered: Offered) -> list[Placed]:
    """Return the files of a project in the order in which they are published: as they once came, old archives last."""
    named = [_named(offer, offered.name) for offer in offered.files]
    yanks = _release_yanks(named)
    return list(_once([_with_yank(placed, yanks) for placed in sorted(named, key=_order)]))


def release_yanks(offered: Offered) -> dict[str, str]:
    """Return by its canonical version the reason of each release of which the source has yanked every file."""
    return _release_yanks([_named(offer, offered.name) for offer in offered.files])


def _named(offer: Offer, project: str) -> Placed:
    if offer.problem is not None:
        return Placed(offer, None, offer.problem)
    try:
        name = parse_any_spelling(offer.filename, takes_zip=True)
    except UnacceptableError as refusal:
        return Placed(offer, None, refusal)
    if name.name != normalise(project):
        sentence = f"{shown(offer.filename)} is listed by the project {shown(project)}."
        return Placed(offer, name, ProjectDiffers(sentence))
    return Placed(offer, name, None)


def _order(placed: Placed) -> tuple[bool, float, bool, str]:
    at = placed.offer.uploaded_at
    name = placed.offer.filename
    return at is None, at.timestamp() if at else 0.0, _is_zip(placed), name


def _release_yanks(named: Sequence[Placed]) -> dict[str, str]:
    """Return the reason of each release of which every file is yanked."""
    if all(placed.offer.yanked is None for placed in named):
        return {}
    found: dict[str, list[str | None]] = {}
    for placed in named:
        if placed.name is not None and placed.refusal is None:
            found.setdefault(str(placed.name.version), []).append(placed.offer.yanked)
    whole = {version: reasons for version, reasons in found.items() if None not in reasons}
    return {version: _joined(reasons) for version, reasons in whole.items()}


def _joined(reasons: Iterable[str | None]) -> str:
    """Return what is said of any file of a release, each reason once."""
    told = [reason for reason in dict.fromkeys(reasons) if reason]
    return "; ".join(told)[:LONGEST_REASON]


def _with_yank(placed: Placed, yanks: dict[str, str]) -> Placed:
    if placed.name is None or placed.refusal is not None or placed.offer.yanked is None:
        return placed
    reason = yanks.get(str(placed.name.version))
    refusal = _yanked_alone(placed.offer.yanked) if reason is None else None
    return Placed(placed.offer, placed.name, refusal, reason)


def _yanked_alone(reason: str) -> Refusal:
    return (
        YankedAlone(f"{YankedAlone.sentence} It was yanked for: {shown(reason)}.")
        if reason
        else YankedAlone()
    )


def _once(placed: Sequence[Placed]) -> Iterator[Placed]:
    """Refuse what is offered a second time: the same name, the same file in another spelling, a second sdist."""
    first: dict[str | None, Placed] = {}
    for one in sorted(placed, key=_is_zip):  # whichever came earlier: installers want the .tar.gz
        if one.refusal is None:
            first.setdefault(_place_of(one), one)
    for one in placed:
        key = _place_of(one)
        if key is None or one.refusal is not None or first[key] is one:
            yield one
        else:
            yield _second(one, first[key].offer.filename)


def _is_zip(placed: Placed) -> bool:
    return placed.offer.filename.endswith(ZIP_SDIST)


def _place_of(placed: Placed) -> str | None:
    """Return what only one file of a release can be."""
    if placed.name is None:
        return None
    is_sdist = placed.name.kind == "sdist"
    return f"sdist {placed.name.version}" if is_sdist else placed.name.canonical


def _second(placed: Placed, first: str) -> Placed:
    if placed.offer.filename == first:
        return replace(placed, refusal=SourceEntryInvalid(f"{shown(first)} is offered more than once."))
    if placed.name is not None and placed.name.kind == "sdist":
        sentence = f"This release has a source distribution already: {shown(first)}."
        return replace(placed, refusal=SecondSourceDistribution(sentence), behind=first)
    sentence = f"File already exists in another spelling: {shown(first)}."
    return replace(placed, refusal=FileExists(sentence))


def uploaded_at(told: datetime | None, now: datetime) -> datetime | None:
    """Return when a file appeared, as far as what the source tells can be true; None: it can't be known."""
    return told if told is not None and told.year >= _FIRST_YEAR and told <= now else None
