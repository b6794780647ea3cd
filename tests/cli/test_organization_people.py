"""`keyhouse organization people`: what differs from the people of a project."""

from __future__ import annotations

import pytest
from tests.accounts.conftest import configure, make_person, time, wired
from tests.cli.peopled import Commands, acts, mails

from keyhouse.cli import organization_people
from keyhouse.core.actor import host
from keyhouse.mail.models import Mail
from keyhouse.organizations import populating, services
from keyhouse.organizations.models import Membership

__all__ = ["configure", "time", "wired"]
pytestmark = pytest.mark.django_db
people = Commands(organization_people.command)


@pytest.fixture(autouse=True)
def _acme(db: None) -> None:
    """Make the organization that ada owns, with eve as a member."""
    made = services.create_organization("Acme", owners=[make_person("ada")], by=host())
    populating.add_members(made, {make_person("eve"): "member"}, by=host())
    Mail.objects.all().delete()


def test_roles_change_at_once_up_and_down_where_nothing_is_critical() -> None:
    for _ in range(2):
        assert people.told("change-role", "acme", "EVE", "owner")["waits_until"] is None
    assert {kind for kind, _ in mails()} == {"organization-role-changed"}
    assert people.printed("change-role", "acme", "ada", "manager") == "ada is manager of acme.\n"
    assert dict(Membership.objects.values_list("user__username", "kind")) == {
        "ada": "manager",
        "eve": "owner",
    }
    assert acts("organization.change-role") == [("organization.change-role", "host")] * 2


def test_nobodys_role_changes_where_no_organization_is() -> None:
    for name in ("nowhere", "no name!"):
        assert people.refused("change-role", name, "eve", "owner") == "organization-missing"
