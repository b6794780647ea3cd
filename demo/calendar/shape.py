"""How large the index is, and on which days what happens. Figures are those that were published, a hundredth of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

FULL: Final = 8_500  # accounts; 850,000 there in August 2024
MAILED: Final = 474_000 / 850_000  # of all accounts: those that the mails of December 2023 went to
ACTIVE: Final = 175_000 / 850_000  # signed in since January 2024: 140,000 with a factor were 80 % of them
VERIFIED: Final = 0.44  # 370,000 addresses, 56 %, counted as unproven from 2024-04-01 on
CRITICAL: Final = 3_818 / 850_000  # critical projects, for each account
TOKEN_ONLY: Final = 0.3  # of those who upload: by a token that was made long ago, and never in pages


def instant(text: str) -> datetime:
    """Return an instant; a day alone means its first moment."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Shape:
    """How many there are of what."""

    accounts: int = FULL

    @property
    def active(self) -> int:
        """Return how many people come back at all."""
        return round(self.accounts * ACTIVE)

    @property
    def maintainers(self) -> int:
        """Return how many have authority over a project."""
        return round(self.accounts * MAILED)

    @property
    def critical(self) -> int:
        """Return how many projects are critical."""
        return max(3, round(self.accounts * CRITICAL))

    @property
    def organizations(self) -> int:
        """Return how many organizations there are."""
        return max(2, self.accounts // 200)


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the calendar: what happened on it there, and which share of the active has enrolled by then.

    The shares are put in, not found out: how people answer to a mandate is theirs. Those of July 2022 and August 2024
    are published; between them they are guessed.
    """

    at: datetime
    title: str
    there: str
    enrolled: float
    is_asked: bool = True  # whether every door is asked on it


DAYS: Final = (
    Day(instant("2022-07-08"), "Critical projects announced", "About 8,200 people learn that they maintain one of 3,818 critical projects.", 0.16),
    Day(instant("2022-10-03"), "Reminded", "A list of what is to be done before enforcing; it is never finished.", 0.20),
    Day(instant("2023-05-20"), "New accounts and projects stopped", "Sign-up and new projects are suspended for a weekend, since abuse came in floods.", 0.26),
    Day(instant("2023-05-25 15:00"), "Everybody announced", "By the end of the year everybody who maintains a project or an organization.", 0.27),
    Day(instant("2023-06-01"), "No password uploads for the enrolled", "Uploads by password are refused to people with a second factor.", 0.30),
    Day(instant("2023-08-08"), "New accounts: management", "Accounts made from now on need one for every page of management.", 0.36),
    Day(instant("2023-09-08"), "New accounts: uploads", "They need one for uploads, too: that was another door.", 0.40),
    Day(instant("2023-12-06"), "Rehearsal", "The test index asks everybody.", 0.50),
    Day(instant("2023-12-13 10:00"), "Two weeks before", "About 474,000 mails, a banner and a post.", 0.53, is_asked=False),
    Day(instant("2024-01-01"), "Everybody", "The switch is turned.", 0.65),
    Day(instant("2024-01-15 10:00"), "The wave of recoveries", "Requests pile up; they will wait more than four months.", 0.66, is_asked=False),
    Day(instant("2024-01-19 10:00"), "The pause", "Nothing; nobody is there to decide.", 0.66, is_asked=False),
    Day(instant("2024-01-19 15:00"), "It goes on", "Nothing; a specialist is paid from July on.", 0.66, is_asked=False),
    Day(instant("2024-03-02"), "After the longest grace", "Nothing; old tokens upload on.", 0.70),
    Day(instant("2024-08-02 12:00"), "Old tokens", "Uploads by tokens of people without a second factor are refused.", 0.80),
    Day(instant("2024-08-05 12:00"), "Called complete", "About 140,000 of 850,000 accounts have a second factor.", 0.80),
    Day(instant("2024-10-02"), "After the longest grace of old tokens", "Nothing.", 0.80),
)  # fmt: skip
ANNOUNCED: Final = instant("2023-05-25 15:00")
