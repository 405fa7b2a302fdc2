"""Immutable values: what a frozen dataclass promises holds for them too."""

import copy
import pickle
from typing import ClassVar

import pytest

from wire import values
from wire.values import Value, field


class Point(Value):
    x: int
    y: int = 0
    names: list[str] = field(default_factory=list)
    kind: ClassVar[str] = "point"


class Named(Point):
    name: str = ""


class Holder(Value):
    point: Point
    others: dict[str, Point]


def test_fields_come_in_order_by_name_or_by_default():
    point = Point(1, names=["a"])
    assert (point.x, point.y, point.names, point.kind) == (1, 0, ["a"], "point")
    assert Named(1, 2, [], "n").name == "n"
    assert values.required(Named) == {"x": True, "y": False, "names": False, "name": False}


@pytest.mark.parametrize(
    ("given", "named"),
    [((), {}), ((1, 2, [], 4), {}), ((1,), {"x": 2}), ((1,), {"z": 2}), ((1,), {"kind": "line"})],
)
def test_what_does_not_fit_the_fields_is_refused(given, named):
    with pytest.raises(TypeError, match="Point"):
        Point(*given, **named)


def test_a_default_that_can_change_is_made_anew():
    assert Point(1).names is not Point(1).names


def test_a_value_never_changes():
    point = Point(1)
    with pytest.raises(AttributeError):
        point.x = 2
    with pytest.raises(AttributeError):
        del point.y
    assert point == Point(1)


def test_values_are_equal_by_content_and_class():
    assert Point(1, 2) == Point(y=2, x=1)
    assert Point(1) != Point(2)
    assert Point(1) != Named(1)
    assert hash(Holder) != hash(Point)
    assert repr(Point(1)) == "Point(x=1, y=0, names=[])"


def test_equal_values_have_equal_hashes():
    one, other = (values.replace(Simple(1), y=2) for _ in range(2))
    assert {one, other} == {Simple(1, 2)}


class Simple(Value):
    x: int
    y: int = 0


def test_a_copy_is_equal_and_replace_checks_what_it_is_given():
    point = Point(1, 2, ["a"])
    assert copy.deepcopy(point) == point == pickle.loads(pickle.dumps(point))
    assert values.replace(point, x=3) == Point(3, 2, ["a"])
    with pytest.raises(TypeError):
        values.replace(point, z=3)


def test_values_become_plain_however_deep_they_lie():
    held = Holder(Point(1), {"a": Point(2)})
    assert values.plain([held]) == [
        {
            "point": {"x": 1, "y": 0, "names": []},
            "others": {"a": {"x": 2, "y": 0, "names": []}},
        }
    ]
