"""Run zman against the console in the same process, without TLS."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from urllib3 import BaseHTTPResponse, HTTPResponse, PoolManager
from urllib3.util import parse_url

from certificates.authority import key_jobs
from certificates.models import VaultJob
from tests.api.conftest import EVERY_RIGHT, Caller, caller
from zman.cli import main as zman
from zman.client import watch
from zman.client.client import Console


@dataclass
class Run:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class ConsolePool(PoolManager):
    """The console in this process. It uses the database connection of the test."""

    def urlopen(  # type: ignore[override]  # as in PoolManager
        self, method: str, url: str, redirect: bool = True, **request: Any
    ) -> BaseHTTPResponse:
        target, headers = parse_url(url), dict(request["headers"])
        kind = headers.pop("Content-Type", "application/octet-stream")
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        answer = client.generic(
            method,
            target.request_uri,
            request.get("body") or b"",
            kind,
            secure=True,
            headers={**headers, "Host": target.netloc},
        )
        body = io.BytesIO(answer.getvalue())
        return HTTPResponse(body, dict(answer.items()), status=answer.status_code)


class Zman:
    """A shell of an administrator in which zman can be run."""

    def __init__(self, who: Caller, folder: Path, capsys: Any, patch: Any) -> None:
        self.who, self.folder, self._capsys, self.patch = who, folder, capsys, patch
        self._pool = ConsolePool()

    def __call__(self, *arguments: str) -> Run:
        """Run one command with --yes."""
        self._capsys.readouterr()
        logging.disable(logging.CRITICAL)  # the log of the console
        try:
            code = zman.main([*arguments, "--yes"], partial(Console, pool=self._pool))
        finally:
            logging.disable(logging.NOTSET)
        return Run(code, *self._capsys.readouterr())

    def good(self, *arguments: str) -> Run:
        """Run a command that must succeed."""
        run = self(*arguments)
        assert run.code == 0, run
        return run

    def json(self, *arguments: str) -> Any:
        """Return what a command prints with --json."""
        return self.good(*arguments, "--json").json


@pytest.fixture
def shell(zone: Any, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A shell with a console and a token with all rights in its environment."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("ZMAN_URL", "https://console.example:8443")
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(watch, "JOB_POLL_SECONDS", 0.0)
    who = caller("everybody", *EVERY_RIGHT)
    monkeypatch.setenv("ZMAN_TOKEN", who.text)
    zone.first.refresh()
    return Zman(who, tmp_path, capsys, monkeypatch)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run CA key operations while zman waits for them."""
    from django.utils import timezone

    def asked(_seconds: float) -> None:
        for job in VaultJob.objects.filter(state="waiting"):
            key_jobs.run(job, now=timezone.now())

    monkeypatch.setattr("zman.client.watch.time.sleep", asked)
