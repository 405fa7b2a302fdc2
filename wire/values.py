"""Immutable values with named fields: what a frozen dataclass is, with a quarter of its memory.

The standard module imports inspect, ast and tokenize and compiles six functions for each class:
2.5 MB, a quarter of what an agent may take (docs/performance.md). Type checkers treat a Value as
a frozen dataclass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, ClassVar, Dict, TypeVar

V = TypeVar("V", bound="Value")


class Made:
    """A default that is made anew for each value."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


REQUIRED = Made(lambda: None)


def field(*, default_factory: Callable[[], Any]) -> Any:
    """Say how the default of a field is made, where it is a list or another thing that changes."""
    return Made(default_factory)


if TYPE_CHECKING:
    from typing_extensions import dataclass_transform

    as_dataclass = dataclass_transform(frozen_default=True, field_specifiers=(field,))
else:

    def as_dataclass(shape):
        """Say to type checkers alone how a class is to be read."""
        return shape


@as_dataclass
class Value:
    """Fields are the annotated names of a subclass; compared by content, never changed."""

    __fields__: ClassVar[Dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        own: Dict[str, Any] = getattr(cls, "__annotations__", {})
        names = [name for name, kind in own.items() if "ClassVar" not in str(kind)]
        defaults = {name: getattr(cls, name, REQUIRED) for name in names}
        cls.__fields__ = {**cls.__fields__, **defaults}

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = self.__fields__
        given = dict(zip(fields, values))
        if len(values) > len(fields) or given.keys() & named or named.keys() - fields:
            raise TypeError("%s takes %s" % (type(self).__name__, ", ".join(fields)))
        given.update(named)
        for name, default in fields.items():
            if name not in given:
                given[name] = _default(type(self), name, default)
        vars(self).update(given)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("%s cannot be changed." % type(self).__name__)

    def __delattr__(self, name: str) -> None:
        raise AttributeError("%s cannot be changed." % type(self).__name__)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in self.__fields__))

    def __repr__(self) -> str:
        told = ("%s=%r" % (name, getattr(self, name)) for name in self.__fields__)
        return "%s(%s)" % (type(self).__name__, ", ".join(told))


def required(shape: type) -> Dict[str, bool]:
    """Return the fields of a class, in their order, and whether each must be given."""
    assert issubclass(shape, Value)  # noqa: S101 - says what the caller promised
    return {name: default is REQUIRED for name, default in shape.__fields__.items()}


def replace(value: V, **changes: Any) -> V:
    """Return the value with some fields changed."""
    return type(value)(**{**vars(value), **changes})


def plain(value: Any) -> Any:
    """Return dictionaries in place of values, however deep they lie in lists and dictionaries."""
    if isinstance(value, Value):
        return {name: plain(inner) for name, inner in vars(value).items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return value


def _default(shape: type, name: str, default: Any) -> Any:
    if default is REQUIRED:
        raise TypeError("%s needs %s" % (shape.__name__, name))
    return default.make() if isinstance(default, Made) else default
