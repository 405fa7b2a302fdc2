"""What surrounds a release: the audit of the dependencies, and the workflows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from zcc.runtime.components import BASE_DIR

WORKFLOWS = BASE_DIR / ".github" / "workflows"
CLEAN: dict[str, Any] = {"name": "django", "version": "5.2.19", "vulns": []}
VULNERABLE: dict[str, Any] = {
    "name": "rich",
    "version": "14.0.0",
    "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["14.0.1"]}],
}
SKIPPED = {"name": "celery", "skip_reason": "not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "code", "text"),
    [
        ([CLEAN], 0, "1 packages were checked"),
        ([CLEAN, VULNERABLE], 1, "rich 14.0.0: PYSEC-2026-1, fixed in 14.0.1"),
        ([CLEAN, SKIPPED], 75, "not reached for 1 of 2 packages"),
        ([VULNERABLE, SKIPPED], 1, "not reached for 1 of 2 packages"),
        ([], 75, "not reached"),
        (None, 75, "not reached"),
    ],
)
def test_the_audit_is_never_clean_without_advisories(
    tmp_path: Path, packages: list[object] | None, code: int, text: str
) -> None:
    report = tmp_path / "report.json"
    if packages is not None:
        report.write_text(json.dumps({"dependencies": packages}))
    command = [sys.executable, str(BASE_DIR / "scripts" / "audit-report"), str(report)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, text in done.stdout + done.stderr) == (code, True), done


@pytest.mark.parametrize(
    ("name", "required", "scripts"),
    [
        ("ci", {"test"}, {"scripts/test-tools"}),
        (
            "release",
            {"test", "scenarios", "audit", "release"},
            {"scripts/test-tools", "scripts/resolution"},
        ),
    ],
)
def test_a_workflow_runs_commands_that_exist(
    name: str, required: set[str], scripts: set[str]
) -> None:
    targets = re.findall(r"^([a-z-]+):", (BASE_DIR / "Makefile").read_text(), re.MULTILINE)
    commands = [step["run"] for step in list_steps(name) if "run" in step]
    used = {target for line in commands for target in re.findall(r"make ([a-z-]+)", line)}
    assert required <= used <= set(targets)
    found = {script for line in commands for script in re.findall(r"scripts/[a-z-]+", line)}
    assert found == scripts
    assert all((BASE_DIR / script).stat().st_mode & 0o111 for script in found)


def test_each_change_is_tested_with_the_lowest_python_and_without_a_right_to_write() -> None:
    workflow = yaml.safe_load((WORKFLOWS / "ci.yml").read_text())
    # YAML 1.1 reads the key "on" as a boolean.
    assert workflow[True] == {"push": {"branches": ["**"]}, "pull_request": None}
    assert workflow["permissions"] == {"contents": "read"}
    assert [name for name, job in workflow["jobs"].items() if "permissions" in job] == []
    project = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]
    versions = [step["with"]["python-version"] for step in list_steps("ci") if is_python(step)]
    assert [f">={version}" for version in versions] == [project["requires-python"]]


@pytest.mark.parametrize("name", ["ci", "release"])
def test_the_actions_of_a_workflow_are_pinned(name: str) -> None:
    used = [step["uses"] for step in list_steps(name) if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", action)] == []


def test_the_programs_that_the_tests_require_are_installed_before_make() -> None:
    for name in ("ci", "release"):
        for job in load_jobs(name).values():
            commands = [step["run"] for step in job["steps"] if "run" in step]
            first = next((c for c in commands if re.match("make (test|tools)", c)), None)
            if first is not None:
                assert "sudo scripts/test-tools" in commands[: commands.index(first)]


def load_jobs(name: str) -> dict[str, Any]:
    """Return the jobs of a workflow by name."""
    jobs: dict[str, Any] = yaml.safe_load((WORKFLOWS / f"{name}.yml").read_text())["jobs"]
    return jobs


def list_steps(name: str) -> list[dict[str, Any]]:
    """Return the steps of all jobs of a workflow."""
    return [step for job in load_jobs(name).values() for step in job["steps"]]


def is_python(step: dict[str, Any]) -> bool:
    """Return True if a step installs Python."""
    return str(step.get("uses", "")).startswith("actions/setup-python@")


def test_nothing_is_published_that_was_not_tested() -> None:
    jobs = load_jobs("release")
    writing = {name for name, job in jobs.items() if "permissions" in job}
    assert writing == {"publish"}
    assert set(jobs["publish"]["needs"]) == set(jobs) - writing
