from __future__ import annotations

from dataclasses import dataclass

from keyhouse.index.cache import Cache


@dataclass
class Thing:
    weight: int


def test_the_least_recently_used_goes_first() -> None:
    dropped: list[str] = []
    cache: Cache[Thing] = Cache(100, on_drop=lambda address, _: dropped.append(address))
    for name in "abc":
        cache.put(name, Thing(30))
    assert cache.get("a")
    cache.put("d", Thing(30))
    assert dropped == ["b"]
    assert (cache.get("b"), len(cache), cache.weight) == (None, 3, 90)


def test_something_too_large_is_not_kept_and_pushes_nothing_out() -> None:
    cache: Cache[Thing] = Cache(100)
    cache.put("a", Thing(40))
    cache.put("b", Thing(60))
    assert cache.get("a")
    assert cache.get("b") is None


def test_what_grew_is_weighed_anew() -> None:
    cache: Cache[Thing] = Cache(100)
    thing = Thing(10)
    cache.put("a", thing)
    thing.weight = 45
    cache.put("a", thing)
    assert cache.weight == 45
    cache.drop("a")
    assert (cache.weight, len(cache)) == (0, 0)


def test_clearing_and_dropping_what_is_not_here() -> None:
    dropped: list[str] = []
    cache: Cache[Thing] = Cache(100, on_drop=lambda address, _: dropped.append(address))
    cache.drop("nothing")
    cache.put("a", Thing(1))
    cache.clear()
    assert (dropped, cache.weight) == (["a"], 0)
