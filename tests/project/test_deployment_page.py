"""Every code block of docs/deployment.md is run by a test."""

from __future__ import annotations

import ast

import pytest
import yaml

from tests.support import code_blocks
from zcc.runtime.components import BASE_DIR

PAGE = BASE_DIR / "docs" / "deployment.md"
CONTAINERS = (
    "tests/scenarios/test_containers.py::test_a_zone_in_containers_is_reminted_and_upgraded"
)
PACKAGE = "tests/scenarios/test_debian.py::test_a_bare_debian_becomes_a_zone_that_is_reminted"
SOURCES = "tests/scenarios/test_debian.py::test_the_sources_become_a_primary_server"
MONITORING = "tests/project/test_deployment_page.py::test_the_prometheus_example_is_valid"
# Heading and number of a block: the test that runs it.
RUN = {
    ("Install with Docker Compose", 1): CONTAINERS,
    ("Install with Docker Compose", 2): CONTAINERS,
    ("Install with Docker Compose", 3): CONTAINERS,
    ("Install the Debian package", 1): PACKAGE,
    ("Install with systemd", 1): SOURCES,
    ("Install with systemd", 2): PACKAGE,
    ("Reverse proxies", 1): PACKAGE,
    ("Confirm CA key jobs", 1): PACKAGE,
    ("Monitoring", 1): MONITORING,
}


def test_every_code_block_is_run_by_a_test() -> None:
    blocks = [(block.heading, block.number) for block in code_blocks.read(PAGE)]
    assert sorted(blocks) == sorted(RUN)


@pytest.mark.parametrize("key", sorted(RUN), ids=lambda key: f"{key[0]} {key[1]}")
def test_the_named_test_reads_the_block(key: tuple[str, int]) -> None:
    path, _, name = RUN[key].partition("::")
    text = (BASE_DIR / path).read_text()
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    code = ast.unparse(next(node for node in functions if node.name == name))
    number = f", {key[1]}" if key[1] > 1 else ""
    assert f"code_blocks.get(PAGE, '{key[0]}'{number})" in code


def test_the_prometheus_example_is_valid() -> None:
    parsed = yaml.safe_load(code_blocks.get(PAGE, "Monitoring").text)
    assert set(parsed) == {"rule_files", "scrape_configs"}
    (job,) = parsed["scrape_configs"]
    assert job["job_name"] == "zcc"
    assert job["scheme"] == "https"
    assert job["static_configs"][0]["targets"]


def test_a_block_is_found_below_its_heading_and_without_prompts(tmp_path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A\n```sh\none\n```\n## B\n```console\n# two  # comment\n$ three\n```\n\n"
        "```console\nfour\n```\n"
    )
    blocks = code_blocks.read(page)
    assert [(block.heading, block.number, block.language) for block in blocks] == [
        ("A", 1, "sh"),
        ("B", 1, "console"),
        ("B", 2, "console"),
    ]
    assert code_blocks.get(page, "B").commands == "two  # comment\nthree\n"
