"""What operators did with the mandates of the made-up index, and what people asked of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from demo.acting import acting
from demo.ago import standing
from demo.mandates import MANDATE, PAUSED, draft, enforced_later, put_off
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.mandate import services as mandates
from keyhouse.mandate.campaigns.services import pause
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.exits import asking
from keyhouse.mandate.exits.asking import Wanted
from keyhouse.mandate.keeping import keep
from keyhouse.mandate.queries import live_policies
from keyhouse.mandate.simulation.services import simulate

IS_LATE: Final = Wanted(
    reason="The security key that was ordered is late.",
    evidence="Order 4711 of the office, delivery in two weeks.",
    control="Releases come from the pipeline only until then.",
    mandate=MANDATE,
    days=20,
)


def write_mandates() -> None:
    """Let a mandate be paused, two be written, and the one in mid-campaign be simulated and asked for anew."""
    with acting("tomas", days=2) as (by, _):
        pause(PAUSED, reason="The keys that were ordered are late.", by=by)
    now = clock.now()
    _apply(draft(now), now - timedelta(days=2))
    _apply(put_off(now), now - timedelta(days=1))
    (live,) = (one for one in live_policies(now) if one.name == MANDATE)
    later = read_mandate(enforced_later(now))
    simulate(live.mandate, by=host(), processes=1)
    _apply(enforced_later(now), now - timedelta(hours=8))
    simulate(later, by=host(), processes=1)


def _apply(document: dict[str, Any], at: datetime) -> None:
    with standing(at):
        mandates.propose_version(read_mandate(document), by=host())


def ask_for_time() -> None:
    """Let people ask for keys and for exemptions, of which one is answered and one proposed."""
    with acting("priya", days=29) as (by, _):
        answered = asking.ask(Wanted("I write quill from a boat; no shop there sells keys."), by=by)
    with acting("tomas", days=28) as (by, _):
        asking.answer(answered.pk, "One is on its way to the harbour office.", grants=True, by=by)
    with acting("felix", days=4) as (by, _):
        asking.ask(Wanted("No shop sends keys to the island."), by=by)
    with acting("bodil", days=1) as (by, _):
        asked = asking.ask(IS_LATE, by=by)
    with acting("iris", hours=5) as (by, _):
        asking.propose(asked.pk, 20, by=by)
    with acting("priya", hours=3) as (by, _):
        asking.ask(IS_LATE, by=by)


def tell_people() -> None:
    """Do once what the index does each minute, which tells people what is asked of them."""
    with standing(clock.now() - timedelta(hours=2)) as now:
        keep(now)
