"""The long scenarios of which `make test` runs one (tests/scenarios/rotation.py)."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios import conftest, rotation

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "tests" / "scenarios"


@pytest.mark.parametrize("chosen", rotation.SHORT)
def test_it_is_a_long_scenario(chosen):
    file, name = chosen.split("::")
    tree = ast.parse((SCENARIOS / file).read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    marks = [ast.unparse(mark) for mark in functions[name].decorator_list]
    marks += [
        ast.unparse(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    ]
    assert "pytest.mark.long" in " ".join(marks)


def test_every_scenario_has_its_turn():
    first = [rotation.choose(day) for day in range(1, len(rotation.SHORT) + 1)]
    assert set(first) == set(rotation.SHORT)
    assert [rotation.choose(day + len(rotation.SHORT)) for day in range(1, 20)] == [
        rotation.choose(day) for day in range(1, 20)
    ]


@pytest.mark.parametrize(
    ("number", "chosen"), [("", ""), (str(len(rotation.SHORT)), rotation.SHORT[0])]
)
def test_the_environment_chooses(monkeypatch, number, chosen):
    monkeypatch.setenv(rotation.VARIABLE, number)
    assert rotation.get_chosen() == chosen


def test_make_test_runs_what_is_chosen():
    recipe = re.search(r"^sqlite:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    assert (
        f"{rotation.VARIABLE}=$(ROTATION) $(PYTEST) -n $(WORKERS) --dist worksteal "
        '-m "not long or rotating"' in (recipe[1])
    )


def test_the_scenario_is_marked_and_scenarios_are_first(monkeypatch):
    file, name = rotation.choose(13).split("::")
    other = Item(ROOT / "tests" / "pki" / "test_keys.py", "test_another_one")
    items: Any = [other, Item(SCENARIOS / file, name), Item(SCENARIOS / file, "test_another_one")]
    monkeypatch.setenv(rotation.VARIABLE, "13")
    conftest.pytest_collection_modifyitems(items)
    assert [item.marks for item in items] == [["scenario", "rotating"], ["scenario"], []]


class Item:
    """A collected test."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.originalname = path, name
        self.marks: list[str] = []

    def add_marker(self, mark: pytest.MarkDecorator) -> None:
        self.marks.append(mark.name)
