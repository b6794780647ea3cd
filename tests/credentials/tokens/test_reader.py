from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from django.db import OperationalError, connection
from tests.credentials.tokens.conftest import MakeToken, SetClock, session_of

from keyhouse.accounts.cookies import cookie_name
from keyhouse.accounts.models import Authenticator, Email, Session, User
from keyhouse.accounts.sessions import start_session
from keyhouse.core import actions, clock
from keyhouse.core.errors import GateUnavailable
from keyhouse.credentials.tokens import caveats, macaroons, queries, reader, services
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.reader import TokenReader
from keyhouse.projects.models import Project, Role

pytestmark = pytest.mark.django_db(transaction=True)

May = Callable[..., bool]


@pytest.fixture
def asked() -> Iterator[TokenReader]:
    token_reader = TokenReader()
    token_reader._uses._pause = 0.0
    yield token_reader
    token_reader._uses.close()


@pytest.fixture
def may(asked: TokenReader, monkeypatch: pytest.MonkeyPatch) -> Iterator[May]:
    """Ask one reader, as the read plane does, from a thread of its own."""
    monkeypatch.setattr(reader, "LOOK_SECONDS", 0.0)
    with ThreadPoolExecutor(1) as pool:

        def ask(
            project: str | None = None, *, token: str = "", cookie: str = "", network: str = "192.0.2.7"
        ) -> bool:
            header = "Basic " + base64.b64encode(f"__token__:{token}".encode()).decode() if token else ""
            return pool.submit(asked.find_reading, header, cookie, project, network).result() is not None

        yield ask
        pool.submit(lambda: connection.close()).result()  # noqa: PLW0108 - each thread has its own connection


def cookie_of(user: User, *methods: str, **facts: Any) -> str:
    _, value = start_session(user, methods or ("password", "totp"), **facts)
    return f"other=1; {cookie_name()}={value}"


def test_nothing_and_nonsense_read_nothing(may: May, ada: User) -> None:
    cookie_of(ada)
    assert not may()
    assert not may(token="keyhouse-AgEA")
    assert not may(cookie="nonsense; ===;")
    assert not may(cookie=f"{cookie_name()}=guess")


def test_a_session_with_a_second_factor_reads_everything(may: May, ada: User, beta: Project) -> None:
    cookie = cookie_of(ada)
    for project in (None, "beta", "no-such-project"):
        assert may(project, cookie=cookie)


@pytest.mark.parametrize(
    ("methods", "facts"),
    [
        (("password",), {}),
        (("password", "recovery_code"), {}),
        (("password", "totp"), {"is_complete": False}),
        (("password", "totp"), {"at": clock.now() - timedelta(days=2)}),
    ],
)
def test_other_sessions_read_nothing(
    may: May, ada: User, alpha: Project, methods: tuple[str, ...], facts: dict[str, Any]
) -> None:
    assert not may("alpha", cookie=cookie_of(ada, *methods, **facts))


def test_a_read_token_reads_what_it_is_for(may: May, mint: MakeToken, beta: Project) -> None:
    _, everything = mint(actions=["read"], project_ids=None, reason="reads the whole index")
    for project in (None, "alpha", "beta", "no-such-project"):
        assert may(project, token=everything)
    _, one = mint(actions=["read"])
    assert may("alpha", token=one)
    for other in (None, "beta", "no-such-project"):
        assert not may(other, token=one)


def test_an_upload_token_reads_the_projects_it_may_upload_to(
    may: May, mint: MakeToken, beta: Project
) -> None:
    _, one = mint()
    assert may("alpha", token=one)
    for other in (None, "beta", "no-such-project"):
        assert not may(other, token=one)
    _, all_own = mint(project_ids=None, reason="publishes several projects")
    assert may("alpha", token=all_own)
    assert may("no-such-project", token=all_own)  # it may create that one; nothing is there to be told
    for other in (None, "beta"):
        assert not may(other, token=all_own)


