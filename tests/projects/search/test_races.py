"""Several at once, with real threads and real commits."""

from __future__ import annotations

import pytest
from tests.projects.conftest import make_file, make_person
from tests.projects.search.shelves import found, publish
from tests.projects.test_races import at_once

from keyhouse.projects import services, verification
from keyhouse.projects.life_cycle import services as life_cycle
from keyhouse.projects.models import ClassifierCount, SearchRow
from keyhouse.projects.search import filling

pytestmark = pytest.mark.django_db(transaction=True)


def test_filling_and_changes_at_the_same_time_end_with_right_rows() -> None:
    ada = make_person("ada")
    for number in range(6):
        publish(f"thing-{number}x", by=ada, classifiers=["A", f"B{number % 2}"])
    SearchRow.objects.all().delete()
    ClassifierCount.objects.all().delete()

    def publishing(name: str) -> object:
        new = make_file(name, "2.0", metadata={"classifiers": ["B1", "C"]})
        return services.publish_file(new, by=ada)

    outcomes = at_once(
        filling.fill,
        filling.fill,
        lambda: [publishing(f"thing-{number}x") for number in range(4)],
        lambda: life_cycle.delete_project("thing-5x", by=ada),
    )

    assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
    assert list(verification.verify_pages()) == []
    assert len(found(classifier="C")) == len(found("thing", classifier="C")) == 4
    assert ClassifierCount.objects.get(name="A").projects == 1
