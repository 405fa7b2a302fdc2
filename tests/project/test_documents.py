"""The documents are correct: the tests, files, commands, and packages that they name exist."""

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.test_structure import PACKAGES, modules
from zcc.api import api
from zcc.runtime.components import BASE_DIR
from zman.cli.main import make_parser

DOCS = BASE_DIR / "docs"
OPEN_SOURCE_FILES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
DOCUMENTS = [
    *(BASE_DIR / name for name in (*OPEN_SOURCE_FILES, "CODE_OF_CONDUCT.md")),
    *sorted(DOCS.glob("*.md")),
]
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
IDS = [str(path.relative_to(BASE_DIR)) for path in DOCUMENTS]
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)


def table_rows(text: str) -> list[str]:
    """Return the rows of all tables in a text, without their headings."""
    lines = text.splitlines()
    separators = {number for number, line in enumerate(lines) if re.match(r"\|(---\|)+$", line)}
    headings = {number - 1 for number in separators}
    return [
        line
        for number, line in enumerate(lines)
        if line.startswith("|") and number not in separators | headings
    ]


def console_lines(text: str, program: str) -> Iterator[list[str]]:
    """Yield the arguments of each use of a program in the fenced code blocks of a text."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in re.findall(rf"^\$ (?:scripts/)?{program} (.*)", block, re.MULTILINE):
            yield shlex.split(line)


def anchors(document: Path) -> set[str]:
    """Return the anchors of the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


@each_document
def test_every_named_test_exists(document):
    for path, name in NAMED_TEST.findall(document.read_text()):
        tree = ast.parse((BASE_DIR / path).read_text())
        found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert name in found, f"{path}::{name}"


def test_every_guarantee_and_threat_names_its_test():
    guarantees = table_rows((DOCS / "practices.md").read_text())
    assert len(guarantees) > 70
    assert [row for row in guarantees if not NAMED_TEST.search(row)] == []
    model = (DOCS / "threat-model.md").read_text()
    attackers = table_rows(model[model.index("## Attackers") : model.index("## Threats")])
    threats = table_rows(model[model.index("## Threats") : model.index("## Known limits")])
    assert len(attackers) >= 12
    assert len(threats) >= 25
    assert [row for row in (*attackers, *threats) if not NAMED_TEST.search(row)] == []


def test_every_fault_names_its_test():
    faults = (DOCS / "faults.md").read_text()
    rows = table_rows(faults)
    numbers = {int(number) for row in rows for number in re.findall(r"F-(\d+)", row)}
    assert numbers == set(range(1, 41))
    assert [row for row in rows if not NAMED_TEST.search(row)] == []


@each_document
def test_every_link_leads_to_a_file_and_a_heading(document):
    for target, anchor in LINK.findall(document.read_text()):
        if "://" in target:
            continue
        linked = document.parent / target if target else document
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), f"{target}#{anchor}"


@each_document
def test_every_named_file_exists(document):
    folders = "|".join((*PACKAGES, "tests", "docs", "deploy", "scripts", "bench", "templates"))
    named = set(re.findall(rf"`((?:{folders})/[\w/.-]+)`", document.read_text()))
    created = {"deploy/secrets"}  # by deploy/make-secrets
    assert {path for path in named - created if not (BASE_DIR / path).exists()} == set()


def test_every_document_is_in_the_index():
    linked = {target for target, _ in LINK.findall((DOCS / "README.md").read_text())}
    assert {path.name for path in DOCS.glob("*.md")} - linked == {"README.md"}


@each_document
def test_every_named_command_exists(document):
    text = document.read_text()
    targets = re.findall(r"^([a-z][a-z-]*):", (BASE_DIR / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"(?:`|\$ )make ([a-z-]+)", text)) <= set(targets)
    own = {path.stem for path in BASE_DIR.glob("*/management/commands/*.py")}
    django = {"migrate", "collectstatic", "check", "makemigrations"}
    renamed = {"set_up_link", "export_audit_head"} if document.name == "CHANGELOG.md" else set()
    assert set(re.findall(r"manage\.py (\w+)", text)) - renamed <= own | django


