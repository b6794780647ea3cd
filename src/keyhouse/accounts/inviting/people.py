"""A list of people to invite, as somebody writes it down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from keyhouse.accounts.inviting.errors import PeopleInvalid
from keyhouse.accounts.rules import check_address, check_username
from keyhouse.core.errors import Refusal
from keyhouse.core.tables import TableError, read_table


@dataclass(frozen=True, slots=True)
class Invitee:
    """Somebody to invite, and the projects (with roles) that they are to be offered: `alpha` or `alpha:maintainer`."""

    username: str
    address: str
    projects: tuple[str, ...] = ()


def read_people(path: Path) -> list[Invitee]:
    """Return the people of a CSV file `name,address[,projects]`; raises PeopleInvalid with the line.

    Nothing is invited before the whole list makes sense, and each name and address stands in it once.
    """
    try:
        rows = list(read_table(path, ("name", "address"), ("projects",)))
    except TableError as error:
        raise PeopleInvalid(str(error)) from error
    people = [_invitee(row, number) for number, row in rows]
    for what, key in (("name", _name), ("address", _address)):
        _require_once(what, [key(one) for one in people], [number for number, _ in rows])
    return people


def _invitee(row: dict[str, str], number: int) -> Invitee:
    try:
        username, address = check_username(row["name"]), check_address(row["address"])
    except Refusal as refusal:
        raise PeopleInvalid(f"Line {number}: {refusal.sentence}", fix=refusal.fix) from refusal
    return Invitee(username, address, tuple(row["projects"].split()))


def _require_once(what: str, values: list[str], numbers: list[int]) -> None:
    first: dict[str, int] = {}
    for value, number in zip(values, numbers, strict=True):
        if value in first:
            raise PeopleInvalid(f"Lines {first[value]} and {number} have the same {what}.")
        first[value] = number


_name: Callable[[Invitee], str] = lambda one: one.username.casefold()  # noqa: E731 - two small keys
_address: Callable[[Invitee], str] = lambda one: one.address.casefold()  # noqa: E731 - the same
