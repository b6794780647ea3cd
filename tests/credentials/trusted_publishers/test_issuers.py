"""The list of issuers, and how often they are asked for their keys."""

from __future__ import annotations

import dataclasses
import threading
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from django.db import close_old_connections, connection
from tests.oidc_issuer import GITHUB, GITLAB, IssuerUnderTest, trust

from keyhouse.audit.models import Record
from keyhouse.core import clock, configuration
from keyhouse.core.actor import Actor, host
from keyhouse.core.errors import Refusal
from keyhouse.credentials.trusted_publishers import issuers, keys_client
from keyhouse.credentials.trusted_publishers.errors import (
    IssuerMissing,
    IssuerTaken,
    IssuerTermsInvalid,
    IssuerUnanswered,
    IssuerUrlInvalid,
    KeysMissing,
)
from keyhouse.credentials.trusted_publishers.models import Issuer, MintedToken

NOW: Final = clock.parse_instant("2026-03-01T12:00:00Z")
CI: Final = "https://ci.example"
db = pytest.mark.django_db


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://ci.example", CI),
        (" https://ci.example/ ", CI),
        ("HTTPS://CI.Example", CI),
        ("https://ci.example:443/", CI),
        ("https://ci.example.", CI),
        ("https://ci.example:8443", "https://ci.example:8443"),
        ("https://ci.example/a/B/", "https://ci.example/a/B"),
        ("https://localhost:9443", "https://localhost:9443"),
        ("https://[::1]:9443/x", "https://[::1]:9443/x"),
        ("https://10.0.0.1", "https://10.0.0.1"),
    ],
)
def test_an_address_has_one_form(text: str, kept: str) -> None:
    assert issuers.canonical(text) == kept
    assert issuers.canonical(kept) == kept


@pytest.mark.parametrize(
    "text",
    [
        "", "ci.example", "http://ci.example", "ftp://ci.example", "https://", "https:///x", "https://u@ci.example",
        "https://u:p@ci.example", "https://@ci.example", "https://ci.example?x", "https://ci.example?", "https://ci.example#x",
        "https://ci.example#", "https://ci.example/a//b", "https://ci.example/../b", "https://ci.example/./b",
        "https://ci.example/%2e%2e/b", "https://ci.example/a b", "https://ci.example\\x", "https://ci.example/\x00",
        "https://ci.exämple", "https://ci.example:0", "https://ci.example:99999", "https://ci.example:x", "https://[::1",
        "https://ci.example/" + "x" * 300, "https://ci.example/<x>",
    ],
)  # fmt: skip
def test_what_is_no_address_of_an_issuer(text: str) -> None:
    with pytest.raises(IssuerUrlInvalid):
        issuers.canonical(text)


@db
def test_four_are_known_without_a_row() -> None:
    assert [one.label for one in issuers.all_issuers()] == ["GitHub", "GitLab", "Google", "ActiveState"]
    found = issuers.find_issuer(GITHUB)
    assert found is not None
    assert (found.provider, found.keys_at) == ("github", None)
    assert issuers.find_issuer(CI) is None
    assert Issuer.objects.count() == 0


@db
def test_adding_and_removing() -> None:
    row = issuers.add_issuer(
        CI + "/", "custom", label=" Ours ", required_claims=["sub", "sub", "pipeline"], by=host()
    )
    assert (row.url, row.label, row.required_claims) == (CI, "Ours", ["sub", "pipeline"])
    assert issuers.find_issuer(CI) == row
    assert issuers.all_issuers()[-1] == row
    with pytest.raises(IssuerTaken):
        issuers.add_issuer(CI.upper(), "custom", required_claims=["sub"], by=host())
    issuers.remove_issuer(CI, by=host())
    with pytest.raises(IssuerMissing):
        issuers.remove_issuer(CI, by=host())
    assert issuers.find_issuer(CI) is None
    issuers.add_issuer(CI, "gitlab", may_be_private=True, by=host())
    again = issuers.find_issuer(CI)
    assert again is not None
    assert (again.pk, again.provider, again.required_claims, again.may_be_private) == (
        row.pk,
        "gitlab",
        [],
        True,
    )
    told = Record.objects.filter(about_kind="issuer").order_by("pk").values_list("action", flat=True)
    assert list(told) == ["issuer.add", "issuer.remove", "issuer.add"]


@db
def test_a_public_one_is_removed_and_comes_back_as_itself_only() -> None:
    with pytest.raises(IssuerTaken):
        issuers.add_issuer(GITLAB, "gitlab", by=host())
    issuers.remove_issuer(GITLAB, by=host())
    assert issuers.find_issuer(GITLAB) is None
    assert GITLAB not in [one.url for one in issuers.all_issuers()]
    with pytest.raises(IssuerTermsInvalid):
        issuers.add_issuer(GITLAB, "custom", required_claims=["sub"], by=host())
    issuers.add_issuer(GITLAB, "gitlab", by=host())
    assert issuers.find_issuer(GITLAB) is not None
    assert issuers.all_issuers()[1].url == GITLAB


