"""Convert records to JSON and back, strictly: a wrong type is an error, an unknown field is not.

Uses only the standard library, because it runs on every managed device (Python 3.8 or later).
"""

from __future__ import annotations

import json
import typing
from typing import Any, Dict, List, Optional, Type, TypeVar, Union

from faults import Invalid
from wire import records
from wire.records import Record

T = TypeVar("T")

_LARGEST = 1e15


class Malformed(Invalid):
    """A message does not have the fields or types that the protocol requires."""


def dump(value: Any) -> bytes:
    """Return canonical JSON (sorted keys, no spaces, UTF-8): equal values have equal bytes."""
    plain = records.to_plain(value)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def load(record_type: Type[T], data: bytes) -> T:
    """Parse JSON as one record; raises Malformed, which names the invalid field."""
    try:
        plain = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed("The message is not valid JSON.") from error
    return build(record_type, plain, record_type.__name__)


def build(record_type: Type[T], plain: Any, path: str) -> T:
    """Return a record of parsed JSON; raises Malformed, also if a required field is missing.

    `path` is shown in the error. Fields are accepted under both names (see records.Record).
    """
    if not isinstance(plain, dict):
        raise Malformed("%s is not an object." % path)
    hints = _hints(record_type)
    values: Dict[str, Any] = {}
    for name, is_required in records.required_fields(record_type).items():
        in_json = records.json_name(record_type, name)
        key = in_json if in_json in plain else name
        if key in plain:
            values[name] = _value(hints[name], plain[key], "%s.%s" % (path, key))
        elif is_required:
            raise Malformed("%s.%s is missing." % (path, in_json))
    return record_type(**values)


_known_hints: Dict[type, Dict[str, Any]] = {}


def _hints(record_type: Type[Any]) -> Dict[str, Any]:
    if record_type not in _known_hints:
        _known_hints[record_type] = typing.get_type_hints(record_type)
    return _known_hints[record_type]


def _value(hint: Any, plain: Any, path: str) -> Any:
    origin = typing.get_origin(hint)
    if origin is Union:
        if plain is None:
            return None
        return _value(typing.get_args(hint)[0], plain, path)
    if origin is list:
        if not isinstance(plain, list):
            raise Malformed("%s is not a list." % path)
        inner = typing.get_args(hint)[0]
        return [_value(inner, item, "%s[%d]" % (path, n)) for n, item in enumerate(plain)]
    if origin is dict:
        return _mapping(hint, plain, path)
    if isinstance(hint, type) and issubclass(hint, Record):
        return build(hint, plain, path)
    return _scalar(hint, plain, path)


def _mapping(hint: Any, plain: Any, path: str) -> Dict[str, Any]:
    if not isinstance(plain, dict):
        raise Malformed("%s is not an object." % path)
    inner = typing.get_args(hint)[1]
    return {key: _value(inner, item, "%s.%s" % (path, key)) for key, item in plain.items()}


def _scalar(hint: Any, plain: Any, path: str) -> Any:
    if hint is float and type(plain) is int and abs(plain) < _LARGEST:
        return float(plain)
    if type(plain) is not hint:
        raise Malformed("%s is not of type %s." % (path, hint.__name__))
    if hint is float and not abs(plain) < _LARGEST:
        raise Malformed("%s must be a finite number." % path)
    if hint is str and not _is_clean(plain):
        raise Malformed("%s contains a NUL character or an unpaired surrogate." % path)
    return plain


def _is_clean(text: str) -> bool:
    # JSON can contain unpaired surrogates, which UTF-8 cannot represent.
    return "\x00" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


__all__ = ["Dict", "List", "Malformed", "Optional", "build", "dump", "load"]
