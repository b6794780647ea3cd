from __future__ import annotations

import threading
from datetime import date
from typing import Any

import pytest
from django.db.models import Sum

from keyhouse.core import clock, configuration
from keyhouse.index.answers import FileRow
from keyhouse.index.database import UnavailableError, open_database
from keyhouse.index.downloads import DownloadCounter, client_digest, estimate, installer_of
from keyhouse.index.store import SMALL
from keyhouse.projects.models import ClientSketch, DownloadCount, ProjectDownloads, ReleaseDownloads

PIP = 'pip/26.2 {"ci":null,"cpu":"x86_64"}'


@pytest.mark.parametrize(
    ("agent", "installer"),
    [
        (PIP, "pip"),
        ("uv/0.13.0 {}", "uv"),
        ("poetry/2.1 CPython/3.12", "poetry"),
        ("bandersnatch/6.6 (CPython 3.12)", "bandersnatch"),
        ("Mozilla/5.0 (X11; Linux x86_64)", "browser"),
        ("devpi-server/6 (py)", "devpi"),
        ("PIP/1.0", "pip"),
        ("", "other"),
        ("curl/8.0", "other"),
        ("python-requests/2.32", "other"),
        ("pipsqueak/1", "other"),
        ("notpip/1", "other"),
        ("\xff\x00", "other"),
    ],
)
def test_the_installer_is_read_from_the_user_agent(agent: str, installer: str) -> None:
    assert installer_of(agent.encode("latin-1")) == installer


def test_a_client_is_its_address_or_its_ipv6_network_under_the_key_of_the_day() -> None:
    assert client_digest("192.0.2.1", b"k") != client_digest("192.0.2.2", b"k")
    assert client_digest("192.0.2.1", b"k") != client_digest("192.0.2.1", b"other day")
    assert client_digest("2001:db8::1", b"k") == client_digest("2001:db8::ffff", b"k")
    assert client_digest("2001:db8::1", b"k") != client_digest("2001:db8:0:1::1", b"k")
    assert len(client_digest("not an address", b"k")) == 8


def _flush(client: Any) -> None:
    client.loop.run_until_complete(client.plane._flush())


def _counts() -> dict[str, int]:
    rows = DownloadCount.objects.values_list("file__filename", "installer").annotate(Sum("count"))
    return {f"{filename} {installer}": total for filename, installer, total in rows}


def test_downloads_are_counted_by_file_day_and_installer(client: Any, index: Any) -> None:
    alpha, beta = index.publish("alpha"), index.publish("beta", body=b"x" * (SMALL + 1))
    for _ in range(3):
        client.ask(f"/files/{alpha.path}", {"User-Agent": PIP})
    client.ask(f"/files/{alpha.path}", {"User-Agent": "uv/0.13"})
    client.ask(f"/files/{beta.path}", {"User-Agent": PIP})
    _flush(client)
    client.ask(f"/files/{beta.path}", {"User-Agent": PIP})
    _flush(client)
    assert _counts() == {
        f"{alpha.filename} pip": 3,
        f"{alpha.filename} uv": 1,
        f"{beta.filename} pip": 2,
    }


@pytest.mark.parametrize("size", [10, SMALL + 1])
def test_only_whole_files_count(client: Any, index: Any, size: int) -> None:
    path = f"/files/{index.publish(body=b'y' * size).path}"
    etag = client.ask(path, method="HEAD").headers["etag"]
    client.ask(path, {"If-None-Match": etag})
    client.ask(path, {"Range": "bytes=0-3"})
    client.ask(path, {"Range": "bytes=-3"})
    client.ask(path, {"Range": f"bytes={size}-"})
    client.ask(path + ".metadata")
    _flush(client)
    assert _counts() == {}
    assert not ClientSketch.objects.exists()


def test_clients_are_counted_once_and_no_address_is_kept(client: Any, index: Any) -> None:
    file = index.publish()
    for number in (1, 2, 3, 1, 2, 3):
        client.ask(f"/files/{file.path}", client=(f"198.51.100.{number}", 1))
    _flush(client)
    client.ask(f"/files/{file.path}", client=("198.51.100.3", 1))
    client.ask(f"/files/{file.path}", client=("198.51.100.4", 1))
    client.ask(f"/files/{file.path}", client=None)
    _flush(client)
    sketch = ClientSketch.objects.get()
    assert sketch.project == file.project
    assert estimate(bytes(sketch.sketch)) == pytest.approx(5, abs=1)  # two may share a register
    assert b"198.51" not in bytes(sketch.sketch)


