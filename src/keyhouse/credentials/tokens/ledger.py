"""The ledger as people read it: how each token was made, whether that is enough, when it ends and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from keyhouse.core.actor import Strength
from keyhouse.core.foresight import Credential, Outlook, find_foresight
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.queries import credential_of

PROOFS: Final = {
    "password": "password",
    "totp": "authenticator app",
    "webauthn": "security key",
    "passkey": "passkey",
    "recovery_code": "recovery code",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A token and what becomes of it."""

    token: Token
    outlook: Outlook

    @property
    def made_with(self) -> str:
        """Return in words what the session had proven that made it."""
        return " and ".join(name for proof, name in PROOFS.items() if proof in self.token.minted_methods)

    @property
    def ends_at(self) -> datetime:
        """Return when anything that it can do stops working: by its own term, or sooner by a mandate."""
        return min(self.token.expires_at, self.outlook.ends_at or self.token.expires_at)

    @property
    def uses_end_at(self) -> datetime:
        """Return when it stops working for projects that are there."""
        return min(self.token.expires_at, self.outlook.uses_end_at or self.token.expires_at)

    @property
    def is_for_new_first(self) -> bool:
        """Whether a mandate ends it for new projects at first."""
        return self.is_cut_short and self.ends_at < self.uses_end_at

    @property
    def is_cut_short(self) -> bool:
        """Whether a mandate ends it before its own term."""
        return self.ends_at < self.token.expires_at


def lines_of(tokens: Sequence[Token]) -> list[Line]:
    """Return a line for each token, in their order."""
    by_owner: dict[int, list[Token]] = defaultdict(list)
    for token in tokens:
        by_owner[token.user_id].append(token)
    outlooks = {
        token.pk: outlook
        for user_id, own in by_owner.items()
        for token, outlook in zip(own, _outlooks(user_id, map(credential_of, own)), strict=True)
    }
    return [Line(token, outlooks[token.pk]) for token in tokens]


def outlook_of_new(user_id: int, strength: Strength, now: datetime) -> Outlook:
    """Tell what would become of a token for uploads that a session of this strength makes now."""
    made = replace(strength, at=now)
    return _outlooks(user_id, [Credential(made, ("release.upload",))])[0]


def _outlooks(user_id: int, credentials: Iterable[Credential]) -> list[Outlook]:
    wanted = list(credentials)
    foresight = find_foresight()
    return foresight.outlooks(user_id, wanted) if foresight else [Outlook()] * len(wanted)
