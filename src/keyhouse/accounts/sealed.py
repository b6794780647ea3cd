"""Every secret that accounts keep sealed, and the mails that wait, for whoever rotates the keys that seal them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from django.db import models, transaction

from keyhouse.accounts import links
from keyhouse.accounts.drafts import SESSION_PURPOSE
from keyhouse.accounts.models import Authenticator, OneTimeLink, Session
from keyhouse.accounts.second_factors.totp.services import PURPOSE as TOTP_PURPOSE
from keyhouse.core.keys import KeyRing, SealBrokenError
from keyhouse.mail.contents import PURPOSE as MAIL_PURPOSE
from keyhouse.mail.models import Mail

_AT_ONCE: Final = 100  # rows of one short transaction
_PASSES: Final = 5


@dataclass(frozen=True, slots=True)
class Column:
    """One column of sealed texts and the purpose they are sealed for; an empty text holds nothing."""

    model: type[models.Model]
    name: str
    purpose: str

    def sealed(self) -> Iterator[tuple[object, str]]:
        """Yield key and text of each row that holds something."""
        rows = self.model._default_manager.exclude(**{self.name: ""}).order_by("pk")  # noqa: SLF001 - documented name
        yield from rows.values_list("pk", self.name).iterator(chunk_size=1000)


COLUMNS: Final = (
    Column(Authenticator, "secret_sealed", TOTP_PURPOSE),
    Column(Session, "data_sealed", SESSION_PURPOSE),
    Column(OneTimeLink, "draft_sealed", links.DRAFT_PURPOSE),
    Column(Mail, "content_sealed", MAIL_PURPOSE),
)


def reseal_secrets(ring: KeyRing, progress: Callable[[int], object] = lambda _: None) -> int:
    """Seal with the newest key what an older one sealed; returns how many secrets.

    Row by row by conditional updates, so it runs beside people who change theirs, and can be stopped and run again.
    What no key opens is left as it is. It goes on until a pass finds nothing: a process that had read the keys before
    they changed may seal with the older one for a moment. `progress` is told how many were sealed in all, now and then.
    """
    total = 0
    for _ in range(_PASSES):
        before = total
        for column in COLUMNS:
            for changed in _reseal_column(column, ring):
                total += changed
                progress(total)
        if total == before:
            break
    return total


def _reseal_column(column: Column, ring: KeyRing) -> Iterator[int]:
    newest = KeyRing((ring.newest,))
    old = [(pk, text) for pk, text in column.sealed() if not _opens(newest, column.purpose, text)]
    for start in range(0, len(old), _AT_ONCE):
        with transaction.atomic():
            changed = sum(_reseal(column, ring, pk, text) for pk, text in old[start : start + _AT_ONCE])
        yield changed


def _reseal(column: Column, ring: KeyRing, pk: object, text: str) -> int:
    try:
        anew = ring.reseal(column.purpose, text)
    except SealBrokenError:
        return 0
    unchanged = column.model._default_manager.filter(**{"pk": pk, column.name: text})  # noqa: SLF001 - documented name
    return unchanged.update(**{column.name: anew})


def count_by_key(ring: KeyRing) -> Counter[str]:
    """Count the sealed secrets by the id of the key that opens each; those that none opens under an empty id."""
    return Counter(_key_of(ring, column.purpose, text) for column in COLUMNS for _, text in column.sealed())


def _key_of(ring: KeyRing, purpose: str, text: str) -> str:
    return next((key.id for key in ring.keys if _opens(KeyRing((key,)), purpose, text)), "")


def _opens(ring: KeyRing, purpose: str, text: str) -> bool:
    try:
        ring.open(purpose, text)
    except SealBrokenError:
        return False
    return True
