from __future__ import annotations

import pytest
from django.db import transaction

from keyhouse.audit.models import Record
from keyhouse.audit.services import digest_of, record
from keyhouse.core.actor import Actor, host


@pytest.mark.django_db(transaction=True)
def test_a_record_outside_a_transaction_is_a_mistake_of_ours() -> None:
    with pytest.raises(RuntimeError):
        record("user.invite", by=host())


@pytest.mark.django_db(transaction=True)
def test_a_record_vanishes_with_the_change_it_tells_of() -> None:
    with transaction.atomic():
        record("user.invite", by=host())
        transaction.set_rollback(True)
    assert not Record.objects.exists()


@pytest.mark.django_db
def test_what_is_personal_stands_beside_the_record_and_is_committed_to() -> None:
    with transaction.atomic():
        row = record("session.start", by=Actor(kind="session", user_id=5, name="quinn", network="192.0.2.1"))
    assert "quinn" not in str(Record.objects.values().get())
    assert digest_of(row.personal) == row.personal_digest
