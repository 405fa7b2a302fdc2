"""Texts are plain technical English: no private word of `words.tsv`, no banned form."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from tests.project.test_structure import PACKAGES, modules, tracked
from zcc.runtime.components import BASE_DIR

WORDS_FILE = Path(__file__).with_name("words.tsv")
# (file, text): reason. A text that is no longer found fails the test.
EXCEPTIONS: dict[tuple[str, str], str] = {}
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{[^{}]*\}")
TAGS = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<!--.*?-->|<[^>]*>", re.DOTALL)
TEMPLATE_TEXT = re.compile(
    r"(?:translate|title=|aria-label=|placeholder=|alt=)\s*[\"']([^\"']+)[\"']"
)
IDENTIFIER = re.compile(
    r"bridge|rehears|doorbell|whereabouts|ledger|tally|telling|mend(?!ed_)|errand|lockout_seconds"
    r"|rule_of_two|(?:^|_)(?:heard|told|said|hears|tells|stands|nudge|hearing)(?:_|$)"
)


@lru_cache(maxsize=1)
def banned() -> list[tuple[re.Pattern[str], str]]:
    """Return the patterns of `words.tsv` and what to write instead."""
    rows = [line.split("\t", 1) for line in WORDS_FILE.read_text().splitlines() if line.strip()]
    return [(re.compile(pattern, re.IGNORECASE), instead) for pattern, instead in rows]


def plain(text: str) -> str:
    """Return a text with one space between words and X for each placeholder."""
    return " ".join(PLACEHOLDER.sub("X", text).split())


def is_sentence(text: str) -> bool:
    """Return True for text with two words or more that is no SQL and no address."""
    return bool(re.search(r"[A-Za-z]{2,} +[A-Za-z]{2,}", text)) and not re.match(
        r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|PRAGMA|BEGIN|ALTER|#!)\b", text
    )


def python_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each string, docstring and comment of a module with its line."""
    source = path.read_text()
    tree = ast.parse(source)
    parts = {id(v) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for v in n.values}
    for node in ast.walk(tree):
        if id(node) in parts:
            continue
        if isinstance(node, ast.JoinedStr):
            pieces = [v.value if isinstance(v, ast.Constant) else "X" for v in node.values]
            yield node.lineno, "".join(map(str, pieces))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith(("#!", "# noqa")):
            yield token.start[0], token.string.lstrip("# ")


def template_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the text nodes, attributes and translated strings of a template with their lines."""
    source = path.read_text()
    for found in TEMPLATE_TEXT.finditer(source):
        yield source.count("\n", 0, found.start()) + 1, found[1]
    bare = TAGS.sub(lambda tag: "\n" * tag[0].count("\n") + "\x00", source)
    for number, line in enumerate(bare.splitlines(), 1):
        yield from ((number, text) for text in line.split("\x00"))


def document_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a document without fenced code and code spans."""
    fenced = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.lstrip().startswith(("```", "````")):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            yield number, re.sub(r"`[^`]*`|\]\([^)]*\)", "X", line)


def script_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the quoted strings of a script with their lines."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        for quoted in re.findall(r"\"([^\"]*)\"|`([^`]*)`", line):
            yield from ((number, text) for text in quoted if text)


def sources() -> list[tuple[Path, object]]:
    """Return each file whose texts are read, with the function that yields them."""
    found: list[tuple[Path, object]] = [(path, python_texts) for path in modules()]
    for path in tracked():
        top = path.relative_to(BASE_DIR).parts[0]
        if path.suffix == ".html" and top == "templates":
            found.append((path, template_texts))
        elif path.suffix == ".md" and path.name != "CODE_OF_CONDUCT.md":
            found.append((path, document_texts))
        elif path.suffix == ".js" and path.parent.name == "zcc":
            found.append((path, script_texts))
    return found


@lru_cache(maxsize=1)
def texts() -> list[tuple[str, int, str]]:
    """Return every text with its file and line."""
    return [
        (str(path.relative_to(BASE_DIR)), number, plain(text))
        for path, read in sources()
        for number, text in read(path)  # type: ignore[operator]
        if is_sentence(text)
    ]


def is_excepted(name: str, text: str) -> bool:
    return any(name == file and part in text for file, part in EXCEPTIONS)


def test_texts_are_found():
    assert len(texts()) > 5000
    kinds = {Path(name).suffix for name, _, _ in texts()}
    assert kinds == {".py", ".html", ".md", ".js"}


def test_no_text_has_a_private_word():
    found = []
    for name, number, text in texts():
        for pattern, instead in banned():
            if (hit := pattern.search(text)) and not is_excepted(name, text):
                found.append(f"{name}:{number}: {hit[0]!r}: write {instead} ({text[:90]})")
    assert found == [], "\n".join(found)


def test_a_private_word_is_found():
    hits = [p.pattern for p, _ in banned() if p.search("The certificates are at rest.")]
    assert hits


def test_every_exception_is_still_needed():
    everything = {(name, part) for name, part in EXCEPTIONS}
    unused = [
        (name, part)
        for name, part in everything
        if not any(name == file and part in text for file, _, text in texts())
    ]
    assert unused == []


def test_no_text_of_a_page_is_spliced_or_begins_with_it():
    """One fact per sentence: no semicolon, no sentence over 35 words, no subject `It`."""
    found = [
        f"{name}:{number}: {text[:90]}"
        for name, number, text in texts()
        if name.startswith("templates/")
        and not is_excepted(name, text)
        and (";" in text.replace("&nbsp;", "").replace("&amp;", "") or text.startswith("It "))
    ]
    assert found == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_identifier_is_a_private_word(package):
    found = []
    for path in modules():
        if path.relative_to(BASE_DIR).parts[0] != package:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node, "name", None)
            if isinstance(node, ast.arg):
                name = node.arg
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.arg)) and name:
                snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
                if IDENTIFIER.search(snake):
                    found.append(f"{path.relative_to(BASE_DIR)}:{node.lineno}: {name}")
    assert found == []
