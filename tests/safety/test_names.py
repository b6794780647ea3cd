from __future__ import annotations

import pytest
from click.testing import CliRunner
from tests.mandate.visiting import Visit, code_of
from tests.projects.conftest import everything, make_file
from tests.safety.conftest import person

from keyhouse.accounts.models import User
from keyhouse.audit.models import Record
from keyhouse.cli import names as command
from keyhouse.core import clock
from keyhouse.core.actor import Actor, host
from keyhouse.core.errors import RoleRequired
from keyhouse.projects.errors import NameRefused
from keyhouse.projects.life_cycle.deleting import delete_project
from keyhouse.projects.life_cycle.errors import RestoreImpossible
from keyhouse.projects.life_cycle.restoring import restore_project
from keyhouse.projects.models import File, Project
from keyhouse.projects.services import create_project, publish_file
from keyhouse.publishing.upload.checks.project import check_new_project
from keyhouse.safety.models import ReservedName
from keyhouse.safety.names.errors import ReservationMissing, ReservationRefused
from keyhouse.safety.names.models import ReservedFor
from keyhouse.safety.names.queries import reserved_names
from keyhouse.safety.names.services import release_name, reserve_name
from keyhouse.storage import blobs
from keyhouse.storage.blobs import key_of


@pytest.mark.parametrize(
    ("pattern", "name", "is_kept"),
    [
        ("acme-*", "acme-tools", True),
        ("acme-*", "Acme.Tools", True),
        ("acme-*", "acme", True),
        ("acme-*", "ac-me-tools", True),
        ("acme-*", "acmetools", False),
        ("acme-*", "my-acme-tools", False),
        ("lil-*", "1i1-x", True),
        ("internal", "internal", True),
        ("internal", "1nterna1", True),
        ("internal", "internal-tools", False),
    ],
)
def test_a_kept_name_is_refused_with_its_look_alikes(
    pattern: str, name: str, is_kept: bool, ada: Actor
) -> None:
    reserve_name(pattern, by=host())
    before = everything()
    if not is_kept:
        publish_file(make_file(name), by=ada)
        return
    with pytest.raises(NameRefused, match="reserved"):
        publish_file(make_file(name), by=ada)
    with pytest.raises(NameRefused, match="reserved"):
        check_new_project(name, ada)
    with pytest.raises(NameRefused, match="reserved"):
        create_project(name, [User.objects.get(username="ada")], by=host())
    assert everything() == before


def test_a_name_that_was_kept_after_a_deletion_comes_back_for_whom_it_is_kept_and_by_the_host(
    ada: Actor,
) -> None:
    publish_file(make_file("acme"), by=ada)
    file = File.objects.get()
    temp = blobs().incoming()
    temp.write_bytes(file.filename.encode())
    blobs().keep_all([(temp, key_of(file.blake2, file.filename))])
    reserve_name("acme", by=host())
    removal = delete_project("acme", by=ada)
    before = everything()
    with pytest.raises(RestoreImpossible, match="reserved"):
        restore_project(removal.pk, by=ada)
    assert everything() == before
    restore_project(removal.pk, by=host())
    removal = delete_project("acme", by=ada)
    reserve_name("acme", ["ada"], by=host())
    restore_project(removal.pk, by=ada)


def test_whom_it_is_kept_for_uses_it_and_the_host_may_give_it_away(ada: Actor) -> None:
    bob = person("bob")
    reserve_name("acme-*", ["bob"], "company", by=host())
    publish_file(make_file("acme-one"), by=bob)
    with pytest.raises(NameRefused):
        publish_file(make_file("acme-two", takes_reserved=True), by=ada)
    publish_file(make_file("acme-two", takes_reserved=True, owner_id=ada.user_id), by=host())
    release_name("acme-*", by=host())
    publish_file(make_file("acme-three"), by=ada)
    assert Project.objects.count() == 3


def test_each_change_has_a_record_and_replaces_who_may(ada: Actor, mod: Actor) -> None:
    reserve_name("acme", ["ada"], by=mod)
    reserve_name("Acme", ["mod"], "why", by=mod)
    assert [one.user.username for one in ReservedName.objects.get().people.all()] == ["mod"]
    assert [row.details["people"] for row in Record.objects.order_by("pk")] == [["ada"], ["mod"]]


