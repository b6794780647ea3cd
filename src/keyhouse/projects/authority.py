"""Whether a person may do something to a project, an organization, or their own account."""

from __future__ import annotations

from typing import Final

from keyhouse.core.actions import Action, Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import RoleRequired, SignInRequired
from keyhouse.organizations.authority import require_role
from keyhouse.projects import rights, rules
from keyhouse.projects.life_cycle import queries as life_cycle

_NEEDS_PERSON: Final = "This needs a person who is signed in."


class ProjectAuthority:
    """Implements `core.actions.Authority`: roles decide about projects and organizations, everybody rules their own account.

    Being an operator of the index gives nobody a right in a project. For the host every answer is yes: whoever has
    the machine has the data. Things of other kinds (tokens, factors, …) are looked for by their own features among
    what belongs to the actor, so here it is enough to be somebody.
    """

    def require(self, actor: Actor, action: Action, thing: Thing | None) -> None:
        """Raise SignInRequired or RoleRequired, or return.

        A project is named by `thing.id`, or, where that is None, by its normalised `thing.name`; one that doesn't
        exist is refused as one where the actor has no role.
        """
        if actor.kind == "host":
            return
        if action.name == "host.command":
            self._require_machine(actor)
        elif action.gated or action.needs_session or thing:
            self._require_someone(actor, action, thing)

    def _require_machine(self, actor: Actor) -> None:
        if actor.kind != "job":
            raise RoleRequired("This is for the operator at the host.", fix="Run it on the machine itself.")

    def _require_someone(self, actor: Actor, action: Action, thing: Thing | None) -> None:
        self._require_person(actor, action)
        if action.offices:
            return  # asked before anybody asked us
        if action.name == rules.FORMER_OWNERS_ACTION:
            self._require_former_owner(actor, thing)
        elif thing is not None and thing.kind == "project":
            self._require_role(actor, action, thing)
        elif thing is not None and thing.kind == "organization":
            require_role(actor, action, thing)
        elif thing is not None and thing.kind == "account" and thing.id != actor.user_id:
            raise RoleRequired("This is somebody else's account.", fix="Use your own.")

    def _require_person(self, actor: Actor, action: Action) -> None:
        if actor.user_id is None:
            raise SignInRequired
        if actor.kind != "session" and action.name not in rules.CREDENTIAL_ACTIONS:
            raise RoleRequired(_NEEDS_PERSON, fix="Sign in and do it on the pages.")

    def _require_role(self, actor: Actor, action: Action, thing: Thing) -> None:
        if action.name in rules.ROLELESS_ACTIONS:
            return
        role = rights.find_role_kind(actor.user_id, thing)
        if not rules.allows_role(role, action.name):
            raise RoleRequired

    def _require_former_owner(self, actor: Actor, thing: Thing | None) -> None:
        """Let only whoever owned a project when it was deleted bring it back; `thing` is that deletion, or the name."""
        if not life_cycle.was_owner(actor.user_id, thing):
            raise RoleRequired
