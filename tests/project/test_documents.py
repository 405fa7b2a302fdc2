"""The documents are true: tests, files, commands and variables that they name exist."""

import ast
import re
import subprocess
import sys

import pytest

from zcc.runtime.parts import BASE_DIR

DOCUMENTS = [
    *(BASE_DIR / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((BASE_DIR / "docs").glob("*.md")),
]
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
IDS = [path.name for path in DOCUMENTS]
each = pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)


@each
def test_every_test_that_is_named_exists(document):
    for path, name in NAMED_TEST.findall(document.read_text()):
        tree = ast.parse((BASE_DIR / path).read_text())
        found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert name in found, f"{path}::{name}"


def test_every_practice_and_threat_names_its_test():
    practices = (BASE_DIR / "docs" / "practices.md").read_text()
    said = [line for line in practices.splitlines() if line.startswith("- ")]
    assert len(said) > 25
    assert [line for line in said if not NAMED_TEST.search(line)] == []
    model = (BASE_DIR / "docs" / "threat-model.md").read_text()
    table = model[model.index("| threat |") : model.index("## Known limits")].splitlines()[2:]
    rows = [line for line in table if line.startswith("|")]
    assert len(rows) > 15
    assert [line for line in rows if not NAMED_TEST.search(line)] == []


def test_every_fault_names_its_test_or_is_told_as_not_injected():
    faults = (BASE_DIR / "docs" / "faults.md").read_text()
    told = {int(number) for number in re.findall(r"F-(\d+)", faults)}
    assert told == set(range(1, 38))
    rows = [line for line in faults.splitlines() if line.startswith("| F-")]
    assert len(rows) > 25
    assert [line for line in rows if not NAMED_TEST.search(line)] == []


@each
def test_every_link_leads_somewhere(document):
    for there in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
        if "://" not in there:
            assert (document.parent / there).exists(), there


@each
def test_every_command_that_is_named_exists(document):
    text = document.read_text()
    targets = re.findall(r"^([a-z][a-z-]*):", (BASE_DIR / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= set(targets)
    own = {path.stem for path in (BASE_DIR / "zcc" / "management" / "commands").glob("*.py")}
    django = {"migrate", "collectstatic", "check", "makemigrations"}
    assert set(re.findall(r"manage\.py (\w+)", text)) <= own | django


def test_every_variable_of_the_deployment_page_is_read_somewhere():
    text = (BASE_DIR / "docs" / "deployment.md").read_text()
    named = {name.removesuffix("_FILE") for name in re.findall(r"`(ZCC_[A-Z0-9_]+)", text)}
    code = "".join(path.read_text() for path in (BASE_DIR / "zcc").rglob("*.py"))
    code += (BASE_DIR / "docker-compose.yml").read_text()
    assert len(named) > 15
    assert {name for name in named if name not in code} == set()


def test_the_exit_codes_are_those_of_the_agent():
    text = (BASE_DIR / "docs" / "errors.md").read_text()
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    code = "from zac.cli import exit_codes as e; print(*[v for k, v in vars(e).items()"
    line = [sys.executable, "-c", code + " if k.isupper() and isinstance(v, int)])"]
    said = subprocess.run(line, cwd=BASE_DIR, capture_output=True, text=True, check=True).stdout
    assert {int(word) for word in said.split()} <= told


@each
def test_no_place_of_a_workshop_is_named(document):
    here = re.escape(f"{BASE_DIR.parent}/")
    wrong = re.compile(here + r"|/home/\w|/root/|localhost:\d")
    assert wrong.findall(document.read_text()) == []
