from __future__ import annotations

import pytest
from django.db import transaction

from keyhouse.audit.models import Personal, Record
from keyhouse.audit.services import Act, digest_of, record_all
from keyhouse.core.actions import Thing
from keyhouse.core.actor import host


@pytest.mark.django_db
def test_each_act_gets_its_own_record_in_order_with_its_own_salt() -> None:
    acts = [Act("user.create", Thing("account", number, f"u{number}"), number) for number in range(1200)]
    with transaction.atomic():
        rows = record_all(acts, by=host())
    assert [row.about_name for row in Record.objects.order_by("id")] == [f"u{n}" for n in range(1200)]
    assert [row.pk for row in rows] == sorted(row.pk for row in rows)
    assert Personal.objects.values("salt").distinct().count() == 1200
    for personal in Personal.objects.select_related("record")[:20]:
        assert personal.record.personal_digest == digest_of(personal)


@pytest.mark.django_db(transaction=True)
def test_records_outside_of_a_transaction_are_a_defect() -> None:
    with pytest.raises(RuntimeError):
        record_all([Act("user.create")], by=host())
    assert not Record.objects.exists()
