"""Choosing a password: the rules, then whether others know it. Asks file and network, so never inside a transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from keyhouse.accounts import queries, rules
from keyhouse.accounts.models import User
from keyhouse.accounts.passwords import sources
from keyhouse.core import configuration


@dataclass(frozen=True, slots=True)
class Chosen:
    """A password that may be used, normalised; `checked_at` is None where a source could not be asked."""

    password: str
    checked_at: datetime | None


def choose(password: str, *, username: str, addresses: Iterable[str], now: datetime) -> Chosen:
    """Return a newly chosen password; raises PasswordRefused, of which PasswordCompromised is one."""
    password = rules.check_password(
        password,
        username=username,
        addresses=addresses,
        least_length=configuration.current().password_length,
    )
    verdict = sources.require_uncompromised(password)
    return Chosen(password, now if verdict.is_whole else None)


def choose_for(user: User, password: str, now: datetime) -> Chosen:
    """Do the same for somebody who has an account."""
    addresses = [email.address for email in queries.emails_of(user)]
    return choose(password, username=user.username, addresses=addresses, now=now)
