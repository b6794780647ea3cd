"""Refusals about lists of people."""

from __future__ import annotations

from keyhouse.accounts.errors import AccountRefused


class PeopleInvalid(AccountRefused):
    """The list of people to invite can't be read, or says something twice."""

    code = "people-invalid"
    sentence = "The list of people can't be used."
    fix = "The list is a CSV file whose first line is name,address or name,address,projects."