@db
@pytest.mark.parametrize(
    ("url", "provider", "facts"),
    [
        (CI, "jenkins", {}),
        (CI, "", {}),
        (CI, "google", {}),
        (CI, "activestate", {}),
        (GITHUB, "gitlab", {}),
        (GITHUB, "custom", {"required_claims": ["sub"]}),
        (CI, "custom", {}),
        (CI, "github", {"required_claims": ["sub"]}),
        (CI, "custom", {"required_claims": [""]}),
        (CI, "custom", {"required_claims": ["a\nb"]}),
        (CI, "custom", {"required_claims": ["x" * 101]}),
        (CI, "custom", {"required_claims": [f"c{number}" for number in range(11)]}),
        *((CI, "custom", {"required_claims": ["sub", name]}) for name in ("iss", "aud", "exp", "iat", "jti")),
        (CI, "github", {"label": "x" * 101}),
        (CI, "github", {"label": "a\nb"}),
    ],
)
def test_terms_that_can_t_be(url: str, provider: str, facts: dict[str, Any]) -> None:
    with pytest.raises(IssuerTermsInvalid):
        issuers.add_issuer(url, provider, by=host(), **facts)
    assert Issuer.objects.count() == Record.objects.filter(about_kind="issuer").count() == 0


@db
def test_only_operators_say_who_is_believed() -> None:
    for somebody in (Actor("nobody"), Actor("session", user_id=1, name="ada")):
        with pytest.raises(Refusal):
            issuers.add_issuer(CI, "gitlab", by=somebody)
        with pytest.raises(Refusal):
            issuers.remove_issuer(GITHUB, by=somebody)
    assert Issuer.objects.count() == 0


@db
def test_with_an_issuer_goes_what_was_minted_for_it() -> None:
    facts = {"key_id": "k", "minted_at": NOW, "expires_at": clock.now() + timedelta(minutes=9)}
    mine = MintedToken.objects.create(issuer_url=GITHUB, provider="github", **facts)
    other = MintedToken.objects.create(issuer_url=GITLAB, provider="gitlab", **facts)
    issuers.remove_issuer(GITHUB, by=host())
    mine.refresh_from_db()
    other.refresh_from_db()
    assert mine.revoked_at is not None
    assert (mine.revoked_reason, other.revoked_at) == ("issuer removed", None)


class Asked:
    """Stands for the network: answers with what is published, or not at all, and counts."""

    def __init__(self, issuer: IssuerUnderTest) -> None:
        self.issuer = issuer
        self.count = 0
        self.is_down = False
        self.may_be_private: bool | None = None

    def __call__(self, url: str, *, may_be_private: bool) -> keys_client.Found:
        self.count += 1
        self.may_be_private = may_be_private
        assert url == self.issuer.url
        if self.is_down:
            raise IssuerUnanswered
        return keys_client.Found(url + "/keys", self.issuer.jwks, len(self.issuer.keys))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked(IssuerUnderTest(GITHUB))
    monkeypatch.setattr(keys_client, "fetch_keys", found)
    monkeypatch.setattr(issuers, "_WAIT_SECONDS", 0.0)
    return found


def _names(kid: str | None, now: datetime, url: str = GITHUB) -> list[str]:
    issuer = issuers.find_issuer(url)
    assert issuer is not None
    return [one["kid"] for one in issuers.key_set_of(issuer, kid, now)["keys"]]


@db
def test_keys_are_fetched_once_and_kept(asked: Asked) -> None:
    for later in (0, 1, 299):
        assert _names("first", NOW + timedelta(seconds=later)) == ["first"]
    assert (asked.count, asked.may_be_private) == (1, False)
    row = Issuer.objects.get()
    assert (row.url, row.provider, row.label) == (GITHUB, "github", "GitHub")
    assert _names("first", NOW + issuers.FRESH) == ["first"]
    assert asked.count == 2


@db
def test_an_unknown_key_is_asked_for_at_most_once_a_minute(asked: Asked) -> None:
    assert _names("first", NOW) == ["first"]
    for later in range(1, 60):
        assert _names(f"unknown-{later}", NOW + timedelta(seconds=later)) == ["first"]
    assert asked.count == 1
    asked.issuer.rotate()
    assert _names("second", NOW + timedelta(seconds=59)) == ["first"]
    assert _names("second", NOW + timedelta(seconds=60)) == ["second"]  # and the one that was removed is gone
    assert asked.count == 2


@db
def test_a_key_that_was_removed_or_swapped_is_noticed(asked: Asked) -> None:
    assert _names("first", NOW) == ["first"]
    asked.issuer.rotate("first")  # the same name, another key
    later = NOW + issuers.FRESH
    _names("first", later)
    assert Issuer.objects.get().keys == asked.issuer.jwks
    asked.issuer.keys = {}
    assert _names("first", later + issuers.FRESH) == []


