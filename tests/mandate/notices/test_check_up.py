"""N6 among the notices: in the inbox, along with a mail that leaves anyway, never a mail of its own."""

from __future__ import annotations

import pytest
from tests.mandate.notices.telling import (
    ANNOUNCED,
    DAY,
    HOUR,
    announce,
    arrive,
    campaign,
    enrol,
    letters,
    look,
    owner,
    states,
    store,
    texts,
    told,
)

from keyhouse.accounts.check_up import services
from keyhouse.accounts.models import Authenticator, CheckUp, User
from keyhouse.mandate.notices import inbox
from keyhouse.mandate.notices.models import Delivery

pytestmark = pytest.mark.django_db
DUE = ANNOUNCED + 28 * DAY


def somebody(name: str = "ada") -> User:
    user = owner(name)
    enrol(user)
    return user


def test_n6_it_stands_in_the_inbox_once_and_makes_no_mail_of_its_own() -> None:
    ada = somebody()
    announce()
    look(ANNOUNCED)
    assert arrive(ANNOUNCED) == 1
    services.ask_due(DUE)
    for hours in (0, 1, 30, 500):
        look(DUE + hours * HOUR)
    assert told(ada) == [("campaign", "compliant"), ("campaign", "check-up")]
    assert states(ada) == {"compliant": "sent", "check-up": "on-site"}
    assert letters() == []
    shown = inbox.shown_to(ada.pk, None, DUE)[0]
    assert (shown.title, shown.state) == ("Does your second factor still work?", "on this page alone")
    assert "account page" in shown.paragraphs[1]


def test_n6_it_goes_along_with_a_mail_that_leaves_anyway_and_holds_none_up() -> None:
    ada = somebody()
    announce()
    services.ask_due(DUE)
    look(DUE)
    [text] = texts(ada)
    assert "Does your second factor still work?" in text
    assert "You have what this index asks of you" in text
    bob = somebody("bob")
    Authenticator.objects.filter(user=bob).update(created_at=DUE - 28 * DAY)
    look(DUE)
    arrive(DUE)
    services.ask_due(DUE + DAY)
    look(DUE + 4 * DAY)
    assert states(bob) == {"compliant": "sent", "check-up": "on-site"}
    store(campaign("second"))
    look(DUE + 4 * DAY + HOUR)  # three days lie between mails, and what stood on the site was none
    assert ("second", "compliant") in told(bob)


def test_n6_two_mandates_ask_once_and_who_answers_puts_off_or_lacks_a_factor_is_not_told() -> None:
    ada, bob, cleo = somebody(), somebody("bob"), somebody("cleo")
    announce(campaign(), campaign("second"))
    look(ANNOUNCED)
    arrive(ANNOUNCED)
    services.ask_due(DUE)
    CheckUp.objects.filter(user=bob).update(later_until=DUE + 7 * DAY)
    Authenticator.objects.filter(user=cleo).update(last_used_at=DUE)
    look(DUE)
    kinds = Delivery.objects.filter(kind="check-up").values_list("user__username", "mandate")
    assert list(kinds) == [("ada", "campaign")]
    look(DUE + 7 * DAY)
    assert ("campaign", "check-up") in told(bob)
    assert ("campaign", "check-up") not in told(cleo)
    assert len([one for one in told(ada) if one[1] == "check-up"]) == 1
