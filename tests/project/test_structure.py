"""Structure of the source tree: packages, sizes, docstrings, imports, no unfinished work."""

import ast
import re
import subprocess
from collections import Counter
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

import grimp
import pytest

from bench.__main__ import BENCHMARKS
from zcc.runtime.components import BASE_DIR

PACKAGES = (
    *("zcc", "certificates", "systemupdates", "administrators", "notifications"),
    *("devices", "audit", "console"),
    *("zac", "wire", "pki", "faults", "zman"),
)
APPS = (
    *("certificates", "systemupdates", "administrators", "notifications"),
    *("devices", "audit", "console"),
)
# At the root of an app only what Django itself looks for there.
DJANGO_MODULES = {
    *("__init__", "apps", "models", "admin", "urls", "tasks", "checks", "signals", "middleware"),
}
MODULES_IN_A_FOLDER = 12
# Views, REST API, forms and what belongs to them: only these import each other.
PRESENTATION = re.compile(
    r"\.(views|api|forms|urls|help|home|downloads|\w+_views|\w+_api|\w+_forms)$"
    r"|\.(presentation|operations\.api|help)\b"
)
# Tests that are no mirror of a package.
OTHER_TESTS = {"api", "browser", "harness", "project", "scenarios", "support"}
MODULE_LINES, TEMPLATE_LINES, DIALOG_LINES = 300, 120, 40
SUPPRESSIONS_PER_THOUSAND_LINES = 1


