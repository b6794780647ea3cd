"""Whether mandates still concern somebody after they gave something up, and telling them."""

from __future__ import annotations

from datetime import datetime

from keyhouse.accounts.models import User
from keyhouse.accounts.recovery.telling import tell_person
from keyhouse.mandate import queries
from keyhouse.mandate.asked import standing_of
from keyhouse.mandate.exits import letters


def titles_left(user_id: int, now: datetime) -> tuple[str, ...]:
    """Return the titles of the mandates that concern somebody now; none is being out of scope."""
    standing = standing_of(queries.facts_of_person(user_id), queries.live_policies(now), now)
    return tuple(one.mandate.title for one in standing.asked)


def tell_after(user: User, what: str, now: datetime) -> None:
    """Tell a person who gave something up what is asked of them now, in the transaction in which they did."""
    tell_person(user, letters.out_of_scope(what, titles_left(user.pk, now), now), now)