@pytest.mark.parametrize(("first", "second"), [("acme-*", "ac-me-*"), ("acme-tools", "acme-t00ls")])
def test_a_look_alike_takes_no_reservation_over(first: str, second: str, mod: Actor) -> None:
    reserve_name(first, ["mod"], by=mod)
    before = everything()
    with pytest.raises(ReservationRefused) as refused:
        reserve_name(second, by=mod)
    assert refused.value.sentence == f"{first} is reserved already, and {second} looks like it."
    assert everything() == before
    release_name(first, by=mod)
    assert str(reserve_name(second, by=mod)) == second


@pytest.mark.parametrize(
    ("typed", "meant"), [("a*", "a-*"), ("Acme.*", "acme-*"), ("acme_tools*", "acme-tools-*")]
)
def test_whoever_types_a_prefix_without_a_hyphen_is_told_what_to_write(
    typed: str, meant: str, mod: Actor
) -> None:
    with pytest.raises(ReservationRefused) as refused:
        reserve_name(typed, by=mod)
    assert refused.value.fix.startswith(
        f"A prefix ends at a hyphen: {meant} keeps {meant[:-2]} and every name"
    )
    with pytest.raises(ReservationRefused) as refused:
        reserve_name("a*b*", by=mod)
    assert refused.value.fix == ReservationRefused.fix
    assert not ReservedName.objects.exists()


def test_what_makes_no_sense_and_who_may_not_is_refused(ada: Actor, mod: Actor) -> None:
    for pattern, people in (("*", []), ("", []), ("-*", []), ("ä", []), ("acme", ["nobody"]), ("a*b", [])):
        with pytest.raises(ReservationRefused):
            reserve_name(pattern, people, by=mod)
    with pytest.raises(RoleRequired):
        reserve_name("acme", by=ada)
    with pytest.raises(ReservationMissing):
        release_name("acme", by=mod)
    assert (ReservedName.objects.count(), Record.objects.count()) == (0, 0)


def test_commands_reserve_list_and_release(ada: Actor) -> None:
    run = CliRunner()
    assert (
        run.invoke(command.command, ["reserve", "acme-*", "--for", "ada"]).output
        == "Reserved: acme, and every name that begins with acme-; for ada.\n"
    )
    assert run.invoke(command.command, ["list"]).output == "acme-*  for ada\n"
    assert '"people": [' in run.invoke(command.command, ["list", "--json"]).output
    assert run.invoke(command.command, ["release", "acme-*"]).output == "Released.\n"


def test_pages_reserve_change_and_release(ada: Actor, mod: Actor) -> None:
    visit = Visit(User.objects.get(username="mod"))
    assert "No name is reserved." in visit.get("/operator/names/").content.decode()
    for wrong in ({"name": "*"}, {"name": "acme", "people": "nobody"}):
        assert code_of(visit.post("/operator/names/reserve/", **wrong)) == "reservation-refused"
    visit.post("/operator/names/reserve/", name="acme-*", people="ada, mod", reason="<ours>")
    assert visit.answer.status_code == 303
    page = visit.get("/operator/names/").content.decode()
    row = ReservedName.objects.get()
    assert "&lt;ours&gt;" in page
    assert 'href="/operator/names/reserve/?name=acme-%2A"' in page
    asked = visit.get("/operator/names/reserve/?name=acme-%2A").content.decode()
    assert 'value="ada mod"' in asked, "changing begins with what is kept"
    assert 'value="&lt;ours&gt;"' in asked
    asked = visit.get("/operator/names/reserve/?name=ac%00me&people=eve").content.decode()
    assert 'value="eve"' in asked
    assert visit.post(f"/operator/names/{row.pk}/release/").status_code == 303
    assert code_of(visit.post(f"/operator/names/{row.pk}/release/")) == "reservation-missing"
    assert code_of(Visit(User.objects.get(username="ada")).get("/operator/names/")) == "role-required"


@pytest.mark.django_db
def test_names_of_very_many_people_are_listed() -> None:
    now, some = clock.now(), range(1_200)  # SQLite takes a condition with a thousand parts at most
    people = User.objects.bulk_create(User(username=f"crew-{number}", joined_at=now) for number in some)
    names = ReservedName.objects.bulk_create(
        ReservedName(name=f"kept-{number}", folded_name=f"kept-{number}", reserved_at=now) for number in some
    )
    ReservedFor.objects.bulk_create(
        ReservedFor(reserved=name, user=user) for name, user in zip(names, people, strict=True)
    )
    told = reserved_names()
    assert [[one.user.username for one in name.people.all()] for name in told[:2]] == [["crew-0"], ["crew-1"]]
    assert len(told) == len(some)