@db
def test_keys_that_are_doubted_are_asked_for_at_most_once_a_minute(asked: Asked) -> None:
    issuer = trust(asked.issuer, now=NOW)
    asked.issuer.rotate("first")
    for later, count in ((1, 0), (59, 0), (60, 1), (61, 1), (119, 1), (120, 2)):
        found = issuers.key_set_of(issuer, "first", NOW + timedelta(seconds=later), is_doubted=True)
        assert asked.count == count
        assert (found == asked.issuer.jwks) == (count > 0)


@db
def test_an_outage_is_worked_through_for_a_set_time(asked: Asked) -> None:
    assert _names("first", NOW) == ["first"]
    asked.is_down = True
    settings = dataclasses.replace(configuration.current(), issuer_outage_hours=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(configuration, "current", lambda: settings)
        for minutes in (5, 6, 179, 180):
            assert _names("first", NOW + timedelta(minutes=minutes)) == ["first"]
        assert asked.count == 5
        for seconds in (1, 2, 61):
            with pytest.raises(KeysMissing):
                _names("first", NOW + timedelta(hours=3, seconds=seconds))
        assert asked.count == 6
        asked.is_down = False
        assert _names("first", NOW + timedelta(hours=3, seconds=122)) == ["first"]


@db
def test_in_an_outage_nobody_waits_for_whoever_asks(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the kept keys do: another one that asks may take its time."""
    row = trust(asked.issuer, now=NOW - timedelta(hours=1), asked_at=NOW)
    waited: list[Issuer] = []
    monkeypatch.setattr(issuers, "_wait_for_answer", waited.append)
    assert _names("first", NOW + timedelta(seconds=1)) == ["first"]
    assert asked.count == 0
    assert row.is_silent
    _names("unknown", NOW + timedelta(seconds=1))
    assert (len(waited), asked.count) == (1, 0)


@db
def test_whoever_gave_no_answer_is_named_for_a_day(asked: Asked) -> None:
    assert issuers.silent_issuers(NOW) == []
    asked.is_down = True
    with pytest.raises(KeysMissing):
        _names("first", NOW)
    for later, count in (
        (timedelta(seconds=1), 0),
        (timedelta(seconds=10), 1),
        (timedelta(days=1), 1),
        (timedelta(days=1, seconds=1), 0),
    ):
        assert len(issuers.silent_issuers(NOW + later)) == count
    asked.is_down = False
    assert _names("first", NOW + timedelta(minutes=1)) == ["first"]
    assert issuers.silent_issuers(NOW + timedelta(minutes=2)) == []


@db
def test_without_keys_and_without_an_answer_nothing_is_believed(asked: Asked) -> None:
    asked.is_down = True
    for later in (0, 1, 59):
        with pytest.raises(KeysMissing) as refusal:
            _names("first", NOW + timedelta(seconds=later))
    assert refusal.value.reason_code == "invalid-token"
    assert asked.count == 1


@db
def test_a_clock_that_went_back_doesn_t_stop_the_asking(asked: Asked) -> None:
    assert _names("first", NOW) == ["first"]
    asked.issuer.rotate()
    assert _names("second", NOW - timedelta(days=1)) == ["second"]
    assert asked.count == 2


@db
def test_whoever_was_removed_meanwhile_is_not_believed(asked: Asked) -> None:
    issuer = issuers.find_issuer(GITHUB)
    assert issuer is not None
    issuers.remove_issuer(GITHUB, by=host())
    with pytest.raises(KeysMissing):
        issuers.key_set_of(issuer, "first", NOW)
    assert asked.count == 0
    assert Issuer.objects.get().keys == {}


@db
def test_a_private_one_may_be_asked_where_it_was_allowed(asked: Asked) -> None:
    asked.issuer = IssuerUnderTest(CI)
    issuers.add_issuer(CI, "gitlab", may_be_private=True, by=host())
    assert _names("first", NOW, CI) == ["first"]
    assert asked.may_be_private is True


@pytest.mark.django_db(transaction=True)
def test_many_at_once_ask_once_and_all_get_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a matrix of jobs publishes right after the issuer has changed its keys."""
    issuer, now = IssuerUnderTest(GITHUB), clock.now()
    trust(issuer, now=now - timedelta(hours=1))
    issuer.rotate()
    asked, begun = [], threading.Event()

    def fetch(url: str, *, may_be_private: bool) -> keys_client.Found:
        del may_be_private
        asked.append(url)
        begun.wait(5)
        return keys_client.Found(url, issuer.jwks, 1)

    monkeypatch.setattr(keys_client, "fetch_keys", fetch)
    told: list[list[str]] = []

    def ask() -> None:
        try:
            told.append(_names("second", now))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    threading.Timer(0.2, begun.set).start()
    for thread in threads:
        thread.join(10)
    close_old_connections()
    assert told == [["second"]] * 4
    assert len(asked) == 1


@pytest.mark.django_db(transaction=True)
def test_nobody_is_asked_inside_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import transaction  # noqa: PLC0415 - only here

    monkeypatch.setattr(keys_client, "fetch_keys", lambda *_, **__: pytest.fail("asked"))
    issuer = issuers.find_issuer(GITHUB)
    assert issuer is not None
    with pytest.raises(RuntimeError), transaction.atomic():
        issuers.key_set_of(issuer, "first", NOW)
