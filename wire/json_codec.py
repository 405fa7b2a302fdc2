"""Read and write values as JSON, strictly: a wrong type is an error, an unknown field is not.

Kept to the standard library, because it runs on every managed device (Python 3.8 or newer).
"""

from __future__ import annotations

import json
import typing
from typing import Any, Dict, List, Optional, Type, TypeVar, Union

from faults import Invalid
from wire import values
from wire.values import Value

T = TypeVar("T")

_LARGEST = 1e15


class Malformed(Invalid):
    """A message does not have the shape that the protocol gives it."""


def dump(value: Any) -> bytes:
    """Return canonical JSON: sorted keys, no spaces, UTF-8; equal values have equal bytes."""
    plain = values.plain(value)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def load(shape: Type[T], data: bytes) -> T:
    """Read one message of the given shape; raises Malformed and names the field that is wrong."""
    try:
        plain = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed("The message is not JSON.") from error
    return build(shape, plain, shape.__name__)


def build(shape: Type[T], plain: Any, where: str) -> T:
    """Make a value of parsed JSON; a field without default must be there."""
    if not isinstance(plain, dict):
        raise Malformed("%s is not an object." % where)
    hints = _hints(shape)
    found: Dict[str, Any] = {}
    for name, is_required in values.required(shape).items():
        if name in plain:
            found[name] = _value(hints[name], plain[name], "%s.%s" % (where, name))
        elif is_required:
            raise Malformed("%s.%s is missing." % (where, name))
    return shape(**found)


_known: Dict[type, Dict[str, Any]] = {}


def _hints(shape: Type[Any]) -> Dict[str, Any]:
    if shape not in _known:
        _known[shape] = typing.get_type_hints(shape)
    return _known[shape]


def _value(hint: Any, plain: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin is Union:
        if plain is None:
            return None
        return _value(typing.get_args(hint)[0], plain, where)
    if origin is list:
        if not isinstance(plain, list):
            raise Malformed("%s is not a list." % where)
        inner = typing.get_args(hint)[0]
        return [_value(inner, item, "%s[%d]" % (where, n)) for n, item in enumerate(plain)]
    if origin is dict:
        return _mapping(hint, plain, where)
    if isinstance(hint, type) and issubclass(hint, Value):
        return build(hint, plain, where)
    return _scalar(hint, plain, where)


def _mapping(hint: Any, plain: Any, where: str) -> Dict[str, Any]:
    if not isinstance(plain, dict):
        raise Malformed("%s is not an object." % where)
    inner = typing.get_args(hint)[1]
    return {key: _value(inner, item, "%s.%s" % (where, key)) for key, item in plain.items()}


def _scalar(hint: Any, plain: Any, where: str) -> Any:
    if hint is float and type(plain) is int and abs(plain) < _LARGEST:
        return float(plain)
    if type(plain) is not hint:
        raise Malformed("%s is not of type %s." % (where, hint.__name__))
    if hint is float and not abs(plain) < _LARGEST:
        raise Malformed("%s is not a number to reckon with." % where)
    if hint is str and not _is_clean(plain):
        raise Malformed("%s contains a NUL character or half of one." % where)
    return plain


def _is_clean(text: str) -> bool:
    # JSON may spell lone surrogates, which no UTF-8 text can hold.
    return "\x00" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


__all__ = ["Dict", "List", "Malformed", "Optional", "build", "dump", "load"]
