"""Approving people to make projects, and taking that back: the account's row locked, one transaction, one audit record."""

from __future__ import annotations

from django.db import transaction

from keyhouse.accounts.models import User
from keyhouse.accounts.oversight.errors import PersonMissing
from keyhouse.audit.services import record
from keyhouse.core import actions, clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.safety.creators.errors import CreatorMissing
from keyhouse.safety.creators.models import Creator


def approve_creator(username: str, *, by: Actor) -> Creator:
    """Let somebody make projects where that asks for approval; once more changes nothing.

    Raises PersonMissing, RoleRequired and what the gate raises.
    """
    with transaction.atomic():
        user = _lock(username, "creator.approve", by)
        found = Creator.objects.filter(user=user).first()
        if found is not None:
            return found
        row = Creator.objects.create(user=user, approved_at=clock.now(), approved_by=by.name[:150])
        record("creator.approve", by=by, about=_thing(user))
    return row


def revoke_creator(username: str, *, by: Actor) -> None:
    """Take the approval back; projects that were made stay. Raises CreatorMissing, and as `approve_creator`."""
    with transaction.atomic():
        user = _lock(username, "creator.revoke", by)
        if not Creator.objects.filter(user=user).delete()[0]:
            raise CreatorMissing
        record("creator.revoke", by=by, about=_thing(user))


def _lock(username: str, action: str, by: Actor) -> User:
    actions.require(by, action, Thing("creator", None, username[:150]))
    people = User.objects.select_for_update().exclude(state=User.State.DELETED)
    user = people.filter(username__iexact=username).first() if username.isprintable() else None
    if user is None:
        raise PersonMissing
    return user


def _thing(user: User) -> Thing:
    return Thing("account", user.pk, user.username)
