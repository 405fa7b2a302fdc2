"""The texts that an agent can send to the console, read from its sources.

The agent has no translations (D-287): what it sends is English. The console translates it when it
is shown, so each text must be in the catalogs. All texts of the agent are taken, except those of
its command line, of its log, and what it searches for in the output of other programs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("zac", "wire")
# What an administrator sees on the terminal of the device only.
LOCAL = ("zac/cli/", "zac/registration/", "zac/remint_tool.py", "zac/__main__.py")
WORD = re.compile(r"[A-Za-z']{2,}")
# A pattern, markup, a header, or a command.
CODE = re.compile(r"[\\|<>=@${}]|-----|: ?\Z")
MIN_WORDS = 2


def list_files(root: Path) -> list[Path]:
    """Return the sources whose texts the console can show."""
    found = sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))
    return [path for path in found if not str(path.relative_to(root)).startswith(LOCAL)]


def list_texts(source: str) -> list[str]:
    """Return the texts of a module that can be sent, in their order."""
    tree = ast.parse(source)
    ignored = {id(node) for node in _list_ignored(tree)}
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in ignored
    ]
    return list(dict.fromkeys(filter(_is_text, texts)))


def _is_text(text: str) -> bool:
    is_long = len(WORD.findall(text)) >= MIN_WORDS and " " in text
    return is_long and CODE.search(text) is None


def _list_ignored(tree: ast.Module) -> Iterator[ast.AST]:
    """Return docstrings, what is logged only, and what is searched for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
        elif isinstance(node, ast.Compare):
            yield from ast.walk(node)
        elif isinstance(node, ast.Call) and _get_name(node.func).startswith("log_"):
            yield from (part for argument in node.args for part in ast.walk(argument))


def _get_name(node: ast.expr) -> str:
    return str(getattr(node, "id", getattr(node, "attr", "")))
