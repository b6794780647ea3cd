from __future__ import annotations

import os
import sys
import threading

import pytest
from django.contrib.auth.hashers import get_hashers

from keyhouse.accounts import hashing
from keyhouse.accounts.errors import PasswordsBusy
from keyhouse.accounts.hashers import Argon2
from keyhouse.accounts.hashing import compare_password, hash_password

PASSWORD = "velvet-anchor-93-tundra"


@pytest.mark.usefixtures("hashing_in_earnest")
def test_new_hashes_use_the_second_recommended_option_of_rfc_9106() -> None:
    encoded = hash_password(PASSWORD)
    assert encoded.startswith("argon2$argon2id$v=19$m=65536,t=3,p=4$")
    assert compare_password(PASSWORD, encoded) == hashing.Compared(is_right=True)


def test_there_is_one_hasher_and_it_is_ours() -> None:
    assert [type(hasher) for hasher in get_hashers()] == [Argon2]


@pytest.mark.parametrize("kept", [None, "", "!unusable", "md5$x$y", "plain"])
def test_what_is_no_hash_is_never_right(kept: str | None) -> None:
    assert not compare_password(PASSWORD, kept).is_right


def test_an_unusable_password_is_never_right() -> None:
    kept = hash_password(None)
    assert not compare_password("", kept).is_right
    assert not compare_password(kept, kept).is_right


@pytest.mark.parametrize("typed", ["", PASSWORD + " ", PASSWORD.upper(), "\ud800", "\x00", "x" * 100_000])
def test_other_passwords_are_wrong_and_break_nothing(typed: str) -> None:
    assert not compare_password(typed, hash_password(PASSWORD)).is_right


def test_a_null_inside_ends_nothing() -> None:
    kept = hash_password("velvet-anchor\x0093-tundra")
    assert not compare_password("velvet-anchor\x00", kept).is_right


def test_few_hashes_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    release, inside = threading.Event(), threading.Semaphore(0)

    def slow(self: Argon2, password: str, salt: str) -> str:
        inside.release()
        release.wait(10)
        return "argon2$x"

    monkeypatch.setattr(Argon2, "encode", slow)
    threads = [threading.Thread(target=hash_password, args=(PASSWORD,)) for _ in range(hashing.AT_ONCE)]
    for thread in threads:
        thread.start()
        assert inside.acquire(timeout=30)
    with monkeypatch.context() as impatient:
        impatient.setattr(hashing, "LONGEST_WAIT", 0.01)
        with pytest.raises(PasswordsBusy) as caught:
            hash_password(PASSWORD)
    assert caught.value.retry_after
    release.set()
    for thread in threads:
        thread.join()
    assert hash_password(PASSWORD) == "argon2$x"


def test_who_comes_when_too_many_wait_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "MOST_WAITING", 1)
    helpers, release = hashing.Helpers(), threading.Event()
    threads = [
        threading.Thread(target=helpers.do, args=(release.wait, 10)) for _ in range(hashing.AT_ONCE + 1)
    ]
    for thread in threads:
        thread.start()
    while helpers._places._value:  # how many are free
        pass
    with pytest.raises(PasswordsBusy):
        helpers.do(int)
    release.set()
    for thread in threads:
        thread.join()
    assert helpers.do(int) == 0


def test_what_gave_up_waiting_is_never_done(monkeypatch: pytest.MonkeyPatch) -> None:
    helpers, release, done = hashing.Helpers(), threading.Event(), threading.Event()
    inside = threading.Semaphore(0)

    def hold() -> None:
        inside.release()
        release.wait(30)

    threads = [threading.Thread(target=helpers.do, args=(hold,)) for _ in range(hashing.AT_ONCE)]
    for thread in threads:
        thread.start()
        assert inside.acquire(timeout=30)
    with monkeypatch.context() as impatient:
        impatient.setattr(hashing, "LONGEST_WAIT", 0.01)
        with pytest.raises(PasswordsBusy):
            helpers.do(done.set)
    release.set()
    for thread in threads:
        thread.join()
    helpers.do(int)
    assert not done.is_set()


def test_what_breaks_while_hashing_reaches_whoever_asked() -> None:
    with pytest.raises(ZeroDivisionError):
        hashing.Helpers().do(divmod, 1, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="single threads have a priority on Linux alone")
def test_hashing_steps_back_and_the_rest_does_not() -> None:
    def own() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = own()
    assert hashing.Helpers().do(own) == hashing.NICE
    assert own() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_hashes_too() -> None:
    hash_password(PASSWORD)
    child = os.fork()
    if not child:
        os._exit(0 if hash_password(PASSWORD) else 1)
    assert os.waitpid(child, 0)[1] == 0
