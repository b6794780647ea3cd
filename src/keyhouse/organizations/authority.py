"""Whether a person may do something to an organization."""

from __future__ import annotations

from keyhouse.core.actions import Action, Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import RoleRequired
from keyhouse.organizations import queries, rules


def require_role(actor: Actor, action: Action, thing: Thing) -> None:
    """Raise RoleRequired unless the actor's role allows it; an organization that isn't there is answered as any other.

    The host isn't asked about. Being an operator of the index gives nobody a right in an organization.
    """
    if action.name in rules.ROLELESS_ACTIONS:
        return
    if not rules.allows_role(queries.find_member_kind(actor.user_id, thing), action.name):
        raise RoleRequired(fix="Ask an owner of the organization.")
