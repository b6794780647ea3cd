"""What it costs to hash: next to nothing in tests, but where hashing itself is what is tried.

Hashes carry their parameters, so that any process compares those of any other.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from keyhouse.accounts.hashers import Argon2
from keyhouse.accounts.hashing import CODE_HASH, CodeHash


@dataclass(frozen=True)
class Costs:
    """The parameters of Argon2 for passwords, and those for recovery codes."""

    memory_cost: int
    time_cost: int
    parallelism: int
    codes: CodeHash


def now() -> Costs:
    """Return what it costs now."""
    return Costs(Argon2.memory_cost, Argon2.time_cost, Argon2.parallelism, replace(CODE_HASH))


def become(costs: Costs) -> None:
    """Let it cost this; the parameters of codes are one object, whoever has imported it."""
    for name in ("memory_cost", "time_cost", "parallelism"):
        setattr(Argon2, name, getattr(costs, name))
    for name, value in asdict(costs.codes).items():
        object.__setattr__(CODE_HASH, name, value)


OF_SERVERS = now()
QUICK = Costs(64, 1, 1, CodeHash(64, 1, 1))
