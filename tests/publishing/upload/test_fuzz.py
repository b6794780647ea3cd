"""Any bytes at the door: an answer or a hung-up client, never a 500, and nothing stored unless it is whole."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.distfiles.builders import build_sdist, build_wheel
from tests.publishing.driver import build_body, cut_into, headers_of, send

from keyhouse.core import configuration
from keyhouse.projects.models import File
from keyhouse.storage import blobs

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("wired", "empty_store", "ada"),
]
ACCEPTED = frozenset({200, 400, 403, 408, 410, 413, 429})
fuzzed = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def make_bodies() -> list[bytes]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [build_wheel(folder), build_sdist(folder)]
        return [build_body(path, content_first=first) for path in paths for first in (False, True)]


BODIES = make_bodies()


def assert_only_whole_files_are_there() -> None:
    kept = set(blobs().keys())
    for file in File.objects.all():
        assert blobs().size(file.path) == file.size
    expected = {file.path for file in File.objects.all()}
    assert {key.removesuffix(".metadata") for key in kept} == expected
    incoming = configuration.current().files_folder / ".incoming"
    assert not incoming.is_dir() or list(incoming.iterdir()) == []


@fuzzed
@given(st.binary(max_size=400), st.integers(1, 100))
def test_noise_is_refused(noise: bytes, size: int) -> None:
    answer = send(cut_into(noise, size), headers_of(noise))
    assert answer.status == 400
    assert not File.objects.exists()


@fuzzed
@given(st.data())
def test_mutated_uploads_are_answered(data: st.DataObject) -> None:
    body = bytearray(data.draw(st.sampled_from(BODIES)))
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))
    answer = send(cut_into(bytes(body), data.draw(st.integers(50, 5000))), headers_of(bytes(body)))
    assert answer.status in ACCEPTED
    assert answer.line == answer.reason or answer.status == 200
    assert_only_whole_files_are_there()


@fuzzed
@given(st.data())
def test_a_connection_cut_anywhere_leaves_nothing(data: st.DataObject) -> None:
    body = data.draw(st.sampled_from(BODIES))
    stop = data.draw(st.integers(0, len(body) - 60))
    answer = send(cut_into(body[:stop], data.draw(st.integers(20, 5000))), headers_of(body), end="cut")
    assert answer.status in {0, *ACCEPTED} - {200}
    assert not File.objects.exists()
    assert_only_whole_files_are_there()


@fuzzed
@given(
    st.dictionaries(
        st.sampled_from(["content-type", "authorization", "content-length", "user-agent"]),
        st.text(st.characters(max_codepoint=255), max_size=60),
    )
)
def test_any_headers_are_answered(headers: dict[str, str]) -> None:
    body = BODIES[0]
    answer = send([body], {**headers_of(body), **headers})
    assert answer.status in {*ACCEPTED, 401}
    assert_only_whole_files_are_there()
