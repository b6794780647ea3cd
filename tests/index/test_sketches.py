from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.index.sketches import REGISTERS, Registers, add, decode, encode, estimate, merge


def _sketch(*clients: int) -> bytes:
    registers: Registers = {}
    for client in clients:
        add(registers, hashlib.blake2b(str(client).encode(), digest_size=8).digest())
    return encode(registers)


def test_nobody_is_nobody() -> None:
    assert estimate(_sketch()) == 0


@pytest.mark.parametrize("count", [1, 10, 100, 1000, 10_000, 100_000])
def test_the_estimate_is_near(count: int) -> None:
    assert estimate(_sketch(*range(count))) == pytest.approx(count, rel=0.1, abs=1)


_CLIENTS = st.lists(st.integers(0, 3000), max_size=700)


@given(_CLIENTS, _CLIENTS)
def test_merging_is_the_sketch_of_both(one: list[int], other: list[int]) -> None:
    together = _sketch(*one, *other)
    assert merge(_sketch(*one), _sketch(*other)) == together
    assert merge(_sketch(*other), _sketch(*one)) == together
    assert merge(together, _sketch(*one)) == together


@given(_CLIENTS)
def test_reading_gives_back_what_was_written(clients: list[int]) -> None:
    sketch = _sketch(*clients)
    assert encode(decode(sketch)) == sketch
    assert len(sketch) <= REGISTERS + 1


def test_few_clients_take_few_bytes() -> None:
    assert len(_sketch(1, 2, 3)) == 7
    assert len(_sketch(*range(5000))) == REGISTERS + 1


@pytest.mark.parametrize("broken", [b"", b"\x01a", b"\x02abc", b"\x03" + b"a" * 1024])
def test_other_bytes_are_no_sketch(broken: bytes) -> None:
    with pytest.raises(ValueError):
        decode(broken)


def test_the_rarest_digests_fit() -> None:
    registers: Registers = {}
    add(registers, b"\x00" * 8)
    add(registers, b"\xff" * 8)
    assert registers == {0: 55, 1023: 1}
    assert decode(encode(registers)) == registers
