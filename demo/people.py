"""The people of the made-up index."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

PASSWORD: Final = "seven otters counted the slow green trains"
ALL_FACTORS: Final = ("webauthn", "totp", "recovery_codes")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account: how long ago they came and were seen, what they hold, what they may do."""

    name: str
    days: int
    seen: int = 1
    factors: tuple[str, ...] = ("totp",)
    office: str = ""
    state: str = "active"
    told: str = ""  # what to sign in as this person for; such people have a password

    def entry(self, now: datetime) -> dict[str, Any]:
        """Return the entry of the seed document."""
        return {
            "username": self.name,
            "email": f"{self.name}@harbour.example",
            "password": PASSWORD if self.told or self.state == "password-disabled" else None,
            "second_factors": list(self.factors),
            "joined_at": (now - timedelta(days=self.days)).isoformat(),
            "last_seen_at": (now - timedelta(days=self.seen, hours=self.days % 7)).isoformat(),
            "state": self.state,
            **({self.office: True} if self.office else {}),
        }


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody, by name."""

    people: tuple[Person, ...] = field(
        default=(
            Person("iris", 1310, 0, ALL_FACTORS, "operator", told="runs the index"),
            Person(
                "tomas", 1290, 0, ALL_FACTORS, "operator", told="runs it, too: approves what iris proposes"
            ),
            Person("noor", 700, 0, ALL_FACTORS, "moderator", told="answers abuse"),
            Person("auden", 420, 2, ALL_FACTORS, "auditor", told="reads how the index is run"),
            Person("mara", 1205, 0, ALL_FACTORS, told="owns lantern, sextant and moor"),
            Person("jonas", 1180, 0, ("totp", "recovery_codes"), told="maintains lantern, owns ferry"),
            Person("priya", 960, 0, (), told="owns quill, and has no second factor yet"),
            Person("kenji", 1011, 0),
            Person("elena", 884, 1, ("webauthn", "recovery_codes")),
            Person("wren", 871, 3),
            Person("olu", 640, 0, ALL_FACTORS),
            Person("freya", 602, 5, state="held"),
            Person("dmitri", 544, 210, ()),
            Person("hana", 410, 2, ("webauthn",)),
            Person("felix", 371, 12, ()),
            Person("ana", 233, 0, ("webauthn", "recovery_codes")),
            Person("sam", 171, 33, ()),
            Person("lucia", 96, 1, ("totp", "recovery_codes"), told="maintains windlass, signs in by an app"),
            Person("bodil", 61, 4, ()),
            Person("rafael", 34, 0),
            Person("yusuf", 12, 0, ()),
            Person("greta", 900, 1, state="frozen"),
            Person("pavel", 730, 80, (), state="password-disabled"),
            Person("ines", 1100, 400, (), state="deleted"),
        )
    )

    def told(self) -> tuple[Person, ...]:
        """Return those whom one can sign in as."""
        return tuple(person for person in self.people if person.told)


CAST: Final = Cast()
