"""What is worked out once and then stays with its object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

_Value_co = TypeVar("_Value_co", covariant=True)


class Once(Generic[_Value_co]):
    """A property of an object without slots that is worked out when first asked for.

    As `functools.cached_property`, but without its lock: two threads that come first together may both work it out. The
    lock would cost a decision a quarter of its time.
    """

    def __init__(self, work: Callable[[Any], _Value_co]) -> None:
        """Take what works it out."""
        self._work = work
        self._name = work.__name__
        self.__doc__ = work.__doc__

    @overload
    def __get__(self, owner: None, kind: type[Any]) -> Once[_Value_co]: ...
    @overload
    def __get__(self, owner: object, kind: type[Any]) -> _Value_co: ...
    def __get__(self, owner: object | None, kind: type[Any]) -> Once[_Value_co] | _Value_co:
        """Work it out and leave it in the object, where it is found without asking here again."""
        if owner is None:
            return self
        value = owner.__dict__[self._name] = self._work(owner)
        return value