@lru_cache(maxsize=1)
def tracked() -> list[Path]:
    """Return the files of the project."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for line in listing.stdout.splitlines() if (path := BASE_DIR / line).is_file()]


def modules() -> list[Path]:
    """Return the modules of the product, without migrations."""
    return [
        path
        for path in tracked()
        if path.suffix == ".py"
        and path.relative_to(BASE_DIR).parts[0] in PACKAGES
        and "migrations" not in path.parts
    ]


def named(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(BASE_DIR)) for path in paths]


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_modules_are_found():
    assert len(modules()) > 150


def test_no_module_is_too_long():
    assert named([path for path in modules() if lines(path) > MODULE_LINES]) == []


def test_only_django_modules_are_at_the_root_of_an_app():
    loose = [
        path
        for path in modules()
        if len(path.relative_to(BASE_DIR).parts) == 2
        and path.relative_to(BASE_DIR).parts[0] in APPS
        and path.stem not in DJANGO_MODULES
    ]
    assert named(loose) == []


def test_no_folder_has_too_many_modules():
    folders = Counter(path.parent for path in modules() if path.stem != "__init__")
    crowded = [folder for folder, count in folders.items() if count > MODULES_IN_A_FOLDER]
    assert named(crowded) == []


def test_every_package_has_a_docstring():
    bare = [path for path in modules() if path.stem == "__init__" and not path.read_text().strip()]
    outside = [path for path in bare if path.parent.name not in {"management", "commands"}]
    assert named([path for path in outside if path.parent.name != "templatetags"]) == []


def packages_loaded_with(imported: str, module: str) -> list[str]:
    """Return the packages whose `__init__` runs when a module imports another one.

    Without them, a circle is not found in which the import of one of the modules fails.
    """
    parents = list(accumulate(imported.split(".")[:-1], "{}.{}".format))
    return [parent for parent in parents if not f"{module}.".startswith(f"{parent}.")]


def test_no_modules_import_each_other_in_a_circle():
    graph = grimp.build_graph(*PACKAGES)
    finished: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> list[str]:
        if module in way:
            return [*way[way.index(module) :], module]
        if module in finished:
            return []
        for imported in graph.find_modules_directly_imported_by(module):
            for loaded in (*packages_loaded_with(imported, module), imported):
                if circle := visit(loaded, (*way, module)):
                    return circle
        finished.add(module)
        return []

    assert [circle for module in graph.modules if (circle := visit(module, ()))] == []


def test_services_do_not_import_views_forms_or_the_rest_api():
    graph = grimp.build_graph(*PACKAGES)
    found = [
        f"{module} -> {imported}"
        for module in sorted(graph.modules)
        if module.split(".")[0] in APPS and not PRESENTATION.search(module)
        for imported in sorted(graph.find_modules_directly_imported_by(module))
        if PRESENTATION.search(imported) and not imported.startswith("console.pages")
    ]
    assert found == []


def test_tests_mirror_the_packages():
    strange = []
    for path in tracked():
        parts = path.relative_to(BASE_DIR).parts
        if parts[0] != "tests" or not path.name.startswith("test_") or len(parts) < 3:
            continue
        package = BASE_DIR.joinpath(*parts[1:-1])
        if parts[1] not in OTHER_TESTS and not package.is_dir():
            strange.append(path)
    assert named(strange) == []


def test_every_module_has_a_docstring():
    def docstring(path: Path) -> str:
        return ast.get_docstring(ast.parse(path.read_text())) or ""

    bare = [path for path in modules() if path.read_text().strip() and "." not in docstring(path)]
    assert named(bare) == []


def test_templates_are_short():
    templates = [path for path in tracked() if path.suffix == ".html" and "templates" in path.parts]
    assert len(templates) > 50
    assert named([path for path in templates if lines(path) > TEMPLATE_LINES]) == []
    dialogs = [path for path in templates if path.parent.name == "dialogs"]
    assert named([path for path in dialogs if lines(path) > DIALOG_LINES]) == []


def test_no_template_contains_a_script_or_a_style():
    wrong = re.compile(
        r"<script(?![^>]*(\bsrc=|application/json))|<style\b|\sstyle=|\son[a-z]+=", re.IGNORECASE
    )
    held = [path for path in tracked() if path.suffix == ".html" and wrong.search(path.read_text())]
    assert named(held) == []


@pytest.mark.parametrize(
    "wrong",
    [r"\beta\s*=", r"\bcountdown\s*=", r"\.retry\(", r"\bchord\(", r"\.get\(timeout"],
)
def test_no_task_is_delayed_in_the_queue(wrong):
    """Delayed work is a database row that the scheduler finds."""
    tasks = [path for path in modules() if "celery" in path.read_text()]
    assert tasks
    assert named([path for path in tasks if re.search(wrong, path.read_text())]) == []


def test_no_unfinished_work_is_marked():
    later = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    code = [path for path in tracked() if path.suffix in (".py", ".html", ".js", ".css", ".sh")]
    found = [path for path in code if later.search(path.read_text())]
    assert named([path for path in found if path != Path(__file__)]) == []


def test_no_signal_is_used():
    assert named([path for path in modules() if "models.signals" in path.read_text()]) == []


def test_checks_are_rarely_disabled_and_always_with_a_reason():
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


# Faults of these apps are shown to users; responses to programs are not translated.
SHOWN_TO_USERS = (
    *("certificates", "systemupdates", "devices"),
    *("administrators", "notifications", "audit", "console", "pki"),
)
SHOWN_TO_PROGRAMS = (
    *("agents/api.py", "agents/endpoints.py", "authentication.py", "throttle.py"),
    *("api_tokens/api.py", "targets/api.py"),
)
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


def test_faults_shown_to_users_are_translatable():
    faults, found = classes_of_faults(), []
    assert len(faults) > 50
    for path in modules():
        if path.relative_to(BASE_DIR).parts[0] not in SHOWN_TO_USERS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or called(node.func) not in faults:
                continue
            action = [one.value for one in node.keywords if one.arg == "action"]
            if any(map(is_unmarked, [*node.args[:1], *action])):
                found.append(f"{path.relative_to(BASE_DIR)}:{node.lineno}")
    assert [one for one in found if not one.partition(":")[0].endswith(SHOWN_TO_PROGRAMS)] == []


def test_no_secret_and_no_state_is_tracked():
    wrong = re.compile(r"(^|/)(var|secrets|\.env)(/|$)|\.(key|sqlite3)$")
    assert [name for name in named(tracked()) if wrong.search(name)] == []


def test_make_bench_runs_every_benchmark():
    folder = BASE_DIR / "bench"
    modules_with_main = [
        path.relative_to(folder)
        for path in (*folder.glob("*.py"), *folder.glob("*/__main__.py"))
        if "\ndef main(" in path.read_text()
    ]
    # A package is run by its __main__.
    named_benchmarks = {
        path.stem if path.parent == Path() else path.parent.name for path in modules_with_main
    }
    # The other side of a comparison runs in an environment of its own.
    assert named_benchmarks - {"__main__", "django_ca"} == set(BENCHMARKS)
