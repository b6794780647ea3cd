"""The operators' page of simulations."""

from __future__ import annotations

from random import Random

import pytest
from tests.mandate.ledger import NOW, make_operator, make_person, make_project, mandate
from tests.mandate.simulation.peopled import any_document, people_an_index
from tests.mandate.visiting import Visit, code_of

from keyhouse.audit.models import Record
from keyhouse.core.actor import host
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.services import propose_version
from keyhouse.mandate.simulation import services, sides
from keyhouse.mandate.simulation.models import Simulation, Wanted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired", "set_clock")]
PAGE = "/operator/mandates/keys/simulation/"
JSON = "/operator/mandates/keys/simulation.json"


@pytest.fixture(autouse=True)
def made() -> None:
    propose_version(mandate(), by=host())
    make_project("alpha", make_person("ada"), make_person("bob", has_app=False))
    Record.objects.all().delete()


@pytest.fixture
def visit() -> Visit:
    return Visit(make_operator("ops"))


def test_a_button_simulates_a_small_index_at_once(visit: Visit) -> None:
    assert visit.get(PAGE).status_code == 200
    assert "Nobody has simulated this mandate within 30 days." in visit.text
    answer = visit.post(PAGE)
    assert (answer.status_code, answer["Location"]) == (303, PAGE)
    visit.get(PAGE)
    assert "2 of 3 people" in visit.text
    assert "1 of 2 covered" in visit.text
    assert "fresh" in visit.text
    assert "bob" in visit.text
    assert Simulation.objects.get().made_by == "ops"
    assert Record.objects.filter(action="mandate.simulate", actor_kind="session").count() == 1


def test_a_large_one_is_shown_as_under_way(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "AT_ONCE_UP_TO", 0)
    visit.post(PAGE)
    visit.get(PAGE)
    assert "A simulation waits for its turn." in visit.text
    assert "Simulate it now" not in visit.text
    Wanted.objects.update(state="running")
    visit.get(PAGE)
    assert "A simulation is running." in visit.text
    visit.get(JSON)
    assert visit.data["wanted"]["state"] == "running"
    assert visit.data["newest"] is None
    Wanted.objects.update(state="failed", error="SimulationFailed: it broke.", ended_at=NOW)
    visit.get(PAGE)
    assert "SimulationFailed: it broke." in visit.text
    services.want(mandate(), by=host())
    services.carry_out_wanted(NOW)
    visit.get(PAGE)
    assert "2 of 3 people" in visit.text


def test_json_has_the_whole_result_and_what_is_kept(visit: Visit) -> None:
    row = services.simulate(mandate(), by=host())
    assert visit.get(JSON)["Cache-Control"] == "no-store"
    assert visit.data["newest"]["result"] == row.result
    assert visit.data["is_fresh"] is True
    assert [one["id"] for one in visit.data["kept"]] == [row.pk]


def test_older_ones_and_those_of_other_versions_say_so(visit: Visit) -> None:
    old = services.simulate(mandate(title="A draft"), by=host())
    services.simulate(mandate(), by=host())
    visit.get(f"{PAGE}{old.pk}/")
    assert "of another version" in visit.text
    visit.get(PAGE)
    assert f'href="{PAGE}{old.pk}/"' in visit.page
    assert visit.get(f"{PAGE}{old.pk + 100}/").status_code == 404
    assert visit.get("/operator/mandates/nothing/simulation/").status_code == 404
    assert visit.get("/operator/mandates/nothing/simulation.json").status_code == 404


@pytest.mark.parametrize("path", [PAGE, JSON, f"{PAGE}1/"])
def test_nobody_else_sees_it(path: str) -> None:
    services.simulate(mandate(), by=host())
    ada = Visit(make_person("eve"), accept="application/json")
    assert ada.get(path).status_code == 403
    assert code_of(ada.answer) == "role-required"
    assert Visit().get(path).status_code in {302, 303, 401, 403}


def test_auditors_see_it_and_begin_none() -> None:
    row = services.simulate(mandate(), by=host())
    auditor = Visit(make_person("auden", is_auditor=True))
    assert auditor.get(PAGE).status_code == 200
    assert "Simulate it now" not in auditor.text
    assert auditor.post(PAGE).status_code == 403
    assert Simulation.objects.get() == row
    assert not Wanted.objects.exists()


def test_a_page_stays_small_whatever_is_found(visit: Visit) -> None:
    people_an_index(1, 60, 40)
    for seed in range(6):
        services.simulate(read_mandate(any_document(Random(seed))), by=host())  # noqa: S311 - made-up mandates
        answer = visit.get(PAGE)
        assert answer.status_code == 200
        assert len(answer.content) < 100_000


# ---- two versions side by side


COMPARE = "/operator/mandates/keys/compare/"


def test_x6_two_versions_are_compared_with_who_changes_sides(visit: Visit) -> None:
    other = {**mandate().as_dict(), "name": "others", "methods": {"accept": ["security-key"]}}
    propose_version(read_mandate(other), by=host())
    Record.objects.all().delete()
    visit.get(f"{COMPARE}?before=keys@1&after=others@1")
    assert '<option value="keys@1" selected>' in visit.page
    assert "methods.accept" in visit.text
    assert "Only by the latter" in visit.text
    assert "2 of" not in visit.text.partition("Who changes sides")[0]
    row = visit.text.partition("last deadline of")[2].partition("</tr>")[0]
    assert "ada" in row  # an app was enough for the former
    assert not Record.objects.exists()
    assert not Simulation.objects.exists()


def test_x6_without_a_choice_the_newest_stands_beside_what_it_takes_the_place_of(visit: Visit) -> None:
    propose_version(mandate(title="Anew"), by=host())
    visit.get(COMPARE)
    assert '<option value="keys@1" selected>' in visit.page
    assert '<option value="keys@2" selected>' in visit.page
    assert "Anew" in visit.text
    visit.get(f"{COMPARE}?before=nothing@9&after=keys@2")
    assert '<option value="keys@1" selected>' in visit.page
    visit.get(f"{COMPARE}?before=keys@2&after=keys@2")
    assert "one and the same version" in visit.text


def test_x6_a_large_index_is_compared_by_words_alone(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    propose_version(mandate(title="Anew"), by=host())
    monkeypatch.setattr(sides, "AT_ONCE_UP_TO", 0)
    visit.get(COMPARE)
    assert "Anew" in visit.text
    assert "too many to count while a page waits" in visit.text


def test_x6_whoever_runs_nothing_compares_nothing() -> None:
    plain = Visit(make_person("eve"))
    assert plain.get(COMPARE).status_code == 403
    assert Visit(make_operator("boss")).get("/operator/mandates/none/compare/").status_code == 404
