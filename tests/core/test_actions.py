from __future__ import annotations

from collections.abc import Iterator

import pytest

from keyhouse.core import actions
from keyhouse.core.actions import Action, Caution, Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import GateUnavailable, RoleRequired
from keyhouse.core.switches import Stop
from keyhouse.credentials.tokens.caveats import Scope

ADA = Actor(kind="session", user_id=1, name="ada")


class Yes:
    def require(self, actor: Actor, action: Action, thing: Thing | None) -> None:
        pass


class AllOpen:
    def find(self, names: tuple[str, ...]) -> Stop | None:
        return None


class OnlyReading(Scope):
    def allows(self, action: str, kind: str, id_: int | str | None) -> bool:
        return action == "index.read"


@pytest.fixture(autouse=True)
def wiring() -> Iterator[None]:
    before = actions._wiring
    actions._wiring = actions._Wiring()
    yield
    actions._wiring = before


@pytest.mark.parametrize("name", sorted(actions.CATALOGUE))
def test_everything_is_refused_when_nothing_is_wired(name: str) -> None:
    with pytest.raises(GateUnavailable):
        actions.require(ADA, name)


def test_a_name_that_is_not_in_the_catalogue_is_refused() -> None:
    actions.wire(gate=Yes(), authority=Yes(), switches=AllOpen())
    with pytest.raises(GateUnavailable):
        actions.require(ADA, "release.upload-quietly")


def test_operators_only_means_operators_only() -> None:
    actions.wire(gate=Yes(), authority=Yes(), switches=AllOpen())
    with pytest.raises(RoleRequired):
        actions.require(ADA, "user.invite")


class Warns:
    def require(self, actor: Actor, action: Action, thing: Thing | None) -> Caution | None:
        return Caution(f"soon: {action.name} will be refused.", mandate="everyone")


def test_what_the_gate_has_to_tell_is_handed_on_and_nothing_is_asked_about_what_is_open() -> None:
    actions.wire(gate=Warns(), authority=Yes(), switches=AllOpen())
    for ask in (actions.require, actions.require_gate):
        told = ask(ADA, "release.upload")
        assert told is not None
        assert (told.line, told.mandate) == ("soon: release.upload will be refused.", "everyone")
        assert ask(ADA, "session.end") is None


def test_a_credential_reaches_no_further_than_its_restrictions() -> None:
    actions.wire(gate=Yes(), authority=Yes(), switches=AllOpen())
    limited = Actor(kind="token", user_id=1, restrictions=OnlyReading(()))
    with pytest.raises(RoleRequired):
        actions.require(limited, "release.upload", Thing("project", 7, "alpha"))


def test_a_view_cannot_be_classified_with_an_unknown_action() -> None:
    with pytest.raises(GateUnavailable):
        actions.classified(GET="no.such-action")
