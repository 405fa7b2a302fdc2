"""Records behave like frozen dataclasses."""

import copy
import pickle
from typing import ClassVar

import pytest

from wire import records
from wire.records import Record, field


class Point(Record):
    x: int
    y: int = 0
    names: list[str] = field(default_factory=list)
    kind: ClassVar[str] = "point"


class Named(Point):
    name: str = ""


class Holder(Record):
    point: Point
    others: dict[str, Point]


def test_fields_are_set_by_position_by_name_or_by_default():
    point = Point(1, names=["a"])
    assert (point.x, point.y, point.names, point.kind) == (1, 0, ["a"], "point")
    assert Named(1, 2, [], "n").name == "n"
    assert records.required_fields(Named) == {"x": True, "y": False, "names": False, "name": False}


@pytest.mark.parametrize(
    ("given", "named"),
    [((), {}), ((1, 2, [], 4), {}), ((1,), {"x": 2}), ((1,), {"z": 2}), ((1,), {"kind": "line"})],
)
def test_unknown_and_repeated_fields_are_rejected(given, named):
    with pytest.raises(TypeError, match="Point"):
        Point(*given, **named)


def test_a_mutable_default_is_not_shared():
    assert Point(1).names is not Point(1).names


def test_a_record_cannot_be_changed():
    point = Point(1)
    with pytest.raises(AttributeError):
        point.x = 2
    with pytest.raises(AttributeError):
        del point.y
    assert point == Point(1)


def test_records_are_equal_by_content_and_class():
    assert Point(1, 2) == Point(y=2, x=1)
    assert Point(1) != Point(2)
    assert Point(1) != Named(1)
    assert hash(Holder) != hash(Point)
    assert repr(Point(1)) == "Point(x=1, y=0, names=[])"


def test_equal_records_have_equal_hashes():
    one, other = (records.replace(Simple(1), y=2) for _ in range(2))
    assert {one, other} == {Simple(1, 2)}


class Simple(Record):
    x: int
    y: int = 0


def test_copies_are_equal_and_replace_checks_field_names():
    point = Point(1, 2, ["a"])
    assert copy.deepcopy(point) == point == pickle.loads(pickle.dumps(point))
    assert records.replace(point, x=3) == Point(3, 2, ["a"])
    with pytest.raises(TypeError):
        records.replace(point, z=3)


def test_nested_records_become_dictionaries():
    holder = Holder(Point(1), {"a": Point(2)})
    assert records.to_plain([holder]) == [
        {
            "point": {"x": 1, "y": 0, "names": []},
            "others": {"a": {"x": 2, "y": 0, "names": []}},
        }
    ]
