"""The first day of many people behind one address, scaled down; `./run bench first-day` has five hundred."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import first_day
from bench.servers import Server as Listening
from tests.journeys.conftest import Server, start_server

pytestmark = pytest.mark.by_turns

PEOPLE = 12


def begin(tmp_path: Path, **settings: str) -> tuple[Server, Listening, dict[int, str]]:
    server = start_server(tmp_path / "index", **settings)
    server.seed(first_day.people_with_accounts(PEOPLE))
    invitations = first_day.invite_others(PEOPLE, server.environment)
    return server, Listening(server.url, server.process, tmp_path), invitations


@pytest.mark.parametrize("listed", [True, False])
def test_all_have_a_token_and_a_first_file_without_one_429_while_a_guesser_is_stopped(
    tmp_path: Path, *, listed: bool
) -> None:
    """Where the address isn't listed as shared, nobody guesses: one guesser would use up what its network may get wrong."""
    settings = {"KEYHOUSE_SHARED_NETWORKS": "127.0.0.0/8, ::1/128"} if listed else {}
    server, listening, invitations = begin(tmp_path, **settings)
    try:
        day = first_day.live(listening, tmp_path, invitations, PEOPLE, with_guesser=listed)
        assert day.troubles == []
        assert day.too_many == 0
        assert all(0 < person.enrolled < person.seconds < 60 * first_day.MINUTES for person in day.people)
        assert [server.get(f"/simple/{person.name}/")[0] for person in day.people] == [200] * PEOPLE
        if day.guesser:
            for _ in range(12):
                day.guesser.guess("person0")
            assert day.guesser.refused >= 2
            assert max(day.guesser.judged.values()) <= 10
            assert not day.guesser.is_in
    finally:
        server.stop()