@each_document
def test_every_zman_command_is_accepted(document):
    parser = make_parser()
    for arguments in console_lines(document.read_text(), "zman"):
        parser.parse_args(arguments)


def test_the_api_page_shows_zman_commands():
    assert len(list(console_lines((DOCS / "api.md").read_text(), "zman"))) > 20


def test_every_zac_command_exists():
    text = "".join(path.read_text() for path in DOCUMENTS)
    absent = {"activate", "serve"}  # D-115 says that these do not exist.
    named = set(re.findall(r"`zac ([a-z][a-z-]*)", text)) - absent
    assert len(named) > 5
    command = [sys.executable, "-m", "zac", "--help"]
    run = subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True, check=True)
    assert named <= set(re.findall(r"[a-z][a-z-]+", run.stdout))


def test_every_path_of_the_api_page_exists():
    text = (DOCS / "api.md").read_text()
    named = set(re.findall(r"`(?:[A-Z]+ )?(/[a-z][\w/{}-]*)`", text))
    assert len(named) > 8
    paths = {re.sub(r"\{\w+\}", "{}", path) for path in api.get_openapi_schema()["paths"]}
    outside = {
        "/api/v1/docs",
        "/api/v1/openapi.json",
        "/api/v1/",
        "/metrics",
        "/livez",
        "/readyz",
        "/healthz",
    }
    unknown = {
        path for path in named - outside if f"/api/v1{re.sub(r'{.*?}', '{}', path)}" not in paths
    }
    assert unknown == set()


def test_every_variable_of_the_deployment_page_is_read():
    text = (DOCS / "deployment.md").read_text()
    named = {name.removesuffix("_FILE") for name in re.findall(r"`(ZCC_[A-Z0-9_]+)", text)}
    code = "".join(path.read_text() for path in (BASE_DIR / "zcc").rglob("*.py"))
    code += (BASE_DIR / "docker-compose.yml").read_text()
    assert len(named) > 15
    assert {name for name in named if name not in code} == set()


@pytest.mark.parametrize(("document", "program"), [("errors.md", "zac"), ("api.md", "zman")])
def test_every_exit_code_is_explained(document, program):
    explained = {
        int(c) for c in re.findall(r"^\| (\d+) \|", (DOCS / document).read_text(), re.MULTILINE)
    }
    code = f"from {program}.cli import exit_codes as e; print(*[v for k, v in vars(e).items()"
    command = [sys.executable, "-c", code + " if k.isupper() and isinstance(v, int)])"]
    run = subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True, check=True)
    assert {int(word) for word in run.stdout.split()} <= explained


def test_the_architecture_lists_every_package():
    text = (DOCS / "architecture.md").read_text()
    tree = text[text.index("<!-- tree -->") : text.index("<!-- end of tree -->")]
    listed: set[str] = set()
    path: list[str] = []
    for line in tree.splitlines():
        if found := re.match(r"( *)(\w+)/ ", line):
            path = [*path[: len(found[1]) // 2], found[2]]
            listed.add("/".join(path))
    packages = {
        str(module.parent.relative_to(BASE_DIR))
        for module in modules()
        if module.name == "__init__.py" and not {"management", "templatetags"} & set(module.parts)
    }
    assert {name for name in listed if name.split("/")[0] in PACKAGES} == packages


def test_the_license_of_every_dependency_is_listed():
    project = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    required = [*project["project"]["dependencies"], *groups["demo"]]
    required += [one for one in groups["dev"] if isinstance(one, str)]
    names = {re.split(r"[\[<>=~! ]", one)[0].lower() for one in required}
    listed = set(re.findall(r"[a-z][\w.-]+", (DOCS / "dependencies.md").read_text().lower()))
    assert names - listed == set()


@each_document
def test_no_path_of_a_developers_machine_is_named(document):
    here = re.escape(f"{BASE_DIR.parent}/")
    wrong = re.compile(here + r"|/home/\w|/root/|localhost:\d")
    assert wrong.findall(document.read_text()) == []


def test_every_decision_number_in_the_code_is_explained():
    explained = set(re.findall(r"D-\d+", (DOCS / "decisions.md").read_text()))
    used = {number for path in modules() for number in re.findall(r"\bD-\d+", path.read_text())}
    assert used - explained == set()