def test_a_token_that_only_yanks_reads_nothing(may: May, mint: MakeToken, alpha: Project) -> None:
    _, text = mint(actions=["yank"])
    assert not may("alpha", token=text)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: Token.objects.update(minted_methods=["password"]),
        lambda: Token.objects.update(suspended_at=clock.now()),
        lambda: Token.objects.update(expires_at=clock.now()),
        lambda: Email.objects.update(verified_at=None),
        lambda: User.objects.update(state="frozen"),
        lambda: User.objects.update(state="suspended"),
        lambda: User.objects.update(state="deleted"),
        lambda: User.objects.update(state="password-disabled"),
    ],
)
def test_weak_ended_and_resting_credentials_read_nothing(
    may: May, mint: MakeToken, spoil: Callable[[], int]
) -> None:
    _, text = mint(actions=["read"])
    spoil()
    assert not may("alpha", token=text)


def test_a_hold_lets_machines_go_on_installing(may: May, mint: MakeToken, ada: User) -> None:
    _, text = mint(actions=["read"])
    User.objects.update(state="held")
    assert may("alpha", token=text)


def test_after_a_leaked_password_machines_go_on_where_a_factor_is_enrolled(
    may: May, mint: MakeToken, ada: User
) -> None:
    _, text = mint(actions=["read"])
    Authenticator.objects.create(user=ada, name="phone", secret_sealed="x", created_at=clock.now())
    User.objects.update(state="password-disabled")
    assert may("alpha", token=text)


def test_a_bad_token_is_not_helped_by_a_good_cookie(may: May, ada: User) -> None:
    cookie = cookie_of(ada)
    assert may(cookie=cookie)
    assert not may(token="keyhouse-AgEA", cookie=cookie)


def test_a_password_reads_nothing(asked: TokenReader, ada: User) -> None:
    header = "Basic " + base64.b64encode(b"ada:correct horse battery").decode()
    assert not asked.find_reading(header, "", None, "192.0.2.7")


def test_a_kept_verdict_asks_the_database_for_revocations_only(
    asked: TokenReader,
    mint: MakeToken,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
) -> None:
    monkeypatch.setattr(reader, "LOOK_SECONDS", 1000.0)
    token, text = mint(actions=["read"])
    services.record_use(token.pk, at=clock.now(), network="", client="")
    assert asked.find_reading(f"Bearer {text}", "", "alpha", "192.0.2.7")
    with django_assert_num_queries(0):
        assert asked.find_reading(f"Bearer {text}", "", "alpha", "192.0.2.7")


def test_a_revoked_token_is_dropped_at_once(may: May, mint: MakeToken, ada: User) -> None:
    token, text = mint(actions=["read"])
    assert may("alpha", token=text)
    services.revoke_token(token, by=session_of(ada))
    assert not may("alpha", token=text)


def test_a_verdict_is_kept_five_seconds_of_the_clock_at_most(
    may: May, mint: MakeToken, ada: User, set_clock: SetClock
) -> None:
    now = clock.now()
    set_clock(now)
    _, text = mint(actions=["read"])
    cookie = cookie_of(ada)
    assert may("alpha", token=text)
    assert may("alpha", cookie=cookie)
    Token.objects.update(suspended_at=now)
    Session.objects.all().delete()
    set_clock(now + timedelta(seconds=5))
    assert may("alpha", token=text)
    set_clock(now + timedelta(seconds=5, microseconds=1))
    assert not may("alpha", token=text)
    assert not may("alpha", cookie=cookie)


