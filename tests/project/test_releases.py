"""What surrounds a release: the audit of the dependencies, and the workflow."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from zcc.runtime.components import BASE_DIR

WORKFLOW = BASE_DIR / ".github" / "workflows" / "release.yml"
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


def test_the_workflow_runs_commands_that_exist() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text())
    targets = re.findall(r"^([a-z-]+):", (BASE_DIR / "Makefile").read_text(), re.MULTILINE)
    commands = [
        step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step
    ]
    used = {name for line in commands for name in re.findall(r"make ([a-z-]+)", line)}
    assert {"test", "scenarios", "audit", "release"} <= used <= set(targets)
    scripts = [line.split()[0] for line in commands if line.startswith("scripts/")]
    assert scripts == ["scripts/resolution"]
    assert (BASE_DIR / "scripts" / "resolution").stat().st_mode & 0o111


def test_nothing_is_published_that_was_not_tested() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    writing = {name for name, job in jobs.items() if "permissions" in job}
    assert writing == {"publish"}
    assert set(jobs["publish"]["needs"]) == set(jobs) - writing
