"""Single rows by plain SQL, for what every upload asks and writes.

Putting a query together costs Django twenty times what it asks. A plan is made once for a model and kept; values go
through the fields' own conversions. It stands here because every feature with a database stands on this one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.base import ModelState

from keyhouse.audit import statements

if TYPE_CHECKING:
    Field = models.Field[Any, Any]

_Row = TypeVar("_Row", bound=models.Model)
_MOST_VALUES: Final = 900  # of one statement; an old SQLite takes 999


def columns(model: type[models.Model], of: str = "") -> str:
    """Return the columns of a model as `SELECT` names them, `of` an alias where there is one.

    Of `*` PostgreSQL would keep a plan that ends on the day a later version adds a column, in the midst of an upload.
    """
    place = f"{of}." if of else ""
    return ", ".join(f'{place}"{field.column}"' for field in model._meta.concrete_fields)  # noqa: SLF001 - how Django names its model interface


def read(model: type[_Row], statement: str, *values: Any) -> _Row | None:
    """Return the first row as an instance of its model, or None.

    Fields that the statement leaves out are read when somebody asks for them; columns that are no fields become
    plain attributes.
    """
    return next(iter(read_all(model, statement, *values)), None)


def read_all(model: type[_Row], statement: str, *values: Any) -> list[_Row]:
    """Return every row as an instance of its model, as `read` does."""
    outcome = statements.run(statement, values)
    if not outcome.rows:
        return []
    connection = connections[DEFAULT_DB_ALIAS]
    plan = _reading(model, outcome.columns, connection.vendor)
    instances = []
    for found in outcome.rows:
        told = [_converted(found[at], by, connection) for at, by in plan.fields]
        instance = model.from_db(connection.alias, plan.names, told)
        for name, at in plan.others:
            setattr(instance, name, found[at])
        instances.append(instance)
    return instances


def made(model: type[_Row], **values: Any) -> _Row:
    """Return a new instance that isn't stored, by the names of its columns' attributes (`project_id`).

    What `model(**values)` makes, without signals, at a tenth of its price. Raises TypeError for a name that is none.
    """
    plan = _making(model)
    instance = model.__new__(model)
    told = vars(instance)
    told["_state"] = ModelState()
    told |= plan.plain
    for name, default in plan.called:
        if name not in values:
            told[name] = default()
    told |= values
    if len(told) != plan.size:
        message = f"{model.__name__} has other fields than {', '.join(values)}"
        raise TypeError(message)
    return instance


def insert(row: models.Model) -> None:
    """Insert a row, and note its key where the database gives it.

    Does what `save(force_insert=True)` does without signals, which nobody listens to. Raises IntegrityError.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    plan = _insertion(type(row), connection.vendor)
    outcome = statements.run(plan.statement_for(1), _values(row, plan, connection))
    if plan.gets_key:
        row.pk = outcome.rows[0][0] if plan.returns_key else outcome.last_key
    row._state.adding, row._state.db = False, connection.alias  # noqa: SLF001 - how Django names its model interface