def test_a_verdict_is_kept_five_real_seconds_at_most_where_the_clock_stands_still(
    may: May, mint: MakeToken, set_clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = [100.0]
    monkeypatch.setattr("keyhouse.credentials.tokens.reader.monotonic", lambda: ticks[0])
    set_clock(clock.now())
    _, text = mint(actions=["read"])
    assert may("alpha", token=text)
    Token.objects.update(suspended_at=clock.now())
    ticks[0] += 5.0
    assert may("alpha", token=text)
    ticks[0] += 0.1
    assert not may("alpha", token=text)


def test_a_token_ends_on_time_whatever_was_kept(may: May, mint: MakeToken, set_clock: SetClock) -> None:
    token, text = mint(actions=["read"])
    set_clock(token.expires_at - timedelta(minutes=1))
    assert may("alpha", token=text)
    set_clock(token.expires_at)
    assert not may("alpha", token=text)


def test_a_verdict_holds_for_its_network_project_and_credential_only(
    may: May, mint: MakeToken, ada: User, beta: Project
) -> None:
    _, text = mint(actions=["read"])
    macaroon = macaroons.attenuate(
        macaroons.read_text(text, "keyhouse-"), caveats.write_network(["192.0.2.0/24"])
    )
    narrowed = macaroons.text_of(macaroon, "keyhouse-")
    assert may("alpha", token=narrowed)
    assert not may("alpha", token=narrowed, network="198.51.100.1")
    assert not may("beta", token=narrowed)
    assert not may(None, token=narrowed)


def test_refusals_are_not_kept(may: May, mint: MakeToken, ada: User, beta: Project) -> None:
    _, text = mint(project_ids=None, reason="publishes several projects")
    assert not may("beta", token=text)
    Role.objects.create(project=beta, user=ada, kind="maintainer", since_at=clock.now())
    assert may("beta", token=text)


def verdict() -> reader.Yes:
    now = monotonic()
    return reader.Yes(clock.now(), now, None, actions.EVERYTHING, now)


def test_kept_verdicts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_KEPT", 3)
    verdicts = reader.Verdicts()
    state = verdicts.follow()
    for number in range(5):
        verdicts.keep(bytes([number]), verdict(), state)
    kept = [verdicts.find(bytes([number])) is not None for number in range(5)]
    assert kept == [False, False, True, True, True]


def test_a_verdict_given_before_a_revocation_is_not_kept_after_it(
    mint: MakeToken, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "LOOK_SECONDS", 0.0)
    verdicts = reader.Verdicts()
    before = verdicts.follow()
    services.revoke_token(mint()[0], by=session_of(ada))
    verdicts.follow()
    verdicts.keep(b"key", verdict(), before)
    assert verdicts.find(b"key") is None


def test_no_credential_is_kept_in_memory(asked: TokenReader, mint: MakeToken) -> None:
    _, text = mint(actions=["read"])
    assert asked.find_reading(f"Bearer {text}", "", "alpha", "192.0.2.7")
    assert text not in repr(vars(asked._verdicts))


def test_the_last_use_by_reading_is_written_later(asked: TokenReader, mint: MakeToken) -> None:
    token, text = mint(actions=["read"])
    assert asked.find_reading(f"Bearer {text}", "", "alpha", "192.0.2.7")
    asked._uses.close()
    token.refresh_from_db()
    assert (token.last_used_network, token.last_used_client) == ("192.0.2.7", "reading")


def test_last_uses_that_cannot_be_written_stop_nobody(
    asked: TokenReader,
    mint: MakeToken,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError

    monkeypatch.setattr(services, "record_use", fail)
    _, text = mint(actions=["read"])
    assert asked.find_reading(f"Bearer {text}", "", "alpha", "192.0.2.7")
    asked._uses.close()
    assert text not in caplog.text


def test_a_database_that_does_not_answer_is_not_a_refusal(
    asked: TokenReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise OperationalError

    monkeypatch.setattr(queries, "read_change", fail)
    with pytest.raises(GateUnavailable):
        asked.find_reading("Bearer x", "", None, "192.0.2.7")


def test_with_nothing_wired_nobody_reads(asked: TokenReader, mint: MakeToken, ada: User) -> None:
    _, text = mint(actions=["read"])
    actions.unwire()
    with pytest.raises(GateUnavailable):
        asked.find_reading(f"Bearer {text}", "", "alpha", "192.0.2.7")
