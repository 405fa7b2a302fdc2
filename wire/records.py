"""Immutable records with named fields, like frozen dataclasses but with less memory.

The module `dataclasses` imports inspect, ast and tokenize and compiles six functions for each
class, which costs 2.5 MB, a quarter of the memory budget of an agent (docs/performance.md). Type
checkers treat a Record as a frozen dataclass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, ClassVar, Dict, TypeVar

R = TypeVar("R", bound="Record")


class DefaultFactory:
    """A function that returns the default of a field for each new record."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


REQUIRED = DefaultFactory(lambda: None)


def field(*, default_factory: Callable[[], Any]) -> Any:
    """Return the default of a field whose value is mutable, such as a list."""
    return DefaultFactory(default_factory)


if TYPE_CHECKING:
    from typing_extensions import dataclass_transform

    as_dataclass = dataclass_transform(frozen_default=True, field_specifiers=(field,))
else:

    def as_dataclass(record_type):
        """Return the class unchanged; only type checkers use the decorator."""
        return record_type


@as_dataclass
class Record:
    """Base class of records: its annotated names are the fields. Records are compared by content.

    `json_names` maps a field to its name in JSON where the two differ. Readers accept both names.
    Writers use the name in JSON, because peers of the previous version know no other one.
    """

    __fields__: ClassVar[Dict[str, Any]] = {}
    json_names: ClassVar[Dict[str, str]] = {}

    def __init_subclass__(cls) -> None:
        own: Dict[str, Any] = getattr(cls, "__annotations__", {})
        names = [name for name, kind in own.items() if "ClassVar" not in str(kind)]
        defaults = {name: getattr(cls, name, REQUIRED) for name in names}
        cls.__fields__ = {**cls.__fields__, **defaults}

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = self.__fields__
        given = dict(zip(fields, values))
        if len(values) > len(fields) or given.keys() & named or named.keys() - fields:
            raise TypeError("%s expects %s" % (type(self).__name__, ", ".join(fields)))
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
        shown = ("%s=%r" % (name, getattr(self, name)) for name in self.__fields__)
        return "%s(%s)" % (type(self).__name__, ", ".join(shown))


def required_fields(record_type: type) -> Dict[str, bool]:
    """Return the fields of a record type in their order, True for each one without a default."""
    assert issubclass(record_type, Record)  # noqa: S101 - callers pass record types only
    return {name: default is REQUIRED for name, default in record_type.__fields__.items()}


def json_name(record_type: type, name: str) -> str:
    """Return the name of a field in JSON."""
    assert issubclass(record_type, Record)  # noqa: S101 - callers pass record types only
    return record_type.json_names.get(name, name)


def replace(record: R, **changes: Any) -> R:
    """Return a copy of a record with some fields changed."""
    return type(record)(**{**vars(record), **changes})


def to_plain(value: Any) -> Any:
    """Return a value with each record in it replaced by a dictionary of its names in JSON."""
    if isinstance(value, Record):
        kind = type(value)
        return {json_name(kind, name): to_plain(inner) for name, inner in vars(value).items()}
    if isinstance(value, list):
        return [to_plain(inner) for inner in value]
    if isinstance(value, dict):
        return {key: to_plain(inner) for key, inner in value.items()}
    return value


def _default(record_type: type, name: str, default: Any) -> Any:
    if default is REQUIRED:
        raise TypeError("%s requires %s" % (record_type.__name__, name))
    return default.make() if isinstance(default, DefaultFactory) else default