def test_counts_are_flushed_by_themselves(client: Any, index: Any) -> None:
    file = index.publish()
    client.ask(f"/files/{file.path}", {"User-Agent": PIP})
    client.wait(1.2)
    for _ in range(50):
        if _counts():
            break
        client.wait(0.1)
    assert _counts() == {f"{file.filename} pip": 1}


def test_what_is_left_at_the_end_is_flushed(open_client: Any, index: Any) -> None:
    file = index.publish()
    client = open_client()
    client.ask(f"/files/{file.path}", {"User-Agent": PIP})
    client.loop.run_until_complete(client.plane.shutdown())
    assert _counts() == {f"{file.filename} pip": 1}


def _row(file: Any) -> FileRow:
    ids = file.pk, file.project_id, file.release_id
    return FileRow(*ids, "alpha", file.blake2, file.filename, file.size, "", None)


def test_counts_of_several_processes_add_up(transactional_db: None, index: Any) -> None:
    rows = [_row(index.publish(name)) for name in ("alpha", "beta", "gamma")]
    counters = [DownloadCounter(open_database(configuration.current())) for _ in range(4)]
    start = threading.Barrier(len(counters))

    def count(number: int) -> None:
        start.wait()
        for turn in range(5):
            for row in rows if number % 2 else reversed(rows):
                counters[number].note(row, b"pip/1", f"198.51.{number}.{turn}")
            counters[number].flush()

    threads = [threading.Thread(target=count, args=(number,)) for number in range(len(counters))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for counter in counters:
        counter._database.close()
    assert set(_counts().values()) == {20}
    sketches = [bytes(sketch.sketch) for sketch in ClientSketch.objects.all()]
    assert [estimate(sketch) for sketch in sketches] == pytest.approx([20, 20, 20], abs=3)


def test_a_file_deleted_meanwhile_is_not_counted_and_hinders_nothing(
    transactional_db: None, index: Any
) -> None:
    kept, gone = index.publish("alpha"), index.publish("beta")
    counter = DownloadCounter(open_database(configuration.current()))
    for row in (_row(kept), _row(gone)):
        counter.note(row, b"pip/1", "198.51.100.1")
    index.delete_project(gone.project)
    counter.flush()
    counter._database.close()
    assert _counts() == {f"{kept.filename} pip": 1}


def test_counts_stay_while_the_database_is_away(
    transactional_db: None, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = index.publish()
    database = open_database(configuration.current())
    counter = DownloadCounter(database)
    counter.note(_row(file), b"pip/1", "198.51.100.1")

    def away() -> Any:
        raise UnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(database, "transaction", away)
        with pytest.raises(UnavailableError):
            counter.flush()
    counter.note(_row(file), b"pip/1", "198.51.100.1")
    counter.flush()
    assert counter.is_empty
    assert counter.flush() == 0
    database.close()
    assert _counts() == {f"{file.filename} pip": 2}


def test_the_day_of_a_count_is_the_clocks(
    transactional_db: None, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = index.publish()
    counter = DownloadCounter(open_database(configuration.current()))
    for day in ("2024-02-29", "2024-03-01"):
        monkeypatch.setattr(clock, "now", lambda day=day: clock.parse_instant(f"{day}T23:59:59Z"))
        counter.note(_row(file), b"pip/1", "198.51.100.1")
        counter.flush()
    counter._database.close()
    days = DownloadCount.objects.order_by("day_on").values_list("day_on", "count")
    assert list(days) == [(date(2024, 2, 29), 1), (date(2024, 3, 1), 1)]
    one, other = (bytes(sketch.sketch) for sketch in ClientSketch.objects.order_by("day_on"))
    assert one != other


def test_sums_of_projects_and_releases_stand_beside_the_counts(client: Any, index: Any) -> None:
    alpha, beta = index.publish("alpha"), index.publish("beta")
    for file, agent in ((alpha, PIP), (alpha, PIP), (alpha, "uv/1"), (beta, PIP)):
        client.ask(f"/files/{file.path}", {"User-Agent": agent})
    _flush(client)
    client.ask(f"/files/{alpha.path}", {"User-Agent": PIP})
    _flush(client)
    names = ProjectDownloads.objects.order_by("project_id", "installer")
    assert list(names.values_list("project_id", "installer", "count")) == [
        (alpha.project_id, "pip", 3),
        (alpha.project_id, "uv", 1),
        (beta.project_id, "pip", 1),
    ]
    releases = ReleaseDownloads.objects.order_by("release_id").values_list(
        "project_id", "release_id", "count"
    )
    assert list(releases) == [(alpha.project_id, alpha.release_id, 4), (beta.project_id, beta.release_id, 1)]
