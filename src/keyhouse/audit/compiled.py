"""Queries that Django puts into words once for each kind of database, for what every request asks.

To build a query and to compile it costs Django ten times what the database takes to answer it. What is asked is
written as any query of Django's, with `Asked` where a value comes in; the rows are models, as Django makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    BigIntegerField,
    DateTimeField,
    Expression,
    Field,
    IntegerField,
    Model,
    QuerySet,
    Subquery,
)
from django.db.models.query import get_related_populators

from keyhouse.audit import statements

M = TypeVar("M", bound=Model)
Run = Callable[[str, Sequence[Any]], statements.Outcome]
KEPT = 8  # shapes: kinds of database by what else the words depend on


class Asked(Expression):
    """Stands in a query for the `number`th value that it will be asked with, of the kind that this field keeps."""

    def __init__(self, number: int, field: Field[Any, Any]) -> None:
        super().__init__(output_field=field)
        self.number = number

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:  # type: ignore[override] # a value as yet unknown
        """Return the placeholder, and this itself as what stands for the value."""
        del compiler, connection
        return "%s", [self]


def asked_number(number: int) -> Any:
    """Return what stands for a number in a query that takes one; Django's types know no value that is yet to come."""
    return Asked(number, BigIntegerField())


def asked_instant(number: int) -> Any:
    """Return the same for an instant."""
    return Asked(number, DateTimeField())


class HowMany(Subquery):
    """How many rows a query finds, as one value beside others."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()

    def __init__(self, found: QuerySet[Any]) -> None:
        """Take the query; its order counts for nothing."""
        super().__init__(found.order_by().values("pk"))


class _Words(NamedTuple):
    """A query in words: where its values come in, and how its rows become models."""

    statement: str
    values: tuple[Any, ...]  # an `Asked` where one comes in
    converters: tuple[tuple[int, Sequence[Callable[..., Any]], Any], ...]
    model: type[Any]
    first: int  # the model's own columns, up to the one before `last`
    last: int
    names: list[str]  # of their fields
    related: Sequence[Any]
    annotations: tuple[tuple[str, int], ...]


class Compiled(Generic[M]):
    """A query that is built once for each `shape` (what its words depend on) and each kind of database.

    It must be one that finds something for some values: Django has no words for what never does.
    """

    def __init__(self, build: Callable[..., QuerySet[M]], *, run: Run = statements.run) -> None:
        """Keep how the query is built: `build(*shape)`, with `Asked` where values come in.

        `run`: `run_planned` where values come in many shapes, since PostgreSQL keeps a plan for each combination of kinds of
        numbers, small and large; `run_by_one_plan` where to plan takes longer than to answer.
        """
        self._build = build
        self._run = run
        self._words: dict[tuple[Any, ...], _Words] = {}

    def rows(self, *values: Any, shape: tuple[Hashable, ...] = ()) -> list[M]:
        """Return what is found with these values; raises the exceptions of `django.db`."""
        connection: BaseDatabaseWrapper = connections[DEFAULT_DB_ALIAS]
        key = (connection.vendor, *shape)
        words = self._words.get(key)
        if words is None:
            words = _put_into_words(self._build(*shape))
            self._words = {**dict([*self._words.items()][-KEPT:]), key: words}
        given = [
            one.output_field.get_db_prep_value(values[one.number], connection)
            if isinstance(one, Asked)
            else one
            for one in words.values
        ]
        return [_model_of(words, list(row), connection) for row in self._run(words.statement, given).rows]


def _put_into_words(queryset: QuerySet[Any]) -> _Words:
    compiler: Any = queryset.query.get_compiler(DEFAULT_DB_ALIAS)
    statement, values = compiler.as_sql()
    select, info = compiler.select, compiler.klass_info
    own: list[int] = info["select_fields"]
    convert = compiler.get_converters([column[0] for column in select])
    return _Words(
        statement=statement,
        values=tuple(values),
        converters=tuple((place, some, expression) for place, (some, expression) in convert.items()),
        model=info["model"],
        first=own[0],
        last=own[-1] + 1,
        names=[column[0].target.attname for column in select[own[0] : own[-1] + 1]],
        related=get_related_populators(info, select, DEFAULT_DB_ALIAS),  # type: ignore[call-arg] # the stubs know a later Django
        annotations=tuple(compiler.annotation_col_map.items()),
    )


def _model_of(words: _Words, row: list[Any], connection: BaseDatabaseWrapper) -> Any:
    """Make of a row what Django's own `ModelIterable` makes of it."""
    for place, converters, expression in words.converters:
        row[place] = _converted(row[place], converters, expression, connection)
    made = words.model.from_db(DEFAULT_DB_ALIAS, words.names, row[words.first : words.last])
    for populator in words.related:
        populator.populate(row, made)
    for name, place in words.annotations:
        setattr(made, name, row[place])
    return made


def _converted(
    value: Any, converters: Iterable[Callable[..., Any]], expression: Any, connection: BaseDatabaseWrapper
) -> Any:
    for convert in converters:
        value = convert(value, expression, connection)
    return value
