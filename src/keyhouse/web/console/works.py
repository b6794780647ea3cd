"""Works beside requests, as the console shows them: what they do, how their last round went, and which can be begun by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db import transaction

from keyhouse.accounts import keeping as accounts
from keyhouse.accounts.oversight.errors import WorkMissing
from keyhouse.audit import sealing
from keyhouse.audit.models import WorkRound
from keyhouse.audit.services import record
from keyhouse.core import actions, configuration
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.core.configuration import Configuration
from keyhouse.credentials.tokens import keeping as tokens
from keyhouse.credentials.trusted_publishers import keeping as publishers
from keyhouse.index import purging
from keyhouse.mandate import keeping as mandates
from keyhouse.mandate.completion import keeping as completion
from keyhouse.mandate.simulation import keeping as simulations
from keyhouse.projects.collaborators import keeping as collaborators
from keyhouse.projects.life_cycle import keeping as removals
from keyhouse.publishing.staging import keeping as staging

RUN: Final = "job.run"
MAIL: Final = "/operator/mail/"
LATE_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Kind:
    """A work: what it does, how often, and by what it is begun now, where that makes sense."""

    name: str
    what: str
    every: timedelta
    begin: Callable[[datetime], object] | None = None
    page: str = ""
    is_used: Callable[[Configuration], bool] = lambda _: True

    @property
    def is_by_hand(self) -> bool:
        """Whether a round can be begun from the console."""
        return self.begin is not None


KINDS: Final = (
    Kind("index-keeper", "renders what installers will ask for", timedelta(seconds=1)),
    Kind(
        "mandate-keeper",
        "works out critical and protected projects, takes back what nobody can answer for any more, ends weak tokens, appoints owners, marks accounts for emergencies, queues notices",
        timedelta(minutes=1),
        mandates.keep_unless_busy,
    ),
    Kind(
        "completion-keeper",
        "checks once a day whether mandates in force are complete",
        timedelta(minutes=1),
        completion.keep,
    ),
    Kind(
        "simulation-keeper",
        "simulates mandates for whoever asked for that, forgets old simulations",
        timedelta(seconds=5),
        simulations.keep,
    ),
    Kind(
        "account-keeper",
        "deletes accounts whose wait is over, frees names, gives offices, tells of sign-ins that stopped half-way",
        timedelta(minutes=1),
        accounts.keep,
    ),
    Kind("token-keeper", "reminds people of tokens that end soon, tells of robot tokens that rest", timedelta(minutes=1), tokens.keep),
    Kind(
        "removal-keeper", "lets go of what was deleted long ago", timedelta(minutes=1), removals.keep
    ),
    Kind(
        "staging-keeper", "ends staged releases that nobody publishes", timedelta(minutes=1), staging.keep
    ),
    Kind(
        "collaborators-keeper",
        "ends roles whose wait is over, forgets old invitations",
        timedelta(minutes=1),
        collaborators.keep,
    ),
    Kind(
        "publisher-keeper",
        "looks after publishers that wait for a project, forgets spent identities",
        timedelta(minutes=1),
        publishers.keep,
    ),
    Kind(
        purging.NAME, "tells the CDN in front what changed, so that it forgets it", timedelta(minutes=1),
        is_used=lambda settings: bool(settings.purge_url),
    ),
    Kind("audit-sealer", "chains audit records", timedelta(seconds=1), sealing.seal),
    Kind("mail-security", "delivers security mails", timedelta(seconds=10), page=MAIL),
    Kind("mail-bulk", "delivers other mails, at a set rate", timedelta(seconds=10), page=MAIL),
    Kind(
        "mail-domains", "asks for the domains of addresses once a day", timedelta(minutes=10),
        page="/operator/accounts/",
    ),
    Kind("search-filler", "lets projects be found that searching doesn't know yet", timedelta(minutes=5)),
    Kind("work-rounds", "writes down how these are doing", timedelta(seconds=10)),
)  # fmt: skip
_BY_NAME: Final[Mapping[str, Kind]] = {kind.name: kind for kind in KINDS}
_SLACK: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Shown:
    """A work with its last round; None where no server has told of one yet."""

    kind: Kind
    last: WorkRound | None
    is_late: bool

    @property
    def state(self) -> str:
        """Say in a word how it is doing."""
        if self.last is None:
            return "not seen yet"
        if self.last.error:
            return "failing"
        return "late" if self.is_late else "well"


def all_works(now: datetime) -> list[Shown]:
    """Return every work that the settings ask for, with its last round."""
    last = {row.name: row for row in WorkRound.objects.all()}
    used = [kind for kind in KINDS if kind.is_used(configuration.current())]
    return [Shown(kind, last.get(kind.name), _is_late(kind, last.get(kind.name), now)) for kind in used]


class Tally(NamedTuple):
    """How the works are doing: how many in each state, and which of those that went round did so the longest ago."""

    well: int
    failing: int
    late: int
    not_seen: int
    oldest: Shown | None


def tally(now: datetime) -> Tally:
    """Count the works by their state."""
    works = all_works(now)
    states = [one.state for one in works]
    ended = {one.last.ended_at: one for one in works if one.last is not None}
    return Tally(
        well=states.count("well"),
        failing=states.count("failing"),
        late=states.count("late"),
        not_seen=states.count("not seen yet"),
        oldest=ended[min(ended)] if ended else None,
    )


def _is_late(kind: Kind, last: WorkRound | None, now: datetime) -> bool:
    return last is not None and now - last.ended_at > kind.every * LATE_ROUNDS + _SLACK


def troubled_works(now: datetime) -> list[str]:
    """Return the names of works that fail or are late; one that no server has told of is no trouble."""
    return [one.kind.name for one in all_works(now) if one.state in {"failing", "late"}]


def get_kind(name: str) -> Kind:
    """Return a work that can be begun by hand; raises WorkMissing."""
    kind = _BY_NAME.get(name)
    if kind is None or not kind.is_by_hand:
        raise WorkMissing
    return kind


def run_now(name: str, *, by: Actor, now: datetime) -> object:
    """Let a work do a round now; it looks anew at what is due, so once more does no harm. Raises WorkMissing.

    Returns how much of what was done, as the work tells it; None where another process is at it.
    """
    actions.require(by, RUN)
    kind = get_kind(name)
    with transaction.atomic():
        actions.require(by, RUN)
        record(RUN, by=by, about=Thing("job", None, kind.name))
    return kind.begin(now) if kind.begin is not None else None
