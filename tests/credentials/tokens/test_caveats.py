from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.core import actions
from keyhouse.credentials.tokens import caveats
from keyhouse.credentials.tokens.caveats import Call, CaveatUnknown, Scope, Use, parse_caveat

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def met(caveat: bytes, at: datetime = NOON, network: str = "192.0.2.7") -> bool:
    return parse_caveat(caveat).is_met(Call(at, network))


def scope(*written: bytes) -> Scope:
    return Scope(tuple(map(parse_caveat, written)))


def test_what_is_written_is_canonical() -> None:
    assert caveats.write_time(NOON, None) == b'["time",1767268800,null]'
    assert caveats.write_projects({7, 3}) == b'["projects",[3,7]]'
    assert caveats.write_release(3, "1.0") == b'["release",3,"1.0"]'
    assert caveats.write_actions(["read", "upload"]) == b'["actions",["upload","read"]]'
    assert caveats.write_network(["192.0.2.0/24"]) == b'["network",["192.0.2.0/24"]]'


def test_time_includes_its_first_instant_and_not_its_last() -> None:
    window = caveats.write_time(NOON, NOON + SECOND)
    assert met(window)
    assert not met(window, NOON - SECOND)
    assert not met(window, NOON + SECOND)
    assert met(caveats.write_time(None, None))


@pytest.mark.parametrize(
    ("address", "is_inside"),
    [
        ("192.0.2.7", True),
        ("192.0.3.7", False),
        ("2001:db8::1", True),
        ("::1", False),
        ("", False),
        ("x", False),
    ],
)
def test_network_is_where_the_call_comes_from(address: str, *, is_inside: bool) -> None:
    assert met(caveats.write_network(["192.0.2.0/24", "2001:db8::/32"]), network=address) is is_inside


def test_projects_reach_these_projects_only_and_make_none() -> None:
    only = scope(caveats.write_projects([7]))
    assert only.allows("release.upload", "project", 7)
    assert not only.allows("release.upload", "project", 8)
    assert not only.allows("project.create", "project", None)
    assert not only.allows("index.read", "", None)


def test_a_release_is_reached_only_when_it_is_named() -> None:
    only = scope(caveats.write_release(7, "1.0"))
    assert not only.allows("release.upload", "project", 7)
    assert only.at_release("1.0").allows("release.upload", "project", 7)
    assert only.at_release("1").allows("release.upload", "project", 7)
    assert not only.at_release("1.0.1").allows("release.upload", "project", 7)
    assert not only.at_release("nonsense").allows("release.upload", "project", 7)
    assert not only.at_release("1.0").allows("release.upload", "project", 8)


def test_actions_allow_what_they_name_and_reading_where_one_may_upload() -> None:
    upload = scope(caveats.write_actions(["upload"]))
    assert upload.allows("release.upload", "project", 7)
    assert upload.allows("project.create", "project", None)
    assert upload.allows("index.read", "project", 7)
    assert not upload.allows("index.read", "", None)
    assert not upload.allows("release.yank", "project", 7)
    assert upload.reads_own_projects_only
    yank = scope(caveats.write_actions(["yank"]))
    assert yank.allows("release.yank", "project", 7)
    assert not yank.allows("index.read", "project", 7)


@pytest.mark.parametrize(
    "name",
    sorted(set(actions.CATALOGUE) - {"release.upload", "project.create", "release.yank", "index.read"}),
)
def test_no_token_reaches_what_needs_a_person(name: str) -> None:
    everything = scope(caveats.write_actions(caveats.ACTS))
    assert not everything.allows(name, "project", 7)
    assert not everything.allows(name, "", None)
    assert not everything.allows(name, "account", 7)


def test_a_second_caveat_can_only_narrow() -> None:
    both = scope(caveats.write_projects([7, 8]), caveats.write_projects([8, 9]))
    assert [both.allows("release.upload", "project", id_) for id_ in (7, 8, 9)] == [False, True, False]
    acts = scope(caveats.write_actions(["upload", "read"]), caveats.write_actions(["upload"]))
    assert acts.reads_own_projects_only
    assert not acts.allows("index.read", "", None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'"time"',
        b'["future",1]',
        b'["Time",1,2]',
        b'[["time"],1,2]',
        b'["time"]',
        b'["time",1]',
        b'["time",1,2,3]',
        b'["time","1",2]',
        b'["time",true,2]',
        b'["time",1.0,2]',
        b'["time",1e3,2]',
        b'["time",NaN,2]',
        b'["time",-1,2]',
        b'["time",1,99999999999999999999]',
        b'["time",1,2] x',
        b'["projects",[]]',
        b'["projects",7]',
        b'["projects",["7"]]',
        b'["projects",[null]]',
        b'["projects",[true]]',
        b'["release",7]',
        b'["release","7","1.0"]',
        b'["release",7,1.0]',
        b'["actions",["delete"]]',
        b'["actions","upload"]',
        b'["actions",[["upload"]]]',
        b'["network",["192.0.2.7/24"]]',
        b'["network",["example.org"]]',
        b'["network",[7]]',
        b'["network",{}]',
        '["release",7,"é"]'.encode(),
        b"\xff",
        b"[" * 5000,
        b'["projects",[' + b"1," * 1001 + b"1]]",
        b'["time",' + b"9" * 5000 + b",1]",
    ],
)
def test_what_is_not_understood_is_refused(data: bytes) -> None:
    with pytest.raises(CaveatUnknown):
        parse_caveat(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
)


@given(
    tag=st.sampled_from(["time", "projects", "release", "actions", "network", "x"]),
    fields=st.lists(JSON, max_size=3),
)
def test_any_fields_are_read_or_refused_and_never_break_anything(tag: str, fields: list[Any]) -> None:
    try:
        caveat = parse_caveat(caveats._write(tag, *fields))
    except CaveatUnknown:
        return
    caveat.is_met(Call(NOON, "192.0.2.7"))
    caveat.reaches(Use("upload", 7, "1.0"))


@given(data=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_and_never_break_anything(data: bytes) -> None:
    with pytest.raises(CaveatUnknown):
        parse_caveat(data)


def test_a_release_that_is_no_readable_version_is_never_met() -> None:
    for version in ("9" * 5000, "one", ""):
        narrowed = scope(caveats.write_release(3, version)).at_release("1.0")
        assert not narrowed.allows("release.upload", "project", 3)
