from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from tests.mandate.ledger import NOW

pytestmark = pytest.mark.django_db(transaction=True)


def test_who_approved_an_exemption_is_kept_when_several_can() -> None:
    executor = MigrationExecutor(connection)
    old, new = [("mandate", "0001_initial")], executor.loader.graph.leaf_nodes()
    executor.migrate(old)  # with all that stands on what comes after it
    try:
        apps = executor.loader.project_state([*old, *executor.loader.graph.leaf_nodes("accounts")]).apps
        user = apps.get_model("accounts", "User").objects.create(username="ada", joined_at=NOW)
        version = apps.get_model("mandate", "MandateVersion").objects.create(
            name="keys", version=1, document={}, digest="", proposed_at=NOW
        )
        facts = {"version": version, "user": user, "until": NOW, "proposed_at": NOW}
        exemptions = apps.get_model("mandate", "Exemption").objects
        for name in ("bob", ""):
            exemptions.create(approved_by=name, reason=name or "nobody", **facts)
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(new)
    rows = executor.loader.project_state(new).apps.get_model("mandate", "Exemption").objects.order_by("pk")
    assert list(rows.values_list("approved_by", flat=True)) == [["bob"], []]
