"""The house is kept: sizes, a sentence of meaning for each part, nothing left for later."""

import ast
import re
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest

from zcc.runtime.parts import BASE_DIR

ROOMS = (
    *("zcc", "certificates", "systemupdates", "administrators", "notifications"),
    *("devices", "audit", "console"),
    *("zac", "wire", "pki", "faults", "zman"),
)
MODULE_LINES, TEMPLATE_LINES, DIALOG_LINES = 300, 120, 40
SUPPRESSIONS_PER_THOUSAND_LINES = 1


@lru_cache(maxsize=1)
def tracked() -> list[Path]:
    """Return the files of the project."""
    said = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for line in said.stdout.splitlines() if (path := BASE_DIR / line).is_file()]


def modules() -> list[Path]:
    """Return the modules of the product, without migrations."""
    return [
        path
        for path in tracked()
        if path.suffix == ".py"
        and path.relative_to(BASE_DIR).parts[0] in ROOMS
        and "migrations" not in path.parts
    ]


def named(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(BASE_DIR)) for path in paths]


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_there_is_a_house():
    assert len(modules()) > 150


def test_no_module_is_longer_than_a_person_reads():
    assert named([path for path in modules() if lines(path) > MODULE_LINES]) == []


def test_every_module_begins_with_a_sentence_of_meaning():
    def said(path: Path) -> str:
        return ast.get_docstring(ast.parse(path.read_text())) or ""

    silent = [path for path in modules() if path.read_text().strip() and "." not in said(path)]
    assert named(silent) == []


def test_templates_are_short():
    templates = [path for path in tracked() if path.suffix == ".html" and "templates" in path.parts]
    assert len(templates) > 50
    assert named([path for path in templates if lines(path) > TEMPLATE_LINES]) == []
    dialogs = [path for path in templates if path.parent.name == "dialogs"]
    assert named([path for path in dialogs if lines(path) > DIALOG_LINES]) == []


def test_no_template_holds_a_script_or_a_style():
    wrong = re.compile(
        r"<script(?![^>]*(\bsrc=|application/json))|<style\b|\sstyle=|\son[a-z]+=", re.IGNORECASE
    )
    held = [path for path in tracked() if path.suffix == ".html" and wrong.search(path.read_text())]
    assert named(held) == []


@pytest.mark.parametrize(
    "wrong",
    [r"\beta\s*=", r"\bcountdown\s*=", r"\.retry\(", r"\bchord\(", r"\.get\(timeout"],
)
def test_no_task_waits_in_the_queue(wrong):
    """What is due later is a row that the sweep finds: S-100."""
    tasks = [path for path in modules() if "celery" in path.read_text()]
    assert tasks
    assert named([path for path in tasks if re.search(wrong, path.read_text())]) == []


def test_nothing_is_left_for_later():
    later = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    code = [path for path in tracked() if path.suffix in (".py", ".html", ".js", ".css", ".sh")]
    found = [path for path in code if later.search(path.read_text())]
    assert named([path for path in found if path != Path(__file__)]) == []


def test_no_signal_is_used():
    assert named([path for path in modules() if "models.signals" in path.read_text()]) == []


def test_checks_are_rarely_switched_off_and_always_with_a_reason():
    text = {path: path.read_text() for path in modules()}
    bare = [
        f"{path.relative_to(BASE_DIR)}:{number}"
        for path, source in text.items()
        for number, line in enumerate(source.splitlines(), 1)
        if re.search(r"#\s*noqa(?!: [A-Z0-9, ]+ - \S)", line)
        or re.search(r"#\s*type: ignore(?!\[[a-z, -]+\]\s+# \S)", line)
    ]
    assert bare == []
    size = sum(source.count("\n") for source in text.values())
    off = sum(source.count("# noqa") + source.count("# type: ignore") for source in text.values())
    assert off * 1000 / size < SUPPRESSIONS_PER_THOUSAND_LINES


# Their faults are shown to people; what speaks to agents alone stays in one language.
TOLD_TO_PEOPLE = ("certificates", "systemupdates", "devices")
TOLD_TO_AGENTS = ("agents/api.py", "authentication.py", "throttle.py")
WORDS = re.compile(r"[A-Za-z]{2}")


def classes_of_faults() -> set[str]:
    """Return the names of all kinds of Fault."""
    bases: dict[str, set[str]] = {}
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                bases.setdefault(node.name, set()).update(map(called, node.bases))
    found = {"Fault"}
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return found


def called(node: ast.expr) -> str:
    """Return the name by which something is called, "" if it has none."""
    return str(getattr(node, "id", getattr(node, "attr", "")))


def is_unmarked(text: ast.expr) -> bool:
    """Tell whether a text has words and is not given to gettext."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    plain = [one.value for one in parts if isinstance(one, ast.Constant)]
    return any(isinstance(one, str) and WORDS.search(one) for one in plain)


def test_what_is_refused_is_told_in_the_language_of_the_reader():
    faults, found = classes_of_faults(), []
    assert len(faults) > 50
    for path in modules():
        if path.relative_to(BASE_DIR).parts[0] not in TOLD_TO_PEOPLE:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or called(node.func) not in faults:
                continue
            action = [one.value for one in node.keywords if one.arg == "action"]
            if any(map(is_unmarked, [*node.args[:1], *action])):
                found.append(f"{path.relative_to(BASE_DIR)}:{node.lineno}")
    assert [one for one in found if not one.partition(":")[0].endswith(TOLD_TO_AGENTS)] == []


def test_secrets_and_state_are_never_tracked():
    wrong = re.compile(r"(^|/)(var|secrets|\.env)(/|$)|\.(key|sqlite3)$")
    assert [name for name in named(tracked()) if wrong.search(name)] == []