def insert_all(rows: Sequence[models.Model]) -> None:
    """Insert several rows of one model in their order, as `insert` does, by as few statements as may be."""
    if not rows:
        return
    connection = connections[DEFAULT_DB_ALIAS]
    plan = _insertion(type(rows[0]), connection.vendor)
    if plan.gets_key and not plan.returns_key:
        for row in rows:
            insert(row)
        return
    at_once = max(1, _MOST_VALUES // len(plan.fields))
    for start in range(0, len(rows), at_once):
        some = rows[start : start + at_once]
        values = [value for row in some for value in _values(row, plan, connection)]
        outcome = statements.run(plan.statement_for(len(some)), values)
        for number, row in enumerate(some):
            if plan.gets_key:
                row.pk = outcome.rows[number][0]
            row._state.adding, row._state.db = False, connection.alias  # noqa: SLF001 - as above


def _values(row: models.Model, plan: _Insertion, connection: BaseDatabaseWrapper) -> list[Any]:
    told = vars(row)
    return [
        told[name] if prepare is None else prepare(told[name], connection) for name, prepare in plan.fields
    ]


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a row becomes an instance: fields in the model's order with where they stand and what converts them."""

    names: tuple[str, ...]
    fields: tuple[tuple[int, tuple[Any, ...]], ...]
    others: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class _Making:
    """What a new instance holds that nobody told: values, and those that are asked for each time; and how much it holds."""

    plain: dict[str, Any]
    called: tuple[tuple[str, Callable[[], Any]], ...]
    size: int


@dataclass(frozen=True, slots=True)
class _Insertion:
    """How an instance becomes a row."""

    head: str
    tail: str
    fields: tuple[tuple[str, Callable[[Any, BaseDatabaseWrapper], Any] | None], ...]
    gets_key: bool
    returns_key: bool

    def statement_for(self, count: int) -> str:
        """Return the statement that inserts so many rows."""
        places = f"({', '.join(['%s'] * len(self.fields))})"
        return f"{self.head}{', '.join([places] * count)}{self.tail}"


@lru_cache(maxsize=64)
def _reading(model: type[models.Model], columns: tuple[str, ...], vendor: str) -> _Reading:
    del vendor  # part of the key: converters belong to a kind of database
    connection = connections[DEFAULT_DB_ALIAS]
    fields = [field for field in model._meta.concrete_fields if field.column in columns]  # noqa: SLF001 - as above
    known = {field.column for field in fields}
    return _Reading(
        tuple(field.attname for field in fields),
        tuple((columns.index(field.column), _converters(field, connection)) for field in fields),
        tuple((name, at) for at, name in enumerate(columns) if name not in known),
    )


def _converters(field: Field, connection: BaseDatabaseWrapper) -> tuple[Any, ...]:
    column = field.get_col(field.model._meta.db_table)  # noqa: SLF001 - as above
    found = (*connection.ops.get_db_converters(column), *column.get_db_converters(connection))
    return tuple((convert, column) for convert in found)


def _converted(value: Any, converters: tuple[Any, ...], connection: BaseDatabaseWrapper) -> Any:
    for convert, column in converters:
        value = convert(value, column, connection)
    return value


@lru_cache(maxsize=64)
def _making(model: type[models.Model]) -> _Making:
    fields = model._meta.concrete_fields  # noqa: SLF001 - as above
    called = tuple((field.attname, field.get_default) for field in fields if callable(field.default))
    asked = {name for name, _ in called}
    plain = {field.attname: field.get_default() for field in fields if field.attname not in asked}
    return _Making(plain, called, len(fields) + 1)


@lru_cache(maxsize=64)
def _insertion(model: type[models.Model], vendor: str) -> _Insertion:
    del vendor  # as above
    meta = model._meta  # noqa: SLF001 - as above
    fields = tuple(field for field in meta.concrete_fields if field is not meta.auto_field)
    names = ", ".join(str(field.column) for field in fields)
    head = f"INSERT INTO {meta.db_table} ({names}) VALUES "
    gets_key = meta.auto_field is not None
    returns_key = gets_key and connections[DEFAULT_DB_ALIAS].features.can_return_columns_from_insert
    key = f" RETURNING {meta.pk.column}" if returns_key else ""
    prepared = tuple((field.attname, _preparation(field)) for field in fields)
    return _Insertion(head, key, prepared, gets_key, returns_key)


def _preparation(field: Field) -> Callable[[Any, BaseDatabaseWrapper], Any] | None:
    """Return what makes of a value what the driver takes, or None where it takes it as it is."""
    if isinstance(field, models.ForeignKey):
        return _preparation(field.target_field)
    if isinstance(field, _TAKEN_AS_THEY_ARE):
        return None
    prepare: Callable[[Any, BaseDatabaseWrapper], Any] = field.get_db_prep_save
    if type(field) is models.DateTimeField:
        return partial(_instant, prepare)
    if type(field) is models.JSONField and field.encoder is None:
        return partial(_json, prepare)
    return prepare


# SQLite keeps both as text. Django makes the same of what nearly always comes, by many more steps.


def _instant(
    prepare: Callable[[Any, BaseDatabaseWrapper], Any], value: Any, connection: BaseDatabaseWrapper
) -> Any:
    if (
        connection.vendor == "sqlite"
        and type(value) is datetime
        and value.tzinfo is connection.timezone is not None
    ):
        return str(value.replace(tzinfo=None))
    return prepare(value, connection)


def _json(
    prepare: Callable[[Any, BaseDatabaseWrapper], Any], value: Any, connection: BaseDatabaseWrapper
) -> Any:
    if connection.vendor == "sqlite" and type(value) in {dict, list}:
        return json.dumps(value)
    return prepare(value, connection)


_TAKEN_AS_THEY_ARE: Final = (
    models.BooleanField,
    models.CharField,
    models.IntegerField,
    models.TextField,
)
