from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.mail.conftest import NOW, Configure, post

from keyhouse.core import keys
from keyhouse.mail import forgetting
from keyhouse.mail.delivery import deliver_due
from keyhouse.mail.forgetting import fail_unreadable, forget_old
from keyhouse.mail.models import Bounce, Mail
from keyhouse.mail.queries import mails_of
from keyhouse.mail.services import Bounced, clear_bounces, erase_account, record_bounces

pytestmark = pytest.mark.django_db
DAYS = timedelta(days=90)


def test_what_is_over_is_forgotten_after_the_set_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "_AT_ONCE", 2)
    for _ in range(5):
        post()
    deliver_due(NOW)
    waiting = post(now=NOW - 2 * DAYS)
    assert forget_old(NOW + DAYS - timedelta(seconds=1)) == 0
    assert forget_old(NOW + DAYS) == 5
    assert list(Mail.objects.values_list("pk", flat=True)) == [waiting.pk]


def test_the_set_time_is_a_setting(configure: Configure) -> None:
    configure(mail_keep_days=1)
    post()
    deliver_due(NOW)
    assert forget_old(NOW + timedelta(days=1)) == 1


def test_a_permanent_bounce_is_kept_until_it_was_cleared() -> None:
    for kind in ("permanent", "temporary", "complaint"):
        record_bounces([Bounced("ada@example.org", kind, NOW)], source="report")
    assert forget_old(NOW + DAYS) == 1
    assert set(Bounce.objects.values_list("kind", flat=True)) == {"permanent", "complaint"}
    clear_bounces("ada@example.org", NOW + DAYS)
    assert forget_old(NOW + 2 * DAYS) == 2


def test_only_mails_that_no_key_opens_are_failed() -> None:
    lost, kept = post(), post()
    foreign = keys.KeyRing((keys._new_key(),)).seal("mail", b"{}")
    Mail.objects.filter(pk=lost.pk).update(content_sealed=foreign)
    assert fail_unreadable(NOW) == 1
    assert Mail.objects.get(pk=lost.pk).state == "failed"
    assert Mail.objects.get(pk=kept.pk).state == "waiting"
    assert fail_unreadable(NOW) == 0


def test_an_account_that_is_gone_leaves_no_address_in_what_is_over() -> None:
    post(account_id=7)
    post("bob@example.org", account_id=8)
    deliver_due(NOW)
    post(account_id=7)
    assert mails_of(7).count() == 2
    assert erase_account(7) == 1
    assert sorted(Mail.objects.values_list("address", "account_id", "state")) == [
        ("", None, "sent"), ("ada@example.org", 7, "waiting"), ("bob@example.org", 8, "sent"),
    ]  # fmt: skip


def test_forgetting_a_mail_leaves_its_file(tmp_path: Path) -> None:
    post()
    deliver_due(NOW)
    forget_old(NOW + DAYS)
    assert len(list((tmp_path / "mail").iterdir())) == 1
